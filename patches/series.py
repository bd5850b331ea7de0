"""
Read, check and write a patch series.

A directory holds one file per patch, in the format of git format-patch, and a
file named "series" with one stanza per patch. The order of the stanzas is the
order of the patches. Above them may be stanzas of topics, see topics.py. The
metadata live there and not in the commit messages, so that writing the commits
out again loses nothing.
"""

import email
import email.policy
import hashlib
import re
import textwrap

from commands import ROOT, Failure, say, write_atomically
from git import git, git_bytes

FIELDS = ("Patch", "Ticket", "Topic", "Why", "Upstream", "Drop-When")
TICKET = re.compile(r"none|#\d+(, #\d+)*")
UPSTREAM_STATUS = re.compile(r"(not sent|sent|merged|never)\b")
SUBJECT = re.compile(
    r"(?P<tickets>(Fixed|Refs) #\d+(, (Fixed |Refs )?#\d+)* -- )?"
    r"(?P<verb>[A-Z][\w-]*) .*[^.]\.$"
)
# Upstream's subjects begin with a verb in the past tense. It ends with "ed"
# or is one of these.
IRREGULAR_VERBS = set(
    "Began Bound Broke Brought Built Chose Cut Drew Fed Fell Found Gave Got "
    "Held Hid Kept Laid Led Left Let Lost Made Met Overrode Put Ran Read Rebuilt "
    "Redid Reran Rethrew Rewrote Sent Set Shrank Shut Sped Split Spread Stuck "
    "Swept Threw Told Took Undid Withdrew Wrote".split()
)
# What changes in a patch when only others do: the names of blobs and the
# numbers of lines.
BLOBS = re.compile(rb"^index [0-9a-f]{40}\.\.[0-9a-f]{40}.*\n", re.M)
PLACE = re.compile(rb"^@@ -[\d,]+ \+[\d,]+ @@", re.M)
# Flags that make the output depend on the commit alone.
FORMAT_PATCH = (
    "format-patch --stdout --zero-commit --no-signature --no-numbered --no-stat "
    "--full-index --no-renames -1"
).split()


def read_series(directory):
    """
    Return the header, which has comments and the stanzas of topics, and a dict
    that maps the name of each patch to the text of its stanza, as written.
    """
    header, stanzas = "", {}
    path = directory / "series"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for block in re.split(r"\n\s*\n", text.strip()):
        if all(line.startswith("#") for line in block.splitlines()):
            if stanzas:
                raise Failure(f"{path}: comments go to the top or into a stanza")
            header += block + "\n\n"
            continue
        values = fields(block)
        name = values.get("Patch")
        if next(iter(values)) == "Topic" and not name and not stanzas:
            header += block + "\n\n"
            continue
        if not name:
            raise Failure(f"{path}: no Patch field in the stanza: {block!r}")
        if name in stanzas:
            raise Failure(f"{path}: {name} is listed twice")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*\.patch", name):
            raise Failure(f"{path}: {name!r} is not the name of a patch file")
        stanzas[name] = block
    return header, stanzas


def fields(stanza):
    """Return the fields of a stanza: "Name: value", folded like an email's."""
    lines = [line for line in stanza.splitlines() if not line.startswith("#")]
    result = {}
    for line in re.sub(r"\n[ \t]+", " ", "\n".join(lines)).splitlines():
        match = re.fullmatch(r"([\w-]+):\s*(.*)", line)
        if match is None:
            raise Failure(f"series: not a field: {line!r}")
        if match[1] in result:
            raise Failure(f"series: {match[1]} twice in one stanza: {stanza!r}")
        result[match[1]] = match[2].strip()
    return result


def read_patch(path):
    """Return the subject and the body of the commit message in a patch."""
    return parse_patch(path.read_bytes())


def parse_patch(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    subject = re.sub(r"^\[PATCH\] ", "", str(message["Subject"] or ""))
    payload = message.get_payload(decode=True).decode()
    body = re.split(r"^(?:---|diff --git .*)$", payload, maxsplit=1, flags=re.M)[0]
    return subject, body.strip("\n")


def hash_patch(content):
    """
    Return a hash of a patch, its message included, that doesn't depend on
    where in the files its lines are.
    """
    content = PLACE.sub(b"@@", BLOBS.sub(b"", content))
    return hashlib.sha256(content).hexdigest()


def list_patches(directory):
    """Return the names of the patches in their order."""
    _, stanzas = read_series(directory)
    for name in stanzas:
        if not (directory / name).is_file():
            raise Failure(f"{directory}/series lists {name}, which is missing")
    return list(stanzas)


def get_files(directory):
    """Return the paths of the files that make up the series."""
    return [directory / "series", *sorted(directory.glob("*.patch"))]


def check_stanza(name, stanza):
    values = fields(stanza)
    for field in FIELDS:
        if not values.get(field) or "TODO" in values[field]:
            yield f"series: {name}: {field} is to be filled in"
    for field in values:
        if field not in FIELDS:
            yield f"series: {name}: unknown field {field}"
    if not TICKET.fullmatch(values.get("Ticket") or "none"):
        yield f"series: {name}: Ticket is neither '#N' nor 'none'"
    status = values.get("Upstream", "")
    if status and "TODO" not in status and not UPSTREAM_STATUS.match(status):
        yield (
            f"series: {name}: Upstream starts with none of 'not sent', 'sent', "
            f"'merged', 'never'"
        )


def check_message(name, ticket, subject, body):
    match = SUBJECT.fullmatch(subject)
    if match is None:
        yield (
            f"{name}: the subject is not 'Fixed #N -- Did X.', 'Refs #N -- Did X.' "
            f"or 'Did X.': {subject}"
        )
    else:
        verb = match["verb"]
        if not verb.endswith("ed") and verb not in IRREGULAR_VERBS:
            yield f"{name}: the subject's verb is not in the past tense: {verb}"
        tickets = ", ".join(re.findall(r"#\d+", match["tickets"] or "")) or "none"
        if TICKET.fullmatch(ticket or "") and ticket != tickets:
            yield f"{name}: subject says ticket {tickets}, series says {ticket}"
    # Upstream asks for about 72 characters, but often needs a few more.
    if len(subject) > 79:
        yield f"{name}: the subject is longer than 79 characters: {subject}"
    # What can't be wrapped is left alone: a URL, a quoted command.
    long_lines = [
        line
        for line in body.splitlines()
        if len(line) > 72 and " " in line.strip() and not line.startswith("    ")
    ]
    if long_lines:
        yield (
            f"{name}: {len(long_lines)} lines of the body are longer than 72 "
            f"characters, first: {long_lines[0]}"
        )


def check(directory):
    """Return what is wrong with the metadata and the messages."""
    _, stanzas = read_series(directory)
    errors = []
    for name, stanza in stanzas.items():
        errors += check_stanza(name, stanza)
        if not (directory / name).is_file():
            errors.append(f"series: {name} is listed but missing")
            continue
        ticket = fields(stanza).get("Ticket")
        errors += check_message(name, ticket, *read_patch(directory / name))
    for path in sorted(directory.glob("*.patch")):
        if path.name not in stanzas:
            errors.append(f"{path.name} is not listed in series")
    return [f"{directory.relative_to(ROOT)}/{error}" for error in errors]


def patch_id(patch):
    """Identify a patch by its changes alone, whatever its message says."""
    return git_bytes("patch-id", "--stable", stdin=patch).split(b" ")[0]


def render(directory, checkout):
    """
    Return the files of the series that the commits in a checkout make, as a
    dict of their names and contents. The metadata come from the directory.
    """
    header, stanzas = read_series(directory)
    if git("rev-list", "--merges", "upstream..HEAD", cwd=checkout):
        raise Failure("a series has no merges: rebase the branch first")
    patches, tickets = format_patches(checkout)
    stanzas = update_stanzas(directory, stanzas, patches, tickets)
    text = header + "\n\n".join(stanzas[name] for name in patches) + "\n"
    # It's written last, so that it never lists what isn't there yet.
    return {**patches, "series": text.encode()}


def format_patches(checkout):
    """Return the patches by their names, and their tickets by their names."""
    patches, tickets = {}, {}
    log = git("log", "--reverse", "--format=%H %f %s", "upstream..HEAD", cwd=checkout)
    for line in log.splitlines():
        commit, slug, subject = line.split(" ", 2)
        name = slug.lower() + ".patch"
        patch = git_bytes(*FORMAT_PATCH, commit, cwd=checkout)
        if not patch:
            raise Failure(f"commit {commit[:12]} ({slug}) changes nothing: drop it")
        if name in patches:
            raise Failure(f"two commits have the same subject ({slug}): reword one")
        patches[name] = patch
        tickets[name] = ", ".join(re.findall(r"#\d+", subject.partition(" -- ")[0]))
    return patches, tickets


def update_stanzas(directory, stanzas, patches, tickets):
    # A patch whose subject was changed keeps its stanza.
    gone = {name: stanzas[name] for name in stanzas if name not in patches}
    old_names = {
        patch_id((directory / name).read_bytes()): name
        for name in gone
        if (directory / name).is_file()
    }
    for name in patches:
        if name in stanzas:
            continue
        old_name = old_names.pop(patch_id(patches[name]), None)
        if old_name:
            say(f"{old_name} is now {name}")
            stanzas[name] = gone.pop(old_name).replace(old_name, name)
        else:
            say(f"new: {name}: fill in its stanza in series")
            stanzas[name] = (
                f"Patch: {name}\nTicket: {tickets[name] or 'none'}\nTopic: TODO\n"
                f"Why: TODO\nUpstream: not sent\nDrop-When: TODO"
            )
    for stanza in gone.values():
        say("dropped, its commit is gone:\n" + textwrap.indent(stanza, "    "))
    return stanzas


def write(directory, content):
    """Write the files that change, and remove the patches that are gone."""
    for name in content:
        path = directory / name
        if not path.exists() or path.read_bytes() != content[name]:
            write_atomically(path, content[name])
    for path in directory.glob("*.patch"):
        if path.name not in content:
            path.unlink()
