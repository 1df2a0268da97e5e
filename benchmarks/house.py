"""The figures of the house: rooms, lines, imports: `python benchmarks/house.py [--root DIR] [--times]`.

For every storey and every room: files, lines of code (neither blank nor comment nor docstring), lines of docstrings,
imports of other modules of ours, and levels: the modules of the longest chain of imports within it. Then the same of
the whole house, and the modules that import each other in a circle. An import counts once for each pair of modules,
wherever in a file it stands. One through a package's face counts as an import of the module that the name comes from,
so that houses with faces and without can be compared; names that are loaded lazily by text do not count. Nothing is
run: any checkout will do, in rooms or not, and `--root` takes the one in DIR.

`--times` runs whole processes of that checkout instead and prints ratios, medians of runs that alternate:
`import vorticity` beside `import numpy`, `vorticity --help` beside a bare Python, `vorticity rules` beside
`import numpy, scipy`.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import statistics
import subprocess
import sys
import time
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STOREYS = ("mdp", "dynamics", "proofs", "vorticity")
RUNS = 15
BESIDE = {  # what is timed, and what beside: arguments of Python
    "import vorticity": (["-c", "import vorticity"], "import numpy", ["-c", "import numpy"]),
    "vorticity --help": (["-m", "vorticity", "--help"], "bare Python", ["-c", "pass"]),
    "vorticity rules": (["-m", "vorticity", "rules"], "import numpy, scipy", ["-c", "import numpy, scipy"]),
}

Graph = Mapping[str, set[str]]
Named = tuple[str, str, str]  # the module in the import statement; the name taken from it or ""; what it is called here


@dataclass(frozen=True)
class Module:
    """A module of ours: dotted `name`, `package`, lines of code and of docstrings, and its imports as they stand."""

    name: str
    package: str
    code: int
    docstrings: int
    named: frozenset[Named]


# --- files ------------------------------------------------------------------------------------------------------------


def docstring_lines(tree: ast.AST) -> set[int]:
    """The numbers of the lines that docstrings take."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            found.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return found


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold more than blanks and comments, docstrings among them."""
    idle = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in idle:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


def named(tree: ast.AST, package: str) -> Iterator[Named]:
    """What import statements say, relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((source, alias.name, alias.asname or alias.name) for alias in node.names)


def read(root: Path, path: Path) -> Module:
    """The module of a file."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    package = ".".join(parts[:-1])
    name = package if parts[-1] == "__init__" else ".".join(parts)
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    told = docstring_lines(tree)
    return Module(name, package, len(code_lines(source) - told), len(told), frozenset(named(tree, package)))


def modules(root: Path) -> list[Module]:
    """Every module of the four storeys, in order."""
    return [read(root, path) for storey in STOREYS for path in sorted((root / storey).rglob("*.py"))]


# --- imports ----------------------------------------------------------------------------------------------------------


def origin(known: Mapping[str, Module], source: str, name: str) -> str:
    """The module that `from source import name` means: source.name if that is one, else where the name comes from.

    Followed through faces, which are the `__init__` of packages; "" for what is not ours.
    """
    if f"{source}.{name}" in known:
        return f"{source}.{name}"
    if source not in known:
        return ""
    face = known[source]
    through = [(a, b) for a, b, here in face.named if b and here == name] if face.name == face.package else []
    return (origin(known, *through[0]) or source) if through and through[0] != (source, name) else source


def imports(house: Iterable[Module]) -> dict[str, set[str]]:
    """Each module's imports of others of ours."""
    known = {module.name: module for module in house}
    return {
        name: {origin(known, source, taken) for source, taken, _ in module.named} & known.keys() - {name}
        for name, module in known.items()
    }


def within(graph: Graph, names: Iterable[str]) -> dict[str, set[str]]:
    """The imports of these modules from each other."""
    kept = set(names)
    return {name: set(graph[name] & kept) for name in kept}


def circles(graph: Graph) -> list[list[str]]:
    """The largest groups of modules that all reach each other, of two and more (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            at = stack.index(name)
            group = stack[at:]
            del stack[at:]
            found.append(sorted(group))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return sorted(group for group in found if len(group) > 1)


def levels(graph: Graph) -> int:
    """The number of modules of the longest chain in which each imports the next; those of a circle count together."""
    group_of = {name: name for name in graph} | {name: group[0] for group in circles(graph) for name in group}
    size = {group: sum(1 for name in graph if group_of[name] == group) for group in set(group_of.values())}
    onward: dict[str, set[str]] = {group: set() for group in size}
    for name, others in graph.items():
        onward[group_of[name]] |= {group_of[other] for other in others} - {group_of[name]}
    known: dict[str, int] = {}

    def height(group: str) -> int:
        if group not in known:
            known[group] = size[group] + max((height(other) for other in onward[group]), default=0)
        return known[group]

    return max((height(group) for group in size), default=0)


# --- the table --------------------------------------------------------------------------------------------------------


def row(label: str, some: list[Module], graph: Graph) -> str:
    """One line: files, code, docstrings, imports by these modules of any of ours, and levels among themselves."""
    names = {module.name for module in some}
    code, told = sum(module.code for module in some), sum(module.docstrings for module in some)
    out = sum(len(graph[name]) for name in names)
    largest = max((module.code for module in some), default=0)
    return f"{label:26} {len(some):5} {code:7} {largest:7} {told:7} {out:7} {levels(within(graph, names)):6}"


def table(root: Path) -> Iterator[str]:
    """The figures of a checkout, line by line."""
    house = modules(root)
    graph = imports(house)
    yield f"{'':26} {'files':>5} {'code':>7} {'largest':>7} {'docs':>7} {'imports':>7} {'levels':>6}"
    for storey in STOREYS:
        here = [module for module in house if module.name.split(".")[0] == storey]
        yield row(storey, here, graph)
        rooms = sorted({module.package for module in here if module.package != storey})
        for room in rooms:
            yield row(f"  {room}", [module for module in here if module.package == room], graph)
    yield row("all", house, graph)
    folders = {module.package for module in house}
    between = {(a.package, b.package) for a in house for b in house if b.name in graph[a.name]}
    pairs = sum(a != b for a, b in between)
    yield f"{len(folders)} folders, {pairs} pairs of them import one the other"
    groups = circles(graph)
    yield f"{sum(map(len, groups))} modules in circles" + "".join(f"\n  {', '.join(group)}" for group in groups)


# --- times ------------------------------------------------------------------------------------------------------------


def seconds(arguments: list[str], root: Path) -> float:
    """What one process took. The checkout comes first on Python's path; the folder is the checkout's."""
    environment = os.environ | {"PYTHONPATH": str(root)}
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=root, env=environment)
    return time.perf_counter() - started


def ratio(measure: Callable[[list[str]], float], ours: list[str], beside: list[str]) -> tuple[float, float]:
    """The medians of runs that alternate, the first of each thrown away (it fills caches)."""
    pairs = [(measure(ours), measure(beside)) for _ in range(RUNS + 1)][1:]
    mine, theirs = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(theirs)


def times(root: Path) -> Iterator[str]:
    """The ratios, line by line, as they are measured."""
    for name, (ours, other, beside) in BESIDE.items():
        mine, theirs = ratio(lambda arguments: seconds(arguments, root), ours, beside)
        yield f"{name:18} {1000 * mine:6.0f} ms = {mine / theirs:5.2f} x {other} ({1000 * theirs:.0f} ms)"


def main() -> None:
    """Print the figures of a checkout, or its times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout to look at")
    parser.add_argument("--times", action="store_true", help="whole processes, as ratios")
    options = parser.parse_args()
    root = options.root.resolve()
    if not all((root / storey).is_dir() for storey in STOREYS):
        parser.error(f"--root {options.root}: no {', '.join(STOREYS)} there")
    for line in times(root) if options.times else table(root):
        print(line, flush=True)


if __name__ == "__main__":
    main()
