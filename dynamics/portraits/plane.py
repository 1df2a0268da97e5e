"""A plane to draw in: two coordinates of a field in a chart, by name, the others held.

A field's own coordinates here are those of `dynamics.fields.coordinates.reduced`: log-odds against the first action for
rows of logits, else the parameters as they are. `View.lift` and `View.project` go between the plane and all
coordinates, flat, of shape (..., n).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, Field, VectorField, reduced, to_reduced
from dynamics.rules import label
from mdp import Array, Student, nearest

CHARTS = ("differences", "probabilities")
Pair = tuple[int, int]
Coords = str | Sequence[int | Pair]


@dataclass(frozen=True, eq=False)
class View:
    """A plane of a field: `pick`, two flat coordinates of `seen`, drawn in `chart`; the others are `held` (n,).

    `rows` is (O, A − 1) where the coordinates are log-odds, else None; `names` (n,) are the coordinates' names in the
    chart. Built by `view`.
    """

    field: VectorField
    seen: VectorField
    rows: Pair | None
    pick: Pair
    held: Array
    chart: str
    names: tuple[str, ...]

    @property
    def planar(self) -> bool:
        """Whether the two coordinates are all there are."""
        return self.seen.size == 2

    @property
    def labels(self) -> tuple[str, str]:
        """The names of the two coordinates."""
        return self.names[self.pick[0]], self.names[self.pick[1]]

    def lift(self, u: ArrayLike) -> Array:
        """All coordinates (..., n) at points (..., 2) of the plane; NaN outside the simplex."""
        u = np.asarray(u, dtype=float)
        x = np.broadcast_to(self.held, (*u.shape[:-1], self.held.size)).copy()
        if self.chart == "differences" or self.rows is None:
            x[..., self.pick] = u
            return x
        p = self.probabilities(x)
        p[..., self.pick] = u
        rows = p.reshape(*u.shape[:-1], *self.rows)
        first = 1 - rows.sum(-1, keepdims=True)
        with np.errstate(all="ignore"):
            moved = np.log(rows / first).reshape(x.shape)
        touched = np.repeat(np.isin(np.arange(self.rows[0]), np.array(self.pick) // self.rows[1]), self.rows[1])
        return np.where(touched, moved, x)

    def project(self, x: ArrayLike) -> Array:
        """The point (..., 2) of the plane below points (..., n)."""
        return np.asarray(self.all_drawn(x)[..., self.pick])

    def all_drawn(self, x: ArrayLike) -> Array:
        """All coordinates (..., n) as the chart shows them."""
        x = np.asarray(x)
        return self.probabilities(x) if self.chart == "probabilities" else x

    def probabilities(self, x: Array) -> Array:
        """pi(a|o) of every action but the first, flat (..., n), at log-odds (..., n)."""
        if self.rows is None:
            raise ValueError("the chart of probabilities needs parameters that are rows of logits")
        odds = x.reshape(*x.shape[:-1], *self.rows)
        top = np.maximum(odds.max(-1, keepdims=True), 0.0)
        weights = np.exp(odds - top)
        return np.asarray((weights / (weights.sum(-1, keepdims=True) + np.exp(-top))).reshape(x.shape))

    def velocity_of(self, x: ArrayLike) -> Array:
        """The velocity of all coordinates (..., n) at (..., n); NaN where x is not finite."""
        x = np.asarray(x, dtype=float)
        there = np.isfinite(x).all(-1, keepdims=True)
        shaped = np.where(there, x, 0.0).reshape(*x.shape[:-1], *self.seen.shape)
        return np.where(there, np.asarray(self.seen(shaped), dtype=float).reshape(x.shape), np.nan)

    def velocity(self, u: ArrayLike) -> Array:
        """The velocity (..., 2) in the plane, `x'` or `p_a' = p_a (x_a' − Σ_b p_b x_b')`, at points (..., 2) of it."""
        x = self.lift(u)
        with np.errstate(all="ignore"):
            moved = self.velocity_of(x)
            if self.chart == "probabilities" and self.rows is not None:
                p = self.probabilities(x).reshape(*x.shape[:-1], *self.rows)
                rows = moved.reshape(p.shape)
                moved = (p * (rows - (p * rows).sum(-1, keepdims=True))).reshape(x.shape)
        return np.asarray(moved[..., self.pick])

    def curl(self, u: ArrayLike) -> Array:
        """`(∂F_i/∂theta_j − ∂F_j/∂theta_i) / ‖J‖` at points (..., 2), in parameters, for the two actions drawn."""
        x = self.lift(u)
        shaped = x.reshape(*x.shape[:-1], *self.seen.shape)
        i, j = self.pick
        if isinstance(self.seen, ChartField):
            shaped = self.seen.to_parameters(shaped)
            width = self.seen.shape[1]
            i, j = ((k // width) * (width + 1) + k % width + 1 for k in self.pick)
        inside = np.asarray(np.isfinite(x).all(-1))
        with np.errstate(all="ignore"):
            J = self.field.jacobian(np.nan_to_num(shaped, posinf=0.0, neginf=0.0))
            size = np.linalg.norm(J, axis=(-2, -1))
            part = np.divide(J[..., i, j] - J[..., j, i], size, out=np.zeros_like(size), where=size > 0)
        return np.asarray(np.where(inside, part, np.nan))


def view(
    field: VectorField, *, coords: Coords | None = None, held: ArrayLike | None = None, chart: str = "differences"
) -> View:
    """The plane of `field` that `coords` name: "s0,s1", "s0:right,s1:left", "0:1,1:1", or indices.

    A name is a state's, or the number of an observation, with an action after a colon where there are more than two;
    the first action is the one the others are compared with. Index pairs go into (O, A − 1); fields without rows of
    logits take flat numbers. `held` are parameters (*shape) at which the other coordinates stay (default 0).
    Raises ValueError for an unknown chart or coordinate, the same one twice, a field with one coordinate, or
    probabilities of a field without rows of logits.

    >>> from mdp import zoo
    >>> view(Field(zoo.load("corridor-cycle"), "on-policy"), coords="s0,s2").labels
    ('log-odds of right at s0', 'log-odds of right at s2')
    """
    seen = reduced(field)
    if chart not in CHARTS:
        raise ValueError(f"chart: {nearest(chart, CHARTS)}; must be one of {', '.join(CHARTS)}")
    if seen.size < 2:
        raise ValueError("the field has one coordinate; a phase portrait needs two")
    rows = _rows(field, seen)
    if chart == "probabilities" and rows is None:
        raise ValueError("chart 'probabilities' needs rows of logits; this field has none")
    pick = (0, 1) if coords is None else _picked(field, seen, rows, coords)
    if held is None:
        point = np.zeros(seen.size)
    else:
        point = np.asarray(held, dtype=float)
        if point.shape != field.shape or not np.isfinite(point).all():
            raise ValueError(f"held has shape {point.shape}; must be {field.shape}, and finite")
        point = to_reduced(seen, point)
    return View(field, seen, rows, pick, point, chart, _names(field, seen, rows, chart))


def coordinate(field: VectorField, text: str) -> int:
    """The flat coordinate, in the chart of differences, that a text names as in `view`: "s0", "s0:right", "0:1" or "0".

    >>> from mdp import zoo
    >>> coordinate(Field(zoo.load("corridor-cycle"), "on-policy"), "s2")
    2
    """
    seen = reduced(field)
    return _flat(text, field, seen, _rows(field, seen))


def coordinate_name(field: VectorField, k: int) -> str:
    """What the flat coordinate k is called in the chart of differences.

    >>> from mdp import zoo
    >>> coordinate_name(Field(zoo.load("corridor-cycle"), "on-policy"), 2)
    'log-odds of right at s2'
    """
    seen = reduced(field)
    return _names(field, seen, _rows(field, seen), "differences")[k]


def name_of(field: VectorField) -> str:
    """What a picture of the field is called: "swirl: reverse-kl + R", with whatever differs from the rule's own row.

    >>> from mdp import zoo
    >>> name_of(Field(zoo.load("swirl"), "on-policy", reward=True, alpha="1/2"))
    'swirl: on-policy + R, alpha 0.5'
    """
    if not isinstance(field, Field):
        return ""
    rule = field.rule
    text = f"{field.mdp.name or 'MDP'}: {label(rule)}"
    if rule.alpha != 1:
        text += f", alpha {float(rule.alpha):g}"
    return text + (f", control {field.control}" if field.control != rule.control else "")


def _rows(field: VectorField, seen: VectorField) -> Pair | None:
    """(O, A − 1) where the coordinates are log-odds against the first action, else None."""
    if isinstance(seen, ChartField):
        return seen.shape[0], seen.shape[1]
    if isinstance(field, Field) and _is_sigmoid(field.student, field.mdp.observation):
        return field.size, 1
    return None


def _is_sigmoid(student: Student, observation: Array) -> bool:
    """Whether the parameters are the log-odds of the second of two actions, one an observation."""
    if len(student.shape) != 1 or student.table[1] != 2 or student.size != int(observation.max()) + 1:
        return False
    probe = np.arange(1.0, student.size + 1)
    return np.array_equal(student.logits(probe), np.stack([np.zeros(len(observation)), probe[observation]], -1))


def _names(field: VectorField, seen: VectorField, rows: Pair | None, chart: str) -> tuple[str, ...]:
    if rows is None or not isinstance(field, Field):
        letter = "theta" if isinstance(field, Field) else "x"
        return tuple(f"{letter}[{', '.join(map(str, place))}]" for place in np.ndindex(*seen.shape))
    mdp = field.mdp
    found = []
    for o, k in np.ndindex(*rows):
        where = ", ".join(str(s) for s, seen_as in zip(mdp.states, mdp.observation, strict=True) if seen_as == o)
        over = f" over {mdp.actions[0]}" if rows[1] > 1 and chart == "differences" else ""
        what = "probability" if chart == "probabilities" else "log-odds"
        found.append(f"{what} of {mdp.actions[k + 1]}{over} at {where}")
    return tuple(found)


def _picked(field: VectorField, seen: VectorField, rows: Pair | None, coords: Coords) -> Pair:
    """The two flat coordinates that `coords` name."""
    if isinstance(coords, str):
        parts = _split(coords, lambda text: _flat(text, field, seen, rows))
    else:
        parts = [_of_index(item, seen) for item in coords]
    if len(parts) != 2 or parts[0] == parts[1]:
        raise ValueError(f"coords is {coords!r}; must name two different coordinates")
    return parts[0], parts[1]


def _split(text: str, read: Callable[[str], int]) -> list[int]:
    """The coordinates on both sides of a comma: the first comma that leaves two names (names may hold commas)."""
    commas = [i for i, c in enumerate(text) if c == ","]
    if not commas:
        raise ValueError(f"coords is {text!r}; must name two different coordinates, as in A,B")
    for i in commas:
        try:
            return [read(text[:i].strip()), read(text[i + 1 :].strip())]
        except ValueError:
            continue
    return [read(part.strip()) for part in text.split(",")]


def _of_index(item: int | Pair, seen: VectorField) -> int:
    """The flat coordinate at an index, or at a pair of them."""
    shape = seen.shape if isinstance(item, Sequence) else (seen.size,)
    place = tuple(map(int, item)) if isinstance(item, Sequence) else (int(item),)
    if len(place) != len(shape) or not all(0 <= i < n for i, n in zip(place, shape, strict=True)):
        raise ValueError(f"coords: {item!r} is outside of {shape}")
    return int(np.ravel_multi_index(place, shape))


def _flat(text: str, field: VectorField, seen: VectorField, rows: Pair | None) -> int:
    """The flat coordinate that one text names."""
    if rows is None or not isinstance(field, Field):
        return _number(text, seen.size, "coordinate")
    mdp = field.mdp
    states = {str(s): int(o) for s, o in zip(mdp.states, mdp.observation, strict=True)}
    place, colon, action = text.rpartition(":")
    if text in states or not colon:
        place, action = text, ""
    if place in states:
        o = states[place]
    elif place.isdecimal():
        o = _number(place, rows[0], "observation")
    else:
        raise ValueError(f"coords: {nearest(place, states)}")
    if not action:
        if rows[1] > 1:
            raise ValueError(f"coords: {text!r} has {rows[1] + 1} actions; name one, as in {text}:{mdp.actions[1]}")
        return o
    actions = [str(a) for a in mdp.actions]
    if action not in actions and not action.isdecimal():
        raise ValueError(f"coords: {nearest(action, actions[1:])}")
    a = actions.index(action) if action in actions else _number(action, len(actions), "action")
    if a == 0:
        raise ValueError(f"coords: {actions[0]!r} is the action that the others are compared with; name another")
    return o * rows[1] + a - 1


def _number(text: str, size: int, what: str) -> int:
    if not text.isdecimal() or int(text) >= size:
        raise ValueError(f"coords: {what} {text!r}; must be a number from 0 to {size - 1}")
    return int(text)
