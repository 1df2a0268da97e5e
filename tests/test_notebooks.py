"""The notebooks hold no outputs, run from top to bottom, and the explorer's callback follows its sliders."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynamics.drawing import explorer
from mdp import zoo

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NAMES = ("01-field-and-curl", "02-cycle-and-correction", "03-explorer")


def cells(name: str, kind: str = "code") -> list[dict[str, Any]]:
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def executed(name: str, folder: Path, *more: str) -> list[str]:
    """What each code cell of the notebook printed or showed as text, and then what the cells `more` did."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("ipywidgets")
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
    root, paths = str(FOLDER.parent), os.environ.get("PYTHONPATH")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what jupyter's own packages deprecate is theirs
        patch.setenv("PYTHONPATH", root if not paths else os.pathsep.join([root, paths]))
        patch.setenv("IPYTHONDIR", str(folder))
        resources = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return [_said(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _said(cell: Any) -> str:
    said = []
    for output in cell.outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        said.append(output.get("text") or "".join(map(str, output.get("data", {}).values())))
    return "\n".join(said)


def test_the_folder_holds_what_we_test() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"({name}.ipynb)" in readme for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_kept_without_outputs(name: str) -> None:
    assert cells(name)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(name))
    assert "widgets" not in json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))["metadata"]


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_thin(name: str) -> None:
    """Prose, imports, calls: no classes, and at most the one callback of the sliders."""
    code = "\n".join("".join(cell["source"]) for cell in cells(name))
    assert len(code.splitlines()) <= 60
    assert len(re.findall(r"^\s*(?:def|class|lambda)\b", code, re.M)) <= (name == "03-explorer")
    assert len(cells(name, "markdown")) >= 2


@pytest.mark.slow
def test_field_and_curl_runs(tmp_path: Path) -> None:
    said = "\n".join(executed("01-field-and-curl", tmp_path))
    assert said.count("<svg") == 1
    assert r"\text{reverse KL" in said
    assert re.search(r"^on-policy +not-gradient", said, re.M)
    assert re.search(r"^reverse-kl-corrected +gradient", said, re.M)


@pytest.mark.slow
def test_cycle_and_correction_runs(tmp_path: Path) -> None:
    said = "\n".join(executed("02-cycle-and-correction", tmp_path))
    assert said.count("<svg") == 2 + 1  # two trajectories, one MDP
    assert "'cycle'" in said and "6.4889" in said and "'rest'" in said
    assert re.search(r"^on-policy cycle 18\.2", said, re.M) and re.search(r"^n-distill rest None", said, re.M)


# Called in the notebook's own kernel, as the sliders would call it: every picture differs from the one before.
CALLBACK = """
seen = [image.value]
for settings in [
    ("on-policy", True, 1.0, 1.0, "0,2"),
    ("n-distill", True, 1.0, 1.0, "0,2"),
    ("n-distill", False, 1.0, 1.0, "0,2"),
    ("n-distill", False, 1.0, 0.0, "0,2"),
    ("reverse-kl", True, 0.5, 2.0, "1,2"),
]:
    show(*settings)
    assert words.value == "" and bytes(image.value)[1:4] == b"PNG", settings
    assert image.value != seen[-1], settings
    seen.append(image.value)
sliders["alpha"].value = 2.0
assert image.value != seen[-1]
show("on-policy", True, -1.0, 1.0, "0,2")
assert "alpha is -1" in words.value
"alive"
"""


@pytest.mark.slow
def test_explorer_runs_and_follows_its_sliders(tmp_path: Path) -> None:
    said = executed("03-explorer", tmp_path, CALLBACK)
    assert "<svg" in said[0]
    assert said[-1] == "'alive'"


# --- the explorer itself ----------------------------------------------------------------------------------------------


def test_sharpness_is_a_power_of_the_teacher() -> None:
    teacher = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    for k in (0.5, 1.0, 3.0):
        powers = np.where(teacher > 0, teacher, 0) ** k
        assert np.allclose(explorer.sharpened(teacher, k), powers / powers.sum(1, keepdims=True), rtol=1e-14)
    assert explorer.sharpened(teacher, 0.0).tolist() == [[1 / 3] * 3, [1, 0, 0]]
    assert explorer.sharpened(teacher, 1e5)[0].tolist() == [0, 0, 1]
    for k in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="sharpness"):
            explorer.sharpened(teacher, k)


def test_the_explorer_draws_the_field_of_its_settings() -> None:
    mdp = zoo.load("corridor-cycle")
    fresh = explorer.build(mdp, "on-policy", alpha=0.5, sharpness=0.7, coords="0,2")
    assert fresh.geometry.arrows_at.shape == (explorer.ARROWS**2, 2)
    assert fresh.geometry.pick == (0, 2)
    other = explorer.build(mdp, "n-distill", reward=False, coords="0,2", picture=fresh)
    again = explorer.build(mdp, "on-policy", alpha=0.5, sharpness=0.7, coords="0,2", picture=other)
    assert not np.allclose(other.geometry.arrows, fresh.geometry.arrows)
    assert np.array_equal(again.geometry.arrows, fresh.geometry.arrows)
    field = explorer.field_of(mdp, "on-policy", alpha=0.5, sharpness=0.7)
    theta = np.zeros((3, 2))
    theta[:, 1] = fresh.geometry.held
    theta[[0, 2], 1] = fresh.geometry.arrows_at[17]
    moved = field(theta)
    assert np.allclose(fresh.geometry.arrows[17], (moved[:, 1] - moved[:, 0])[[0, 2]], rtol=1e-9)


def test_the_explorer_refuses_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="single coordinate"):
        explorer.build(zoo.load("corridor:1"), "on-policy")
    assert explorer.coordinates(zoo.load("bandit")) == ["0:1,0:2"]
    assert explorer.png(explorer.build(zoo.load("bandit"), "on-policy"))[:4] == b"\x89PNG"
