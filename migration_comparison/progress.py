"""
A progress bar with an estimate.
"""

import shutil
import sys
import time
from contextlib import contextmanager

WIDTH = 24


def format_seconds(seconds):
    seconds = int(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds // 60}:{seconds % 60:02}"


class Progress:
    """
    Draws on a terminal; elsewhere nothing is written.

    ``get_remaining`` returns the seconds that everything but the current task
    will probably take.
    """

    def __init__(self, stream=sys.stderr):
        self.stream = stream
        self.enabled = stream.isatty()
        self.get_remaining = None
        self.began = time.monotonic()
        self.title = ""
        self.task_began = 0
        self.task_seconds = 0
        self.drawn = 0

    def start(self, get_remaining):
        self.get_remaining = get_remaining

    def say(self, title):
        """Tell what is done before it's known how much there is to do."""
        self.title = title
        self.drawn = 0
        self.tick()

    @contextmanager
    def task(self, title, seconds):
        self.title = title
        self.task_began = time.monotonic()
        self.task_seconds = seconds
        self.drawn = 0
        self.tick()
        try:
            yield
        finally:
            self.task_seconds = 0

    def get_line(self):
        now = time.monotonic()
        if self.get_remaining is None:
            return f"{'.' * (int(now - self.began) % 4):3} {self.title}"
        spent = now - self.began
        left = self.get_remaining()
        left += max(self.task_seconds - (now - self.task_began), 0)
        share = spent / (spent + left) if spent + left else 1
        bar = "#" * round(share * WIDTH)
        return (
            f"[{bar:<{WIDTH}}] {share:4.0%}, about {format_seconds(left)} left: "
            f"{self.title}"
        )

    def tick(self):
        if not self.enabled or time.monotonic() - self.drawn < 0.2:
            return
        self.drawn = time.monotonic()
        columns = shutil.get_terminal_size().columns
        self.stream.write("\r\x1b[K" + self.get_line()[: columns - 1])
        self.stream.flush()

    def clear(self):
        """Make room for other lines."""
        if self.enabled:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
