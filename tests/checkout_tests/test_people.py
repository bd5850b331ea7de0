"""What people and their machines do to the scripts."""

import fcntl
import os
import resource
import shutil
import signal
import sys
import unittest

from .utils import FILES, RELEASE, SDIST, FakeDjangoProject, ProjectTestCase

ODD_NAME = """it's "a" $HOME & *üñí* `project` \\"""


class PathTests(ProjectTestCase):
    def test_spaces_and_quotes(self):
        path = self.project.path.with_name(ODD_NAME)
        self.project.path.rename(path)
        self.project = FakeDjangoProject(path)
        shutil.rmtree(self.project.checkout)
        process = self.project.script()
        self.assertSucceeds(process)
        self.assertEqual(process.stdout, f"{self.project.checkout}\n")
        self.project.commit("Added more.", old="line 9\n", new="more\n")
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        self.assertSucceeds(self.project.script("--check"))

    def test_clone_with_spaces_and_quotes(self):
        clone = self.project.path / ODD_NAME
        shutil.copytree(self.project.checkout, clone)
        self.project.git("-C", clone, "reset", "--hard", "upstream")
        process = self.project.script("--django", ODD_NAME)
        self.assertSucceeds(process)
        self.assertIn(f"build/django-{ODD_NAME}\n", process.stdout)

    def test_symbolic_links(self):
        links = self.project.path / "some links"
        links.mkdir()
        (links / "absolute").symlink_to(self.project.path / "django_checkout.sh")
        (links / "relative").symlink_to("../django_checkout.sh")
        (links / "chain").symlink_to("relative")
        (links / "folder").symlink_to(self.project.path)
        for path in ("absolute", "relative", "chain", "folder/django_checkout.sh"):
            with self.subTest(path=path):
                process = self.project.script(path=links / path, cwd="/")
                self.assertSucceeds(process)
                self.assertEqual(process.stdout, f"{self.project.checkout}\n")


class LockTests(ProjectTestCase):
    def test_wait(self):
        with open(self.project.path / "build" / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self.project.start() as process:
                line = process.stderr.readline()
                self.assertIn("Another ./django_checkout.sh is running", line)
                fcntl.flock(lock, fcntl.LOCK_UN)
                output, _ = process.communicate()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(output, f"{self.project.checkout}\n")

    def test_two_runs(self):
        shutil.rmtree(self.project.checkout)
        self.assertSucceeds(self.project.script())
        before = self.project.git("log", "--format=%H")
        shutil.rmtree(self.project.checkout)
        processes = [self.project.start(), self.project.start("--check")]
        for process in processes:
            _, errors = process.communicate()
            self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(self.project.git("log", "--format=%H"), before)


class InterruptionTests(ProjectTestCase):
    """
    A run that is ended by Ctrl-C or by force can be followed by another one.
    """

    def setUp(self):
        super().setUp()
        # The second patch has to be applied again.
        patch = self.project.patches / self.project.STATE
        patch.write_bytes(patch.read_bytes().replace(b"+two", b"+changed"))

    def fake_git(self, code):
        """Put a git that does something else in front of the real one."""
        git = self.project.path / "bin" / "git"
        git.parent.mkdir(exist_ok=True)
        git.write_text(f'#!/bin/bash\n{code}\nexec {shutil.which("git")} "$@"\n')
        git.chmod(0o755)
        return {"PATH": f"{git.parent}{os.pathsep}{os.environ['PATH']}"}

    def interrupt(self, calls, number):
        """Interrupt the run in one of its calls of git."""
        env = self.fake_git(
            f"echo >>{calls}; "
            f"(( $(wc -l <{calls}) != {calls.stem} )) || kill -{number} $PPID"
        )
        return self.project.script(**env)

    def assertGoesOn(self):
        process = self.project.script()
        self.assertSucceeds(process)
        self.assertEqual(
            self.project.git("log", "--format=%s").splitlines(),
            [
                "Changed the state.",
                "Refs #29898 -- Changed the models.",
                f"Django {RELEASE}",
            ],
        )
        self.assertEqual(self.project.git("status", "--porcelain"), "")
        self.assertEqual(
            (self.project.checkout / "django" / "state.py").read_text(),
            FILES["django/state.py"].replace("state 2\n", "changed\n"),
        )

    def test_each_call_of_git(self):
        for signal_number in (signal.SIGINT, signal.SIGKILL):
            calls = 0
            while True:
                calls += 1
                with self.subTest(signal=signal_number, calls=calls):
                    self.setUp()
                    if calls % 2:
                        shutil.rmtree(self.project.checkout)
                    path = self.project.path / f"{calls}.calls"
                    process = self.interrupt(path, signal_number)
                    self.assertGoesOn()
                if process.returncode == 0:
                    break
                if signal_number == signal.SIGINT:
                    self.assertError(process, "interrupted", status=130)
            self.assertGreater(calls, 10)

    def half_apply(self):
        """End the run by force while git writes the files."""
        env = self.fake_git("""
            if [[ $* == "checkout --quiet --force"* ]]; then
                printf "state 1\nchan" >django/state.py
                touch .git/index.lock
                kill -9 $PPID
                exit
            fi""")
        process = self.project.script(**env)
        self.assertEqual(process.returncode, -signal.SIGKILL)

    def test_half_written_files(self):
        self.half_apply()
        self.assertGoesOn()

    def test_work_after_the_interruption(self):
        self.half_apply()
        path = self.project.checkout / "django" / "state.py"
        path.write_text("precious")
        message = "was left half applied, and django/state.py was changed since"
        for _ in range(2):
            self.assertError(self.project.script(), message, status=4)
        self.assertEqual(path.read_text(), "precious")
        # It's not what to test.
        process = self.project.run_command(
            sys.executable, "runtests.py", "--no-venv", "version"
        )
        self.assertError(process, message)
        self.assertSucceeds(self.project.script("--force"))
        self.assertGoesOn()

    def test_new_file_after_the_interruption(self):
        self.half_apply()
        path = self.project.checkout / "django" / "new.py"
        path.write_text("precious")
        self.assertError(self.project.script(), "django/new.py was changed", status=4)
        self.assertEqual(path.read_text(), "precious")

    def test_conflict_is_nothing_to_test(self):
        patch = self.project.patches / self.project.STATE
        patch.write_bytes(patch.read_bytes().replace(b"state 3", b"conflict"))
        self.assertError(self.project.script(), "does not apply")
        process = self.project.run_command(
            sys.executable, "runtests.py", "--no-venv", "version"
        )
        self.assertError(process, "is in the middle of git am")

    def test_export(self):
        self.assertSucceeds(self.project.script())
        self.project.commit("Added more.", old="line 9\n", new="more\n")
        self.project.commit("Added much.", old="line 12\n", new="much\n")
        before = self.project.read_patches()
        # As if it had been ended after the first file.
        (self.project.patches / "added-much.patch").mkdir()
        self.assertError(self.project.script("--export"), "Is a directory")
        (self.project.patches / "added-much.patch").rmdir()
        self.assertNotEqual(self.project.read_patches(), before)
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        self.assertSucceeds(self.project.script("--check"))


class DiskTests(ProjectTestCase):
    def limit(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    def test_file_size_limit(self):
        script = ["bash", self.project.path / "django_checkout.sh"]
        patch = self.project.patches / self.project.STATE
        patch.write_bytes(patch.read_bytes().replace(b"+two", b"+changed"))
        for message in ("File size limit exceeded", "File too large"):
            process = self.project.run_command(*script, preexec_fn=self.limit)
            self.assertError(process, message)
            self.assertSucceeds(self.project.script())
            shutil.rmtree(self.project.checkout)

    def test_full_disk(self):
        mount = "mount -t tmpfs -o size={} tmpfs build"
        probe = ["unshare", "--mount", "sh", "-c", mount.format("1m")]
        if not shutil.which("unshare") or (self.project.run_command(*probe).returncode):
            self.skipTest("This needs the right to mount a file system.")
        sdist = self.project.path / SDIST
        (self.project.path / "build" / SDIST).rename(sdist)
        for size in range(40, 400, 40):
            with self.subTest(size=size):
                process = self.project.run_command(
                    *["unshare", "--mount", "bash", "-c"],
                    f"{mount.format('1m')} && cp {SDIST} build &&"
                    f"mount -o remount,size={size}k build && ! ./django_checkout.sh &&"
                    f"mount -o remount,size=9m build && "
                    f"./django_checkout.sh 2>/dev/null",
                )
                if process.stdout.count("\n") > 1:
                    break
                self.assertError(process, "No space left on device", status=0)
        self.assertGreater(size, 80)

    def test_dist(self):
        dist = self.project.path / "dist"
        for make, message in [
            (dist.touch, "dist is not a directory"),
            (lambda: dist.symlink_to("/proc/self"), "can't write to dist: "),
            (lambda: dist.symlink_to("nowhere"), "can't write to dist: "),
        ]:
            with self.subTest(message=message):
                make()
                process = self.project.script("--wheel")
                self.assertError(process, message)
                self.assertNotIn("Building", process.stderr)
                dist.unlink()

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere.")
    def test_read_only_dist(self):
        dist = self.project.path / "dist"
        dist.mkdir(mode=0o500)
        process = self.project.script("--wheel")
        self.assertError(process, "can't write to dist: Permission denied")
