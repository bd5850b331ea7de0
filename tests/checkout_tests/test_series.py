import shutil

from .utils import ProjectTestCase


class ExportTests(ProjectTestCase):
    def series(self):
        return (self.project.patches / "series").read_text()

    def export(self):
        process = self.project.script("--export")
        self.assertSucceeds(process)
        return process.stderr

    def test_round_trip(self):
        subject = "Added a subject that is long enough for a mail to fold it, [so]."
        self.project.commit(subject, old="line 9\n", new="ninth \t\nnine\n")
        (self.project.checkout / "django" / "new.bin").write_bytes(bytes(range(256)))
        self.project.git("add", "--all")
        self.project.commit("Added bytes.", old="line 11\n", new="é\n")
        self.export()
        before = self.project.read_patches()
        shutil.rmtree(self.project.checkout)
        self.assertSucceeds(self.project.script())
        self.assertEqual(
            self.project.git("log", "--format=%s", "--max-count=2").splitlines(),
            ["Added bytes.", subject],
        )
        self.export()
        self.assertEqual(self.project.read_patches(), before)

    def test_no_noise(self):
        """What differs between repositories and versions isn't exported."""
        patch = (self.project.patches / self.project.MODELS).read_text()
        self.assertTrue(patch.startswith(f"From {'0' * 40} Mon Sep 17"))
        self.assertIn("\nSubject: [PATCH] Refs #29898 -- Changed the models.\n", patch)
        self.assertRegex(patch, r"\nindex [0-9a-f]{40}\.\.[0-9a-f]{40} 100644\n")
        self.assertTrue(patch.endswith("\n line 5\n"), patch[-40:])

    def test_unchanged_files_are_not_written(self):
        times = {p: p.stat().st_mtime_ns for p in self.project.patches.iterdir()}
        self.project.commit("Added more.", old="line 9\n", new="more\n")
        self.export()
        for path, time in times.items():
            if path.name != "series":
                self.assertEqual(path.stat().st_mtime_ns, time, path)
        self.assertEqual(len(self.project.list_patches()), 3)

    def test_new_patch(self):
        before = self.series()
        self.project.commit("Fixed #1, Refs #2 -- Added.", old="line 9\n", new="9\n")
        self.assertIn("new: fixed-1-refs-2-added.patch", self.export())
        self.assertEqual(
            self.series(),
            f"{before}\nPatch: fixed-1-refs-2-added.patch\nTicket: #1, #2\n"
            f"Topic: TODO\nWhy: TODO\nUpstream: not sent\nDrop-When: TODO\n",
        )

    def test_metadata_are_kept(self):
        series = self.series().replace("Good reasons.", "Because\n  of this.", 1)
        series = series.replace("Patch: changed", "# Comment.\nPatch: changed")
        (self.project.patches / "series").write_text(series)
        self.export()
        self.assertEqual(self.series(), series)

    def test_other_order(self):
        before = self.project.read_patches()
        self.project.git("reset", "--hard", "upstream")
        self.project.git("cherry-pick", "ORIG_HEAD", "ORIG_HEAD~1")
        self.export()
        self.assertEqual(
            self.project.list_patches(), [self.project.STATE, self.project.MODELS]
        )
        after = self.project.read_patches()
        self.assertEqual(sorted(after), sorted(before))
        self.assertEqual(after[self.project.MODELS], before[self.project.MODELS])
        self.assertEqual(after["series"].count(b"Good reasons."), 6)

    def test_other_subject(self):
        before = self.series()
        self.project.git("commit", "--amend", "--message", "Altered the state.")
        message = self.export()
        self.assertIn("changed-the-state.patch is now altered-the-state.", message)
        self.assertEqual(
            self.series(), before.replace("changed-the-state", "altered-the-state")
        )
        self.assertIs((self.project.patches / self.project.STATE).exists(), False)
        self.assertSucceeds(self.project.script("--check"))

    def test_dropped(self):
        self.project.git("reset", "--hard", "HEAD~1")
        message = self.export()
        # The metadata can be read a last time.
        self.assertIn("dropped, its commit is gone:\n    Patch: changed-the", message)
        self.assertIn("    Why: Good reasons.", message)
        self.assertEqual(self.project.list_patches(), [self.project.MODELS])
        self.assertIs((self.project.patches / self.project.STATE).exists(), False)

    def test_same_subject(self):
        before = self.project.read_patches()
        self.project.commit("Changed the state.", old="line 9\n", new="9\n")
        process = self.project.script("--export")
        self.assertError(process, "two commits have the same subject")
        self.assertEqual(self.project.read_patches(), before)

    def test_empty_commit(self):
        self.project.git("commit", "--allow-empty", "--message", "Changed nothing.")
        self.assertError(self.project.script("--export"), "changes nothing: drop it")

    def test_merge(self):
        self.project.git("checkout", "-b", "side", "HEAD~1")
        self.project.commit("Went aside.", old="line 9\n", new="9\n")
        self.project.git("checkout", "fastmigrations")
        self.project.git("merge", "side", "--message", "Merged.")
        self.assertError(self.project.script("--export"), "a series has no merges")

    def test_no_checkout(self):
        shutil.rmtree(self.project.checkout)
        self.assertError(self.project.script("--export"), "to export: run")


class CheckTests(ProjectTestCase):
    def setUp(self):
        super().setUp()
        self.series = self.project.patches / "series"
        self.patch = self.project.patches / self.project.STATE

    def replace(self, path, old, new):
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))

    def assertCheckFails(self, message):
        self.assertError(self.project.script("--check"), message)

    def test_passes(self):
        process = self.project.script("--check")
        self.assertSucceeds(process)
        self.assertEqual(process.stdout, "patches/6.1: 2 patches checked\n")

    def test_missing_file(self):
        self.patch.unlink()
        self.assertCheckFails(f"{self.patch.name} is listed but missing")

    def test_unlisted_file(self):
        (self.project.patches / "more.patch").write_text("")
        self.assertCheckFails("more.patch is not listed in series")

    def test_listed_twice(self):
        self.series.write_text(self.series.read_text() * 2)
        self.assertCheckFails("is listed twice")

    def test_no_name(self):
        self.replace(self.series, f"Patch: {self.patch.name}\n", "")
        self.assertCheckFails("no Patch field in the stanza")

    def test_other_name(self):
        self.series.write_text("Patch: ../outside.patch\n")
        self.assertCheckFails("is not the name of a patch file")

    def test_to_be_filled_in(self):
        self.replace(self.series, "Why: Good reasons.", "Why: TODO")
        self.assertCheckFails(f"{self.project.MODELS}: Why is to be filled in")

    def test_missing_field(self):
        self.replace(self.series, "Why: Good reasons.\n", "")
        self.assertCheckFails(f"{self.project.MODELS}: Why is to be filled in")

    def test_unknown_field(self):
        self.replace(self.series, "Why:", "Because: of this\nWhy:")
        self.assertCheckFails("unknown field Because")

    def test_field_twice(self):
        self.replace(self.series, "Why:", "Why: Twice.\nWhy:")
        self.assertCheckFails("Why twice in one stanza")

    def test_no_field(self):
        self.replace(self.series, "Why:", "Why because\nWhy:")
        self.assertCheckFails("not a field: 'Why because'")

    def test_upstream_status(self):
        self.replace(self.series, "not sent", "perhaps")
        self.assertCheckFails("Upstream starts with none of 'not sent', 'sent'")

    def test_ticket(self):
        self.replace(self.series, "Ticket: none", "Ticket: 29898")
        self.assertCheckFails("Ticket is neither '#N' nor 'none'")

    def test_other_ticket_than_subject(self):
        self.replace(self.series, "Ticket: #29898", "Ticket: #34841")
        self.assertCheckFails("subject says ticket #29898, series says #34841")

    def test_subject(self):
        patch = self.patch.read_text()
        for subject, message in [
            ("refs #29898 -- Changed it.", "the subject is not"),
            ("Refs 29898 -- Changed it.", "not in the past tense: Refs"),
            ("Changed it", "the subject is not"),
            ("Changed it...", "the subject is not"),
            ("[PATCH] Changed it.", "the subject is not"),
            ("changed it.", "the subject is not"),
            ("Change it.", "not in the past tense: Change"),
            (f"Changed {'x' * 71}.", "the subject is longer than 79 characters"),
        ]:
            with self.subTest(subject=subject):
                self.patch.write_text(patch.replace("Changed the state.", subject))
                self.assertCheckFails(message)

    def test_body(self):
        self.replace(self.patch, "The body.", f"The body {'x' * 72}.")
        self.assertCheckFails("1 lines of the body are longer than 72 characters")

    def test_lines_that_can_be_long(self):
        body = f"https://example.com/{'x' * 72}\n\n    $ command {'x' * 72}"
        self.project.git("commit", "--amend", "--message", f"Rebuilt it.\n\n{body}")
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        self.assertSucceeds(self.project.script("--check"))

    def test_export_would_change_a_patch(self):
        # It applies, but isn't how it's written.
        self.replace(self.patch, "The body.\n", "The body.\n\n\n")
        self.assertCheckFails("--export would change patches/6.1")
