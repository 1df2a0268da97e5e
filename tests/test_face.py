"""The public face, `import vorticity as vt`: its names, their types, its lightness, and what stands in its way.

What runs in an interpreter of its own runs in a temporary folder, where Python finds only what a test put there.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import vorticity as vt

STUB = Path(str(vt.__file__)).with_suffix(".pyi").read_text("utf-8")
STOREYS = ("mdp", "dynamics", "proofs")
FIELD = "import vorticity as vt\nfield = vt.Field(vt.load('swirl'), 'reverse-kl', reward=True)\n"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, run in the folder."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder)


def answer(folder: Path, code: str) -> list[str]:
    """The lines that the code prints in an interpreter of its own, which must end well."""
    done = python(folder, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# --- the names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", vt.__all__)
def test_a_name_loads_is_public_and_documented(name: str) -> None:
    value = getattr(vt, name)
    assert not name.startswith("_")
    if isinstance(value, type) or callable(value) or isinstance(value, ModuleType):
        assert inspect.getdoc(value)
    if isinstance(value, type) or inspect.isfunction(value):  # what users see in messages and in help()
        assert not value.__name__.startswith("_")
        assert value.__module__.split(".")[0] in STOREYS


def test_names_are_listed_once_and_in_order() -> None:
    listed = [entry for entries in vt._FACE.values() for entry in entries.split()]
    assert len(listed) == len(vt._SOURCE) == len(vt.__all__) == len(set(vt.__all__))
    assert list(vt.__all__) == sorted(vt._SOURCE)
    assert set(vt.__all__) <= set(dir(vt))
    assert {"__version__", "check_names"} <= set(dir(vt))


def test_a_name_is_loaded_once() -> None:
    assert vt.Field is vt.Field
    assert vars(vt)["Field"] is importlib.import_module("dynamics.fields").Field


def test_two_names_differ_from_their_rooms() -> None:
    assert vt.curl is importlib.import_module("proofs.exact").decide
    assert vt.cycles is importlib.import_module("dynamics.orbits").inventory


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("feild", "Field"),
        ("field", "Field"),
        ("outcom", "outcome"),
        ("Outcom", "Outcome"),
        ("cycle", "cycles"),
        ("reverse_kl", "REVERSE_KL"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"^module 'vorticity' has no attribute '{wrong}'; did you mean '{meant}'"):
        getattr(vt, wrong)


@pytest.mark.parametrize("wrong", ["xyzzy", "_Field", "__wrapped__", ""])
def test_what_is_like_no_name_suggests_nothing(wrong: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{wrong}'$"):
        getattr(vt, wrong)
    assert not hasattr(vt, wrong)


def test_an_unknown_name_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="feild"):
        exec("from vorticity import feild")


# --- types ------------------------------------------------------------------------------------------------------------


def typed(stub: str) -> dict[str, tuple[str, str]]:
    """What a stub imports: name here -> (room, name there)."""
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def listed(stub: str) -> list[str]:
    """The `__all__` of a stub."""
    (found,) = (node.value for node in ast.parse(stub).body if isinstance(node, ast.Assign))
    return list(ast.literal_eval(found))


def test_types_name_the_same_names_of_the_same_rooms() -> None:
    assert typed(STUB) == vt._SOURCE
    assert sorted(listed(STUB)) == vt.__all__


def test_types_that_disagree_are_noticed() -> None:
    """Negative control: another room, another name there, a name more, a name less."""
    for old, new in (
        ("from dynamics.choice import", "from dynamics.hunt import"),
        ("decide as curl\n", "decide_all as curl\n"),
        ("from vorticity import formula", "from vorticity import formula, text"),
        ("import basins", "import basins as pools"),
    ):
        assert old in STUB
        assert typed(STUB.replace(old, new)) != vt._SOURCE
    assert sorted(listed(STUB.replace('    "zoo",\n', ""))) != vt.__all__


SCRIPT = """
field = vt.Field(vt.load("swirl"), "reverse-kl", reward=True)
verdict: str = vt.curl(field).verdict
kind: str = vt.outcome(field, [[0, 0], [0, 0]]).kind
points: list[vt.RestPoint] = list(vt.cycles(field).rest_points)
rule = vt.Rule("mine", "my own", "student", loss=vt.formula.total(vt.formula.p * vt.formula.log_p))
vt.Field()  # wrong
vt.feild  # wrong
number: int = vt.curl(field).verdict  # wrong
"""


@pytest.mark.slow
def test_a_type_checker_sees_what_is_wrong_and_only_that(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    lines = ["import vorticity as vt", *SCRIPT.splitlines()]
    (tmp_path / "mine.py").write_text("\n".join(lines) + "\n", "utf-8")
    done = python(tmp_path, "-m", "mypy", "--strict", "mine.py")
    found = {int(line) for line in re.findall(r"^mine\.py:(\d+): error", done.stdout, re.M)}
    assert found == {k for k, line in enumerate(lines, 1) if "# wrong" in line}, done.stdout
    assert re.findall(r"^(?!mine\.py:|Found 3 errors)\S.*", done.stdout, re.M) == []  # nor of ours, nor unfollowed


# --- lightness --------------------------------------------------------------------------------------------------------


def loaded(folder: Path, code: str) -> set[str]:
    """The top-level modules present after the code."""
    (line,) = answer(folder, f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))")
    return {name.split(".")[0] for name in json.loads(line)}


HEAVY = {"numpy", "scipy", "sympy", "flint", "matplotlib", "click", "rich", *STOREYS}


def test_the_import_alone_loads_nothing(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "import vorticity; dir(vorticity)") & HEAVY
    assert not loaded(tmp_path, "import vorticity; hasattr(vorticity, 'feild')") & HEAVY


def test_a_name_loads_what_it_needs(tmp_path: Path) -> None:
    """The negative control of the test above; and a world needs no room above it."""
    present = loaded(tmp_path, "from vorticity import MDP")
    assert {"numpy", "mdp"} <= present
    assert not present & {"dynamics", "proofs", "sympy", "flint", "matplotlib", "click", "rich"}


def test_the_star_brings_every_name_and_no_other(tmp_path: Path) -> None:
    """It loads everything, which takes its time: a convenience for a prompt."""
    code = "before = set(globals())\nfrom vorticity import *\nprint(*sorted(set(globals()) - before - {'before'}))"
    (names,) = answer(tmp_path, code)
    assert names.split() == vt.__all__


def test_formula_is_a_module_of_symbols(tmp_path: Path) -> None:
    code = "from vorticity.formula import p, t, total\nimport vorticity as vt\nprint(total(p * t), vt.formula.p is p)"
    assert answer(tmp_path, code) == ["total(p*t) True"]
    assert vt.formula is sys.modules["vorticity.formula"]
    assert all(not name.startswith("_") and hasattr(vt.formula, name) for name in vt.formula.__all__)


# --- somebody else's mdp, dynamics or proofs --------------------------------------------------------------------------

OTHERS = ("mdp.py", "dynamics/__init__.py", "proofs.py")
USES = (
    "import vorticity as vt\nvt.load('swirl')",
    "from vorticity import Field",
    "from vorticity import *",
    "from vorticity.formula import p",
    "import vorticity as vt\nvt.formula",
)


def theirs(folder: Path, name: str) -> Path:
    """A file of the user's own that is called like a storey of ours."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n", "utf-8")
    return path


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("use", USES)
def test_another_module_of_that_name_is_refused(tmp_path: Path, name: str, use: str) -> None:
    path = theirs(tmp_path, name)
    (tmp_path / "script.py").write_text(use, "utf-8")
    line = last_line(python(tmp_path, "script.py"))
    assert line.startswith("ImportError: vorticity needs its own package ")
    assert str(path) in line


@pytest.mark.parametrize("name", OTHERS)
def test_another_module_imported_before_is_refused(tmp_path: Path, name: str) -> None:
    path = theirs(tmp_path, name)
    theirs_first = f"import {name.split('/')[0].removesuffix('.py')}\nimport sys; sys.path.remove('')\n"
    line = last_line(python(tmp_path, "-c", theirs_first + FIELD))
    assert line.startswith("ImportError") and str(path) in line


def test_a_module_without_a_file_is_refused(tmp_path: Path) -> None:
    made = "import sys, types\nsys.modules['mdp'] = types.ModuleType('mdp')\n"
    line = last_line(python(tmp_path, "-c", made + FIELD))
    assert line.startswith("ImportError: vorticity needs its own package 'mdp', but Python finds none first")


def test_the_script_itself_may_be_what_is_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "mdp.py"
    path.write_text(FIELD, "utf-8")
    line = last_line(python(tmp_path, "mdp.py"))
    assert line.startswith("ImportError") and str(path) in line


@pytest.mark.parametrize("name", OTHERS)
def test_the_command_refuses_in_one_line(tmp_path: Path, name: str) -> None:
    path = theirs(tmp_path, name)
    done = python(tmp_path, "-m", "vorticity", "zoo")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("vorticity: error: vorticity needs its own package") and str(path) in line


def test_what_is_not_in_the_way_is_let_be(tmp_path: Path) -> None:
    """Nothing there; a folder that is no package, which Python takes last; names that are only alike."""
    (tmp_path / "dynamics").mkdir()
    (tmp_path / "mdps.py").write_text("x = 1\n", "utf-8")
    assert answer(tmp_path, FIELD + "print(field.shape)") == ["(2, 2)"]
    done = python(tmp_path, "-m", "vorticity", "zoo")
    assert done.returncode == 0 and "swirl" in done.stdout and done.stderr == ""
