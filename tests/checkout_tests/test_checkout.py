import shutil
import subprocess
import unittest
from glob import glob
from pathlib import Path

from .utils import FILES, NO_NETWORK, RELEASE, SDIST, ProjectTestCase, make_sdist

HEADER = "# A comment.\n\n"


class CheckoutTests(ProjectTestCase):
    def test_patches_are_applied_in_order(self):
        shutil.rmtree(self.project.checkout)
        process = self.project.script()
        self.assertSucceeds(process)
        self.assertEqual(process.stdout.strip(), str(self.project.checkout))
        self.assertEqual(
            self.project.git("log", "--format=%s %an").splitlines(),
            [
                "Changed the state. Zoë",
                "Refs #29898 -- Changed the models. Zoë",
                f"Django {RELEASE} Django",
            ],
        )
        self.assertEqual(self.project.git("branch", "--show-current"), "fastmigrations")
        self.assertEqual(
            self.project.git("rev-parse", "upstream"),
            self.project.git("rev-parse", "HEAD~2"),
        )

    def test_release_notes_stub(self):
        index = self.project.git("show", "upstream:docs/releases/index.txt")
        self.assertIn("\n\n   6.2\n\n6.1 release\n", index)
        notes = self.project.git("show", "upstream:docs/releases/6.2.txt")
        self.assertIn("Django 6.2 release notes", notes)

    def test_release_notes_that_exist_are_kept(self):
        shutil.rmtree(self.project.checkout)
        self.project.write_sdist({**FILES, "docs/releases/6.2.txt": "Exist.\n"})
        self.assertSucceeds(self.project.script())
        self.assertEqual(
            self.project.git("show", "upstream:docs/releases/6.2.txt"), "Exist."
        )
        index = self.project.git("show", "upstream:docs/releases/index.txt")
        self.assertNotIn("6.2", index)

    def test_hashes_repeat(self):
        """Neither the user's configuration nor the directory matters."""
        expected = self.import_again({})
        config = (
            "[user]\nname=Somebody\nemail=else@example.com\n"
            "[commit]\ngpgSign=true\n[core]\nautocrlf=true\n[diff]\nnoprefix=true\n"
        )
        (self.project.path / "home" / ".gitconfig").write_text(config)
        (self.project.path / "ignore" / "git").mkdir(parents=True)
        (self.project.path / "ignore" / "git" / "ignore").write_text("*.py\n")
        env = {
            "XDG_CONFIG_HOME": str(self.project.path / "ignore"),
            "GIT_DIR": "/nonexistent",
            "TZ": "Asia/Tokyo",
        }
        self.assertEqual(self.import_again(env), expected)

    def import_again(self, env):
        shutil.rmtree(self.project.checkout)
        self.assertSucceeds(self.project.script(**env))
        return self.project.git("log", "--format=%H")

    def test_second_run_changes_nothing(self):
        before = self.project.git("reflog")
        self.assertSucceeds(self.project.script())
        self.assertEqual(self.project.git("reflog"), before)

    def test_interrupted_run(self):
        self.project.checkout.rename(f"{self.project.checkout}.new")
        self.assertSucceeds(self.project.script())
        self.assertIn("Changed the state.", self.project.git("log"))

    def test_called_from_elsewhere(self):
        shutil.rmtree(self.project.checkout)
        self.assertSucceeds(self.project.script(cwd="/"))
        self.assertTrue(self.project.checkout.exists())

    def test_changed_patches_are_applied_again(self):
        patch = self.project.patches / self.project.STATE
        patch.write_bytes(patch.read_bytes().replace(b"+two", b"+changed"))
        self.assertSucceeds(self.project.script())
        self.assertIn("+changed", self.project.git("show"))

    def test_build_products_are_not_changes(self):
        (self.project.checkout / "django" / "models.pyc").write_text("")
        (self.project.checkout / "tests" / ".coverages").mkdir(parents=True)
        (self.project.checkout / "tests" / ".coverages" / "data").write_text("")
        self.assertSucceeds(self.project.script())

    def test_second_run_is_quiet(self):
        self.assertEqual(self.project.script().stderr, "")


class CommandLineTests(ProjectTestCase):
    def test_help(self):
        for option in ("--help", "-h"):
            with self.subTest(option=option):
                process = self.project.script(option)
                self.assertSucceeds(process)
                self.assertIn("--export", process.stdout)
                self.assertEqual(process.stderr, "")

    def test_version(self):
        process = self.project.script("--version")
        self.assertSucceeds(process)
        # The patches of this project don't set a local version.
        self.assertEqual(process.stdout, f"Django {RELEASE}?\n")

    def test_unknown(self):
        for arg in ("--unknown", "--whee", "main"):
            with self.subTest(arg=arg):
                process = self.project.script(arg)
                self.assertError(process, f"unrecognized arguments: {arg};", status=2)

    def test_several_actions(self):
        self.project.commit("Added more.", old="line 9\n", new="more\n")
        process = self.project.script("--check", "--export")
        self.assertEqual(process.returncode, 1)
        self.assertIn("added-more.patch: Why is to be filled in", process.stderr)
        self.project.fill_in()
        process = self.project.script("--check", "--export")
        self.assertSucceeds(process)
        self.assertEqual(process.stdout, "patches/6.1: 3 patches checked\n")

    def test_what_cannot_be_combined(self):
        process = self.project.script("--python", "--wheel")
        self.assertError(process, "can't be combined", status=2)

    def test_django(self):
        for args in (["--django=nonsense"], ["--django", "nonsense"]):
            with self.subTest(args=args):
                self.assertError(self.project.script(*args), "--django nonsense:")


class LocalWorkTests(ProjectTestCase):
    """Work in the checkout is never lost, unless with --force."""

    def assertRefused(self, message, *args):
        head = self.project.git("rev-parse", "HEAD")
        for action in ([], ["--wheel"], ["--check"]):
            with self.subTest(action=action):
                self.assertError(self.project.script(*action), message, status=3)
        self.assertEqual(self.project.git("rev-parse", "HEAD"), head)

    def test_uncommitted_changes(self):
        path = self.project.checkout / "django" / "models.py"
        path.write_text("precious")
        self.assertRefused("has uncommitted changes")
        self.assertEqual(path.read_text(), "precious")
        self.assertSucceeds(self.project.script("--force"))
        self.assertNotEqual(path.read_text(), "precious")

    def test_new_file(self):
        path = self.project.checkout / "django" / "new.py"
        path.write_text("precious")
        self.assertRefused("has uncommitted changes")
        self.assertSucceeds(self.project.script("--force"))
        self.assertIs(path.exists(), False)

    def test_unexported_commit(self):
        self.project.commit("Added precious.", old="line 9\n", new="precious\n")
        self.assertRefused("has commits that are in no patch file")
        self.assertSucceeds(self.project.script("--force"))
        self.assertNotIn("precious", self.project.git("log"))

    def test_unexported_removal(self):
        self.project.git("reset", "--hard", "HEAD~1")
        self.assertRefused("has commits that are in no patch file")

    def test_commit_on_no_branch(self):
        self.project.git("checkout", "--detach")
        self.project.commit("Added precious.", old="line 9\n", new="precious\n")
        self.assertRefused("has commits that are in no patch file")

    def test_rebase(self):
        """Its commands, such as git rebase --exec, may run tests."""
        rebase = ["-c", "sequence.editor=sed -i s/^pick/edit/", "rebase", "-i"]
        self.project.git(*rebase, "upstream")
        self.assertRefused("is in the middle of git rebase")

    def test_earlier_commit_checked_out(self):
        """As git bisect does; nothing can be lost."""
        self.project.git("checkout", "HEAD~1")
        self.assertSucceeds(self.project.script())

    def test_export_refuses_uncommitted_changes(self):
        (self.project.checkout / "django" / "models.py").write_text("precious")
        process = self.project.script("--export")
        self.assertError(process, "has uncommitted changes", status=3)

    def test_export_refuses_another_branch(self):
        self.project.git("checkout", "--detach", "HEAD~1")
        process = self.project.script("--export")
        self.assertError(process, "is not on the branch fastmigrations", status=3)

    def test_export_refuses_to_overwrite_newer_patches(self):
        self.project.commit("Added more.", old="line 9\n", new="more\n")
        patch = self.project.patches / self.project.STATE
        patch.write_bytes(patch.read_bytes().replace(b"+two", b"+newer"))
        process = self.project.script("--export")
        self.assertError(process, "lacks changes made in patches/6.1", status=3)
        self.assertIn(b"+newer", patch.read_bytes())
        self.assertSucceeds(self.project.script("--export", "--force"))
        self.assertNotIn(b"+newer", patch.read_bytes())


class ConflictTests(ProjectTestCase):
    def setUp(self):
        super().setUp()
        # Upstream now has something else where the second patch applies.
        shutil.rmtree(self.project.checkout)
        files = FILES["django/state.py"].replace("state 2\n", "upstream\n")
        self.project.write_sdist({**FILES, "django/state.py": files})

    def test_error(self):
        process = self.project.script()
        self.assertError(
            process, f"{self.project.STATE} does not apply: conflict in django/state.py"
        )
        self.assertIn(f"solve it in build/django-{RELEASE}", process.stderr)
        self.assertIn("'git am --continue', then --export", process.stderr)
        self.assertIn("or 'git am --abort'", process.stderr)

    def test_going_on_needs_a_decision(self):
        self.project.script()
        for action in ([], ["--export"]):
            with self.subTest(action=action):
                process = self.project.script(*action)
                # This is nobody's work: the tests must not pass with it.
                self.assertError(process, "is in the middle of git am", status=4)

    def test_continue(self):
        self.project.script()
        path = self.project.checkout / "django" / "state.py"
        path.write_text(path.read_text().replace("upstream\n", "two\n"))
        self.project.git("add", "--all")
        self.project.git("am", "--continue")
        self.assertError(self.project.script(), "has commits that are in no", status=3)
        self.assertSucceeds(self.project.script("--export"))
        self.assertSucceeds(self.project.script("--check"))

    def test_abort(self):
        self.project.script()
        self.project.git("am", "--abort")
        self.assertError(self.project.script(), "does not apply")

    def test_force(self):
        self.project.script()
        self.assertError(self.project.script("--force"), "does not apply")

    def test_check(self):
        self.assertError(self.project.script("--check"), "does not apply")

    def test_damaged_patch(self):
        patch = self.project.patches / self.project.MODELS
        patch.write_bytes(patch.read_bytes()[:-100])
        self.assertError(self.project.script(), f"{self.project.MODELS} does not apply")


class OtherDjangoTests(ProjectTestCase):
    def test_release(self):
        """The three-way merge knows the files that the patches are for."""
        models = FILES["django/models.py"].replace("line 5\n", "new\nline 5\n")
        make_sdist(
            self.project.path / "build" / "django-6.1.4.tar.gz",
            {**FILES, "django/models.py": models},
        )
        process = self.project.script("--django", "6.1.4")
        self.assertSucceeds(process)
        self.assertIn("SHA256SUMS has no line for", process.stderr)
        checkout = self.project.path / "build" / "django-6.1.4"
        self.assertEqual(
            (checkout / "django" / "models.py").read_text(),
            models.replace("line 2\n", "two\n"),
        )

    def test_clone(self):
        clone = self.project.path / "clones" / "mine"
        clone.parent.mkdir()
        self.project.checkout.rename(clone)
        self.project.checkout = clone
        self.project.git("reset", "--hard", "upstream")
        self.project.commit("Moved on.", old="line 5\n", new="new\nline 5\n")
        before = self.project.git("for-each-ref")
        # A path is relative to where the script is called.
        process = self.project.script(
            *["--django", "mine"], cwd=clone.parent, GIT_DIR="/nonexistent"
        )
        self.assertSucceeds(process)
        self.assertEqual(self.project.git("for-each-ref"), before)
        self.project.checkout = self.project.path / "build" / "django-mine"
        self.assertEqual(
            self.project.git("log", "--format=%s", "--max-count=3").splitlines(),
            [
                "Changed the state.",
                "Refs #29898 -- Changed the models.",
                "Moved on.",
            ],
        )

    def test_clone_of_something_else(self):
        for name in ("one", "two"):
            clone = self.project.path / name / "mine"
            shutil.copytree(self.project.checkout, clone)
            process = self.project.script("--django", str(clone))
        self.assertError(process, "is a clone of something else")

    def test_neither_version_nor_clone(self):
        process = self.project.script("--django", "nonsense")
        self.assertError(process, "neither main, nor a version, nor a git checkout")

    def test_no_argument(self):
        process = self.project.script("--django")
        self.assertError(process, "argument --django: expected one argument", status=2)

    def test_main_without_network(self):
        process = self.project.script("--django", "main", **NO_NETWORK)
        self.assertError(process, "could not clone")


class EnvironmentTests(ProjectTestCase):
    """What is missing on the machine."""

    def setUp(self):
        super().setUp()
        # A machine with nothing but what the script needs.
        self.bin = self.project.path / "bin"
        self.bin.mkdir()
        commands = "bash dirname git readlink"
        for command in commands.split():
            (self.bin / command).symlink_to(shutil.which(command))
        self.env = {"PATH": str(self.bin), "PYTHON": ""}

    def fake_python(self, path, status=1):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"#!/bin/sh\n[ {status} -gt 0 ] || echo {path}\nexit {status}\n"
        )
        path.chmod(0o755)

    def test_wrong_hash(self):
        shutil.rmtree(self.project.checkout)
        sdist = self.project.path / "build" / SDIST
        sdist.write_bytes(sdist.read_bytes() + b"more")
        process = self.project.script()
        self.assertError(process, "instead of")
        self.assertIn(f"build/{SDIST} has the SHA-256", process.stderr)
        self.assertIs(sdist.exists(), True)
        self.assertIs(self.project.checkout.exists(), False)

    def test_no_network(self):
        shutil.rmtree(self.project.checkout)
        (self.project.path / "build" / SDIST).unlink()
        process = self.project.script(**NO_NETWORK)
        self.assertError(process, f"pip could not download Django {RELEASE}")
        self.assertIn(f"put the source distribution at build/{SDIST}", process.stderr)

    def test_no_git(self):
        (self.bin / "git").unlink()
        process = self.project.script(PATH=str(self.bin))
        self.assertError(process, "git is not installed")

    @unittest.skipIf(
        glob("/usr/local/bin/python3.1[2-9]") + glob("/opt/*/bin/python3*"),
        "This machine has a Python where it's found without PATH.",
    )
    def test_no_python(self):
        self.fake_python(self.bin / "python3")
        process = self.project.script(**self.env)
        self.assertError(process, "no Python >= 3.12 with pip and venv")
        self.assertIn("python3.12 to 3.14 in PATH", process.stderr)
        self.assertIn("~/.pyenv/versions", process.stderr)

    def test_given_python_is_too_old(self):
        old = self.project.path / "old"
        self.fake_python(old)
        process = self.project.script(PYTHON=str(old))
        self.assertError(process, f"PYTHON={old} is no Python >= 3.12")

    def test_python_in_path(self):
        self.fake_python(self.bin / "python3")
        self.fake_python(self.bin / "python3.13", status=0)
        process = self.project.script("--python", **self.env)
        self.assertEqual(process.stdout.strip(), str(self.bin / "python3.13"))

    def test_python_of_pyenv(self):
        """Its shims are in PATH, but don't work for all versions."""
        self.fake_python(self.bin / "python3")
        self.fake_python(self.bin / "python3.12")
        home = Path(self.project.env["HOME"])
        python = home / ".pyenv" / "versions" / "3.12.1" / "bin" / "python3"
        self.fake_python(python, status=0)
        process = self.project.script("--python", **self.env)
        self.assertEqual(process.stdout.strip(), str(python))

    def test_runtests_without_python(self):
        """The script that starts in any Python gives the same line."""
        process = subprocess.run(
            [self.project.env["PYTHON"], str(self.project.path / "runtests.py")],
            env={**self.project.env, "PYTHON": "/nonexistent"},
            capture_output=True,
            text=True,
        )
        self.assertError(process, "PYTHON=/nonexistent is no Python >= 3.12")
