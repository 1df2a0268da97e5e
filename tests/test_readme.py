"""README's commands are the ones that the gates run, and its examples work as they stand."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from vorticity.commands.main import cli, main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
GATES = (ROOT / ".ci" / "run").read_text("utf-8")


def marked(name: str, text: str = README) -> list[str]:
    """The lines of the fenced block under the line `<!-- name -->`."""
    return [
        line
        for block in re.findall(rf"^<!-- {name} -->\n```sh\n(.*?)```$", text, re.M | re.S)
        for line in block.splitlines()
    ]


def fenced(language: str) -> list[str]:
    """The fenced blocks of README in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


SLOW = re.compile(r"vorticity (tour|cycles|bifurcation|reproduce|sweep|choose chain)|--basins|--prove|--discrete")


def test_readme_has_one_main_and_one_tests_command() -> None:
    (main_job,), (tests,) = marked("main"), marked("tests")
    assert main_job.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert main_job.endswith(".venv/bin/vorticity tour")
    assert tests.startswith(".venv/bin/python -m pytest")


def test_the_gates_run_what_readme_says() -> None:
    """`.ci/run` reads both commands from README; the only other install adds the tools for the gates."""
    assert 'install="$(readme main)"' in GATES
    assert 'tests="$(readme tests)"' in GATES
    assert '-c "$install"' in GATES
    assert '-c "$tests"' in GATES
    assert re.findall(r"pip install.*", GATES) == ["pip install -q -e '.[dev]' </dev/null"]


def test_a_readme_without_marks_is_noticed() -> None:
    assert marked("main", README.replace("<!-- main -->", "")) == []


SHELL = [line.split("#")[0].strip() for block in fenced("sh") for line in block.splitlines()]
EXAMPLES = [line for line in SHELL if line.startswith("vorticity ")]


def test_readme_shows_every_command() -> None:
    assert {shlex.split(line)[1] for line in EXAMPLES} == set(cli.commands)


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=pytest.mark.slow) if SLOW.search(line) else line for line in EXAMPLES]
)
def test_readme_examples_run(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").symlink_to(ROOT / "docs")
    assert main(["show", "swirl", "--json"]) == 0
    Path("mine.json").write_text(capsys.readouterr().out, "utf-8")
    assert main(["curl", "chain", "--rule", "on-policy", "--certificate", "chain.json"]) == 0
    capsys.readouterr()
    command = line.split(">")[0]
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out.strip()


def test_readme_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = fenced("python")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-2:] == ["not-gradient", "cycle"]


def test_readme_mdp_file_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = fenced("json")
    path = tmp_path / "mine.json"
    path.write_text(text, "utf-8")
    assert main(["show", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["states"] == ["start", "end"]


def test_contributing_rule_runs() -> None:
    import numpy as np

    from dynamics.fields import Field
    from mdp import zoo

    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S)
    names: dict[str, object] = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    field = Field(zoo.load("chain"), names["half_and_half"])  # type: ignore[arg-type]
    assert np.isfinite(field(np.zeros(field.shape))).all()
