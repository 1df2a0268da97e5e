"""A changed number is caught, or leaves a statement that the other engine confirms (benchmarks/tampering.py)."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np

from proofs.check import check
from proofs.verify import CLAIMS, to_certificate, verify

HELD: dict[str, Any] = runpy.run_path(str(Path(__file__).parent.parent / "benchmarks" / "tampering.py"))


def test_tampering() -> None:
    made = {name: to_certificate(verify(CLAIMS[name])) for name in ("T1", "P1", "P2", "P4", "C1", "C3", "E1", "G1")}
    counts = HELD["tamper"](made, 60, 3)
    assert sum(counts.values()) == 60 and counts["caught"] >= 30
    assert all(what.startswith(("caught", "still true")) for what in counts), counts


def test_the_judge_can_say_false() -> None:
    """A false fact is false to the other engine too, so that "still true" means something."""
    made = to_certificate(verify(CLAIMS["T1"]))
    assert made is not None
    fact = next(dict(fact) for fact in made["facts"] if fact["kind"] == "not-a-gradient" and "value" in fact)
    assert HELD["still_true"](fact) is True
    assert HELD["still_true"](fact | {"value": "1/7"}) is False
    assert HELD["still_true"](fact | {"kind": "curl-free"}) is False


def test_every_number_is_a_target() -> None:
    content = {"facts": [{"a": "1/2", "b": [3, True, "x", "-0.5"]}], "hash": "12", "made": {"n": "1"}, "claim": "T1"}
    places = list(HELD["numbers"](content))
    assert places == [("facts", 0, "a"), ("facts", 0, "b", 0), ("facts", 0, "b", 3)]
    changed = HELD["tampered"](content | {"verdict": "proved"}, places[0], np.random.default_rng(0))
    assert changed["facts"][0]["a"] != "1/2" and content["facts"][0]["a"] == "1/2"  # type: ignore[index]
    assert not check(changed).valid
