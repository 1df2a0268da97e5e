"""The commands flow and compare, rules from files, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dynamics.choice import alpha_range
from dynamics.fields import Field
from dynamics.motion.trajectory import load
from mdp import zoo
from vorticity.commands.main import main

Capture = pytest.CaptureFixture[str]
RULE = """
from vorticity import Rule
from vorticity.formula import log_p, log_t, p, total, after
from beside import NAME
print("this is not the answer")
mine = Rule(NAME, "mine", "student", loss=total(p * (log_p - log_t)), reward=-after(total(p * (log_p - log_t))))
"""


def answer(capsys: Capture, *args: str) -> dict:
    assert main([*args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_flow_answers_in_the_agreed_keys(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "orbit.npz"
    found = answer(capsys, "flow", "swirl", "--rule", "reverse-kl", "--reward", "--save", str(target))
    assert set(found) == {"outcome", "t", "theta"}
    assert set(found["outcome"]) == {"kind", "period", "isolated", "amplitude", "at", "evidence"}
    assert found["outcome"]["period"] == pytest.approx(6.48894425, abs=1e-7)
    assert np.shape(found["theta"]) == (len(found["t"]), 2, 2)
    assert len(load(target).t) >= len(found["t"])


def test_flow_from_a_file_and_by_steps(capsys: Capture, tmp_path: Path) -> None:
    start = tmp_path / "theta.json"
    start.write_text('{"theta": [[1, -1], [1, -1]]}')
    found = answer(capsys, "flow", "fig2", "--rule", "n-distill", "--reward", "--theta0", str(start))
    assert found["outcome"]["kind"] == "boundary"
    args = ("--discrete", "0.05", "--steps", "3000", "--theta0", str(start))
    found = answer(capsys, "flow", "swirl", "--rule", "reverse-kl-corrected", "--reward", *args)
    assert found["outcome"]["kind"] == "rest" and found["t"][0] == 0
    assert main(["flow", "swirl", "--rule", "on-policy", "--theta0", "random", "--seed", "3"]) == 0
    assert "rest at theta" in capsys.readouterr().out


def test_compare(capsys: Capture) -> None:
    args = ("compare", "aliased-cycle", "--rule", "on-policy", "--with", "n-distill", "--reward")
    found = answer(capsys, *args, "--no-alphas")
    assert [one["outcome"]["kind"] for one in found["sides"]] == ["cycle", "rest"]
    assert [one["gradient"] for one in found["sides"]] == [False, True]
    assert main([*args, "--no-alphas"]) == 0
    assert "10.57551" in capsys.readouterr().out


@pytest.mark.slow
def test_alpha_range_brackets_the_cycle() -> None:
    field = Field(zoo.load("aliased-cycle"), "on-policy", reward=True)
    found = alpha_range(field, np.zeros(field.shape), lowest=0.8, highest=1.25, grid=2, bisections=2)
    ((low, high),), ((below, above),) = found.intervals, found.edges
    assert below is not None and above is not None and below < low <= 1 <= high < above
    assert dict(found.tried)[1.0] == "cycle"


def test_a_rule_from_a_file(capsys: Capture, tmp_path: Path) -> None:
    """Its prints are not the answer, it may import what lies beside it, and it is a rule like any other."""
    (tmp_path / "beside.py").write_text('NAME = "mine"')
    path = tmp_path / "rule.py"
    path.write_text(RULE)
    mine = answer(capsys, "field", "swirl", "--rule", f"{path}:mine", "--reward")
    theirs = answer(capsys, "field", "swirl", "--rule", "reverse-kl-corrected", "--reward")
    assert mine["field"] == theirs["field"]
    assert answer(capsys, "curl", "swirl", "--rule", f"{path}:mine")["verdict"] == "gradient"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["flow", "swirl", "--rule", "er", "--time", "-1"], "--time is -1"),
        (["flow", "swirl", "--rule", "er", "--time", "nan"], "--time"),
        (["flow", "swirl", "--rule", "er", "--discrete", "0"], "--discrete is 0"),
        (["flow", "swirl", "--rule", "er", "--steps", "5"], "--discrete ETA"),
        (["flow", "swirl", "--rule", "er", "--discrete", "1", "--time", "5"], "--time belongs"),
        (["flow", "swirl", "--rule", "er", "--theta0", "rnadom"], "'random'"),
        (["flow", "swirl", "--rule", "er", "--theta0", "no/such.json"], "no/such.json"),
        (["flow", "swirl", "--rule", "er", "--save", "x.txt"], ".npz"),
        (["compare", "swirl", "--rule", "er", "--with", "eerr"], "'eer'"),
        (["compare", "swirl", "--rule", "er", "--with", "eer", "--alphas", "2,1"], "--alphas"),
        (["field", "swirl", "--rule", "rule.py"], "NAME"),
        (["field", "swirl", "--rule", "no/such.py:mine"], "cannot be read"),
    ],
)
def test_bad_input(args: list[str], words: str, capsys: Capture) -> None:
    assert main(args) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and words in printed.err


@pytest.mark.parametrize(
    ("text", "words"),
    [("import sys; sys.exit(7)", "SystemExit"), ("1/0", "ZeroDivisionError"), ("x = 3", "rules in")],
)
def test_files_that_hold_no_rule(text: str, words: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert main(["field", "swirl", "--rule", f"{path}:mine"]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and words in printed


@pytest.mark.slow
def test_alpha_zero_does_not_hide_the_cycles_of_other_alphas() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True, alpha=0)
    found = alpha_range(field, np.zeros(field.shape), lowest=0.5, highest=2.0, grid=3, bisections=0)
    assert not found.proved_none and dict(found.tried)[1.0] == "cycle"
