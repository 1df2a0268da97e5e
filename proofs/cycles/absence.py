"""Boxes of the plane without periodic orbits, and boxes in which everything comes to rest.

Bendixson and Dulac: where div(D F) has one sign throughout a box, D > 0, no periodic orbit lies in it. The functions
tried are

    D = exp(a · z) Π_i (p_i (1 − p_i))^{k_i} Π_s d(s)^{j_s} det(I − g P_q)^m,     div(D F) / D = div F + F · ∇log D,

linear in the exponents, which linear programming finds at sampled points and interval arithmetic then checks. (For
on-policy distillation with reward in two states without aliasing k = −1, m = 2 always serves: docs/claims.md.) A field
that is a gradient has no periodic orbit at all; if no trajectory leaves a box, every trajectory in it comes to rest.
Source: Perko, *Differential Equations and Dynamical Systems*, section 3.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from dynamics.fields import Field, VectorField
from mdp import Array
from proofs.certificates import Json, Refusal, box_json, field_of, where
from proofs.cycles.planar import outward, unfit
from proofs.cycles.rest_points import RestProof, bisected, certified_rest_points, points_json, region
from proofs.enclosures import Interval, System, of, of_fractions, policy, stack, system, variables
from proofs.exact import decide

MOST = 20_000  # boxes looked at before the sign counts as not seen
SIZES = (0.0, 1.0, 3.0, 8.0)  # exponents are sought up to these sizes
FAIR = 0.25  # a margin, as a share of the sizes of the terms, from which on small exponents are preferred
GRID = 15  # points a side at which they are sought
FINEST = 16  # they are multiples of 1 / FINEST
BATCH = 1024


@dataclass(frozen=True)
class Dulac:
    """The exponents of D: `exp` a (2,), `bump` k (2,), `det` m, `visits` j (S,); all but the first are for MDPs."""

    exp: tuple[Fraction, ...] = (Fraction(0), Fraction(0))
    bump: tuple[Fraction, ...] = (Fraction(0), Fraction(0))
    det: Fraction = Fraction(0)
    visits: tuple[Fraction, ...] = ()

    @property
    def exponents(self) -> tuple[Fraction, ...]:
        """All of them, in the order of `_terms`."""
        return (*self.exp, *self.bump, self.det, *self.visits)

    def __str__(self) -> str:
        names = [f"exp({x} z{i + 1})" for i, x in enumerate(self.exp) if x]
        names += [f"(p{i + 1} (1 - p{i + 1}))^({x})" for i, x in enumerate(self.bump) if x]
        names += [f"det(I - g P)^({self.det})"] * bool(self.det)
        names += [f"d({s})^({x})" for s, x in enumerate(self.visits) if x]
        return " ".join(names) or "1"


@dataclass(frozen=True, eq=False)
class NoCycle:
    """A box (2,) that holds no periodic orbit: div(D F) / D has the sign `sign` throughout."""

    system: System
    box: Interval
    dulac: Dulac
    sign: str

    kind = "no-cycle-box"

    def __str__(self) -> str:
        way = "positive" if self.sign == "+" else "negative"
        return f"no periodic orbit in {where(self.box)}, proved: div(D F) is {way}, D = {self.dulac}"

    def fact(self) -> Json:
        """The fact of a certificate. Raises ValueError for a system that is no field of an MDP."""
        powers: Json = {name: [str(x) for x in getattr(self.dulac, name)] for name in ("exp", "bump", "visits")}
        powers["visits"] += ["0"] * (
            len(self.system.field.mdp.states) - len(powers["visits"]) if self.system.field else 0
        )
        powers["det"] = str(self.dulac.det)
        return {
            "kind": self.kind,
            "field": field_of(self.system),
            "box": box_json(self.box),
            "dulac": powers,
            "sign": self.sign,
        }


@dataclass(frozen=True, eq=False)
class Settles:
    """A box (n,) that no trajectory leaves, of a gradient field: every trajectory in it converges to a rest point."""

    system: System
    box: Interval
    rest: RestProof

    kind = "settles"

    def __str__(self) -> str:
        n = len(self.rest.points)
        end = "the one rest point" if n == 1 else f"one of the {n} rest points"
        return f"every trajectory from {where(self.box)} converges to {end} in it, proved"

    def fact(self) -> Json:
        """The fact of a certificate. Raises ValueError for a system that is no field of an MDP."""
        return {
            "kind": self.kind,
            "field": field_of(self.system),
            "box": box_json(self.box),
            "points": points_json(self.rest.points),
        }


def settles(field: Field, box: ArrayLike) -> Settles | Refusal:
    """The proof that every trajectory that starts in a box stays and comes to rest, or why there is none.

    Any number of coordinates. Raises ValueError for fields that cannot be enclosed.
    """
    at = system(field)
    inside = region(box, at.size)
    verdict = decide(field)
    if verdict.verdict != "gradient" or verdict.error_bound:
        return Refusal(f"the field is not proved to be a gradient ({verdict.verdict})")
    leak = outward(at, inside)
    if leak is not None:
        return Refusal(leak)
    rest = certified_rest_points(at, np.stack([inside.lo, inside.hi], 1))
    return Settles(at, inside, rest) if rest.complete else Refusal(f"{rest}")


def no_cycle(field: VectorField | System, box: ArrayLike, *, dulac: Dulac | None = None) -> NoCycle | Refusal:
    """The proof that a box of the plane holds no periodic orbit, by a function D that is found, or given.

    Raises ValueError for fields that cannot be enclosed.

    >>> from proofs.enclosures.systems import from_function
    >>> print(no_cycle(from_function("spiral", 2, lambda x, y: [-x - y, x - y]), (-1, 1)))
    no periodic orbit in [-1, 1]^2, proved: div(D F) is negative, D = 1
    """
    at = field if isinstance(field, System) else system(field)
    reason = unfit(at)
    if reason is not None:
        return Refusal(reason)
    inside = region(box, 2)
    if dulac is not None and at.field is None and any(dulac.exponents[2:]):
        raise ValueError(f"{at.name!r} is no field of an MDP: it has no policy and no visits, only exponents of exp")
    tries = [(dulac, sign) for sign in ("-", "+")] if dulac else candidates(at, inside)
    for chosen, sign in tries:
        if has_sign(at, inside, chosen, sign):
            return NoCycle(at, inside, chosen, sign)
    if dulac is not None:
        return Refusal(f"div(D F), D = {dulac}, is not seen to have one sign on the box")
    return Refusal("no function D was found for which div(D F) is seen to have one sign on the box")


def has_sign(at: System, box: Interval, dulac: Dulac, sign: str) -> bool:
    """Whether div(D F) / D is proved to have the sign on the whole closed box, by cutting it up."""
    live, examined = box[:, None], 0
    used = [k for k, x in enumerate(dulac.exponents) if x]
    weights = of_fractions([dulac.exponents[k] for k in used])
    while live.shape[1]:
        examined += live.shape[1]
        if examined > MOST:
            return False
        parts = [_terms(at, live[:, k : k + BATCH]) for k in range(0, live.shape[1], BATCH)]
        left = []
        for k, (divergence, terms) in enumerate(parts):
            total = divergence + (terms[used] * weights[:, None]).sum(0) if used else divergence
            total = total if sign == "+" else -total
            if (total.hi <= 0).any():
                return False
            left.append(live[:, k * BATCH : (k + 1) * BATCH][:, ~(total.lo > 0)])
        live = bisected(Interval(*(np.concatenate([getattr(x, end) for x in left], 1) for end in ("lo", "hi"))))
    return True


def _terms(at: System, boxes: Interval) -> tuple[Interval, Interval]:
    """div F (B) and F · ∇log D for every exponent (M, B) by itself, over boxes (2, B)."""
    x = variables(boxes)
    with np.errstate(all="ignore"):
        over = at.jets(x)
    F = over.field.value
    divergence = over.field.slope[0, 0] + over.field.slope[1, 1]
    terms = [F[0], F[1]]
    if at.field is not None and at.field.shape[1] == 2:
        terms += [F[i] * (1 - 2 * policy([x[i]])[0].value[1]) for i in range(2)]
    else:
        terms += [of(np.zeros(F.shape[1]))] * 2
    if over.visits is not None and over.log_det is not None:
        terms.append((F * over.log_det).sum(0))
        moved = (F[:, None] * (over.visits.slope / over.visits.value)).sum(0)
        terms += [moved[s] for s in range(moved.shape[0])]
    return divergence, stack(terms)


def candidates(at: System, box: Interval) -> list[tuple[Dulac, str]]:
    """Functions D, with signs, for which div(D F) / D has the sign at the points of a grid, at most three.

    The exponents up to a size with the largest margin, for growing sizes from 0 (D = 1), those with a fair margin
    first; and k = −1, m = 2.
    """
    steps = [np.linspace(a, b, GRID) for a, b in zip(box.lo, box.hi, strict=True)]
    points = np.stack([x.ravel() for x in np.meshgrid(*steps)])
    divergence, terms = (x.mid for x in _terms(at, of(points)))
    if not np.isfinite(divergence).all():
        return []
    known = np.asarray(np.isfinite(terms).all(1))  # visits that may be 0 have no logarithm
    terms = np.where(known[:, None], terms, 0.0)
    scale = np.abs(divergence) + np.abs(terms).sum(0)
    scale = np.where(scale > 0, scale, 1.0)
    found = []
    for sign, side in (("-", -1.0), ("+", 1.0)):
        for size in SIZES:
            margin, exponents = _largest_margin(side * divergence / scale, side * terms / scale, size)
            if margin > 0:
                found.append((margin < FAIR, size if margin >= FAIR else -margin, _dulac(exponents), sign))
    if len(terms) > 4:
        exponents = np.append([0.0, 0.0, -1.0, -1.0, 2.0], np.zeros(len(terms) - 5))
        if ((divergence + exponents @ terms) / scale < 0).all():
            found.append((False, 0.0, _dulac(exponents), "-"))
    ranked = sorted(found, key=lambda x: x[:2])
    return list(dict.fromkeys((dulac, sign) for _, _, dulac, sign in ranked))[:3]


def _largest_margin(divergence: Array, terms: Array, size: float) -> tuple[float, Array]:
    """The largest t with div + Σ c term ≥ t at every point, over exponents |c| ≤ size, by linear programming."""
    n = len(terms)
    if size == 0:
        return float(divergence.min()), np.zeros(n)
    rows = np.column_stack([-terms.T, np.ones(len(divergence))])
    bounds = [(-size, size) if term.any() else (0.0, 0.0) for term in terms] + [(None, 1.0)]
    found = linprog(np.append(np.zeros(n), -1.0), rows, divergence, bounds=bounds)
    return (-1.0, np.zeros(n)) if found.x is None else (float(found.x[-1]), found.x[:-1])


def _dulac(exponents: Array) -> Dulac:
    near = [Fraction(round(x * FINEST), FINEST) for x in exponents.tolist()]
    return Dulac(tuple(near[:2]), tuple(near[2:4]), near[4] if len(near) > 4 else Fraction(0), tuple(near[5:]))
