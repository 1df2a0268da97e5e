"""Mutated MDP files: none may be taken wrongly or raise anything but one line; and the judge does see what is wrong."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripts import script

from mdp import MDP

mutated = script("mutated_files")


@pytest.mark.parametrize("seed", [0, 1])
def test_mutated_files_are_refused_or_valid(seed: int) -> None:
    counts, wrong = mutated.run(600, seed)
    assert wrong == []
    assert {result for _, result in counts} == {"refused", "accepted"}


GOOD: dict[str, Any] = {"P": [[[0.5]]], "R": [[1]], "initial": [1]}


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"P": [[[0.25]]]}, "P is not what is written"),
        ({"R": [["1.0000000000000000001"]]}, "R is not what is written"),
        ({"R": [[True]]}, "taken for a number"),
        ({"discount": 0.9}, "discount is not what is written"),
        ({"states": ["x"]}, "states are not what is written"),
        ({"extra": 1}, "keys"),
        ({"loss": {"s0": {"a0": 1}}}, "loss as written"),
        ({"R": [[1], [1]]}, "shape of R in the file"),
    ],
)
def test_the_judge_sees_an_unfaithful_reading(change: dict[str, Any], law: str) -> None:
    mutated.check_faithful(MDP(**GOOD), json.dumps(GOOD).encode(), ".json")
    with pytest.raises(AssertionError, match=law):
        mutated.check_faithful(MDP(**GOOD), json.dumps(GOOD | change).encode(), ".json")


@pytest.mark.parametrize(
    ("attribute", "value", "law"),
    [
        ("P", np.array([[[Fraction(-1)]]], dtype=object), "P"),
        ("P", np.array([[[Fraction(2)]]], dtype=object), "P"),
        ("P", np.array([[[Fraction(1)]]], dtype=object), "not the exact numbers"),
        ("initial", np.array([Fraction(1, 2)], dtype=object), "initial"),
        ("discount", Fraction(2), "discount"),
        ("R", np.array([[Fraction(3)]], dtype=object), "not the exact numbers"),
        ("teacher", np.array([[Fraction(1, 2)]], dtype=object), "rows of the teacher"),
    ],
)
def test_the_judge_sees_a_broken_law(attribute: str, value: Any, law: str) -> None:
    mdp = MDP(**GOOD)
    mutated.check_laws(mdp)
    mdp.exact.__dict__[attribute] = value
    with pytest.raises(AssertionError, match=law):
        mutated.check_laws(mdp)


def test_the_judge_sees_an_endless_state() -> None:
    mdp = MDP([[[0, 1]], [[0, 1]]], [[0], [0]], [1, 0], 0.9)
    mdp.exact.__dict__["discount"] = Fraction(1)
    with pytest.raises(AssertionError, match="endless"):
        mutated.check_laws(mdp)


def test_the_judge_sees_other_exceptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> MDP:
        raise KeyError("P")

    def lines(path: Path) -> MDP:
        raise ValueError(f"{path}: one\ntwo")

    for fault, result in ((broken, "WRONG exception"), (lines, "WRONG message")):
        monkeypatch.setattr(mutated, "read", fault)
        assert mutated.outcome(tmp_path / "a.json", b"{}").startswith(result)
