"""
Measure a generated project and real ones, for one table and one picture.

    projects/environments.sh FOLDER
    python headline.py --environments FOLDER --trees STOCK PATCHED

It writes results/headline.json, headline.md and headline.svg, and the table
into ../README.md and README.md, between two comments. With --projects
only these are measured, and the others stay as they are in the JSON file; with
--draw nothing is measured, and the table and the picture are made again.
"""

import argparse
import datetime
import html
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

from run import ROOT, CommandFailed, get_tree, make_project
from run import run as measure_project

HERE = Path(__file__).resolve().parent
WORK = ROOT / "build" / "benchmarks"
RESULTS = HERE / "results"
GENERATED = ["--apps", "20", "--models", "150", "--migrations", "600"]
# The title, the settings module and the app that is taken to zero: the one
# that takes most others along, of those that unpatched Django can unapply.
PROJECTS = {
    "generated": ("generated", "settings", None),
    "oscar": ("django-oscar", "oscar_settings", "catalogue"),
    "wagtail": ("Wagtail", "wagtail_settings", "home"),
    "pretalx": ("pretalx", "pretalx_settings", None),
    "pretix": ("pretix", "pretix_settings", "autocheckin"),
}
SCENARIOS = {"forward": "All migrations, forward", "zero": "An app to zero"}
COLORS = ["#8a8f98", "#0c6b47"]
# The table is between them.
BEGIN = "<!-- made by benchmarks/headline.py -->\n"
END = "<!-- end of what is made -->\n"


# Measuring.


def generate(stock):
    """Return the folder of a generated project, which is made if need be."""
    folder = WORK / "p600"
    if not folder.exists():
        subprocess.run(
            [sys.executable, HERE / "generate.py", folder, *GENERATED],
            env={**os.environ, "PYTHONPATH": str(stock)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return folder


def measure(name, options):
    """Return what is known of a project after both trees have migrated it."""
    title, settings, app = PROJECTS[name]
    trees = [get_tree(tree, WORK) for tree in options.trees]
    if name == "generated":
        folder, python = generate(trees[0]), Path(options.python)
    else:
        folder = HERE / "projects"
        python = options.environments / name / "bin" / "python"
    project = make_project(folder, settings, python.absolute(), options.backend)
    try:
        report = measure_project(
            project,
            trees,
            argparse.Namespace(
                project=folder,
                settings=settings,
                app=app,
                backend=options.backend,
                rounds=options.rounds,
                names=["unpatched", "patched"],
                scenarios=list(SCENARIOS),
                prepare_with=None,
                no_replay=True,
                json=None,
                plot=None,
            ),
        )
        info = {tree: project.get_info(tree) for tree in trees}
    finally:
        for state in project.databases.glob("*.made"):
            state.unlink()
        project.drop(trees[-1], "full")
    scenarios = {
        key: {
            "command": report["scenarios"][key]["command"],
            "medians": [tree["median"] for tree in report["scenarios"][key]["trees"]],
        }
        for key in SCENARIOS
    }
    first = info[trees[0]]
    return {
        "title": title,
        "backend": options.backend,
        "rounds": options.rounds,
        "migrations": len(first["migrations"]),
        "models": first["models"],
        "version": find_version(name, python),
        "django": [info[tree]["django"] for tree in trees],
        "python": find_python_version(python),
        "date": datetime.date.today().isoformat(),
        "scenarios": scenarios,
    }


def find_version(name, python):
    """Return the version of the project's package."""
    if name == "generated":
        return ""
    package = {"oscar": "django-oscar"}.get(name, name)
    return evaluate(
        python, f"__import__('importlib.metadata').metadata.version({package!r})"
    )


def find_python_version(python):
    return evaluate(python, "__import__('platform').python_version()")


def evaluate(python, expression):
    """Return the value of an expression in another Python, as text."""
    command = [python, "-c", f"print({expression})"]
    return subprocess.check_output(command, text=True).strip()


# Showing.


def get_name(project):
    return f"{project['title']} {project['version']}".strip()


def get_factor(medians, column="cpu"):
    """Return how many times faster the second is, unless one failed."""
    if any("error" in median for median in medians):
        return ""
    first, second = (median[column] for median in medians)
    factor = first / second
    return f"{factor:,.{0 if factor >= 100 else 1}f} ×"


def get_table(report):
    """Return the lines of a Markdown table, of both trees side by side."""
    lines = [
        "| project | migrations | | CPU s | memory, MB | models rendered | faster |",
        "| --- | --: | --- | --: | --: | --: | --: |",
    ]
    for project in in_order(report):
        for key, scenario in project["scenarios"].items():
            medians = scenario["medians"]
            values = [
                " → ".join(f"{median[column]:,.{digits}f}" for median in medians)
                for column, digits in [("cpu", 1), ("rss", 0), ("renders", 0)]
            ]
            app = scenario["command"][1] if key == "zero" else ""
            title = f"`{app}` to zero" if app else "all, forward"
            cells = [
                get_name(project),
                f"{project['migrations']:,}",
                title,
                *values,
                get_factor(medians),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def get_text(report):
    projects = in_order(report)
    dates = sorted({project["date"] for project in projects})
    django = " and ".join(projects[0]["django"])
    backends = ", ".join(sorted({project["backend"] for project in projects}))
    rounds = sorted({project["rounds"] for project in projects})
    lines = [
        *get_table(report),
        "",
        f"Django {django}, Python {projects[0]['python']}, databases in {backends}; "
        f"rounds: {', '.join(map(str, rounds))}; made on {' and '.join(dates)} on "
        f"{report['machine']}.",
    ]
    return "\n".join(lines) + "\n"


def write_into(path, text):
    """Put the text between the comments of a file."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"error: {path} lacks the comments between which the table goes")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def in_order(report):
    return [report["projects"][name] for name in PROJECTS if name in report["projects"]]


def draw(report):
    """
    Return an SVG picture: two points on a logarithmic axis for each project.

    It has a background of its own, for the sake of dark pages.
    """
    projects = in_order(report)
    width, left, right, step = 820, 190, 700, 40
    values = [
        median["cpu"]
        for project in projects
        for scenario in project["scenarios"].values()
        for median in scenario["medians"]
    ]
    low = 10 ** math.floor(math.log10(min(values)))
    high = max(values) * 1.15
    steps = (1, 2, 5) if high / low < 200 else (1,)

    def get_x(value):
        share = math.log10(value / low) / math.log10(high / low)
        return left + share * (right - left)

    parts = []

    def text(x, y, content, anchor="start", color="#1c2024", **attributes):
        more = "".join(
            f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items()
        )
        parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"'
            f"{more}>{html.escape(content)}</text>"
        )

    text(24, 32, "migrate: CPU seconds", font_size=16, font_weight=600)
    text(width - 24, 32, "logarithmic", "end", "#5c6470")
    for x, name, color in [
        (left + 120, "unpatched Django", COLORS[0]),
        (left + 290, "with the patches", COLORS[1]),
    ]:
        parts.append(f'<circle cx="{x - 12}" cy="27" r="6" fill="{color}"/>')
        text(x, 32, name)
    y = 50
    for key, title in SCENARIOS.items():
        top = y + 34
        bottom = top + step * len(projects)
        text(24, y + 24, title, font_weight=600)
        tick = low
        while tick <= high:
            for factor in steps:
                value = tick * factor
                if value <= high:
                    x = get_x(value)
                    parts.append(
                        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" '
                        f'stroke="#e3e6ea"/>'
                    )
                    text(x, bottom + 16, f"{value:,g} s", "middle", "#5c6470")
            tick *= 10
        for i, project in enumerate(projects):
            middle = top + step * (i + 0.5)
            medians = project["scenarios"][key]["medians"]
            first, second = (get_x(median["cpu"]) for median in medians)
            text(left - 16, middle - 2, get_name(project), "end")
            text(
                *(left - 16, middle + 13, f"{project['migrations']:,} migrations"),
                *("end", "#5c6470"),
                font_size=11,
            )
            parts.append(
                f'<line x1="{second:.1f}" x2="{first:.1f}" y1="{middle:.1f}" '
                f'y2="{middle:.1f}" stroke="#b9bec6" stroke-width="3"/>'
            )
            for x, median, color, side in [
                (first, medians[0], COLORS[0], 1),
                (second, medians[1], COLORS[1], -1),
            ]:
                parts.append(
                    f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="6" fill="{color}"/>'
                )
                text(
                    *(x + 12 * side, middle + 4, f"{median['cpu']:,.1f}"),
                    "start" if side > 0 else "end",
                )
            text(
                *(width - 24, middle + 4, get_factor(medians)),
                *("end", COLORS[1]),
                font_weight=600,
            )
        text(width - 24, y + 24, "faster", "end", "#5c6470")
        y = bottom + 26
    height = y + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-size="13" '
        f'font-family="system-ui, DejaVu Sans, sans-serif">'
        f"<title>CPU seconds of migrate with both Djangos</title>"
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="#ffffff" stroke="#d4d8dd"/>{"".join(parts)}</svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--trees", nargs=2, metavar="TREE", help="unpatched, patched")
    parser.add_argument(
        "--environments", type=Path, help="the folder that environments.sh has filled"
    )
    parser.add_argument("--python", default=sys.executable, help="for the generated")
    parser.add_argument("--projects", nargs="+", choices=PROJECTS, default=[*PROJECTS])
    parser.add_argument(
        "--backend", choices=["sqlite", "postgresql", "mariadb"], default="sqlite"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args()
    path = options.output / "headline.json"
    report = {"projects": {}}
    if path.exists():
        report = json.loads(path.read_text())
    if not options.draw:
        if not options.trees:
            parser.error("--trees are needed, unless with --draw")
        if options.projects != ["generated"] and not options.environments:
            parser.error("--environments are needed for real projects")
        report["machine"] = f"{os.cpu_count()} cores, {platform.machine()}"
        try:
            for name in options.projects:
                print(f"\n{name}\n", flush=True)
                report["projects"][name] = measure(name, options)
                path.write_text(json.dumps(report, indent=1) + "\n")
        except CommandFailed as error:
            sys.exit(f"error: {name}: {' '.join(str(error).split())}")
    if not report["projects"]:
        sys.exit(f"error: {path} has no results to draw")
    path.with_suffix(".md").write_text(get_text(report))
    path.with_suffix(".svg").write_text(draw(report))
    if options.output == RESULTS:
        for readme in (ROOT / "README.md", HERE / "README.md"):
            write_into(readme, get_text(report))
    print(f"\n{get_text(report)}")


if __name__ == "__main__":
    main()
