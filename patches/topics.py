"""
Topics: the parts of the series that can be sent upstream by themselves.

The file "series" may have stanzas for them above those of the patches. They
say which other topics a topic needs; without a stanza it needs none.
"""

import itertools
import re

from commands import Failure
from series import fields, read_series

FIELDS = {"Topic", "Needs"}


def read_topics(directory):
    """Return the topics of the patches, by name and in their order."""
    _, stanzas = read_series(directory)
    return {name: fields(stanza).get("Topic", "") for name, stanza in stanzas.items()}


def read_needs(directory):
    """Return what the stanzas of topics say, as lists by topic."""
    header, _ = read_series(directory)
    needs = {}
    for block in re.split(r"\n\s*\n", header.strip()):
        values = fields(block)
        if not values:
            continue
        topic = values["Topic"]
        if topic in needs:
            raise Failure(f"{directory}/series: Topic {topic} is listed twice")
        if values.keys() != FIELDS or not values["Needs"]:
            raise Failure(
                f"{directory}/series: Topic {topic}: its fields are Topic and Needs"
            )
        needs[topic] = values["Needs"].split(", ")
    return needs


def check(directory):
    """Return what is wrong with the topics, a line each."""
    topics = list(read_topics(directory).values())
    order = list(dict.fromkeys(topics))
    for topic, needed in read_needs(directory).items():
        if topic not in order:
            yield f"series: Topic {topic}: there is no patch of it"
            continue
        for name in needed:
            if name not in order:
                yield f"series: Topic {topic}: Needs {name}, which has no patch"
            elif order.index(name) >= order.index(topic):
                yield f"series: Topic {topic}: Needs {name}, which comes no earlier"
    blocks = [topic for topic, _ in itertools.groupby(topics)]
    for topic in order:
        if blocks.count(topic) > 1:
            yield f"series: Topic {topic}: its patches don't follow each other"


def get_slug(topic):
    """Return the name of a topic as it's written in paths and commands."""
    return re.sub(r"\W+", "-", topic.lower())


def find_topic(directory, name):
    """Return the topic that is meant by a name, or by its slug."""
    topics = list(dict.fromkeys(read_topics(directory).values()))
    for topic in topics:
        if get_slug(topic) == get_slug(name):
            return topic
    slugs = ", ".join(map(get_slug, topics))
    raise Failure(f"--topic {name}: there is no such topic, but {slugs}")


def get_needed(directory, topic):
    """Return the topic and all that it needs, and what these need."""
    needs, needed = read_needs(directory), set()
    topics = [topic]
    while topics:
        topic = topics.pop()
        if topic not in needed:
            needed.add(topic)
            topics += needs.get(topic, [])
    return needed


def find_branches(directory):
    """
    Return the topics that don't need all that comes before them. The others
    are tested along with the series.
    """
    topics = list(dict.fromkeys(read_topics(directory).values()))
    return [
        topic
        for number, topic in enumerate(topics)
        if get_needed(directory, topic) != set(topics[: number + 1])
    ]


class TopicSeries:
    """The patches of a topic and of those that it needs."""

    def __init__(self, topic, series, source):
        """
        The source has the stanzas; the series has the patches, which may be
        the source's or an overlay's.
        """
        self.series = series
        self.directory = series.directory
        self.name = f"{series.name}, topic {topic}"
        self.topics = read_topics(source)
        self.needed = get_needed(source, topic)

    def get_paths(self):
        """Return the paths of the patches in their order."""
        return [
            path
            for path in self.series.get_paths()
            # What another base needs before the patches has no topic.
            if path.name not in self.topics or self.topics[path.name] in self.needed
        ]
