import shutil

from .utils import FILES, ProjectTestCase, make_sdist

BEFORE = "prepared-for-patches.patch"


class OverlayTests(ProjectTestCase):
    """Patches for a release, and what stands for them in another one."""

    def setUp(self):
        super().setUp()
        self.release = self.project.checkout
        self.old = self.project.path / "build" / "django-5.2"
        self.overlay = self.project.path / "patches" / "5.2"
        files = {
            "django/__init__.py": 'VERSION = (5, 2, 0, "final", 0)\n',
            "django/models.py": FILES["django/models.py"].replace("line 1\n", "one\n"),
            "docs/releases/index.txt": "5.2 release\n-----------\n\n5.1 release\n",
        }
        make_sdist(self.old.with_name("django-5.2.tar.gz"), {**FILES, **files})
        self.overlay.mkdir()
        self.series = self.overlay / "series"
        self.series.write_text("# A comment.\n\nBase: 5.2\nVersion: 5.2\nWhy: Many.\n")

    def script(self, *args):
        return self.project.script("--django", "5.2", *args)

    def solve(self):
        """Commit what the series is meant to do to the old release."""
        self.assertError(self.script(), "does not apply: conflict in django/models.py")
        # What the project does in a checkout, it does in the old release's.
        self.project.checkout = self.old
        self.project.git("am", "--abort")
        self.project.commit("Prepared for patches.", old="line 9\n", new="nine\n")
        self.project.commit("Refs #29898 -- Changed the models.")
        self.project.git("am", str(self.project.patches / self.project.STATE))
        self.assertSucceeds(self.script("--export"))
        self.project.checkout = self.release

    def fill_in(self):
        self.series.write_text(self.series.read_text().replace("TODO", "Good reasons."))

    def change_series(self):
        self.project.commit("fixup", old="line 20\n", new="twenty\n")
        self.project.git("reset", "--soft", "upstream")
        self.project.git("checkout", "HEAD", "--", "django/state.py")
        message = "Refs #29898 -- Changed the models.\n\nThe body."
        self.project.git("commit", "--all", "--message", message)
        self.project.git("am", str(self.project.patches / self.project.STATE))
        self.assertSucceeds(self.project.script("--export"))

    def test_export_writes_what_differs(self):
        self.solve()
        self.assertEqual(
            {path.name for path in self.overlay.iterdir()},
            {"series", BEFORE, self.project.MODELS},
        )
        text = self.series.read_text()
        self.assertTrue(text.startswith("# A comment.\n\nBase: 5.2\nVersion: 5.2\n"))
        self.assertIn(f"Before: {BEFORE}\nWhy: TODO\n", text)
        self.assertRegex(
            text, rf"Override: {self.project.MODELS}\nOf: [0-9a-f]{{64}}\n"
        )
        self.assertNotIn(self.project.STATE, text)
        process = self.project.script("--check")
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stderr.count("Why is to be filled in"), 2)

    def test_round_trip(self):
        self.solve()
        self.fill_in()
        before = {path.name: path.read_text() for path in self.overlay.iterdir()}
        shutil.rmtree(self.old)
        process = self.script("--check")
        self.assertSucceeds(process)
        self.assertEqual(process.stdout, "patches/5.2: 3 patches checked\n")
        self.assertIn("nine\n", (self.old / "django" / "models.py").read_text())
        self.assertSucceeds(self.script("--export"))
        after = {path.name: path.read_text() for path in self.overlay.iterdir()}
        self.assertEqual(after, before)

    def test_overridden_patch_changes(self):
        self.solve()
        self.fill_in()
        self.change_series()
        process = self.project.script("--check")
        self.assertError(
            process,
            f"patches/5.2/{self.project.MODELS} stands for a patch of patches/6.1 that "
            "has changed since",
        )
        # The old patch isn't to be found: this project has no history.
        self.assertIn(
            f"patches/5.2/{self.project.MODELS} and patches/6.1/{self.project.MODELS} "
            f"differ:\n",
            process.stderr,
        )
        self.assertRegex(process.stderr, r"(?m)^ +\+ *\+twenty$")
        process = self.script()
        self.assertSucceeds(process)
        self.assertIn(
            f"note: patches/5.2/{self.project.MODELS} stands for a patch that has "
            f"changed since",
            process.stderr,
        )
        self.assertSucceeds(self.script("--export"))
        self.assertSucceeds(self.project.script("--check"))

    def test_change_of_overridden_patch(self):
        """The project's history has the patch that the override is for."""
        self.solve()
        self.fill_in()
        self.project.git("-C", str(self.project.path), "init", "--quiet")
        for args in (["add", "patches"], ["commit", "--quiet", "--message", "x"]):
            self.project.git("-C", str(self.project.path), *args)
        self.change_series()
        process = self.project.script("--check")
        self.assertEqual(process.returncode, 1)
        self.assertIn(
            f"patches/6.1/{self.project.MODELS} has changed:\n", process.stderr
        )
        self.assertRegex(process.stderr, r"1: +[0-9a-f]+ ! 1: +[0-9a-f]+ Refs #29898 ")
        self.assertRegex(process.stderr, r"(?m)^ +\+ *\+twenty$")
        # What both of them change.
        self.assertNotRegex(process.stderr, r"(?m)^ +[+-] *\+two$")
        # It's shown once for all overlays.
        other = self.overlay.with_name("other")
        shutil.copytree(self.overlay, other)
        series = other / "series"
        series.write_text(series.read_text().replace(" 5.2\n", " 5.3\n"))
        process = self.project.script("--check")
        self.assertEqual(process.stderr.count("has changed:\n"), 1)
        for name in ("5.2", "other"):
            self.assertIn(
                f"error: patches/{name}/{self.project.MODELS} stands for a patch",
                process.stderr,
            )
        shutil.rmtree(other)
        # Without the checkouts there is nothing to compare but the files.
        shutil.rmtree(self.release)
        shutil.rmtree(self.old)
        process = self.project.script("--check")
        self.assertIn("    ++twenty\n", process.stderr)

    def test_export_refuses_to_keep_old_patches(self):
        """What the series has changed since wouldn't be in the override."""
        self.assertSucceeds(self.project.script())
        self.solve()
        self.fill_in()
        before = {path.name: path.read_text() for path in self.overlay.iterdir()}
        self.project.commit("Changed more.", "django/state.py", "state 9\n", "more\n")
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        process = self.script("--export")
        self.assertError(
            process,
            "lacks changes made since in patches/6.1/changed-more.patch: run "
            "./django_checkout.sh --django 5.2 first",
            status=3,
        )
        after = {path.name: path.read_text() for path in self.overlay.iterdir()}
        self.assertEqual(after, before)
        self.assertSucceeds(self.script())
        self.assertSucceeds(self.script("--export"))
        self.assertSucceeds(self.script("--check"))
        after = {path.name: path.read_text() for path in self.overlay.iterdir()}
        self.assertEqual(after, before)

    def test_export_refuses_what_stands_for_old_patches(self):
        self.solve()
        self.fill_in()
        self.change_series()
        process = self.script("--export")
        self.assertError(
            process,
            f"lacks changes made since in patches/6.1/{self.project.MODELS}:"
            " run ./django_checkout.sh --django 5.2 first",
            status=3,
        )
        self.assertSucceeds(self.script("--export", "--force"))

    def test_topic(self):
        """All patches are of one topic here, so that nothing is left out."""
        self.solve()
        self.fill_in()
        process = self.script("--topic", "good-reasons-")
        self.assertSucceeds(process)
        self.project.checkout = self.old.with_name("django-5.2-good-reasons-")
        self.assertEqual(process.stdout, f"{self.project.checkout}\n")
        self.assertEqual(self.project.git("rev-list", "--count", "upstream.."), "3")

    def test_omitted_patch(self):
        self.series.write_text(
            f"{self.series.read_text()}\nOmit: {self.project.MODELS}\nWhy: So.\n"
        )
        self.assertSucceeds(self.script())
        self.assertIn("line 2\n", (self.old / "django" / "models.py").read_text())
        self.assertIn("two\n", (self.old / "django" / "state.py").read_text())
        self.assertSucceeds(self.script("--export"))
        self.assertIn(
            f"Omit: {self.project.MODELS}\nWhy: So.\n", self.series.read_text()
        )

    def test_pinned_sdist(self):
        name = "django-5.2.tar.gz"
        (self.overlay / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
        self.assertError(self.script(), f"instead of {'0' * 64}: delete it")
        self.assertFalse(self.old.exists())

    def test_release_notes_are_in_the_index(self):
        self.series.write_text(
            f"{self.series.read_text()}\nOmit: {self.project.MODELS}\nWhy: So.\n"
        )
        self.assertSucceeds(self.script())
        index = (self.old / "docs" / "releases" / "index.txt").read_text()
        self.assertIn("   6.2\n\n5.2 release\n", index)
        self.assertEqual(index.count("   6.2\n"), 1)

    def test_errors(self):
        text = self.series.read_text()
        for stanza, message in [
            ("Patch: x.patch", "unknown field Patch"),
            ("Base: 5.2", "Base 5.2 is listed twice"),
            ("Omit: x.patch\nWhy: So.", "x.patch isn't in patches/6.1 any more"),
            ("Before: x.patch\nWhy: So.", "lists x.patch, which is missing"),
        ]:
            with self.subTest(stanza=stanza):
                self.series.write_text(f"{text}\n{stanza}\n")
                self.assertError(self.script("--check"), message)

    def test_unlisted_patch(self):
        (self.overlay / "more.patch").write_text("")
        self.assertError(self.project.script("--check"), "more.patch is not listed")
