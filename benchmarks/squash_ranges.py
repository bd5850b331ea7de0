"""
Measure the search for the ranges of migrations to squash.

    PYTHONPATH=DJANGO python squash_ranges.py [--graphs 2000] [--apps 60]

Small random graphs: how often the search, and one greedy pass alone, find as
few ranges as there can be by trying all, and how many more at worst. Then
projects of many apps with keys in all directions: the time and the ranges.
"""

import argparse
import random
import time
from collections import Counter
from itertools import combinations, product

from django.db.migrations.graph import MigrationGraph
from django.db.migrations.squashing.ranges import RangeFinder


def get_graph(rng, sizes, keys):
    """Return a graph of apps, and their migrations."""
    graph = MigrationGraph()
    migrations = {f"app{i:02}": [] for i in range(len(sizes))}
    order = [label for label, size in zip(migrations, sizes) for _ in range(size)]
    rng.shuffle(order)
    done = []
    for app_label in order:
        key = (app_label, f"{len(migrations[app_label]):04}")
        graph.add_node(key, None)
        if migrations[app_label]:
            graph.add_dependency(None, key, migrations[app_label][-1])
        migrations[app_label].append(key)
        done.append(key)
    for _ in range(keys):
        i, j = sorted(rng.sample(range(len(done)), 2))
        if done[i][0] != done[j][0]:
            graph.add_dependency(None, done[j], done[i])
    return graph, migrations


def is_possible(graph, ranges):
    """Return whether no ranges depend on each other."""
    numbers = {key: number for number, keys in enumerate(ranges) for key in keys}
    needs = {number: set() for number in range(len(ranges))}
    for key, number in numbers.items():
        needs[number] |= {numbers[parent.key] for parent in graph.node_map[key].parents}
        needs[number].discard(number)
    while free := {number for number, others in needs.items() if not others}:
        needs = {n: others - free for n, others in needs.items() if n not in free}
    return not needs


def count_fewest(graph, migrations, found):
    """Return the least possible number of ranges, which is at most found."""
    splits = {}
    for app_label, keys in migrations.items():
        splits[app_label] = [
            [keys[start:stop] for start, stop in zip((0, *cuts), (*cuts, len(keys)))]
            for count in range(len(keys))
            for cuts in combinations(range(1, len(keys)), count)
        ]
    by_count = [Counter(map(len, parts)) for parts in splits.values()]
    for total in range(len(migrations), found):
        for counts in product(*by_count):
            if sum(counts) == total:
                choices = [
                    [part for part in parts if len(part) == count]
                    for parts, count in zip(splits.values(), counts)
                ]
                for chosen in product(*choices):
                    if is_possible(graph, [keys for part in chosen for keys in part]):
                        return total
    return found


def measure_small(rng, number):
    gaps = {"search": Counter(), "one pass": Counter()}
    for _ in range(number):
        sizes = [rng.randint(1, 6) for _ in range(rng.randint(2, 4))]
        graph, migrations = get_graph(rng, sizes, rng.randint(2, 20))
        finder = RangeFinder(graph, migrations)
        found = sum(map(len, finder.find().values()))
        greedy = finder._count(finder._find_greedily())
        fewest = count_fewest(graph, migrations, found)
        gaps["search"][found - fewest] += 1
        gaps["one pass"][greedy - fewest] += 1
    for name, counts in gaps.items():
        print(
            f"{name}: the fewest in {counts[0]} of {number} graphs "
            f"({counts[0] / number:.1%}), at worst {max(counts)} more"
        )


def measure_project(rng, apps, circles):
    sizes = [rng.randint(2, 40) for _ in range(apps)]
    graph, migrations = get_graph(rng, sizes, circles)
    start = time.process_time()
    finder = RangeFinder(graph, migrations)
    found = sum(map(len, finder.find().values()))
    seconds = time.process_time() - start
    print(
        f"{apps} apps, {sum(sizes)} migrations, {circles} keys between apps: "
        f"{found} ranges, by one pass {finder._count(finder._find_greedily())}, "
        f"at least {sum(counts[0] for counts in finder.counts.values())}; "
        f"{seconds:.1f} s"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--apps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    measure_small(rng, options.graphs)
    for circles in (30, 100, 300):
        measure_project(rng, options.apps, circles)


if __name__ == "__main__":
    main()
