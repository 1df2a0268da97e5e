"""Solutions of (I − g P_q) x = c over boxes of policies, without the cancellations that make plain ones useless.

A chain is given by its moves m[s, t] = g P_q[s, t], s ≠ t, and by its ends e[s] ≥ 0, what leaves for good: the matrix
is M[s, s] = e[s] + Σ_t m[s, t], M[s, t] = −m[s, t]. Two things keep the enclosures tight. Elimination only adds,
multiplies and divides numbers that are not negative (Grassmann, Taksar and Heyman). And solutions are sought as
x = level + rest, rest = 0 at one state r: what a chain that hardly ends does to a constant is the large part of x,
and nobody asks for it. With B = M^{-1} on the other states and h = B e there,

    level = (c_r + Σ_t m[r, t] (B c)_t) / (e_r + Σ_t m[r, t] h_t),       rest_s = (B c)_s − h_s · level.

Source: O'Cinneide, *Entrywise perturbation theory and error analysis for Markov chains*, Numer. Math. 65, 1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdp import Array
from proofs.enclosures.intervals import Interval, of, product, stack
from proofs.enclosures.jets import Jet

ROUNDS = 2  # how often slopes are found again from the values that the mean-value form has cut down


@dataclass(frozen=True, eq=False)
class Parts:
    """What solutions are made of at one kind of numbers: `taboo` B (S, S, B), `leaving` h (S, B), both 0 at state r,
    `out` = m[r, ·] (S, B) and `total` = e_r + Σ out h (B)."""

    r: int
    taboo: Interval
    leaving: Interval
    out: Interval
    total: Interval


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain over boxes: moves (S, S, B) with a diagonal that is not used, ends (S, B), and its parts."""

    moves: Jet
    ends: Jet
    over: Parts
    middle: Parts


@dataclass(frozen=True, eq=False)
class Solution:
    """x = shift + level + rest of M x = c: jets `level` (R, B) and `rest` (S, R, B), doubles `shift` (R, B)."""

    level: Jet
    rest: Jet
    shift: Array


def chain(moves: Jet, ends: Jet) -> Chain:
    """The chain, factorised over the boxes and at their middles."""
    visits = inverse(moves.centre, ends.centre).mid.sum(0).mean(-1)
    r = int(np.argmax(np.where(np.isfinite(visits), visits, 0.0)))
    return Chain(moves, ends, parts(moves.value, ends.value, r), parts(moves.centre, ends.centre, r))


def inverse(moves: Interval, ends: Interval) -> Interval:
    """N = M^{-1} (S, S, B) by elimination without a subtraction; all entries are at least 0.

    >>> half = of(np.full((1, 1, 1), 0.5))
    >>> inverse(half, half[0]).mid.ravel().round(12).tolist()
    [2.0]
    """
    size = ends.shape[0]
    m = [[moves[s, t] for t in range(size)] for s in range(size)]
    e = [ends[s] for s in range(size)]
    unit = np.eye(size)[:, :, None] * np.ones(ends.shape[-1])
    rows = [of(unit[s]) for s in range(size)]
    pivots: list[Interval] = [e[0]] * size
    for k in reversed(range(size)):
        pivots[k] = e[k]
        for t in range(k):
            pivots[k] = pivots[k] + m[k][t]
        for s in range(k):
            share = m[s][k] / pivots[k]
            e[s] = e[s] + share * e[k]
            rows[s] = rows[s] + share * rows[k]
            for t in range(k):
                if t != s:
                    m[s][t] = m[s][t] + share * m[k][t]
    found: list[Interval] = []
    for k in range(size):
        total = rows[k]
        for t in range(k):
            total = total + m[k][t] * found[t]
        found.append(total / pivots[k])
    return stack(found).meet(Interval(np.zeros(()), np.full((), np.inf)))


def parts(moves: Interval, ends: Interval, r: int) -> Parts:
    """The parts of solutions relative to state r."""
    size, count = ends.shape
    others = [s for s in range(size) if s != r]
    lo, hi = np.zeros((size, size, count)), np.zeros((size, size, count))
    if others:
        inner = inverse(moves[np.ix_(others, others)], ends[others] + moves[others, r])
        lo[np.ix_(others, others)], hi[np.ix_(others, others)] = inner.lo, inner.hi
    taboo = Interval(lo, hi)
    leaving = (taboo * ends[None]).sum(1)
    own = np.arange(size)[:, None] == r
    leaving = Interval(np.where(own, 0.0, np.maximum(leaving.lo, 0.0)), np.where(own, 0.0, np.minimum(leaving.hi, 1.0)))
    out = Interval(np.where(own, 0.0, moves.lo[r]), np.where(own, 0.0, moves.hi[r]))
    return Parts(r, taboo, leaving, out, ends[r] + (out * leaving).sum(0))


def plain(at: Parts, right: Interval) -> tuple[Interval, Interval]:
    """(level, rest) for right-hand sides (S, R, B)."""
    inner = product(at.taboo, right)
    level = (right[at.r] + (at.out[:, None] * inner).sum(0)) / at.total
    rest = inner - at.leaving[:, None] * level
    own = np.arange(inner.shape[0])[:, None, None] == at.r
    return level, Interval(np.where(own, 0.0, rest.lo), np.where(own, 0.0, rest.hi))


def solve(at: Chain, right: Jet) -> Solution:
    """x of M x = c for right-hand sides c (S, R, B)."""
    shift = plain(at.middle, right.centre)[0].mid
    shift = np.where(np.isfinite(shift), shift, 0.0)
    level_at, rest_at = plain(at.middle, right.centre - at.ends.centre[:, None] * shift)
    level, rest = plain(at.over, right.value - at.ends.value[:, None] * shift)
    for _ in range(ROUNDS):
        slopes = [_slope(at, right, i, level + shift, rest) for i in range(right.slope.shape[0])]
        levels = Jet(level, level_at, stack(x for x, _ in slopes), right.offset).tight()
        rests = Jet(rest, rest_at, stack(x for _, x in slopes), right.offset).tight()
        level, rest = levels.value, rests.value
    return Solution(levels, rests, shift)


def _slope(at: Chain, right: Jet, i: int, level: Interval, rest: Interval) -> tuple[Interval, Interval]:
    """∂x solves M ∂x = ∂c − ∂M x, with (∂M x)_s = ∂e_s (level + rest_s) + Σ_t ∂m_st (rest_s − rest_t)."""
    size = rest.shape[0]
    source = right.slope[i] - at.ends.slope[i][:, None] * (rest + level)
    for t in range(size if size > 1 else 0):
        moved = at.moves.slope[i][:, t][:, None] * (rest - rest[t][None])
        own = np.arange(size)[:, None, None] == t
        source = source - Interval(np.where(own, 0.0, moved.lo), np.where(own, 0.0, moved.hi))
    return plain(at.over, source)


def columns(at: Chain) -> Solution:
    """The columns of N = M^{-1}, (S, S, B): column t solves M x = e_t."""
    size, count = at.ends.value.shape
    unit = of(np.eye(size)[:, :, None] * np.ones(count))
    zero = of(np.zeros((at.ends.slope.shape[0], size, size, count)))
    return solve(at, Jet(unit, unit, zero, at.ends.offset))


def visits(at: Chain, solved: Solution, initial: Interval) -> Jet:
    """d = initial^T N (S, B) for a start distribution (S, 1), from the columns of N; never negative."""
    d = (solved.rest * initial[:, None]).sum(0) + (solved.level + solved.shift) * initial.sum(0)
    positive = (inverse(at.moves.value, at.ends.value) * initial[:, None]).sum(0)
    return Jet(d.value.meet(positive), d.centre, d.slope, d.offset)


def log_determinant_slope(at: Chain, solved: Solution) -> Interval:
    """∂log det M = Σ_s N_ss ∂e_s + Σ_st ∂m_st (N_ss − N_ts), (n, B)."""
    size = at.ends.value.shape[0]
    diagonal = np.arange(size)
    own = solved.rest.value[diagonal, diagonal] + solved.level.value + solved.shift
    total = (at.ends.slope * own).sum(1)
    for s in range(size):
        for t in range(size):
            if t != s:
                total = total + at.moves.slope[:, s, t] * (solved.rest.value[s, s] - solved.rest.value[t, s])
    return total
