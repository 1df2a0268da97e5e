"""Mutation controls: for every row and formula broken on purpose at least one claim falls (benchmarks/mutants.py)."""

from __future__ import annotations

from typing import Any

import pytest
from scripts import script

from dynamics.rules import TABLE
from proofs.claims import CLAIMS
from proofs.claims.verification import verify

mutants = script("mutants")
FOUND, REFUSED = mutants.rows()
ROWS = [mutant for mutant in FOUND if mutant.name not in mutants.EQUIVALENT]
ENGINES = mutants.engines()


def cases(found: list[Any]) -> list[Any]:
    """Mutants as parameters."""
    return [pytest.param(mutant, id=mutant.name) for mutant in found]


@pytest.mark.parametrize("mutant", cases([*ROWS[::4], *ENGINES]))
def test_a_mutant_is_killed(mutant: Any) -> None:
    fallen = mutants.killer(mutant)
    assert fallen is not None and not fallen[1].startswith(mutants.STOPPED)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", cases([*ROWS, *ENGINES]))
def test_every_mutant_is_killed(mutant: Any) -> None:
    fallen = mutants.killer(mutant)
    assert fallen is not None and not fallen[1].startswith(mutants.STOPPED)


@pytest.mark.parametrize("name", mutants.EQUIVALENT)
def test_an_equivalent_mutant_has_the_same_field(name: str) -> None:
    (mutant,) = [mutant for mutant in FOUND if mutant.name == name]
    assert mutants.equivalent(TABLE[mutant.row.id], mutant.row)


def test_equivalence_can_be_denied() -> None:
    assert not mutants.equivalent(TABLE["on-policy"], TABLE["n-distill"])
    assert not mutants.equivalent(TABLE["teacher"], next(x.row for x in FOUND if x.name == "teacher: horizon"))


def test_the_mutants_cover_the_table_and_the_engine_mutants_take_hold() -> None:
    assert len(ROWS) >= 150 and len(ENGINES) >= 40
    assert {mutant.row.id for mutant in ROWS} == set(TABLE)
    assert all(mutant.engine for mutant in ENGINES)
    assert all("next step is not one of" in why or "horizon" in why for why in REFUSED.values())
    names = [mutant.name for mutant in [*FOUND, *ENGINES]]
    assert len(set(names)) == len(names)
    assert set(mutants.EQUIVALENT) <= set(names)


def test_nothing_is_left_broken() -> None:
    for mutant in ENGINES[:3]:
        with mutants.broken(mutant):
            pass
    assert all(verify(CLAIMS[name]).as_expected for name in ("E1", "P1", "P4", "T1", "T2"))


def test_the_misprinted_row_falls() -> None:
    claim, step = mutants.killer(ROWS[-1])
    assert "misprints" in ROWS[-1].name and claim == "P4" and "teacher V reward" in step
