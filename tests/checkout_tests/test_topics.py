import shutil
import sys

from .utils import FILES, RELEASE, ProjectTestCase

NEEDS = """\
# A comment.

Topic: second thing
Needs: first

Topic: third
Needs: second thing
"""


class TopicTests(ProjectTestCase):
    """Four topics of one patch each, of which the last one needs no other."""

    def setUp(self):
        super().setUp()
        self.project.commit("Changed more.", old="line 9\n", new="more\n")
        self.project.commit("Changed much.", old="line 20\n", new="much\n")
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        self.series = self.project.patches / "series"
        text = self.series.read_text().replace("# A comment.\n", NEEDS)
        for topic in ("first", "second thing", "third", "alone"):
            text = text.replace("Topic: Good reasons.", f"Topic: {topic}", 1)
        self.series.write_text(text)

    def replace(self, old, new):
        text = self.series.read_text()
        self.assertIn(old, text)
        self.series.write_text(text.replace(old, new, 1))

    def make(self, topic, slug):
        process = self.project.script("--topic", topic)
        self.assertSucceeds(process)
        path = self.project.path / "build" / f"django-{RELEASE}-{slug}"
        self.assertEqual(process.stdout, f"{path}\n")
        log = self.project.git("-C", str(path), "log", "--format=%s", "upstream..")
        return log.splitlines()

    def test_topic(self):
        first, second = "Refs #29898 -- Changed the models.", "Changed the state."
        self.assertEqual(self.make("first", "first"), [first])
        self.assertEqual(self.make("alone", "alone"), ["Changed much."])
        self.assertEqual(self.make("second thing", "second-thing"), [second, first])
        self.assertEqual(self.make("Third", "third"), ["Changed more.", second, first])
        # The checkout of the whole series is another one.
        self.assertEqual(self.project.git("rev-list", "--count", "upstream.."), "4")

    def test_slug(self):
        self.assertEqual(len(self.make("second-thing", "second-thing")), 2)

    def test_changed_patches_are_applied_again(self):
        self.make("alone", "alone")
        self.replace("# A comment.\n", "# A comment.\n\nTopic: alone\nNeeds: first\n")
        self.assertEqual(len(self.make("alone", "alone")), 2)

    def test_three_way_merge(self):
        """The files that a patch was made for are known."""
        models = FILES["django/models.py"].replace("line 9\n", "more\n")
        path = self.project.path / "build" / f"django-{RELEASE}-third" / "django"
        self.replace("Needs: second thing", "Needs: none")
        process = self.project.script("--check")
        self.assertError(process, "Topic third: Needs none, which has no patch")
        self.replace("Topic: third\nNeeds: none\n\n", "")
        self.assertEqual(self.make("third", "third"), ["Changed more."])
        self.assertEqual((path / "models.py").read_text(), models)

    def test_missing_need(self):
        self.project.commit("Changed most.", old="more\n", new="most\n")
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()
        self.replace("Topic: Good reasons.", "Topic: last")
        process = self.project.script("--topic", "last")
        self.assertError(process, "changed-most.patch does not apply: conflict in")
        self.assertIn("the topic last needs more than it says", process.stderr)
        self.replace("# A comment.\n", "# A comment.\n\nTopic: last\nNeeds: third\n")
        self.assertEqual(len(self.make("last", "last")), 4)

    def make_clone(self):
        clone = self.project.path / "mine"
        shutil.copytree(self.project.checkout, clone)
        self.project.git("-C", str(clone), "reset", "--hard", "upstream")

    def test_clone(self):
        self.make_clone()
        process = self.project.script("--django", "mine", "--topic", "alone")
        self.assertSucceeds(process)
        path = self.project.path / "build" / "django-mine-alone"
        self.assertEqual(process.stdout, f"{path}\n")
        log = self.project.git("-C", str(path), "log", "--format=%s", "upstream..")
        self.assertEqual(log, "Changed much.")

    def test_work(self):
        """Work in the checkout of a topic, or in that of the series."""
        self.make("alone", "alone")
        series = self.project.checkout
        self.project.checkout = series.with_name(f"{series.name}-alone")
        self.project.commit("Added precious.", old="line 3\n", new="precious\n")
        process = self.project.script("--topic", "alone")
        self.assertError(process, "has commits that are in no patch file", status=3)
        self.assertIn("cherry-pick them elsewhere, or --force", process.stderr)
        self.assertSucceeds(self.project.script("--topic", "alone", "--force"))
        self.project.checkout = series
        self.project.commit("Added precious.", old="line 3\n", new="precious\n")
        self.assertEqual(len(self.make("third", "third")), 3)
        self.assertIn("precious", self.project.git("log"))

    def test_export_keeps_needs(self):
        before = self.series.read_text()
        self.assertSucceeds(self.project.script("--export", "--check"))
        self.assertEqual(self.series.read_text(), before)
        self.assertIn(NEEDS, before)

    def test_check(self):
        for old, new, message in [
            (
                "Needs: first",
                "Needs: fist",
                "Topic second thing: Needs fist, which has",
            ),
            ("Needs: first", "Needs: alone", "Needs alone, which comes no earlier"),
            ("Needs: first", "Needs: second thing", "which comes no earlier"),
            ("Needs: first", "Needs:", "Topic second thing: its fields are Topic and"),
            ("Needs: first", "Need: first", "its fields are Topic and Needs"),
            (
                "Topic: third",
                "Topic: second thing",
                "Topic second thing is listed twice",
            ),
            ("Topic: third\nN", "Topic: thirds\nN", "Topic thirds: there is no patch"),
            ("Topic: alone", "Topic: first", "Topic first: its patches don't follow"),
            ("Ticket: none\nTopic: alone\n", "Ticket: none\n", "Topic is to be filled"),
        ]:
            with self.subTest(new=new):
                text = self.series.read_text()
                self.replace(old, new)
                self.assertError(self.project.script("--check"), message)
                self.series.write_text(text)

    def test_errors(self):
        process = self.project.script("--topic", "nonsense")
        self.assertError(
            process,
            "--topic nonsense: there is no such topic, but first, second-thing, third",
        )
        for action in ("--export", "--check", "--wheel"):
            process = self.project.script("--topic", "alone", action)
            self.assertError(process, "--topic can't be combined", status=2)

    def run_tests(self, *args):
        return self.project.run_command(
            sys.executable, "runtests.py", "--no-venv", *args
        )

    def add_runner(self):
        # What stands in for Django's runner says where it is.
        self.project.git("reset", "--hard", "upstream")
        (self.project.checkout / "tests").mkdir()
        (self.project.checkout / "tests" / "runtests.py").write_text(
            "import os, sys\nprint(os.path.dirname(__file__), *sys.argv[1:])\n"
        )
        self.project.git("add", "--all")
        self.project.commit("Added a runner.")
        self.assertSucceeds(self.project.script("--export"))
        self.project.fill_in()

    def test_runtests(self):
        self.add_runner()
        process = self.run_tests("--topic", "Good reasons.", "version", "-k", "x")
        self.assertSucceeds(process)
        path = self.project.path / "build" / f"django-{RELEASE}-good-reasons-" / "tests"
        self.assertEqual(process.stdout, f"{path} --noinput version -k x\n")

    def test_runtests_on_clone(self):
        self.add_runner()
        self.make_clone()
        process = self.run_tests(
            *["--django", "mine", "--topic", "Good reasons.", "version"]
        )
        self.assertSucceeds(process)
        path = self.project.path / "build" / "django-mine-good-reasons-" / "tests"
        self.assertEqual(process.stdout, f"{path} --noinput version\n")

    def test_runtests_errors(self):
        process = self.run_tests("--topic", "nonsense", "version")
        self.assertError(process, "--topic nonsense: there is no such topic")
        process = self.run_tests("--topic", "alone", "--only", "lint")
        self.assertError(process, "--topic and --only exclude each other", status=2)
