"""What the fact of a periodic orbit says, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.reading import strict
from proofs.checker.reading.field import Field, read_field

MOST_OF_ORBITS = 16  # states times actions
MOST_UNKNOWNS = 1200  # points times coordinates
_MOST_TEXT = 200_000

Ends = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Statement:
    """What a fact says: `points` (m, n), `durations` (m), and the rest as docs/certificates.md has it."""

    field: Field
    points: list[list[Fraction]]
    durations: list[Fraction]
    section: int
    radius: Fraction
    period: Ends
    product: Ends
    multipliers: list[tuple[Ends, Ends]] | None


def read_statement(fact: dict[str, Any]) -> Statement:
    """The statement of a fact. Raises Refused where it is malformed, too large, or not about a smooth field."""
    field = _field(fact["field"])
    size = field.n_observations * (field.n_actions - 1)
    rows = strict.items(fact["points"], "points")
    if len(rows) < 3:
        raise Refused(f"points: {len(rows)} of them; at least 3 are needed")
    if len(rows) * size > MOST_UNKNOWNS:
        raise Refused(f"points: {len(rows)} times {size} coordinates; at most {MOST_UNKNOWNS} numbers are checked")
    strict.limit([x for key, x in fact.items() if key != "field"], "the orbit", _MOST_TEXT)
    points = [_numbers(row, f"points[{i}]", size) for i, row in enumerate(rows)]
    for i, point in enumerate(points):
        for j, x in enumerate(point):
            if abs(x) > 1000:
                raise Refused(f"points[{i}][{j}]: {show(x)}; logit differences beyond ±1000 are not checked")
    durations = _numbers(fact["durations"], "durations", len(rows))
    for i, x in enumerate(durations):
        if not 0 < x < 10**6:
            raise Refused(f"durations[{i}]: {show(x)}; must be positive and below 10^6")
    radius = rational(fact["radius"], "radius")
    if not 0 < radius < min(Fraction(1), durations[-1]):
        raise Refused(f"radius: {show(radius)}; must be positive, below 1 and below the last duration")
    return Statement(
        field=field,
        points=points,
        durations=durations,
        section=strict.index(fact["section"], "section", size),
        radius=radius,
        period=_positive(fact["period"], "period"),
        product=_positive(fact["product"], "product"),
        multipliers=_multipliers(fact.get("multipliers"), size),
    )


def _field(value: object) -> Field:
    field = read_field(value, "field")
    if field.model is None:
        raise Refused("field: a generic field has no flow; give an MDP")
    if field.gated:
        raise Refused("field: a gated rule is discontinuous; its orbits are not proved")
    if field.n_actions < 2:
        raise Refused("field: with one action nothing moves")
    if field.n_states * field.n_actions > MOST_OF_ORBITS:
        raise Refused(f"field: orbits are followed up to {MOST_OF_ORBITS} states times actions")
    return field


def _numbers(value: object, where: str, length: int) -> list[Fraction]:
    return [rational(x, f"{where}[{k}]") for k, x in enumerate(strict.items(value, where, length))]


def _ends(value: object, where: str) -> Ends:
    low, high = _numbers(value, where, 2)
    if not low <= high:
        raise Refused(f"{where}: from {show(low)} down to {show(high)}")
    return low, high


def _positive(value: object, where: str) -> Ends:
    low, high = _ends(value, where)
    if not 0 < low < high:
        raise Refused(f"{where}: from {show(low)} to {show(high)}; must be positive and increasing")
    return low, high


def _multipliers(value: object, size: int) -> list[tuple[Ends, Ends]] | None:
    if value is None:
        return None
    if size > 3:
        raise Refused(f"multipliers: are checked in 2 and 3 coordinates, not in {size}; leave them out")
    boxes = []
    for k, pair in enumerate(strict.items(value, "multipliers", size - 1)):
        real, imaginary = strict.items(pair, f"multipliers[{k}]", 2)
        boxes.append((_ends(real, f"multipliers[{k}][0]"), _ends(imaginary, f"multipliers[{k}][1]")))
    return boxes
