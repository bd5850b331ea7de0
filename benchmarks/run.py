"""
Compare how fast two Django trees migrate a project.

    python run.py PROJECT --trees STOCK PATCHED [--backend sqlite] \\
        [--scenarios forward zero …] [--rounds 3] [--json FILE] [--plot FILE]

The trees take turns, and medians are printed. See README.md.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(1, str(ROOT))

from migration_comparison.project import CommandFailed, Project, get_tree  # NOQA: E402
from migration_comparison.report import bar_chart  # NOQA: E402

CONTRIB_LABELS = {"contenttypes", "auth", "sites"}
COLUMNS = {
    "wall": "wall s",
    "cpu": "CPU s",
    "rss": "RSS MB",
    "renders": "renders",
    "statements": "SQL",
    "db_seconds": "DB s",
}
# Scenarios that send nothing that could be replayed.
NOT_REPLAYED = {"floor", "sqlmigrate", "test_database"}


def scenarios(info, prepared, app=None):
    """
    Return {name: (function that returns the state to start from, command)}.

    ``info`` is what ``Project.get_info()`` returns, ``prepared`` a function
    that is given a state and commands and makes databases in that state.
    ``app`` is the one that is taken to zero.
    """
    migrations = info["migrations"]
    previous = {key: migration["previous"] for key, migration in migrations.items()}
    sizes = {
        key: migration["descendants"]
        for key, migration in migrations.items()
        if key.split(".")[0] not in CONTRIB_LABELS
    }
    leaf = next(key for key in info["leaves"] if key in sizes)
    leaf_label, leaf_name = leaf.split(".", 1)
    app = app or max(sizes, key=sizes.get).split(".")[0]

    def full():
        return prepared("full", ["migrate"])

    def without_leaf():
        command = ["migrate", leaf_label, previous[leaf]]
        return prepared("without_leaf", command, start=full())

    def unapply(count):
        key = min(sizes, key=lambda key: abs(sizes[key] - count))
        return "migrate", key.split(".")[0], previous[key]

    return {
        "floor": (None, ("floor",)),
        "forward": (None, ("migrate",)),
        "zero": (full, ("migrate", app, "zero")),
        "leaf_forward": (without_leaf, ("migrate", leaf_label, leaf_name)),
        "leaf_backward": (full, ("migrate", leaf_label, previous[leaf])),
        "unapply_23": (full, unapply(23)),
        "unapply_508": (full, unapply(508)),
        "nothing": (full, ("migrate",)),
        "sqlmigrate": (full, ("sqlmigrate", leaf_label, leaf_name)),
        "test_database": (None, ("create_test_db",)),
    }


def measure(project, tree, start, command, **job):
    """Return what a command counted, and the figures of its process."""
    result = project.run(tree, command, start=start, **job)
    [counts] = result["commands"]
    return {**counts, **{key: result[key] for key in ("wall", "cpu", "rss")}}


def replay_seconds(project, tree, start, command, rounds):
    """Return the median time that the command's SQL takes on its own."""
    record = str(project.work / "record.sql")
    measure(project, tree, start, command, record=record, replayable=True, freeze=True)
    return statistics.median(
        measure(project, tree, start, ("replay", f"{record}.pickle"))["replay_seconds"]
        for _ in range(rounds)
    )


def make_server(backend):
    """Return the settings of the server on which databases are made."""
    if backend == "sqlite":
        return backend
    default, variable = {
        "postgresql": (
            {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": "127.0.0.1",
                "USER": "postgres",
            },
            "BENCHMARK_POSTGRESQL",
        ),
        "mariadb": (
            {
                "ENGINE": "django.db.backends.mysql",
                "HOST": "127.0.0.1",
                "USER": "root",
            },
            "BENCHMARK_MARIADB",
        ),
    }[backend]
    return {**default, **json.loads(os.environ.get(variable, "{}"))}


def make_project(folder, settings, python, backend):
    """
    Return a project with a folder of its own.

    Its databases are found again as long as the project is the same.
    """
    digest = hashlib.sha256(f"{settings} {python} {backend}".encode())
    for path in sorted(folder.resolve().rglob("*.py")):
        digest.update(path.read_bytes())
    name = f"{folder.resolve().name}-{digest.hexdigest()[:10]}"
    server = make_server(backend)
    engine = "django.db.backends.sqlite3" if backend == "sqlite" else server["ENGINE"]
    # What the settings depend on, not what they're connected to.
    variables = {"DATABASE": json.dumps({"ENGINE": engine, "NAME": ":memory:"})}
    work = ROOT / "build" / "benchmarks" / name
    return Project(folder, settings, python, server, work, variables)


def median(results):
    """Return the results' medians, and the error of the first that failed."""
    middle = {
        column: statistics.median(result[column] for result in results)
        for column in COLUMNS
    }
    errors = [result["error"] for result in results if "error" in result]
    return {**middle, "error": errors[0]} if errors else middle


def table(report):
    """Return the report as lines of a Markdown table."""
    header = ["scenario", "tree", *COLUMNS.values(), "replay s", "faster", "× floor"]
    lines = [header, ["---"] * 2 + ["--:"] * (len(header) - 2)]
    for name, scenario in report["scenarios"].items():
        first = scenario["trees"][0]["median"]
        for tree in scenario["trees"]:
            middle = tree["median"]
            row = [name, tree["name"]]
            for column in COLUMNS:
                digits = 0 if column in ("rss", "renders", "statements") else 2
                row.append(f"{middle[column]:,.{digits}f}")
            replay = scenario.get("replay_seconds")
            row.append("" if replay is None else f"{replay:.2f}")
            row.append(f"{first['wall'] / middle['wall']:.1f}×")
            floor = tree.get("floor")
            if replay is None or floor is None:
                row.append("")
            else:
                row.append(f"{middle['wall'] / (floor + replay):.2f}")
            if "error" in middle:
                row[0] += f" ({middle['error'][:60]})"
            lines.append(row)
    return [f"| {' | '.join(line)} |" for line in lines]


def plot(report):
    """Return an SVG bar chart of the wall times, on a logarithmic scale."""
    rows = [
        (name, [tree["median"]["wall"] for tree in scenario["trees"]])
        for name, scenario in report["scenarios"].items()
    ]
    names = [tree["name"] for tree in report["trees"]]
    return bar_chart(rows, names, logarithmic=True) + "\n"


def run(project, trees, options):
    """Measure all scenarios with all trees. Print, write and return them."""
    names = options.names or [tree.name for tree in trees]
    prepare_with = trees[-1]
    if options.prepare_with:
        prepare_with = get_tree(options.prepare_with, project.work)

    def prepared(state, command, start=None):
        """Make databases by running a command, unless they are there."""
        marker = project.databases / f"{state}.made"
        if not marker.exists():
            result = project.run(prepare_with, command, start=start, keep=state)
            if error := result["commands"][0].get("error"):
                raise CommandFailed(f"{' '.join(command)}: {error}")
            marker.touch()
        return state

    known = scenarios(project.get_info(prepare_with), prepared, options.app)
    wanted = dict.fromkeys(["floor", *(options.scenarios or known)])
    report = {
        "command": sys.argv[1:],
        "project": options.project.name,
        "settings": options.settings,
        "backend": options.backend,
        "rounds": options.rounds,
        "trees": [{"name": name} for name in names],
        "scenarios": {},
    }
    for path in trees:
        # Compiles what isn't compiled yet.
        measure(project, path, None, ("floor",))
    for name in wanted:
        start, command = known[name]
        start = start and start()
        measured = [{"name": tree, "results": []} for tree in names]
        for _ in range(options.rounds):
            for tree, path in zip(measured, trees):
                tree["results"].append(measure(project, path, start, command))
        scenario = {"command": command, "trees": measured}
        report["scenarios"][name] = scenario
        if name not in NOT_REPLAYED and not options.no_replay:
            scenario["replay_seconds"] = replay_seconds(
                project, prepare_with, start, command, options.rounds
            )
        for i, tree in enumerate(measured):
            tree["median"] = median(tree["results"])
            floor = report["scenarios"]["floor"]["trees"][i]
            tree["floor"] = floor["median"]["wall"]
        lines = table({**report, "scenarios": {name: scenario}})
        print("\n".join(lines if name == "floor" else lines[2:]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n")
        if options.plot:
            options.plot.write_text(plot(report))
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--trees", nargs="+", required=True, metavar="TREE")
    parser.add_argument(
        "--backend", choices=["sqlite", "postgresql", "mariadb"], default="sqlite"
    )
    parser.add_argument("--settings", default="settings")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--names", nargs="+", help="of the trees, in the table")
    parser.add_argument("--prepare-with", metavar="TREE", help="default: the last one")
    parser.add_argument("--scenarios", nargs="+", metavar="SCENARIO")
    parser.add_argument("--app", help="to take to zero, default: the biggest one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-replay", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    python = Path(options.python).absolute()
    project = make_project(options.project, options.settings, python, options.backend)
    try:
        trees = [get_tree(tree, project.work) for tree in options.trees]
        run(project, trees, options)
    except CommandFailed as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
