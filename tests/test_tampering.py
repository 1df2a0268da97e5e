"""A changed number is caught, or leaves a statement that the other engine confirms (benchmarks/tampering.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scripts import script

from proofs.checker import check
from proofs.claims import CLAIMS
from proofs.claims.verification import to_certificate, verify

tampering = script("tampering")


@pytest.fixture(scope="module")
def certificates() -> dict[str, dict[str, Any]]:
    made = {name: to_certificate(verify(CLAIMS[name])) for name in ("T1", "P1", "P4", "C1", "E1")}
    return {name: content for name, content in made.items() if content is not None}


def test_what_is_tampered_with_is_valid(certificates: dict[str, Any]) -> None:
    assert len(certificates) == 5
    assert all(check(content).valid for content in certificates.values())


def test_every_tampering_is_caught_or_leaves_a_true_statement(certificates: dict[str, Any]) -> None:
    counts = tampering.tamper(certificates, 40, 5)
    assert sum(counts.values()) == 40 and counts["caught"] >= 20
    assert all(what.startswith(("caught", "still true")) for what in counts), counts


def test_the_other_engine_confirms_what_is_true_and_denies_what_is_not(certificates: dict[str, Any]) -> None:
    facts = [fact for content in certificates.values() for fact in content["facts"]]
    assert all(tampering.still_true(fact) for fact in facts)
    lies = 0
    for fact in facts:
        if "value" in fact:
            lies += 1
            assert tampering.still_true({**fact, "value": "1/7919"}) is False
        if "ball" in fact:
            lies += 1
            moved = {"mid": [fact["ball"]["mid"][0] + 2**200, fact["ball"]["mid"][1]], "rad": fact["ball"]["rad"]}
            assert tampering.still_true({**fact, "ball": moved}) is False
    assert lies >= 15
    shown = next(fact for fact in facts if fact["kind"] == "not-a-gradient")
    assert tampering.still_true({"kind": "curl-free", "field": shown["field"]}) is False


def test_numbers_are_found_and_changed() -> None:
    content = {"facts": [{"a": "1/2", "b": [3, True, "x", "-0.5"]}], "hash": "12", "made": {"n": "1"}, "claim": "T1"}
    places = list(tampering.numbers(content))
    assert places == [("facts", 0, "a"), ("facts", 0, "b", 0), ("facts", 0, "b", 3)]
    rng = np.random.default_rng(0)
    for place in places * 20:
        changed = tampering.tampered(content, place, rng)
        kept = [x for x in places if tampering._at(changed, x) == tampering._at(content, x)]
        assert kept == [x for x in places if x != place]
        assert changed["hash"] != "12" and changed["made"] == content["made"]
