"""A find in small readable numbers: the same MDP with everything rounded as far as it goes and still cycles.

What is made small is `bits`: the sum over all numbers but 0 and 1 of the binary digits of numerator and denominator,
equal teacher rows counted once. One row (or reward, or the discount) at a time is replaced by a simpler one, the
replacement that saves most first, as long as the rest point still repels; then the flow is asked.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dynamics.fields import Fields, Worlds
from dynamics.hunt.candidates import Draw, Hunt, growth, newton, wandering
from mdp import MDP, Array

GRIDS = (1, 2, 3, 4, 5, 10, 20, 50, 100, 200)
Key = tuple[str, int, int]
Row = tuple[Fraction, ...]
Numbers = dict[Key, Row]


def bits(numbers: Numbers) -> float:
    """The size of the numbers, see the module.

    >>> bits({("R", 0, 0): (Fraction(1, 2),), ("R", 0, 1): (Fraction(0),)})
    3.0
    """
    rows = {(key[0], row) if key[0] == "teacher" else (key, row) for key, row in numbers.items()}
    return float(sum(_bits(x) for _, row in rows for x in row))


def _bits(x: Fraction) -> int:
    return 0 if x in (0, 1) else abs(x.numerator).bit_length() + x.denominator.bit_length() - (x.denominator == 1)


def numbers(fields: Fields, k: int, grid: int = 1000) -> Numbers:
    """The k-th member in rationals: distributions in multiples of 1/grid, discount too, rewards to six digits."""
    w = fields.worlds
    S, A = w.R.shape[1:]
    found: Numbers = {("discount", 0, 0): (Fraction(float(w.discount[k])).limit_denominator(grid),)}
    found["initial", 0, 0] = _rounded(w.initial[k].tolist(), grid)
    for s in range(S):
        found["teacher", s, 0] = _rounded(w.teacher[k, s].tolist(), grid, least=1)
        for a in range(A):
            row = w.P[k, s, a].tolist()
            found["P", s, a] = _rounded([*row, max(1 - sum(row), 0.0)], grid)
            found["R", s, a] = (Fraction(f"{w.R[k, s, a]:.6g}"),)
    return found


def _rounded(row: list[float], grid: int, least: int = 0) -> Row:
    """A distribution in multiples of 1/grid by largest remainders, each at least `least` of them."""
    shares = [max(x * grid, least) for x in row]
    shares = [x * grid / sum(shares) for x in shares]
    whole = [max(int(x), least) for x in shares]
    by_need = sorted(range(len(row)), key=lambda i: whole[i] - shares[i])
    for i in by_need[: max(grid - sum(whole), 0)]:
        whole[i] += 1
    while sum(whole) > grid:
        whole[int(np.argmax(whole))] -= 1
    return tuple(Fraction(n, grid) for n in whole)


def simpler(held: Numbers) -> list[tuple[Key, Row]]:
    """Replacements of one row that are simpler, few digits first."""
    found: list[tuple[Key, Row]] = []
    for key, row in held.items():
        options: set[Row] = set()
        if key[0] in ("P", "initial", "teacher"):
            least = int(key[0] == "teacher")
            grids = [grid for grid in GRIDS if grid >= least * len(row)]
            options = {_rounded([float(x) for x in row], grid, least) for grid in grids}
            if key[0] == "teacher":
                options |= {other for (kind, _, _), other in held.items() if kind == "teacher"}
        else:
            x = row[0]
            options = {(Fraction(round(x * grid), grid),) for grid in GRIDS} if x else set()
            options |= {(Fraction(f"{float(x):.{digits}g}"),) for digits in (1, 2, 3)}
            if key[0] == "discount":
                options = {one for one in options if 0 < one[0] < 1}
        here = bits(held)
        found += [(key, one) for one in options if one != row and bits(held | {key: one}) < here]
    return found


def arrays(hunt: Hunt, held: list[Numbers]) -> Fields:
    """Models in rationals as a batch."""
    S, A = hunt.states, hunt.actions

    def table(kind: str, columns: int, cut: int | None = None) -> Array:
        rows = [[[float(x) for x in one[kind, s, a]][:cut] for s in range(S) for a in range(columns)] for one in held]
        return np.array(rows)

    P = table("P", A, S).reshape(len(held), S, A, S)
    initial = np.array([[float(x) for x in one["initial", 0, 0]] for one in held])
    discount = np.array([float(one["discount", 0, 0][0]) for one in held])
    worlds = Worlds(P, table("R", A).reshape(len(held), S, A), initial, discount, table("teacher", 1))
    return Fields(hunt.template, worlds)


def simplified(
    hunt: Hunt, candidates: Draw, k: int, *, floor: float = 0.02, most: int = 80
) -> list[tuple[Numbers, Array]]:
    """Ever simpler versions of the k-th candidate that still wander, the simplest first, each with its rest point (n,).

    A step is taken when Newton's iteration finds the rest point again, within a nat and a half, and its growth is at
    least `floor`; at the end those are kept that `wandering` sees wander.

    >>> from dynamics.hunt.candidates import draw, rested
    >>> from dynamics.rules import get
    >>> hunt = Hunt(get("reverse-kl"), 2, 2)
    >>> there = rested(draw(hunt, 0, 200))
    >>> k = int(growth(there).argmax())
    >>> found = simplified(hunt, there, k)
    >>> len(found) == 0 or bits(found[0][0]) <= bits(numbers(there.fields, k))
    True
    """
    held, x = numbers(candidates.fields, k), candidates.x[k]
    history: list[tuple[Numbers, Array]] = []
    options = [numbers(candidates.fields, k, 10**digits) for digits in (2, 3, 4, 5, 6)]
    with np.errstate(all="ignore"):
        for _ in range(most):
            batch = arrays(hunt, options)
            there = newton(Draw(batch, np.tile(x, (len(options), 1))))
            kept = _matched(batch, there)
            near = np.abs(there.x - x).max(-1) < 1.5
            share = growth(there)
            good = [(bits(options[i]), -share[j], i, j) for j, i in enumerate(kept) if near[j] and share[j] > floor]
            if not good:
                break
            _, _, i, j = min(good)
            held, x = options[i], there.x[j]
            history.append((held, x))
            options = [held | {key: row} for key, row in simpler(held)]
            if not options:
                break
        if not history:
            return []
        seen = wandering(Draw(arrays(hunt, [one for one, _ in history]), np.array([y for _, y in history])))
    return [one for one, ok in zip(history[::-1], seen[::-1], strict=True) if ok]


def _matched(batch: Fields, there: Draw) -> list[int]:
    """Which member of the batch each survivor was (they keep their order)."""
    found, i = [], 0
    for j in range(len(there)):
        while not all(
            np.array_equal(getattr(batch.worlds, name)[i], getattr(there.fields.worlds, name)[j])
            for name in ("P", "R", "initial", "discount", "teacher")
        ):
            i += 1
        found.append(i)
        i += 1
    return found


def to_mdp(hunt: Hunt, held: Numbers, name: str = "") -> MDP:
    """The model in exact numbers."""
    S, A = hunt.states, hunt.actions
    return MDP(
        P=[[list(held["P", s, a][:-1]) for a in range(A)] for s in range(S)],
        R=[[held["R", s, a][0] for a in range(A)] for s in range(S)],
        initial=list(held["initial", 0, 0]),
        discount=held["discount", 0, 0][0],
        observation=None if hunt.observation is None else list(hunt.observation),
        teacher=[list(held["teacher", s, 0]) for s in range(S)],
        name=name,
    )
