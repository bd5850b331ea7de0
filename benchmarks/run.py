"""
Compare how fast two Django trees migrate a project.

    python run.py PROJECT --trees STOCK PATCHED [--backend sqlite] \\
        [--scenarios forward zero …] [--rounds 3] [--json FILE] [--plot FILE]

The trees take turns, and medians are printed. See README.md.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

from project import Project, make_parser

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


def scenarios(plans, prepared):
    """
    Return {name: (name of the database to start from or None, command)}.

    ``plans`` is what ``Project.plans()`` returns, ``prepared`` a function
    that is given a name and commands and returns a prepared database.
    """
    previous = {key: plan[0] for key, plan in plans["plans"].items()}
    sizes = {
        key: plan[1]
        for key, plan in plans["plans"].items()
        if key.split(".")[0] not in CONTRIB_LABELS
    }
    leaf = next(key for key in plans["leaves"] if key in sizes)
    leaf_label, leaf_name = leaf.split(".", 1)
    biggest = max(sizes, key=sizes.get).split(".")[0]

    def full():
        return prepared("full", ("migrate",))

    def without_leaf():
        command = "migrate", leaf_label, previous[leaf]
        return prepared("without_leaf", command, start=full())

    def unapply(count):
        key = min(sizes, key=lambda key: abs(sizes[key] - count))
        return "migrate", key.split(".")[0], previous[key]

    return {
        "floor": (None, ("floor",)),
        "forward": (None, ("migrate",)),
        "zero": (full, ("migrate", biggest, "zero")),
        "leaf_forward": (without_leaf, ("migrate", leaf_label, leaf_name)),
        "leaf_backward": (full, ("migrate", leaf_label, previous[leaf])),
        "unapply_23": (full, unapply(23)),
        "unapply_508": (full, unapply(508)),
        "nothing": (full, ("migrate",)),
        "sqlmigrate": (full, ("sqlmigrate", leaf_label, leaf_name)),
        "test_database": (None, ("create_test_db",)),
    }


def measure(project, tree, start, command, **kwargs):
    project.reset(start)
    result = project.run(tree, *command, **kwargs)
    result.pop("output")
    return result


def replay_seconds(project, tree, start, command, rounds):
    """Return the median time that the command's SQL takes on its own."""
    record = Path(tempfile.gettempdir()) / f"{project.work}.sql"
    measure(project, tree, start, command, record=record)
    return statistics.median(
        measure(project, tree, start, ("replay", f"{record}.pickle"))["replay_seconds"]
        for _ in range(rounds)
    )


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
    import math

    scenarios = report["scenarios"]
    walls = [
        tree["median"]["wall"]
        for scenario in scenarios.values()
        for tree in scenario["trees"]
    ]
    low = 10 ** math.floor(math.log10(min(walls)))
    scale = 480 / math.log10(max(walls) / low)
    colors = ["#8c8c8c", "#0c6b47"]
    parts = []
    y = 40
    for name, scenario in scenarios.items():
        parts.append(f'<text x="130" y="{y + 19}" text-anchor="end">{name}</text>')
        for tree, color in zip(scenario["trees"], colors):
            wall = tree["median"]["wall"]
            width = max(1, math.log10(wall / low) * scale)
            parts.append(
                f'<rect x="140" y="{y}" width="{width:.1f}" height="13" '
                f'fill="{color}"/>'
                f'<text x="{145 + width:.1f}" y="{y + 11}">{wall:.2f} s</text>'
            )
            y += 14
        y += 10
    legend = "".join(
        f'<text x="{140 + 200 * i}" y="20" fill="{color}">{tree["name"]}</text>'
        for i, (tree, color) in enumerate(zip(report["trees"], colors))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="700" height="{y}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="700" height="{y}" fill="white"/>'
        f"{legend}{''.join(parts)}</svg>\n"
    )


def run(project, options):
    """Measure all scenarios with all trees, and print and write medians."""
    names = options.names or [Path(tree).resolve().name for tree in options.trees]
    prepare_with = options.prepare_with or options.trees[-1]

    def prepared(name, *commands, **kwargs):
        return project.prepared(name, prepare_with, *commands, **kwargs)

    known = scenarios(project.plans(prepare_with), prepared)
    wanted = dict.fromkeys(["floor", *(options.scenarios or known)])
    report = {
        "command": sys.argv[1:],
        "project": options.project.name,
        "backend": options.backend,
        "rounds": options.rounds,
        "trees": [{"name": name} for name in names],
        "scenarios": {},
    }
    for path in options.trees:
        # Compiles what isn't compiled yet.
        measure(project, path, None, ("floor",))
    for name in wanted:
        start, command = known[name]
        start = start and start()
        trees = [{"name": tree, "results": []} for tree in names]
        for _ in range(options.rounds):
            for tree, path in zip(trees, options.trees):
                tree["results"].append(measure(project, path, start, command))
        if name == "forward" and options.trees[-1] == prepare_with:
            # Migrating everything once more takes minutes in a large project.
            project.keep("full")
        scenario = {"command": command, "trees": trees}
        report["scenarios"][name] = scenario
        if name not in NOT_REPLAYED and not options.no_replay:
            scenario["replay_seconds"] = replay_seconds(
                project, prepare_with, start, command, options.rounds
            )
        for i, tree in enumerate(trees):
            tree["median"] = median(tree["results"])
            floor = report["scenarios"]["floor"]["trees"][i]
            tree["floor"] = floor["median"]["wall"]
        lines = table({**report, "scenarios": {name: scenario}})
        print("\n".join(lines if name == "floor" else lines[2:]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n")
        if options.plot:
            options.plot.write_text(plot(report))


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--names", nargs="+", help="of the trees, in the table")
    parser.add_argument("--prepare-with", metavar="TREE", help="default: the last one")
    parser.add_argument("--scenarios", nargs="+", metavar="SCENARIO")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-replay", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    with Project.from_options(options) as project:
        run(project, options)


if __name__ == "__main__":
    main()
