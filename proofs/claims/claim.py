"""What a claim is: a statement, its hypotheses and source, and how it is checked.

A claim's `check` runs steps and keeps what they found in a `Ledger`. A step is exact (it proves or refutes), made of
exact instances (it can refute; what it proves in general is in the argument), an illustration in floats (it can
refute, and supports nothing), or numerical (it supports). Verdict:
*refuted* as soon as a step fails; else *supported* if the claim rests on numerical steps, *undecided* if a step could
not be decided, and *proved* otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynamics.rules import Rule

Json = dict[str, Any]
Table = Mapping[str, Rule]
MEANS = ("exact", "instances", "illustration", "numerical")


@dataclass(frozen=True)
class Step:
    """One thing that was checked: `says` in words, whether it `holds` (None: not decided), by which `means`."""

    says: str
    holds: bool | None
    means: str


@dataclass
class Ledger:
    """What a check has found so far: its steps, and the facts that a certificate will hold."""

    table: Table
    seed: int = 0
    steps: list[Step] = field(default_factory=list)
    facts: list[Json] = field(default_factory=list)

    def note(self, says: str, holds: Any, fact: Json | None = None, *, means: str = "exact") -> bool:
        """Record a step, and its fact if it holds. Raises ValueError for unknown `means`."""
        if means not in MEANS:
            raise ValueError(f"means is {means!r}; must be one of {', '.join(MEANS)}")
        holds = None if holds is None else bool(holds)
        self.steps.append(Step(says, holds, means))
        if fact is not None and holds:
            self.facts.append(fact)
        return bool(holds)

    def rule(self, name: str) -> Rule:
        """The row of the table under test."""
        return self.table[name]


@dataclass(frozen=True)
class Claim:
    """A checkable statement.

    `statement` in words and `latex` as a formula, `hypotheses`, `source`, `how` it is checked, the `expected` verdict,
    `argument`: the proof in words that leads from the checked facts to the statement, and `check`, which fills a
    `Ledger`; `quick` if that takes a second or so.
    """

    id: str
    title: str
    statement: str
    latex: str
    hypotheses: str
    source: str
    how: str
    argument: str
    check: Callable[[Ledger], None]
    expected: str = "proved"
    quick: bool = True

    def _repr_latex_(self) -> str:
        return f"$\\text{{{self.id}: {self.title}}}:\\quad {self.latex}$"


@dataclass(frozen=True)
class Finding:
    """The outcome of checking a claim. `as_expected` compares the verdict with the claim's."""

    claim: Claim
    verdict: str
    steps: tuple[Step, ...]
    facts: tuple[Json, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.verdict == self.claim.expected

    @property
    def failed(self) -> list[str]:
        """What did not hold."""
        return [step.says for step in self.steps if step.holds is False]

    @property
    def open(self) -> list[str]:
        """What could not be decided."""
        return [step.says for step in self.steps if step.holds is None]

    def evidence(self) -> Json:
        """What the verdict rests on, as plain JSON values."""
        return {
            "title": self.claim.title,
            "statement": self.claim.statement,
            "latex": self.claim.latex,
            "hypotheses": self.claim.hypotheses,
            "source": self.claim.source,
            "how": self.claim.how,
            "steps": [{"says": step.says, "holds": step.holds, "means": step.means} for step in self.steps],
            "facts": len(self.facts),
        }


def verdict_of(steps: list[Step]) -> str:
    """The verdict that the steps add up to.

    >>> verdict_of([Step("1 = 1", True, "exact"), Step("it cycles", True, "numerical")])
    'supported'
    """
    if any(step.holds is False for step in steps):
        return "refuted"
    if not steps or any(step.holds is None for step in steps):
        return "undecided"
    return "supported" if any(step.means == "numerical" for step in steps) else "proved"
