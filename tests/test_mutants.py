"""Mutation controls: for every row and formula broken on purpose at least one claim falls (benchmarks/mutants.py)."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from proofs.verify import CLAIMS, verify

HELD: dict[str, Any] = runpy.run_path(str(Path(__file__).parent.parent / "benchmarks" / "mutants.py"))
ROWS, ENGINES = list(HELD["rows"]()), list(HELD["engines"]())
QUICKEST = [CLAIMS[name] for name in ("T1", "T2", "P1", "P3", "P4")]


def by_name(mutants: list[Any]) -> list[Any]:
    return [pytest.param(mutant, id=mutant.name) for mutant in mutants]


@pytest.mark.parametrize("mutant", by_name([*ROWS[::4], *ENGINES]))
def test_a_mutant_is_killed(mutant: Any) -> None:
    assert HELD["killer"](mutant, QUICKEST) is not None or HELD["killer"](mutant) or HELD["equivalent"](mutant)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", by_name(ROWS))
def test_every_mutant_of_a_row_is_killed(mutant: Any) -> None:
    assert HELD["killer"](mutant) is not None or HELD["equivalent"](mutant)


def test_there_are_enough_mutants_and_the_table_itself_stands() -> None:
    assert len(ROWS) >= 100 and len(ENGINES) >= 10
    names = {mutant.name.split(":")[0] for mutant in ROWS}
    assert len(names) == 15  # every row is broken somehow
    assert all(verify(claim).as_expected for claim in QUICKEST)


def test_the_misprinted_row_falls() -> None:
    (misprint,) = [mutant for mutant in ROWS if "misprint" in mutant.name]
    claim, step = HELD["killer"](misprint)
    assert claim in ("T2", "P4") and "teacher-v" in step
