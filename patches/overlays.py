"""
Bases that differ from the release for which the patches are written.

patches/6.1 has the only full source. A directory beside it, an overlay, has a
file named "series" with what another base needs: its first stanza says which
base, the others what comes before the patches, stands for one of them, or is
left out. Everything else is applied from patches/6.1, with a three-way merge.
"""

import re
import textwrap

from commands import ROOT, SCRATCH, Failure, remove, say
from git import git, try_git
from series import fields, format_patches, hash_patch, list_patches

# The field that a stanza begins with, and the others that it has.
STANZAS = {
    "Base": ("Version", "Why"),
    "Before": ("Why",),
    "Override": ("Of", "Why"),
    "Omit": ("Why",),
}
VERSION = re.compile(r"^VERSION = \((\d+), (\d+),", re.M)


class Series:
    """The patches as they are, for the release that they are written for."""

    def __init__(self, directory):
        self.directory = directory
        self.name = directory.relative_to(ROOT)

    def get_paths(self):
        """Return the paths of the patches in their order."""
        return [self.directory / name for name in list_patches(self.directory)]


class Overlay:
    """The patches of a series as another base needs them."""

    def __init__(self, directory, series):
        self.directory = directory
        self.name = directory.relative_to(ROOT)
        self.series = series
        self.header, self.stanzas = self._read()
        (self.base,) = self._list("Base") or ["?"]
        self.version = self.stanzas.get(("Base", self.base), {}).get("Version")

    def _read(self):
        header, stanzas = [], {}
        text = (self.directory / "series").read_text(encoding="utf-8")
        for block in re.split(r"\n\s*\n", text.strip()):
            values = fields(block)
            if not values:
                header.append(block)
                continue
            kind, name = next(iter(values.items()))
            if kind not in STANZAS:
                raise Failure(f"{self.name}/series: unknown field {kind}")
            if (kind, name) in stanzas:
                raise Failure(f"{self.name}/series: {kind} {name} is listed twice")
            stanzas[kind, name] = values
        return header, stanzas

    def _list(self, kind):
        return [name for key, name in self.stanzas if key == kind]

    def get_paths(self):
        """Return the paths of the patches in their order."""
        for name in (*self._list("Before"), *self._list("Override")):
            if not (self.directory / name).is_file():
                raise Failure(f"{self.name}/series lists {name}, which is missing")
        paths = [self.directory / name for name in self._list("Before")]
        for path in self.series.get_paths():
            if ("Override", path.name) in self.stanzas:
                paths.append(self.directory / path.name)
            elif ("Omit", path.name) not in self.stanzas:
                paths.append(path)
        return paths

    # What CI checks.

    def check(self):
        """Return what is wrong with the overlay, a line each."""
        errors = []
        names = {path.name for path in self.series.get_paths()}
        for (kind, name), values in self.stanzas.items():
            errors += [
                f"series: {name}: {field} is to be filled in"
                for field in STANZAS[kind]
                if not values.get(field) or "TODO" in values[field]
            ]
            if kind in ("Override", "Omit") and name not in names:
                errors.append(f"series: {name} isn't in {self.series.name} any more")
        errors += [
            f"{name} stands for a patch of {self.series.name} that has changed "
            f"since: solve it in the checkout of {self.base} and --export, see "
            f"CONTRIBUTING.md"
            for name in self.get_outdated()
        ]
        for path in sorted(self.directory.glob("*.patch")):
            if {("Before", path.name), ("Override", path.name)}.isdisjoint(
                self.stanzas
            ):
                errors.append(f"{path.name} is not listed in series")
        return [f"{self.name}/{error}" for error in errors]

    def get_outdated(self):
        """Return the names of overrides of patches that changed since."""
        names = {path.name for path in self.series.get_paths()}
        return [
            name
            for name in self._list("Override")
            if name in names and self.get_known_hash(name) != self.get_hash(name)
        ]

    def get_known_hash(self, name):
        """Return the hash of the patch that the overlay's one was made for."""
        return self.stanzas["Override", name].get("Of")

    def get_hash(self, name):
        """Return the hash of the series' patch of this name."""
        return hash_patch((self.series.directory / name).read_bytes())

    # The way back to patch files.

    def render(self, checkout):
        """
        Return the files of the overlay that the commits in a checkout make:
        those of commits that the series doesn't give by itself.
        """
        patches, _ = format_patches(checkout)
        commits = git("rev-list", "--reverse", "upstream..HEAD", cwd=checkout).split()
        names = [path.name for path in self.series.get_paths()]
        copy = SCRATCH / "overlay"
        remove(copy)
        git("clone", "--quiet", "--shared", "--no-checkout", checkout, copy, cwd=ROOT)
        files, stanzas = {}, [("Base", self.base, {})]
        for (name, patch), commit in zip(patches.items(), commits, strict=True):
            if name not in names:
                stanzas.append(("Before", name, {}))
                files[name] = patch
            elif not self._is_given(copy, name, commit):
                stanzas.append(("Override", name, {"Of": self.get_hash(name)}))
                files[name] = patch
        stanzas += [("Omit", name, {}) for name in names if name not in patches]
        text = [*self.header, *(self._write_stanza(*stanza) for stanza in stanzas)]
        files["series"] = ("\n\n".join(text) + "\n").encode()
        return files

    def _is_given(self, copy, name, commit):
        """Does the patch of the series make the same files by itself?"""
        git("checkout", "--quiet", "--detach", f"{commit}^", cwd=copy)
        process = try_git(
            *["am", "--quiet", "--3way", "--keep-non-patch"],
            self.series.directory / name,
            cwd=copy,
        )
        if process.returncode:
            try_git("am", "--abort", cwd=copy)
            return False
        return not git("diff", "--name-only", "HEAD", commit, cwd=copy)

    def _write_stanza(self, kind, name, new_values):
        values = {**self.stanzas.get((kind, name), {kind: name}), **new_values}
        for field in STANZAS[kind]:
            values.setdefault(field, "TODO")
        if "TODO" in values.values():
            say(f"{self.name}: fill in the stanza of {name}")
        values["Why"] = textwrap.fill(
            values["Why"], 79, initial_indent=" " * 5, subsequent_indent="  "
        ).strip()
        return "\n".join(f"{field}: {value}" for field, value in values.items())


def find_overlays(series):
    """Return the overlays that lie beside a series."""
    return [
        Overlay(path.parent, series)
        for path in sorted(series.directory.parent.glob("*/series"))
        if path.parent != series.directory
    ]


def choose_series(series, checkout):
    """
    Return the overlay for the version of Django that a checkout has as
    upstream, or the series itself if there's none.
    """
    process = try_git("show", "upstream:django/__init__.py", cwd=checkout)
    match = VERSION.search(process.stdout.decode(errors="replace"))
    version = ".".join(match.groups()) if match else None
    for overlay in find_overlays(series):
        if overlay.version == version:
            return overlay
    return series
