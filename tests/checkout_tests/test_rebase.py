import hashlib
import os
import re
import shutil
import subprocess
import sys

from .utils import FILES, NO_NETWORK, RELEASE, ROOT, SDIST, ProjectTestCase, make_sdist

FEATURE_RELEASE, _, number = RELEASE.rpartition(".")
NEXT = f"{FEATURE_RELEASE}.{int(number) + 1}"
# A build that needs nothing from an index.
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = f"""\
import os, zipfile

NAME, VERSION = "django", "{NEXT}+fastmigrations.1"
DIST_INFO = f"{{NAME}}-{{VERSION}}.dist-info"

def build_wheel(directory, *args, **kwargs):
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        archive.write("django/models.py")
        archive.writestr(
            f"{{DIST_INFO}}/METADATA",
            f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        )
        archive.writestr(
            f"{{DIST_INFO}}/WHEEL",
            "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        )
        archive.writestr(f"{{DIST_INFO}}/RECORD", f"{{DIST_INFO}}/RECORD,,\\n")
    return name
"""
# In the place of the runner: it fails if there's something to fail for.
RUNNER = """\
import pathlib, sys
print(*sys.argv[1:])
checkout = pathlib.Path(sys.argv[2])
sys.exit("broken" in (checkout / "django" / "state.py").read_text())
"""


class RebaseTests(ProjectTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        project = cls.template
        (project.path / "runtests.py").write_text(RUNNER)
        (project.path / "README.md").write_text(
            f"Install django-{RELEASE}+fastmigrations.3-py3-none-any.whl.\n"
        )
        (project.path / "CHANGELOG.md").write_text(
            f"# Changes\n\nOne section per build.\n\n## {RELEASE}+fastmigrations.3\n\n"
            f"- An item.\n"
        )

    def setUp(self):
        super().setUp()
        self.name = f"build/django-{NEXT}"

    def release(self, **changes):
        """Release a Django of which some files are others."""
        files = {**FILES, "pyproject.toml": PYPROJECT, "backend.py": BACKEND}
        for name, change in changes.items():
            path = f"django/{name}.py"
            files[path] = change(files[path])
        sdist = self.project.path / "build" / f"django-{NEXT}.tar.gz"
        make_sdist(sdist, files)
        return hashlib.sha256(sdist.read_bytes()).hexdigest()

    def rebase(self, digest, **env):
        return self.project.script("--rebase", NEXT, "--sha256", digest, **env)

    def read(self):
        """Return all files that aren't made by the scripts for themselves."""
        return {
            path: path.read_bytes()
            for path in self.project.path.rglob("*")
            if path.is_file()
            and path.relative_to(self.project.path).parts[0] not in ("build", "home")
            and "__pycache__" not in path.parts
        }

    def assertNothingWritten(self, process, message, before, status=1):
        self.assertError(process, message, status)
        self.assertEqual(self.read(), before)

    def test_rebase(self):
        digest = self.release(models=lambda text: text + "line 31\n")
        old_patches = self.project.read_patches()
        process = self.rebase(digest)
        self.assertSucceeds(process)
        path = self.project.path
        *lines, last = process.stdout.splitlines()
        name = f"django-{NEXT}+fastmigrations.1-py3-none-any.whl"
        self.assertEqual(last, str(path / "dist" / name))
        self.assertTrue((path / "dist" / name).exists())
        self.assertRegex(lines[0], r"^1:  \w+ = 1:  \w+ Refs #29898 -- Changed the m")
        self.assertRegex(lines[1], r"^2:  \w+ = 2:  \w+ Changed the state\.$")
        self.assertIn(
            f"--checkout {path / self.name} migrations schema",
            (path / "build" / "rebase.log").read_text(),
        )
        self.assertEqual(
            (self.project.patches / "SHA256SUMS").read_text(),
            f"{digest}  django-{NEXT}.tar.gz\n",
        )
        self.assertIn(
            f'\nRELEASE = "{NEXT}"\n', (path / "patches" / "bases.py").read_text()
        )
        self.assertEqual((path / "README.md").read_text(), f"Install {name}.\n")
        self.assertEqual(
            (path / "CHANGELOG.md").read_text(),
            f"# Changes\n\nOne section per build.\n\n## {NEXT}+fastmigrations.1\n\n"
            f"Not released yet.\n\n- The patches of the last build for {RELEASE}, on "
            f"Django {NEXT}.\n\n## {RELEASE}+fastmigrations.3\n\n- An item.\n",
        )
        patches = self.project.read_patches()
        # The blobs are others, and no more.
        models, state = self.project.MODELS, self.project.STATE
        self.assertNotEqual(patches[models], old_patches[models])
        index = re.compile(rb"(?m)^index .*$")
        self.assertEqual(
            index.sub(b"", patches[models]), index.sub(b"", old_patches[models])
        )
        for name in (state, "series"):
            self.assertEqual(patches[name], old_patches[name])
        # What has been written is what the next run works with.
        process = self.project.script()
        self.assertSucceeds(process)
        self.assertEqual(process.stdout, f"{path / self.name}\n")
        self.assertEqual(process.stderr, "")
        self.assertSucceeds(self.project.script("--check"))
        process = self.rebase(digest)
        self.assertSucceeds(process)
        self.assertIn("Nothing to do", process.stderr)

    def test_overlay(self):
        """An overlay's patch stands for one that is only moved."""
        overlay = self.project.path / "patches" / "main"
        overlay.mkdir()
        patch = self.project.patches / self.project.MODELS
        shutil.copy(patch, overlay)
        self.write_overlay(overlay, "0" * 64)
        process = self.project.script("--check")
        self.assertError(process, f"patches/main/{patch.name} stands for a patch of")
        self.write_overlay(overlay, self.hash(patch))
        self.assertSucceeds(self.project.script("--check"))
        before = patch.read_text()
        self.assertSucceeds(
            self.rebase(self.release(models=lambda text: text + "line 31\n"))
        )
        self.assertNotEqual(patch.read_text(), before)
        self.assertSucceeds(self.project.script("--check"))

    def write_overlay(self, overlay, digest):
        (overlay / "series").write_text(
            "Base: main\nVersion: 6.2\nWhy: Good reasons.\n\n"
            f"Override: {self.project.MODELS}\nOf: {digest}\nWhy: Others.\n"
        )

    def hash(self, patch):
        """Return what the scripts identify the content of a patch by."""
        code = "import series, sys; print(series.hash_patch(sys.stdin.buffer.read()))"
        with patch.open() as stream:
            return subprocess.check_output(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONPATH": str(ROOT / "patches")},
                stdin=stream,
                text=True,
            ).strip()

    def test_conflict(self):
        digest = self.release(models=lambda text: text.replace("line 2\n", "new\n"))
        before = self.read()
        process = self.rebase(digest)
        self.assertNothingWritten(process, "does not apply: conflict in", before)
        self.assertIn(
            f"solve it in {self.name} and 'git am --continue', then --rebase {NEXT} "
            f"again;",
            process.stderr,
        )
        process = self.rebase(digest)
        self.assertNothingWritten(process, "is in the middle of git am", before, 4)
        self.project.checkout = self.project.path / self.name
        (self.project.checkout / "django" / "models.py").write_text(
            FILES["django/models.py"].replace("line 2\n", "solved\n")
        )
        self.project.git("add", "--all")
        self.project.git("am", "--continue")
        process = self.rebase(digest)
        self.assertSucceeds(process)
        self.assertIn(f"Taking the commits that {self.name} has.", process.stderr)
        # The whole patch is another, such that git doesn't see it as the same.
        self.assertRegex(process.stdout, r"(?m)^1:  \w+ < -:  -+ Refs #29898")
        self.assertIn(
            "- Changed for that: Refs #29898 -- Changed the models.\n",
            (self.project.path / "CHANGELOG.md").read_text(),
        )
        self.assertIn(
            b"-new\n+solved\n", self.project.read_patches()[self.project.MODELS]
        )
        self.assertSucceeds(self.project.script("--check"))

    def test_tests_fail(self):
        digest = self.release(state=lambda text: text + "broken\n")
        before = self.read()
        process = self.rebase(digest)
        self.assertNothingWritten(process, f"tests fail on Django {NEXT}, see", before)
        self.project.checkout = self.project.path / self.name
        self.project.commit("Mended it.", "django/state.py", "broken\n", "mended\n")
        process = self.rebase(digest)
        self.assertSucceeds(process)
        self.assertIn("mended-it.patch", self.project.list_patches())
        self.assertIn(
            "- Added: Mended it.", (self.project.path / "CHANGELOG.md").read_text()
        )

    def test_applied_upstream(self):
        """A patch that upstream has is dropped."""
        digest = self.release(state=lambda text: text.replace("state 2\n", "two\n"))
        process = self.rebase(digest)
        self.assertSucceeds(process)
        self.assertIn("dropped, its commit is gone:", process.stderr)
        self.assertEqual(self.project.list_patches(), [self.project.MODELS])
        self.assertIn(
            "- Dropped: Changed the state.\n",
            (self.project.path / "CHANGELOG.md").read_text(),
        )

    def test_local_version(self):
        """The number of the build counts anew."""
        self.project.commit(
            f"Added a local version.\n\nIt's {RELEASE}+fastmigrations.3",
            *("django/models.py", "line 20\n", '"+fastmigrations.3"\n'),
        )
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        self.assertSucceeds(self.rebase(self.release()))
        patch = (self.project.patches / "added-a-local-version.patch").read_text()
        self.assertIn(f"\nIt's {NEXT}+fastmigrations.1\n", patch)
        self.assertIn('\n+"+fastmigrations.1"\n', patch)
        self.assertNotIn(
            "Changed for", (self.project.path / "CHANGELOG.md").read_text()
        )
        self.assertSucceeds(self.project.script("--check"))

    def test_no_wheel(self):
        digest = self.release()
        (self.project.path / "dist").touch()
        before = self.read()
        self.assertNothingWritten(
            self.rebase(digest), "dist is not a directory", before
        )

    def test_wrong_hash(self):
        self.release()
        before = self.read()
        self.assertNothingWritten(
            self.rebase("0" * 64), f"instead of {'0' * 64}", before
        )
        self.assertFalse((self.project.path / self.name).exists())

    def test_no_network(self):
        before = self.read()
        process = self.project.script("--rebase", NEXT, **NO_NETWORK)
        self.assertNothingWritten(
            process, f"pip found no hash of Django {NEXT}, see build/pip.log", before
        )

    def test_work_in_the_old_checkout(self):
        digest = self.release()
        self.project.commit("Added more.", old="line 9\n", new="more\n")
        before = self.read()
        self.assertNothingWritten(
            self.rebase(digest), "has commits that are in no patch file", before, 3
        )

    def test_bad_options(self):
        zeros = "0" * 64
        for args, message, status in [
            (["--rebase", "7.0"], "give a release of Django", 1),
            (["--rebase", "elsewhere"], "give a release of Django", 1),
            (["--rebase", NEXT, "--sha256", "0"], "'0' is no SHA-256", 2),
            (["--rebase", "latest", "--sha256", zeros], "belongs to --rebase", 2),
            (["--sha256", zeros], "belongs to --rebase", 2),
            (["--rebase", NEXT, "--check"], "only be combined with", 2),
            (["--rebase", NEXT, "--force"], "only be combined with", 2),
        ]:
            with self.subTest(args=args):
                process = self.project.script(*args)
                self.assertError(process, message, status)

    def test_same_release(self):
        before = self.read()
        process = self.project.script("--rebase", RELEASE)
        self.assertSucceeds(process)
        self.assertIn(f"is for Django {RELEASE}.", process.stderr)
        self.assertEqual(process.stdout, "")
        self.assertEqual(self.read(), before)

    def test_sdist(self):
        """The pinned release is what the tests have."""
        text = (self.project.path / "patches" / "bases.py").read_text()
        self.assertEqual(re.search('RELEASE = "(.+)"', text)[1], RELEASE)
        self.assertIn(SDIST, (self.project.patches / "SHA256SUMS").read_text())
