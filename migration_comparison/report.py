"""
Write what a comparison found, as text, as JSON and as a page.
"""

import html
import json
import math
import os
import textwrap

from .check import EXPLANATIONS, KINDS, TREES
from .records import shorten

COLORS = ["#8a8f98", "#0c6b47"]
# Kinds as a word, and the class of their color in the page.
WORDS = {
    "same": ("same", "good"),
    "order": ("same, other order", "good"),
    "states": ("on purpose", "good"),
    "fresh": ("on purpose", "good"),
    "deferred": ("on purpose", "good"),
    "fixed": ("fixed", "good"),
    "fails": ("fails alike", "note"),
    "different": ("DIFFERENT", "bad"),
    "not run": ("not compared", "note"),
}


def format_seconds(seconds):
    if seconds is None:
        return "–"
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def format_factor(values):
    first, second = values
    return f"{first / second:.1f} ×" if first and second else ""


def get_report(check, **extra):
    """Return all that is known about a comparison, as JSON can have it."""
    info = check.info["unpatched"]
    verdicts = [verdict.as_dict() for verdict in check.verdicts]
    kinds = [verdict["kind"] for verdict in verdicts]
    return {
        "format": 1,
        **extra,
        "settings": check.project.settings,
        "python": info["python"],
        "django": {tree: check.info[tree]["django"] for tree in TREES},
        "installed": info["installed"],
        "engines": info["engines"],
        "migrations": len(info["migrations"]),
        "models": info["models"],
        "complete": check.complete,
        "refused": sorted(check.refused),
        "agrees": "different" not in kinds,
        "counts": {kind: kinds.count(kind) for kind in KINDS if kind in kinds},
        "steps": verdicts,
    }


def get_headline(report):
    """Return the verdict on everything in a sentence."""
    counts = report["counts"]
    different = counts.get("different", 0)
    compared = sum(n for kind, n in counts.items() if kind != "not run")
    if not compared:
        return "Nothing was compared."
    if different:
        headline = f"DIFFERENT in {different} of {compared} steps"
    else:
        headline = f"No unexplained difference in {compared} steps"
    if not report["complete"]:
        headline += ", but not everything was compared"
    return headline + "."


def get_difference_lines(difference):
    """Return a difference as lines, with the statements around it."""
    place = f" in {difference['place']}" if difference["place"] else ""
    lines = [
        f"first difference: {difference['part']}{place}, "
        f"in the command {difference['command']}"
    ]
    first, second = difference["unpatched"], difference["patched"]
    lines += [f"    {shorten(line)}" for line in difference["context"]]
    lines += [f"  - {shorten(first, second)}"]
    lines += [f"  - {shorten(line)}" for line in difference["after_unpatched"]]
    lines += [f"  + {shorten(second, first)}"]
    lines += [f"  + {shorten(line)}" for line in difference["after_patched"]]
    return lines


def get_step_lines(step):
    """Return what is to be said about a step."""
    seconds = [step["totals"][tree]["seconds"] for tree in TREES]
    word = WORDS[step["kind"]][0]
    times = ""
    if None not in seconds:
        times = " → ".join(map(format_seconds, seconds))
        times = f"{times:>22} {format_factor(seconds):>8}"
    lines = [f"{step['title']:<42} {word:<18} {times}".rstrip()]
    if step["note"]:
        lines.append(f"    {step['note']}")
    for difference in step["differences"]:
        if step["kind"] == "different":
            lines += [f"    {line}" for line in get_difference_lines(difference)]
    return lines


def get_total_lines(report):
    """Return a table of the sums, apart from what was run on one side only."""
    lines = []
    for title, names in [
        ("forward", ["forward"]),
        ("test databases", ["tests"]),
        ("the newest back and forward", ["newest"]),
        ("apps to zero and forward", None),
    ]:
        steps = [
            step
            for step in report["steps"]
            if (step["step"] in names if names else step["app"])
            and None not in [step["totals"][tree]["seconds"] for tree in TREES]
        ]
        if not steps:
            continue
        seconds = [sum(s["totals"][tree]["seconds"] for s in steps) for tree in TREES]
        memory = [max(s["totals"][tree]["rss"] for s in steps) for tree in TREES]
        lines.append(
            f"{title:<30}{' → '.join(map(format_seconds, seconds)):>22}"
            f"{format_factor(seconds):>9}   "
            f"{memory[0]:,.0f} → {memory[1]:,.0f} MB"
        )
    return lines


def get_text(report):
    django = report["django"]
    lines = [
        f"Django {django['unpatched']} (unpatched) and {django['patched']} (patched)",
        f"on {report['settings']}: {report['migrations']} migrations, "
        f"{report['models']} models, Python {report['python']}, "
        f"scratch databases: {', '.join(sorted(set(report['engines'].values())))}",
        "",
        get_headline(report),
        "",
    ]
    for step in report["steps"]:
        lines += get_step_lines(step)
    lines += ["", *get_total_lines(report)]
    if report["refused"]:
        lines += ["", "The project asked for databases that it didn't get:"]
        lines += [f"    {message}" for message in report["refused"]]
    kinds = [kind for kind in EXPLANATIONS if kind in report["counts"]]
    for kind in kinds:
        lines += ["", f"{WORDS[kind][0]}: {KINDS[kind]}."]
        lines += textwrap.wrap(EXPLANATIONS[kind], 79)
    return "\n".join(lines) + "\n"


# Pictures.


def text(x, y, content, **attributes):
    attributes = "".join(
        f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items()
    )
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{html.escape(content)}</text>'


def bar_chart(rows, names, unit="s", logarithmic=False, width=760):
    """
    Return horizontal bars as SVG.

    ``rows`` are (label, values), with a value for each of ``names`` or None.
    """
    values = [value for _, row in rows for value in row if value]
    if not values:
        return ""
    left = 20 + 6.4 * max(len(label) for label, _ in rows)
    room = width - left - 90
    low = 10 ** math.floor(math.log10(min(values)))
    scale = math.log10(max(values) / low) or 1
    digits = 0 if unit == "MB" else 2
    parts = []
    for i, (name, color) in enumerate(zip(names, COLORS)):
        x = left + 150 * i
        parts.append(
            f'<rect x="{x:.1f}" y="8" width="12" height="12" rx="2" fill="{color}"/>'
        )
        parts.append(text(x + 18, 18, name))
    y = 36
    for label, row in rows:
        middle = y + 7 * len(row)
        parts.append(text(left - 8, middle + 4, label, text_anchor="end"))
        for value, color in zip(row, COLORS):
            if value is not None:
                share = value / max(values)
                if logarithmic:
                    share = math.log10(max(value, low) / low) / scale
                length = max(2, share * room)
                parts.append(
                    f'<rect x="{left:.1f}" y="{y}" width="{length:.1f}" height="12" '
                    f'rx="2" fill="{color}"/>'
                )
                parts.append(
                    text(left + length + 5, y + 10, f"{value:,.{digits}f} {unit}")
                )
            y += 14
        y += 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" '
        f'width="{width}" height="{y}" font-family="system-ui, sans-serif" '
        f'font-size="12" fill="#1c2024" role="img">'
        f'<rect width="{width}" height="{y}" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2024; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e3e6ea;
         vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
                       white-space: nowrap; }
.verdict { padding: .8rem 1rem; border-radius: .4rem; font-weight: 600; }
.good { color: #0c6b47; } .bad { color: #b3261e; } .note { color: #6b5900; }
.verdict.good { background: #e6f4ee; } .verdict.bad { background: #fbe9e7; }
.verdict.note { background: #fff6da; }
td.word { font-weight: 600; white-space: nowrap; }
pre { background: #f5f6f8; padding: .8rem; font-size: 12.5px; line-height: 1.45;
      border-radius: .3rem; }
pre span { display: block; white-space: pre-wrap; overflow-wrap: anywhere;
           padding-left: 4ch; text-indent: -4ch; }
pre mark { background: #ffe28a; color: inherit; }
pre .first { color: #b3261e; } pre .second { color: #0c6b47; }
svg { max-width: 100%; height: auto; }
.muted { color: #5c6470; }
"""


def cell(content, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f"<td{kind}>{content}</td>"


def get_pair(values, form):
    """Return two values in one, or a dash if there's neither."""
    if values == [None, None]:
        return "–"
    return " → ".join("–" if value is None else form(value) for value in values)


def get_step_row(step):
    word, color = WORDS[step["kind"]]
    totals = step["totals"]
    seconds = [totals[tree]["seconds"] for tree in TREES]
    memory = [totals[tree]["rss"] for tree in TREES]
    migrations = [
        sum(
            command[tree]["migrations"]
            for command in step["commands"]
            if tree in command
        )
        for tree in TREES
    ]
    statements = totals["patched"]["statements"]
    title = html.escape(step["title"])
    if step["note"]:
        title += f'<br><span class="muted">{html.escape(step["note"][:300])}</span>'
    return "".join(
        [
            "<tr>",
            cell(title),
            cell(word, f"word {color}"),
            cell(f"{max(migrations):,}", "number"),
            cell("–" if statements is None else f"{statements:,}", "number"),
            cell(get_pair(seconds, format_seconds), "number"),
            cell(format_factor(seconds), "number"),
            cell(get_pair(memory, "{:,.0f}".format), "number"),
            "</tr>",
        ]
    )


def mark_difference(line, other):
    """Return a statement as it's shown, as HTML, with what differs marked."""
    shown = shorten(line, other)
    if line is None or other is None:
        return html.escape(shown)
    same_start = len(os.path.commonprefix([line, other]))
    rests = [value[same_start:][::-1] for value in (line, other)]
    length = len(rests[0]) - len(os.path.commonprefix(rests))
    if not length:
        return html.escape(shown)
    start = len(os.path.commonprefix([shown, shorten(other, line)]))
    before, middle, after = (
        html.escape(part)
        for part in (
            shown[:start],
            shown[start : start + length],
            shown[start:][length:],
        )
    )
    return f"{before}<mark>{middle}</mark>{after}"


def get_difference_html(step):
    parts = []
    for difference in step["differences"]:
        first, *lines = get_difference_lines(difference)
        marked = []
        values = difference["unpatched"], difference["patched"]
        for line in lines:
            content, name = html.escape(line), "around"
            for mark, name_of_mark, pair in [
                ("  - ", "first", values),
                ("  + ", "second", values[::-1]),
            ]:
                if line.startswith(mark):
                    name = name_of_mark
                    if line == mark + shorten(*pair):
                        content = mark + mark_difference(*pair)
            marked.append(f'<span class="{name}">{content}</span>')
        title = html.escape(step["title"])
        parts.append(f"<h3>{title}</h3><p>{html.escape(first)}</p>")
        parts.append(f"<pre>{''.join(marked)}</pre>")
    return "".join(parts)


def get_chart_rows(report, figure):
    rows = []
    for step in report["steps"]:
        values = [step["totals"][tree][figure] for tree in TREES]
        if None not in values:
            rows.append((step["app"] or step["title"], values))
    return rows


def get_html(report):
    """Return one page that needs nothing else."""
    django = report["django"]
    names = [f"unpatched {django['unpatched']}", f"patched {django['patched']}"]
    different = not report["agrees"]
    color = "bad" if different else "good" if report["complete"] else "note"
    rows = "".join(map(get_step_row, report["steps"]))
    engines = ", ".join(sorted(set(report["engines"].values())))
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Migrations of {html.escape(report['settings'])}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>Migrations of {html.escape(report['settings'])}</h1>",
        f'<p class="verdict {color}">{html.escape(get_headline(report))}</p>',
        f"<p>Django {django['unpatched']} and {django['patched']}, Python "
        f"{report['python']}, {report['migrations']:,} migrations and "
        f"{report['models']:,} models. Scratch databases of "
        f"{html.escape(engines)}; {html.escape(report.get('date', ''))}.</p>",
        "<table><tr><th>step<th>verdict<th class=number>migrations"
        "<th class=number>SQL<th class=number>seconds<th class=number>faster"
        f"<th class=number>MB</tr>{rows}</table>",
    ]
    wrong = [step for step in report["steps"] if step["kind"] == "different"]
    if wrong:
        parts.append("<h2>Differences</h2>")
        parts += map(get_difference_html, wrong)
    explained = [
        step
        for step in report["steps"]
        if step["differences"] and step["kind"] != "different"
    ]
    kinds = [kind for kind in EXPLANATIONS if kind in report["counts"]]
    if kinds:
        parts.append("<h2>What differs and is right</h2>")
        for kind in kinds:
            parts.append(
                f"<p><b>{WORDS[kind][0]}</b>: {KINDS[kind]}. {EXPLANATIONS[kind]}</p>"
            )
        inner = "".join(map(get_difference_html, explained))
        parts.append(f"<details><summary>The differences</summary>{inner}</details>")
    if report["refused"]:
        parts.append("<h2>The project asked for databases that it didn't get</h2><ul>")
        parts += [f"<li>{html.escape(message)}" for message in report["refused"]]
        parts.append("</ul>")
    parts.append("<h2>Time</h2>")
    parts.append(bar_chart(get_chart_rows(report, "seconds"), names))
    parts.append("<h2>Memory</h2>")
    parts.append(bar_chart(get_chart_rows(report, "rss"), names, "MB"))
    return "\n".join(parts) + "\n</html>\n"


def write_report(report, folder):
    """Write the report in three forms, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    forms = [
        ("report.txt", get_text(report)),
        ("report.json", json.dumps(report, indent=1) + "\n"),
        ("report.html", get_html(report)),
    ]
    paths = []
    for name, content in forms:
        path = folder / name
        path.write_text(content, encoding="utf-8")
        paths.append(path)
    return paths
