"""The parts of a model, each read and checked on its own: names, observations, losses, transitions.

Every function raises ValueError in one line that names the place, the value and the law. `mdp.model` composes them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mdp.numbers import Numbers, ObjectArray, Place, Rows, exactly, rational, rationals, rows, show


def nearest(word: object, known: Iterable[str]) -> str:
    """Return "unknown 'word'; the nearest is 'known word'", for error messages about names.

    >>> nearest("rigth", ["left", "right"])
    "unknown 'rigth'; the nearest is 'right'"
    """
    found = difflib.get_close_matches(str(word)[:100], list(known), n=1, cutoff=0.0)
    return f"unknown {show(word)}" + (f"; the nearest is {show(found[0])}" if found else "")


@dataclass(frozen=True)
class Labels:
    """How messages name a place, with state and action names where they exist.

    >>> Labels(("left", "right"), None).place("P")((1, 0))
    "P[s=1 'right', a=0]"
    """

    states: tuple[str, ...] | None
    actions: tuple[str, ...] | None

    def place(self, what: str, axes: str = "s a s'") -> Place:
        def name(index: tuple[int, ...]) -> str:
            parts = []
            for axis, i in zip(axes.split(), index, strict=False):
                names = self.actions if axis == "a" else self.states
                parts.append(f"{axis}={i}" + (f" {show(names[i])}" if names and i < len(names) else ""))
            return f"{what}[{', '.join(parts)}]" if parts else what

        return name


def names_of(names: object, what: str) -> tuple[str, ...] | None:
    """Given names, checked: non-empty text, each once; lone surrogates and NUL cannot be written to a file.

    >>> names_of(["go", "go"], "actions")
    Traceback (most recent call last):
    ValueError: actions[1] is 'go', as actions[0] is; names must be unique
    """
    if names is None:
        return None
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"{what} is {show(names)}; must be a list of names")
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueError(f"{what}[{i}] is {show(name)}; must be non-empty text")
        if "\0" in name or any("\ud800" <= c <= "\udfff" for c in name):
            raise ValueError(f"{what}[{i}] is {show(name)}; must be valid text without NUL")
        if name in seen:
            raise ValueError(f"{what}[{i}] is {show(name)}, as {what}[{seen[name]}] is; names must be unique")
        seen[name] = i
    return tuple(str(name) for name in names)


def observation_of(observation: object, n_states: int, place: Place) -> NDArray[np.int64]:
    """Observations as integers that cover 0..O-1, one for each state; by default each state its own.

    >>> observation_of([0, 2], 3, Labels(None, None).place("observation"))
    Traceback (most recent call last):
    ValueError: observation has length 2; must have length 3, one for each state
    """
    if observation is None:
        return np.arange(n_states, dtype=np.int64)
    if hasattr(observation, "__array__"):
        observation = np.asarray(observation).tolist()
    if not isinstance(observation, (list, tuple)):
        raise ValueError(f"observation is {show(observation)}; must be a list of integers, one for each state")
    if len(observation) != n_states:
        raise ValueError(f"observation has length {len(observation)}; must have length {n_states}, one for each state")
    for s, o in enumerate(observation):
        if isinstance(o, (bool, np.bool_)) or not isinstance(o, (int, np.integer)):
            raise ValueError(f"{place((s,))} is {show(o)}; must be an integer")
        if not 0 <= o < n_states:
            raise ValueError(f"{place((s,))} is {show(o)}; must be from 0 to {n_states - 1}")
    found = np.array([int(o) for o in observation], dtype=np.int64)
    absent = np.setdiff1d(np.arange(found.max()), found)
    if absent.size:
        raise ValueError(f"observation never takes the value {absent[0]}; must cover 0..{found.max()}")
    return found


def loss_of(loss: object, states: tuple[str, ...], actions: tuple[str, ...], place: Place) -> Numbers | None:
    """Coefficients c[s, a] from an array, or from {state: {action: c}} with 0 for what is not named.

    >>> found = loss_of({"s1": {"right": -4}}, ("s0", "s1"), ("left", "right"), Labels(None, None).place("loss"))
    >>> found.floats if found else None
    array([[ 0.,  0.],
           [ 0., -4.]])
    """
    if not isinstance(loss, Mapping):
        return None if loss is None else rationals(loss, "loss", 2, place)
    coefficients = np.full((len(states), len(actions)), Fraction(0), dtype=object)
    for state, by_action in loss.items():
        if state not in states:
            raise ValueError(f"loss names a state: {nearest(state, states)}")
        s = states.index(state)
        if not isinstance(by_action, Mapping):
            raise ValueError(f"{place((s,))} is {show(by_action)}; must map action names to numbers")
        for action, c in by_action.items():
            if action not in actions:
                raise ValueError(f"{place((s,))} names an action: {nearest(action, actions)}")
            a = actions.index(action)
            coefficients[s, a] = rational(c, place((s, a)))
    return exactly(coefficients)


def table(numbers: Numbers, place: Place, *, full: bool) -> Rows:
    """Rows of probabilities along the last axis of an array."""
    shape = numbers.floats.shape
    lead, width = shape[:-1], shape[-1]
    count = int(np.prod(lead, dtype=np.int64))

    def entry(k: tuple[int, ...]) -> str:
        return place(tuple(int(i) for i in np.unravel_index(k[0], shape)))

    def row(r: tuple[int, ...]) -> str:
        return place(tuple(int(i) for i in np.unravel_index(r[0], lead)) if lead else ())

    return rows(numbers.reshaped(-1), np.arange(count + 1, dtype=np.int64) * width, width, entry, row, full=full)


@dataclass(frozen=True, eq=False)
class Transitions:
    """P as checked rows: row s*A + a of `rows` is P[s, a]; `columns` says which s' (None: dense, every s' in turn)."""

    rows: Rows
    columns: NDArray[np.int64] | None
    n_states: int
    n_actions: int

    def origins(self) -> NDArray[np.int64]:
        """The row s*A + a of every stored entry."""
        return np.repeat(np.arange(self.n_states * self.n_actions, dtype=np.int64), np.diff(self.rows.starts))

    def floats(self) -> Any:
        """P as floats, read-only: (S, A, S), or a csr_array of shape (S*A, S)."""
        S, A, p = self.n_states, self.n_actions, self.rows.data.floats
        if self.columns is None:
            return p.reshape(S, A, S)
        matrix = sp.csr_array((p, self.columns, self.rows.starts), shape=(S * A, S))
        for part in (matrix.data, matrix.indices, matrix.indptr):
            part.flags.writeable = False
        return matrix

    def fractions(self) -> ObjectArray:
        """P as an (S, A, S) array of Fractions, read-only."""
        S, A = self.n_states, self.n_actions
        if self.columns is None:
            return self.rows.fractions.reshape(S, A, S)
        dense: ObjectArray = np.full((S * A, S), Fraction(0), dtype=object)
        dense[self.origins(), self.columns] = self.rows.fractions
        dense.flags.writeable = False
        return dense.reshape(S, A, S)

    def by_row(self) -> tuple[tuple[Mapping[int, Fraction], ...], ...]:
        """by_row()[s][a] = {s': P[s, a, s']}, non-zeros only."""
        S, A, p = self.n_states, self.n_actions, self.rows.fractions.tolist()
        columns = list(range(S)) * (S * A) if self.columns is None else self.columns.tolist()
        bounds = self.rows.starts.tolist()
        flat = [MappingProxyType({columns[k]: p[k] for k in range(i, j) if p[k]}) for i, j in pairwise(bounds)]
        return tuple(tuple(flat[s * A : (s + 1) * A]) for s in range(S))

    def given(self) -> Any:
        """What the constructor would read back as the same transitions."""
        if self.columns is None:
            return self.rows.data.given.reshape(self.n_states, self.n_actions, self.n_states)
        return self.floats() if self.rows.data.exact is None else {"sparse": self.entries()}

    def entries(self) -> list[tuple[int, int, int, Fraction]]:
        """(s, a, s', P[s, a, s']) for every non-zero, in order."""
        rows = enumerate(self.by_row())
        return [(s, a, t, p) for s, acts in rows for a, row in enumerate(acts) for t, p in row.items()]

    def same(self, other: Transitions) -> bool:
        """Equal exact numbers, dense or sparse, without making either dense."""
        if (self.columns is None) != (other.columns is None):
            return self.by_row() == other.by_row()
        if self.columns is None or other.columns is None:
            return same(self.rows, other.rows)
        alike = np.array_equal(self.rows.starts, other.rows.starts) and np.array_equal(self.columns, other.columns)
        return alike and same(self.rows, other.rows)  # zeros are not stored, so another pattern is another P


def same(a: Numbers | Rows | None, b: Numbers | Rows | None) -> bool:
    """Equal exact numbers; the floats settle most cases without working out a fraction."""
    if a is None or b is None:
        return a is b
    left, right = (x.data if isinstance(x, Rows) else x for x in (a, b))
    if left.exact is None and right.exact is None and np.array_equal(left.floats, right.floats):
        return True
    # Rows may be equal once normalised, so floats that differ by rounding decide nothing.
    if left.floats.shape != right.floats.shape or not np.allclose(left.floats, right.floats, rtol=1e-6, atol=1e-300):
        return False
    return bool(np.array_equal(a.fractions, b.fractions))


def dense_transitions(numbers: Numbers, place: Place) -> Transitions:
    """P from an (S, A, S) array of numbers."""
    return Transitions(table(numbers, place, full=False), None, *numbers.floats.shape[:2])


def sparse_transitions(P: Any, S: int, A: int, place: Place) -> Transitions:
    """P (non-zeros only) from a scipy sparse matrix or from {"sparse": [[s, a, s', p], ...]}.

    >>> sparse_transitions({"sparse": [[1, 0, 0, "1/3"]]}, 2, 1, Labels(None, None).place("P")).entries()
    [(1, 0, 0, Fraction(1, 3))]
    """
    given: Any
    if isinstance(P, Mapping):
        given, flat, columns = _entries(P, S, A, place)
    else:
        if P.ndim != 2 or P.shape != (S * A, S):
            raise ValueError(f"P has shape {P.shape}; must be (S*A, S) = {(S * A, S)}, as R has shape {(S, A)}")
        matrix = sp.csr_array(P, copy=True)
        if matrix.dtype.kind not in "fiu":
            raise ValueError(f"P is a sparse matrix of {matrix.dtype}; must be of floats")
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        given, columns = matrix.data, matrix.indices.astype(np.int64)
        flat = np.repeat(np.arange(S * A, dtype=np.int64), np.diff(matrix.indptr))

    def entry(k: tuple[int, ...]) -> str:
        return place((*divmod(int(flat[k[0]]), A), int(columns[k[0]])) if k else ())

    def row(r: tuple[int, ...]) -> str:
        return place(divmod(r[0], A))

    numbers = rationals(given, "P", 1, entry) if len(given) else Numbers(np.zeros(0), None)
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=S * A))]).astype(np.int64)
    return Transitions(rows(numbers, starts, S, entry, row, full=False), columns, S, A)


def _entries(P: Mapping[Any, Any], S: int, A: int, place: Place) -> tuple[list[Any], NDArray[Any], NDArray[Any]]:
    """Probabilities, row numbers s*A + a and columns of {"sparse": [[s, a, s', p], ...]}, in order, zeros left out."""
    if list(P) != ["sparse"] or not isinstance(P["sparse"], (list, tuple)):
        raise ValueError("P is a mapping; must be {'sparse': [[s, a, s', p], ...]} or nested lists")
    read: dict[tuple[int, int], Fraction] = {}
    for k, item in enumerate(P["sparse"]):
        if not isinstance(item, (list, tuple)) or len(item) != 4:
            raise ValueError(f"P['sparse'][{k}] is {show(item)}; must be [s, a, s', p]")
        index = tuple(item[:3])
        for i, n in zip(index, (S, A, S), strict=True):
            if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or not 0 <= i < n:
                raise ValueError(f"P['sparse'][{k}] has the index {show(i)}; must be an integer from 0 to {n - 1}")
        key = (int(index[0]) * A + int(index[1]), int(index[2]))
        if key in read:
            raise ValueError(f"P['sparse'][{k}] is a second entry for {place(index)}; must be given once")
        read[key] = rational(item[3], place(index))
    keys = sorted(key for key, p in read.items() if p)
    places = np.array(keys, dtype=np.int64).reshape(-1, 2)
    return [read[key] for key in keys], places[:, 0], places[:, 1]


def shaped(numbers: Numbers, what: str, shape: tuple[int, ...]) -> Numbers:
    if numbers.floats.shape != shape:
        axes = "(S, A)" if len(shape) == 2 else "(S,)"
        raise ValueError(f"{what} has shape {numbers.floats.shape}; must be {axes} = {shape}")
    return numbers


def discount_of(discount: object) -> Fraction:
    exact = rational(discount, "discount")
    if not 0 < exact <= 1:
        raise ValueError(f"discount is {show(discount)}; must be in (0, 1]")
    if exact < 1 and float(exact) == 1:
        raise ValueError(f"discount is {show(discount)}, which rounds to 1; must be 1 or at most 1 - 1e-16")
    return exact
