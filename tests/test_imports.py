"""The rooms import one way, heavy libraries stay where they belong, and starting is quick.

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
ROOMS = ("mdp", "dynamics", "proofs", "vorticity")  # each may import itself and the rooms before it
ALLOWED = {  # a library: the only places that may import it
    "sympy": ("proofs/",),
    "flint": ("proofs/",),
    "matplotlib": ("dynamics/portrait.py", "dynamics/portrait_", "vorticity/"),
    "hypothesis": ("mdp/strategies.py", "mdp/strategies/"),
    "click": ("vorticity/",),
    "rich": ("vorticity/",),
    "distributed": ("vorticity/cluster.py",),
    "dask": ("vorticity/cluster.py",),
}


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module that an import statement of the tree names, wherever it stands; relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or ""
                continue
            base = package.split(".")
            base = base[: len(base) - node.level + 1]
            yield ".".join([*base, *([node.module] if node.module else [])])
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def violations(path: str, source: str) -> list[str]:
    """What the file at `path` (from the root, with slashes) imports and must not."""
    room = path.split("/")[0]
    found = []
    for name in imported(ast.parse(source), ".".join(PurePosixPath(path).parent.parts)):
        top = name.split(".")[0]
        if top in ROOMS and ROOMS.index(top) > ROOMS.index(room):
            found.append(f"{path} imports {name}: {room} may import only {', '.join(ROOMS[: ROOMS.index(room) + 1])}")
        if top in ALLOWED and not path.startswith(ALLOWED[top]):
            found.append(f"{path} imports {name}: only {', '.join(ALLOWED[top])} may")
        if top in ("tests", "benchmarks", "notebooks", "pytest"):
            found.append(f"{path} imports {name}: packages stand without it")
    return found


def test_our_imports_run_one_way() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert {path.relative_to(ROOT).parts[0] for path in files} == set(ROOMS)
    found = [v for path in files for v in violations(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("mdp/model.py", "import dynamics"),
        ("mdp/model.py", "import dynamics.field as f"),
        ("mdp/model.py", "from proofs.curl import decide"),
        ("dynamics/field.py", "def f():\n    from vorticity import cli"),
        ("dynamics/field.py", "from ..proofs import curl"),
        ("proofs/curl.py", "if True:\n    import vorticity.render"),
        ("proofs/curl.py", "import importlib\nimportlib.import_module('vorticity.cli')"),
        ("proofs/curl.py", "__import__('vorticity')"),
        ("dynamics/rules.py", "import sympy"),
        ("vorticity/cli.py", "from sympy import log"),
        ("mdp/exact.py", "import flint"),
        ("dynamics/field.py", "import matplotlib.pyplot as plt"),
        ("mdp/model.py", "from hypothesis import given"),
        ("dynamics/flow.py", "import rich"),
        ("mdp/io.py", "import click"),
        ("mdp/io.py", "import tests.oracle"),
    ],
)
def test_the_checker_can_fail(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("vorticity/cli.py", "import mdp, dynamics.field, proofs.curl, matplotlib, rich, click"),
        ("proofs/curl.py", "import sympy, flint\nfrom dynamics.field import Field\nfrom mdp import MDP"),
        ("proofs/curl.py", "from . import fields\nfrom .fields import ring"),
        ("dynamics/portrait.py", "import matplotlib"),
        ("dynamics/portrait_basins.py", "import matplotlib"),
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


@pytest.mark.parametrize("module", ["mdp", "dynamics", "dynamics.rules", "dynamics.field"])
def test_numerical_rooms_import_no_heavy_library(module: str) -> None:
    assert not loaded(f"import {module}") & HEAVY


HELP = "from vorticity.cli import main\nassert main({args!r}) == 0"


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
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    assert set(config["options"]["packages"].split()) == {".".join(folder.parts) for folder in folders}
    assert all((ROOT / room / "py.typed").exists() for room in ROOMS)
