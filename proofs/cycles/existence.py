"""That a periodic orbit exists, and what it is like, by every method that applies to one found numerically; or none.

In the plane a ring round the orbit (method A, `proofs.cycles.annulus`); in any dimension Krawczyk's operator on points
of the orbit and its period (method K, `proofs.cycles.krawczyk`), which adds local uniqueness, the least period and
multipliers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dynamics.fields import Field, reduced
from dynamics.orbits import Orbit
from proofs.certificates import Json, Refusal, curl_fact
from proofs.cycles import krawczyk
from proofs.cycles.absence import NoCycle, no_cycle
from proofs.cycles.annulus import Annulus, annulus
from proofs.exact import decide, outward

DIGITS = 20  # decimals of an enclosure's ends
DULAC_BOX = (-4.0, 4.0)  # nats


@dataclass(frozen=True, eq=False)
class CycleProof:
    """What was proved of one orbit: `ring` (None above two dimensions) and `orbit`; `status` is "proved" if either."""

    field: Field
    ring: Annulus | Refusal | None
    orbit: krawczyk.OrbitProof | Refusal

    @property
    def status(self) -> str:
        """ "proved" where a periodic orbit was proved to exist, else "undecided"."""
        return "proved" if self.ring or self.orbit else "undecided"

    @property
    def method(self) -> str:
        """The methods that succeeded, and the others' reasons, in words."""
        told = []
        if self.ring is not None:
            told.append(f"A: {self.ring}")
        if isinstance(self.orbit, krawczyk.OrbitProof):
            how = {True: ", attracting", False: ", not attracting", None: ""}[self.orbit.stable]
            told.append(f"K: locally unique and of least period, by Krawczyk's operator on {self.orbit.steps}{how}")
        else:
            told.append(f"K: {self.orbit}")
        return "; ".join(told)

    @property
    def period(self) -> tuple[str, str] | None:
        """The period's enclosure as decimals, rounded outward; None where there is none."""
        return enclosure(self.orbit.period) if isinstance(self.orbit, krawczyk.OrbitProof) else None

    def facts(self) -> list[Json]:
        """The facts of a certificate."""
        found: list[Json] = []
        if isinstance(self.orbit, krawczyk.OrbitProof):
            found.append(krawczyk.fact(self.field, self.orbit, multipliers=True))
        if isinstance(self.ring, Annulus):
            found.append(self.ring.fact())
        return found


@dataclass(frozen=True)
class Absence:
    """A proof that there is no periodic orbit, in words, and its facts."""

    says: str
    facts: list[Json]

    def __str__(self) -> str:
        return self.says


def prove_cycle(field: Field, orbit: Orbit) -> CycleProof:
    """Prove that a periodic orbit of `field` lies at a numerical one (`dynamics.orbits.periodic.shoot`).

    Refusals, with their reasons, are part of the answer: they never say that there is no orbit.

    >>> from vorticity import shoot
    >>> from mdp import zoo
    >>> fig2 = Field(zoo.load("fig2"), "on-policy", reward=True)
    >>> found = prove_cycle(fig2, shoot(fig2, [[0.0, -2.0], [0.0, -2.0]], 108.9))
    >>> found.status, "neither attracts nor repels" in found.method
    ('undecided', True)
    """
    planar = reduced(field).size == 2
    ring = None
    if planar:
        try:
            ring = annulus(field, orbit)
        except ValueError as error:
            ring = Refusal(str(error))
    return CycleProof(field, ring, krawczyk.prove_orbit(field, orbit))


def prove_absence(field: Field) -> Absence | Refusal:
    """That a field has no periodic orbit, or none in a box, or why neither is known.

    A gradient field climbs a function, so nothing comes back; for others in the plane a Dulac function is sought on
    [−4, 4]². What cannot be enclosed is a Refusal too.

    >>> from mdp import zoo
    >>> print(prove_absence(Field(zoo.load("chain"), "n-distill")))
    no periodic orbit anywhere, proved: the field is a gradient
    """
    verdict = decide(field)
    if verdict.verdict == "gradient" and not verdict.error_bound and not field.problem.gated:
        fact = curl_fact(field, verdict)
        return Absence("no periodic orbit anywhere, proved: the field is a gradient", [] if fact is None else [fact])
    if reduced(field).size != 2:
        return Refusal("the field is not known to be a gradient, and Dulac functions need two coordinates")
    try:
        found = no_cycle(field, DULAC_BOX)
    except ValueError as error:
        return Refusal(str(error))
    return Absence(str(found), [found.fact()]) if isinstance(found, NoCycle) else found


def enclosure(ends: Sequence[Fraction]) -> tuple[str, str]:
    """An interval's ends as decimals, rounded outward.

    >>> enclosure((Fraction(1, 3), Fraction(2, 3)))
    ('0.33333333333333333333', '0.66666666666666666667')
    """
    return outward(ends[0], ends[1], DIGITS)
