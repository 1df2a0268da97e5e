"""All rest points in a box, with proof: branch and bound, each one enclosed by Krawczyk's operator.

A box is discarded where a component of the field excludes 0, settled where Krawczyk's operator

    K(X) = m − Y G(m) + (I − Y J(X)) (X − m),       Y near J(m)^{-1},

maps it into its own interior (then it holds exactly one zero, and a regular one), and otherwise cut in two. What is
left when the allowance of boxes is spent is reported as undecided. Every box is blown up a little before it is looked
at, so that a zero on the face of two boxes is interior to both; the same zero found twice is counted once.
Source: Krawczyk 1969; Neumaier, *Interval Methods for Systems of Equations*, CUP 1990, section 5.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product as pairs
from typing import Any, TypeAlias

import flint
import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import VectorField
from proofs.certificates import Json, box_json, field_of, where
from proofs.enclosures import Interval, System, concatenate, field_and_jacobian, of, product, scaled, system
from proofs.exact import precision

MOST = 200_000  # boxes looked at before what is left is called undecided
START = 256  # boxes to begin with
MARGIN = 0.05  # how much a box is blown up on each side, as a share of its width
LEAST = 2.0**-40  # a box this small is not cut again
SETTLE = 12  # rounds of Krawczyk's operator on a box that is known to hold one zero

Pair: TypeAlias = tuple[Interval, Interval]  # a box with one zero, and a box around it that holds no other


@dataclass(frozen=True, eq=False)
class CertifiedPoint:
    """A box (n,) with exactly one rest point, and its type read off the enclosed Jacobian.

    `type` is "source" (all eigenvalues have positive real parts), "sink" (all negative), "saddle" (some of each, none
    on the axis) or "undecided". In the plane `trace` and `determinant` are the intervals it rests on.
    """

    box: Interval
    type: str
    trace: Interval | None = None
    determinant: Interval | None = None


@dataclass(frozen=True, eq=False)
class RestProof:
    """The rest points of a system in a box: `points` are all there are where `complete`.

    `undecided` (n, U) are boxes of which nothing is known; `examined` counts the boxes looked at.
    """

    system: System
    region: Interval
    points: tuple[CertifiedPoint, ...]
    undecided: Interval
    examined: int

    @property
    def complete(self) -> bool:
        """Whether the region holds exactly the rest points listed."""
        return self.undecided.shape[1] == 0

    def __str__(self) -> str:
        n, left = len(self.points), self.undecided.shape[1]
        place = f"{n} rest point{'s' * (n != 1)} in {where(self.region)}, proved"
        if self.complete:
            return f"complete: exactly {place}"
        return f"at least {place}; {left} box{'es' * (left != 1)} undecided"

    def fact(self) -> Json:
        """The fact of a certificate. Raises ValueError where the list is not complete or the field is not an MDP's."""
        if not self.complete:
            raise ValueError(f"{self}: a certificate holds complete lists only")
        return {
            "kind": "rest-points",
            "field": field_of(self.system),
            "box": box_json(self.region),
            "points": points_json(self.points),
        }


def points_json(points: Iterable[CertifiedPoint]) -> list[Json]:
    """The rest points of a fact."""
    return [{"box": box_json(point.box), "type": point.type} for point in points]


def certified_rest_points(
    field: VectorField | System, box: ArrayLike = (-12.0, 12.0), *, most: int = MOST
) -> RestProof:
    """Every rest point of a field in a box of log-odds, with proof that there are no others.

    `box` is one range [lo, hi] for all coordinates (differences against action 0, row by row), or one for each.
    Raises ValueError for fields that cannot be enclosed (`proofs.enclosures.systems.system`) and boxes that are none.

    >>> from vorticity import Field
    >>> from mdp import zoo
    >>> print(certified_rest_points(Field(zoo.load("swirl"), "reverse-kl", reward=True), (2, 4)))
    complete: exactly 0 rest points in [2, 4]^2, proved
    """
    at = field if isinstance(field, System) else system(field)
    within = region(box, at.size)
    live = _grid(within)
    found: list[Pair] = []
    undecided: list[Interval] = []
    examined = 0
    while live.shape[1]:
        examined += live.shape[1]
        with np.errstate(all="ignore"):  # what is not a number proves nothing
            live, settled = _sweep(at, live)
        found += settled
        small = live.width.max(0) <= LEAST * np.maximum(1.0, np.abs(live.mid).max(0))
        undecided.append(live[:, small])
        live = bisected(live[:, ~small])
        if examined + live.shape[1] > most:
            undecided.append(live)
            break
    refined = [(_settle(at, box), whole) for box, whole in found]
    kept, doubtful = _distinct(refined, within)
    left = concatenate([within[:, None][:, :0], *undecided, *doubtful], 1)
    return RestProof(at, within, tuple(_typed(at, box) for box in kept), left, examined)


def region(box: ArrayLike, size: int) -> Interval:
    """A box (n,) from one range [lo, hi] or one for each coordinate. Raises ValueError for anything else.

    >>> region((0, 1), 2).hi.tolist()
    [1.0, 1.0]
    """
    try:
        table = np.asarray(box, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"box is {box!r}; must be [lo, hi], or one such pair for each coordinate") from None
    if table.shape == (2,):
        table = np.tile(table, (size, 1))
    if table.shape != (size, 2):
        raise ValueError(f"box has shape {table.shape}; must be (2,) or ({size}, 2)")
    if not np.isfinite(table).all() or (table[:, 0] >= table[:, 1]).any():
        raise ValueError(f"box is {table.tolist()}; ranges must be finite, with lo < hi")
    return Interval(table[:, 0].copy(), table[:, 1].copy())


def _grid(within: Interval) -> Interval:
    """A box (n,) as about `START` equal boxes (n, B)."""
    n = within.shape[0]
    each = max(1, round(START ** (1 / n)))
    steps = [np.linspace(a, b, each + 1) for a, b in zip(within.lo, within.hi, strict=True)]
    for step, a, b in zip(steps, within.lo, within.hi, strict=True):
        step[0], step[-1] = a, b
    places = list(pairs(range(each), repeat=n))
    lo = np.array([[steps[i][k] for k in column] for i, column in enumerate(zip(*places, strict=True))])
    hi = np.array([[steps[i][k + 1] for k in column] for i, column in enumerate(zip(*places, strict=True))])
    return Interval(lo, hi)


def _sweep(at: System, boxes: Interval) -> tuple[Interval, list[Pair]]:
    """What is left of boxes (n, B), and pairs (box that holds the zero, box that holds no other)."""
    margin = boxes.width * MARGIN + 2 * LEAST * np.abs(boxes.mid)
    wide = Interval(boxes.lo - margin, boxes.hi + margin)
    G = scaled(at, wide)
    sound = G.sound
    empty = (~G.value.holds_zero()).any(0) & sound
    image = krawczyk(wide, G.centre, G.slope)
    missed = ((image.lo > wide.hi) | (image.hi < wide.lo)).any(0) & sound
    inside = np.asarray(image.inside(wide)).all(0) & sound & ~empty & ~missed
    settled = [(image[:, b], wide[:, b]) for b in np.flatnonzero(inside).tolist()]
    rest = ~(empty | missed | inside)
    cut = boxes.meet(image)
    useful = sound & (cut.lo <= cut.hi).all(0)
    gone = sound & (cut.lo > cut.hi).any(0)  # zeros of the wide box lie in the image, which does not meet this box
    kept = Interval(np.where(useful, cut.lo, boxes.lo), np.where(useful, cut.hi, boxes.hi))
    return kept[:, rest & ~gone], settled


def krawczyk(boxes: Interval, centre: Interval, slope: Interval) -> Interval:
    """K(X) for boxes (n, B), with G at their middles (n, B) and slope[i, j] = ∂G_j/∂x_i over them; infinite where the
    middle Jacobian is singular."""
    n, count = boxes.shape
    J = Interval(np.swapaxes(slope.lo, 0, 1), np.swapaxes(slope.hi, 0, 1))
    middle = np.moveaxis(J.mid, -1, 0)
    usable = np.asarray(np.isfinite(middle).all((1, 2)))
    safe = np.where(usable[:, None, None], middle, np.eye(n))
    usable &= np.abs(np.linalg.det(safe)) > 0
    safe = np.where(usable[:, None, None], safe, np.eye(n))
    try:
        Y = of(np.moveaxis(np.linalg.inv(safe), 0, -1).copy())
    except np.linalg.LinAlgError:
        usable[:] = False
        Y = of(np.broadcast_to(np.eye(n)[:, :, None], (n, n, count)).copy())
    point = np.clip(boxes.mid, boxes.lo, boxes.hi)
    with np.errstate(all="ignore"):
        spread = of(np.eye(n)[:, :, None]) - product(Y, J)
        image = point - product(Y, centre[:, None])[:, 0] + product(spread, (boxes - point)[:, None])[:, 0]
    good = usable & np.isfinite(image.lo).all(0) & np.isfinite(image.hi).all(0)
    return Interval(np.where(good, image.lo, -np.inf), np.where(good, image.hi, np.inf))


def bisected(boxes: Interval) -> Interval:
    """Every box in two, across its longest side, a little off the middle (where symmetric systems have their zeros)."""
    if not boxes.shape[1]:
        return boxes
    index, every = boxes.width.argmax(0), np.arange(boxes.shape[1])
    at = boxes.lo[index, every] + 0.4921875 * boxes.width[index, every]
    lo, hi = boxes.lo.copy(), boxes.hi.copy()
    hi[index, every] = at
    lo[index, every] = at
    return Interval(np.concatenate([boxes.lo, lo], 1), np.concatenate([hi, boxes.hi], 1))


def _settle(at: System, box: Interval) -> Interval:
    """A box (n,) that holds one zero, cut down by Krawczyk's operator as far as doubles go."""
    for _ in range(SETTLE):
        G = scaled(at, box[:, None])
        smaller = krawczyk(box[:, None], G.centre, G.slope)[:, 0].meet(box)
        if not (smaller.width < 0.5 * box.width).any():
            return smaller
        box = smaller
    return box


def _distinct(found: list[Pair], within: Interval) -> tuple[list[Interval], list[Interval]]:
    """Boxes with zeros that are pairwise different and inside the region; and boxes where that is not clear.

    The zero of one box is that of another if it lies where the other has no second one; it is a different one if the
    boxes do not meet.
    """
    kept: list[Pair] = []
    doubtful: list[Interval] = []
    for box, whole in found:
        if (box.hi < within.lo).any() or (box.lo > within.hi).any():
            continue
        if not ((box.lo >= within.lo) & (box.hi <= within.hi)).all():
            doubtful.append(box[:, None])
            continue
        clash = [other for other in kept if ((box.lo <= other[0].hi) & (other[0].lo <= box.hi)).all()]
        if not clash:
            kept.append((box, whole))
        elif not all(box.inside(other[1]).all() or other[0].inside(whole).all() for other in clash):
            doubtful.append(box[:, None])
    return [box for box, _ in kept], doubtful


# --- types ------------------------------------------------------------------------------------------------------------


def _typed(at: System, box: Interval) -> CertifiedPoint:
    J = field_and_jacobian(at, box[:, None])[1][..., 0]
    if at.size != 2:
        return CertifiedPoint(box, _type_of(J))
    trace, determinant = trace_and_determinant(J)
    kind = "undecided"
    if determinant.hi < 0:
        kind = "saddle"
    elif determinant.lo > 0 and not trace.holds_zero():
        kind = "source" if trace.lo > 0 else "sink"
    return CertifiedPoint(box, kind, trace, determinant)


def trace_and_determinant(J: Interval) -> tuple[Interval, Interval]:
    """The trace and the determinant of 2 × 2 interval matrices."""
    return J[0, 0] + J[1, 1], J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]


def _type_of(J: Interval) -> str:
    """The signs of the real parts of the eigenvalues of an interval matrix, by Arb's enclosures."""
    n = J.shape[0]
    with precision():
        entries = [flint.acb(_ball(J.lo[i, j], J.hi[i, j])) for i in range(n) for j in range(n)]
        try:
            values = flint.acb_mat(n, n, entries).eig(multiple=True)
        except ValueError:
            return "undecided"
        signs = [1 if x.real > 0 else -1 if x.real < 0 else 0 for x in values]
    if 0 in signs:
        return "undecided"
    return "source" if min(signs) > 0 else "sink" if max(signs) < 0 else "saddle"


def _ball(lo: float, hi: float) -> Any:
    return flint.arb(float(lo)).union(flint.arb(float(hi)))
