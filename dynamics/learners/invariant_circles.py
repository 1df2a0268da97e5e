"""Iterations that turn: do they close to an invariant circle, or grow from turn to turn?

With many steps a turn the returns to a section say it; with few, where no section can be interpolated, the iterates are
ordered by their angle and a closed curve is fitted: one that predicts the later iterates is what they run on.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from dynamics.orbits import Found, Run
from mdp import Array

FEW = 200.0  # steps a turn below which a closed curve is fitted
SMOOTH, STEADY = 1e-3, 2e-5  # misfit of the curve, and moves of it that are as good as none, as shares of its size
DEGREE = 20  # of the trigonometric polynomials of the curve
WINDOW = 60_000  # iterates that the curve is fitted to: near a resonance they take long to fill it


def turning(run: Run) -> Found | None:
    """ "cycle" for an invariant circle, "turning" for turns that do not close (yet), None for what does not turn.

    Evidence: `form`, `steps_a_turn`, `mean_radius` (of the states of the last turns about their mean, in the
    reduced chart), and the growth or the moves from turn to turn.
    """
    by_returns = _returns(run)
    if by_returns is not None and by_returns[0] == "cycle":
        return by_returns
    return _closed_curve(run) or by_returns


def _circle(states: Array, steps: float) -> dict[str, Any]:
    """What is said of an invariant circle with these states (m, n) and so many steps a turn."""
    return {
        "form": "invariant circle",
        "steps_a_turn": steps,
        "mean_radius": float(np.linalg.norm(states - states.mean(0), axis=1).mean()),
        "isolated": None,
        "period": steps,
    }


def _returns(run: Run) -> Found | None:
    """Returns to the section through the end: converging (an invariant circle), or turning with a growth a turn."""
    late = run.since(0.2)
    times = run.t[-len(late) :]
    speed = run.velocity(run.end)
    span = float(np.linalg.norm(np.ptp(late, axis=0)))
    if len(run.end) < 2 or not np.linalg.norm(speed) > 0 or span < 1e-9:
        return None
    height = (late - run.end) @ (speed / np.linalg.norm(speed))
    at = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    at = at[(at > 0) & (at < len(late) - 2)]
    when, where = _cubic_crossings(times, late, height, at)
    near = np.linalg.norm(where - run.end, axis=1) < 0.25 * span
    when, where = when[near], where[near]
    jumps = np.linalg.norm(np.diff(late, axis=0), axis=1).max() > 0.25 * span
    lengths = np.diff(when)[-3:]
    if len(when) < 4 or jumps or (np.abs(np.diff(lengths)) > 0.25 * lengths[1:]).any():
        return None
    middle = late.mean(0)
    radii = np.linalg.norm(where - middle, axis=1)
    moves = np.linalg.norm(np.diff(where, axis=0), axis=1)
    evidence: dict[str, Any] = {
        "steps_by_turn": np.diff(when)[-4:].tolist(),
        "growth_by_turn": float((radii[-1] / radii[-4]) ** (1 / 3) - 1),
        "moves_by_turn": moves[-4:].tolist(),
    }
    grain = 1e-6 * span
    shrinking = (moves[1:] < np.maximum(0.98 * moves[:-1], grain)).all()
    if shrinking and moves[-1] < 1e-3 * radii[-1] and np.ptp(lengths) <= 0.05 * lengths[-1]:
        steps = float(np.diff(when)[-1])
        return "cycle", _circle(late[-int(np.ceil(steps)) :], steps) | evidence
    return "turning", evidence


def _closed_curve(run: Run) -> Found | None:
    """An invariant circle with few steps a turn: one closed curve through three thirds of the last iterates.

    In the plane of the two widest directions, each scaled to the same width, the iterates have an angle about their
    mean; a trigonometric polynomial of the angle is fitted to each third. The circle is there when the first third's
    curve predicts the last third, and the curves move less and less.
    """
    late = run.since(0.5)[-WINDOW:]
    if len(run.end) < 2 or len(late) < 300:
        return None
    widths, plane = np.linalg.svd(late - late.mean(0), full_matrices=False)[1:]
    size = float(np.ptp(late, axis=0).max())
    if size < 1e-6 * (1 + np.abs(run.end).max()) or widths[1] < 1e-3 * widths[0]:
        return None
    flat = (late - late.mean(0)) @ plane[:2].T / widths[:2]
    radii = np.linalg.norm(flat, axis=1)
    angles = np.arctan2(flat[:, 1], flat[:, 0])
    ahead = np.mod(np.diff(angles), 2 * np.pi)
    turn = float(ahead.mean() / (2 * np.pi))
    rotation = min(turn, 1 - turn)
    gaps = np.diff(np.sort(angles), append=angles.min() + 2 * np.pi)
    if radii.min() < 0.1 * radii.max() or rotation < 1 / FEW or gaps.max() > np.pi / 6 or np.ptp(ahead) > np.pi:
        return None
    thirds = np.array_split(np.arange(len(late)), 3)
    waves = np.arange(1, DEGREE + 1) * angles[:, None]
    basis = np.hstack([np.ones((len(late), 1)), np.cos(waves), np.sin(waves)])
    fits = [np.linalg.lstsq(basis[part], late[part], rcond=1e-10)[0] for part in thirds]
    misfit = float(np.abs(basis[thirds[2]] @ fits[0] - late[thirds[2]]).max()) / size
    moved = [float(np.abs(basis @ (b - a)).max()) / size for a, b in pairwise(fits)]
    if misfit > SMOOTH or moved[1] > SMOOTH / 10 or not moved[1] < max(0.9 * moved[0], STEADY):
        return None
    return "cycle", _circle(late, 1 / rotation) | {"curve_misfit": misfit, "curve_moves": moved}


def _cubic_crossings(t: Array, x: Array, height: Array, at: Array) -> tuple[Array, Array]:
    """Crossings of height 0 on the cubics through four neighbouring iterates."""
    share = -height[at] / (height[at + 1] - height[at])
    for _ in range(8):
        value = _cubic(height[:, None], at, share)[:, 0]
        slope = height[at + 1] - height[at]
        share = np.clip(share - value / slope, 0.0, 1.0)
    return t[at] + share * (t[at + 1] - t[at]), _cubic(x, at, share)


def _cubic(values: Array, at: Array, share: Array) -> Array:
    """Lagrange's cubic through the values at −1, 0, 1, 2, evaluated at `share` in [0, 1]."""
    s = share[:, None]
    weights = (
        -s * (s - 1) * (s - 2) / 6,
        (s + 1) * (s - 1) * (s - 2) / 2,
        -(s + 1) * s * (s - 2) / 2,
        (s + 1) * s * (s - 1) / 6,
    )
    total = np.zeros((len(at), values.shape[1]))
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        total += weight * values[at + offset]
    return total
