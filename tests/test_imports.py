"""Imports run one way between storeys and between rooms, through faces; heavy libraries stay where they belong.

The rules are data (`ROOMS`, `ALLOWED`) and `violations` is a pure function of a path and its source, so that it can be
shown to fail on bad sources as well as to pass on ours.
"""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
STOREYS = ("mdp", "dynamics", "proofs", "vorticity")
ROOMS = (  # each may import itself and the rooms before it
    "mdp",
    "dynamics.rules",
    "dynamics.fields",
    "dynamics.motion",
    "dynamics.sampling",
    "dynamics.orbits",
    "dynamics.bifurcations",
    "dynamics.learners",
    "dynamics.hunt",
    "dynamics.choice",
    "dynamics.experiments",
    "dynamics.portraits",
    "dynamics.drawing",
    "proofs.exact",
    "proofs.enclosures",
    "proofs.certificates",
    "proofs.cycles",
    "proofs.claims",
    "vorticity.text",
    "vorticity.runs",
    "vorticity.commands",
)
CHECKER = "proofs.checker"  # imports nothing of the rest, and has rooms of its own
CHECKER_ROOMS = ("numbers", "reading", "identities", "boxes", "orbits", "hopf")
LOBBIES = ("dynamics", "proofs", "vorticity")  # packages that hold rooms, and what belongs to no room
ALLOWED = {  # a library: the only places that may import it
    "sympy": ("proofs/",),
    "flint": ("proofs/",),
    "matplotlib": ("dynamics/drawing/", "vorticity/"),
    "hypothesis": ("mdp/strategies.py",),
    "click": ("vorticity/",),
    "rich": ("vorticity/",),
    "distributed": ("vorticity/runs/cluster.py",),
    "dask": ("vorticity/runs/cluster.py",),
}


def room_of(name: str) -> str:
    """The room that a dotted module name lies in, "" for what is not ours; the checker is one."""
    parts = name.split(".")
    if parts[0] not in STOREYS:
        return ""
    return parts[0] if parts[0] == "mdp" else ".".join(parts[:2])


def modules_named(tree: ast.AST, package: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every module that an import statement names, relative ones made absolute, with the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            if not node.level:
                yield node.module or "", names
                continue
            base = package.split(".")
            base = base[: len(base) - node.level + 1]
            yield ".".join([*base, *([node.module] if node.module else [])]), names
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, ()


def face(room: str) -> set[str]:
    """What a room shows to the others: the names in its `__all__`, and its modules."""
    folder = ROOT / room.replace(".", "/")
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    return {*(listed[0] if listed else ()), *(path.stem for path in folder.glob("*.py") if path.stem != "__init__")}


def between_rooms(me: str, name: str, names: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with `from name import names` in a module of the room `me`, both of them ours."""
    other = room_of(name)
    if CHECKER in (me, other):
        if me == CHECKER or (other == CHECKER and name != CHECKER):
            yield "the checker stands alone; others use its face, proofs.checker"
        return
    named = [f"{name}.{one}" for one in names if f"{name}.{one}" in ROOMS]  # `from dynamics import rules`
    rooms = named if other in LOBBIES else [other]
    for room in rooms:
        if ROOMS.index(room) > ROOMS.index(me):
            yield f"{me} comes before {room}"
        elif name == room:
            yield from (f"{room} does not show {one}" for one in names if one not in face(room))
        elif name.startswith(f"{room}.") and not me.startswith("vorticity."):  # where modules are the face
            yield f"one room imports another through its face: {room}"


def violations(path: str, source: str) -> list[str]:
    """What the file at `path` (from the root, with slashes) imports and must not."""
    found = []
    package = ".".join(PurePosixPath(path).parent.parts)
    me = room_of(package)
    for name, names in modules_named(ast.parse(source), package):
        top = name.split(".")[0]
        if top in ALLOWED and not path.startswith(ALLOWED[top]):
            found.append(f"{path} imports {name}: only {', '.join(ALLOWED[top])} may")
        if top in ("tests", "benchmarks", "notebooks", "pytest"):
            found.append(f"{path} imports {name}: packages stand without it")
        if top in STOREYS and me in ROOMS and STOREYS.index(top) > STOREYS.index(me.split(".")[0]):
            found.append(f"{path} imports {name}: storeys import one way, {' <- '.join(STOREYS)}")
        elif top in STOREYS and (me in ROOMS or me == CHECKER) and room_of(name) != me:
            found += [f"{path} imports {name}: {wrong}" for wrong in between_rooms(me, name, names)]
        if top in STOREYS:
            found += [
                f"{path} imports {name}.{one}: underscore names stay at home"
                for one in names
                if one[0] == "_" and one[1] != "_"
            ]
    return found


def checker_violations(path: str, source: str) -> list[str]:
    """What a file of the checker imports from a room of the checker that comes after its own."""
    package = PurePosixPath(path).parent.name
    if package not in CHECKER_ROOMS:
        return []
    found = []
    for name, _ in modules_named(ast.parse(source), ""):
        parts = name.split(".")
        room = parts[2] if len(parts) > 2 and name.startswith(CHECKER) else ""
        if room in CHECKER_ROOMS and CHECKER_ROOMS.index(room) > CHECKER_ROOMS.index(package):
            found.append(f"{path} imports {name}: {package} comes before {room}")
        elif name.startswith(CHECKER) and room not in CHECKER_ROOMS:
            found.append(f"{path} imports {name}: rooms do not know what is built from them")
    return found


def our_files() -> list[Path]:
    return [path for storey in STOREYS for path in sorted((ROOT / storey).rglob("*.py"))]


def test_our_imports_run_one_way() -> None:
    files = our_files()
    assert {path.relative_to(ROOT).parts[0] for path in files} == set(STOREYS)
    found = [
        wrong
        for path in files
        for check in (violations, checker_violations)
        for wrong in check(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_every_folder_is_a_room() -> None:
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in our_files()}
    checker = {CHECKER, *(f"{CHECKER}.{room}" for room in CHECKER_ROOMS)}
    assert folders == {*ROOMS, *LOBBIES, *checker}
    for room in folders - set(LOBBIES):
        text = (ROOT / room.replace(".", "/") / "__init__.py").read_text("utf-8")
        said = ast.get_docstring(ast.parse(text))
        assert said is not None and len(said.splitlines()) <= 9, f"{room} does not say in a few lines what it is for"


def test_no_circle_of_modules() -> None:
    """Within a room too: no module imports, directly or not, one that imports it. Faces import all and are left out."""
    graph: dict[str, set[str]] = {}
    for path in our_files():
        if path.stem == "__init__":
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        graph[name] = set()
        for module, names in modules_named(ast.parse(path.read_text("utf-8")), ""):
            graph[name] |= {module, *(f"{module}.{one}" for one in names)} - {name}
    done: set[str] = set()
    while ready := {name for name in graph if name not in done and not (graph[name] & graph.keys()) - done}:
        done |= ready
    assert done == set(graph), f"a circle among {sorted(set(graph) - done)}"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("mdp/model.py", "import dynamics"),
        ("mdp/model.py", "import dynamics.fields as f"),
        ("mdp/model.py", "from proofs.exact import decide"),
        ("dynamics/fields/field.py", "def f():\n    from vorticity import text"),
        ("dynamics/fields/field.py", "from ...proofs import exact"),
        ("dynamics/fields/field.py", "from dynamics.motion import flow"),
        ("dynamics/fields/field.py", "from dynamics import motion"),
        ("dynamics/fields/field.py", "from dynamics.rules.rule import Rule"),
        ("dynamics/fields/field.py", "from dynamics.rules import nothing"),
        ("dynamics/fields/field.py", "from mdp.model import MDP"),
        ("proofs/exact/curl.py", "if True:\n    import vorticity.text.render"),
        ("proofs/exact/curl.py", "import importlib\nimportlib.import_module('vorticity.commands')"),
        ("proofs/exact/curl.py", "__import__('vorticity')"),
        ("proofs/exact/curl.py", "from proofs.exact.points import _secret"),
        ("proofs/exact/curl.py", "from proofs.checker.numbers import rational"),
        ("proofs/checker/numbers/rational.py", "from mdp import rational"),
        ("dynamics/rules/table.py", "import sympy"),
        ("vorticity/commands/main.py", "from sympy import log"),
        ("mdp/model.py", "import flint"),
        ("dynamics/fields/field.py", "import matplotlib.pyplot as plt"),
        ("dynamics/portraits/plane.py", "import matplotlib"),
        ("mdp/model.py", "from hypothesis import given"),
        ("dynamics/motion/flows.py", "import rich"),
        ("mdp/io.py", "import click"),
        ("mdp/io.py", "import tests.oracle"),
    ],
)
def test_the_checker_can_fail(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("proofs/checker/numbers/rational.py", "from proofs.checker.boxes import planar"),
        ("proofs/checker/hopf/point.py", "from proofs.checker.kinds import KINDS"),
        ("proofs/checker/orbits/flow.py", "from proofs.checker import check"),
    ],
)
def test_the_checkers_own_rooms_can_fail(path: str, source: str) -> None:
    assert len(checker_violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("vorticity/commands/main.py", "import mdp, dynamics.fields, proofs.exact, matplotlib, rich, click"),
        ("proofs/exact/curl.py", "import sympy, flint\nfrom dynamics.fields import Field\nfrom mdp import MDP"),
        ("proofs/exact/curl.py", "from . import fields\nfrom .fields import exact_field"),
        ("dynamics/fields/field.py", "from dynamics.rules import Rule, formula\nfrom dynamics import rules"),
        ("proofs/claims/verification.py", "from proofs.checker import check"),
        ("dynamics/drawing/portraits.py", "import matplotlib"),
        ("dynamics/drawing/basins.py", "import matplotlib"),
        ("mdp/strategies.py", "from hypothesis import strategies"),
        ("mdp/strategies.py", "'import dynamics'  # import dynamics"),
    ],
)
def test_the_checker_lets_the_rest_pass(path: str, source: str) -> None:
    assert violations(path, source) == []


def loaded(code: str) -> set[str]:
    """The top-level modules present after `code` has run in an interpreter of its own."""
    report = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"sympy", "flint", "matplotlib", "hypothesis", "click", "rich"}


@pytest.mark.parametrize("module", ["mdp", "dynamics", "dynamics.rules.table", "dynamics.fields.field"])
def test_numerical_rooms_import_no_heavy_library(module: str) -> None:
    assert not loaded(f"import {module}") & HEAVY


HELP = "from vorticity.commands.main import main\nassert main({args!r}) == 0"


@pytest.mark.parametrize("args", [["--help"], ["--version"], [], ["curl", "--help"], ["tour", "--help"]])
def test_help_imports_neither_numpy_nor_rich(args: list[str]) -> None:
    present = loaded(HELP.format(args=args))
    assert "click" in present
    assert not present & {"numpy", "scipy", "rich", "sympy", "matplotlib", "hypothesis", "mdp", "dynamics", "proofs"}


def test_what_is_loaded_can_be_seen() -> None:
    """The negative control of the two tests above."""
    assert "rich" in loaded("import rich")
    assert "numpy" in loaded(HELP.format(args=["zoo"]))


def test_setup_cfg_names_every_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    folders = {path.parent.relative_to(ROOT) for room in STOREYS for path in (ROOT / room).rglob("__init__.py")}
    assert set(config["options"]["packages"].split()) == {".".join(folder.parts) for folder in folders}
    assert all((ROOT / room / "py.typed").exists() for room in STOREYS)
