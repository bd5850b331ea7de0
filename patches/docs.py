"""Make docs/series.md of what the patches and their stanzas say."""

import re
import textwrap

from commands import ROOT
from series import fields, read_patch, read_series

PATH = ROOT / "docs" / "series.md"
HEADER = """\
# The series, patch by patch

<!-- ./django_checkout.sh --export makes this page of the commit messages and of
patches/6.1/series: change them instead. -->

{count} patches, in the order in which they are applied. Each topic is a stack
of its own, see [upstream.md](upstream.md) for the order in which to send them.
Figures are of one machine and one run, of the date of the patch.
"""


def render(directory):
    """Return the text of the page."""
    _, stanzas = read_series(directory)
    parts = [HEADER.format(count=len(stanzas))]
    topic = None
    for name, stanza in stanzas.items():
        values = fields(stanza)
        if values.get("Topic") != topic:
            topic = values.get("Topic")
            parts.append(f"## Topic: {topic}\n")
        parts.append(render_patch(*read_patch(directory / name), values))
    return "\n".join(parts)


def render_patch(subject, body, values):
    title = subject.partition(" -- ")[2] or subject
    lines = [f"### {title.rstrip('.')}", ""]
    # The reason is often the beginning of the message.
    why = values.get("Why", "")
    if not " ".join(body.split()).startswith(why):
        lines += [textwrap.fill(why, 80), ""]
    # Names with underscores aren't emphasized.
    lines += [re.sub(r"(__\w+__)", r"`\1`", body), ""]
    ticket, status = values.get("Ticket"), values.get("Upstream")
    return "\n".join([*lines, f"*Ticket: {ticket}. Upstream: {status}.*\n"])
