"""
Make a git checkout of Django with the patch series applied, see README.md.

Without an option this makes or updates the checkout in build/, which takes
half a minute the first time, and prints its path. Several options of the first
group can be given; they act in the order in which they are listed here.
"""

import argparse
import os
import re
import shutil
import signal
import sys

from bases import PATCHES, RELEASE, Base
from checkout import Checkout
from commands import Failure, only_run, say
from rebase import rebase
from wheel import build_wheel

EPILOG = """\
The environment variable PYTHON names the interpreter to use.

exit status: 0 if all went well, 2 for a wrong command line, 3 if work in the
checkout would be lost, 4 if a series is applied in part, 1 for other errors
"""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parse_args(args=None):
    parser = Parser(
        prog="./django_checkout.sh",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = parser.add_argument_group("actions")
    for option, help_text in {
        "--export": "write the checkout's commits to patches/6.1, or those that "
        "differ to the overlay of its base",
        "--check": "check the patches, their metadata and the round trip",
        "--wheel": "build the wheel into dist/, and print its path",
    }.items():
        actions.add_argument(option, action="store_true", help=help_text)
    parser.add_argument(
        "--django",
        metavar="DJANGO",
        default=RELEASE,
        help="work on another Django: main for upstream's main branch, the version "
        "of a release, or the path of a clone, which is only read",
    )
    parser.add_argument(
        "--topic",
        metavar="TOPIC",
        help="apply only the patches of a topic and of those that it needs, in a "
        "checkout of their own",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="discard work that is in no patch file; with --export, overwrite patch "
        "files that were changed meanwhile",
    )
    parser.add_argument(
        "--rebase",
        metavar="VERSION",
        help="take the series to another release, or to the latest: apply it, test "
        "it, compare it, build the wheel, and if all of that went well write the "
        "patches, the pinned release and its hash",
    )
    parser.add_argument(
        "--sha256",
        metavar="HASH",
        type=sha256,
        help="of the source distribution for --rebase; otherwise the index's is used",
    )
    parser.add_argument(
        "--python", action="store_true", help="print the Python that is used"
    )
    parser.add_argument("--version", action="version", version=get_version())
    options = parser.parse_args(args)
    acts = options.export or options.check or options.wheel
    if options.python and acts:
        parser.error("--python can't be combined with actions")
    if options.rebase and (
        acts
        or options.python
        or options.force
        or options.topic
        or options.django != RELEASE
    ):
        parser.error("--rebase can only be combined with --sha256")
    if options.sha256 and options.rebase in (None, "latest"):
        parser.error("--sha256 belongs to --rebase VERSION")
    if options.topic and acts:
        parser.error("--topic can't be combined with actions")
    return options


def sha256(value):
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise argparse.ArgumentTypeError(f"{value!r} is no SHA-256")
    return value.lower()


def get_version():
    """Return the version of the build, as the last patch sets it."""
    number = "?"
    for path in PATCHES.glob("*local-version*.patch"):
        if match := re.search(r'^\+LOCAL_VERSION = "(.+)"', path.read_text(), re.M):
            number = match[1]
    return f"Django {RELEASE}{number}"


def act(options, checkout):
    if options.export:
        checkout.export(options.force)
    if options.check:
        checkout.check(options.force and not options.export)
        paths = checkout.series.get_paths()
        print(f"{checkout.series.name}: {len(paths)} patches checked")
    elif not options.export:
        checkout.update(options.force)
    if options.wheel:
        print(build_wheel(checkout))
    if not (options.export or options.check or options.wheel):
        print(checkout.path)


def main():
    os.umask(0o022)
    options = parse_args()
    if options.python:
        print(sys.executable)
        return
    if not shutil.which("git"):
        raise Failure("git is not installed")
    if options.rebase:
        with only_run():
            if wheel := rebase(options.rebase, options.sha256):
                print(wheel)
        return
    base = Base.from_option(options.django)
    with only_run():
        act(options, Checkout(base, options.topic))


def run_main():
    """Run main(), and make one line of what goes wrong on the machine."""
    # The same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except Failure as e:
        say(f"error: {e}")
        return e.status
    except KeyboardInterrupt:
        say("error: interrupted: the next run goes on")
        return 130
    except OSError as e:
        say(f"error: {e.strerror or e}" + (f": {e.filename}" if e.filename else ""))
        return 1


if __name__ == "__main__":
    sys.exit(run_main())
