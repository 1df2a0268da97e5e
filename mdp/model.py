"""Finite MDPs: validated once, frozen, and kept exactly as they were written beside their floats.

A row P[s, a] may sum to less than one: the rest is the probability that the episode ends. Setting and notation:
Czarnecki et al., Distilling Policy Distillation, AISTATS 2019 (arXiv 1902.02186), section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError
from fractions import Fraction
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from mdp.numbers import FloatArray, Numbers, ObjectArray, Rows, rationals, show
from mdp.reading import (
    Labels,
    Transitions,
    dense_transitions,
    discount_of,
    loss_of,
    names_of,
    nearest,
    observation_of,
    same,
    shaped,
    sparse_transitions,
    table,
)

__all__ = ["MDP", "Exact", "endless_states", "to_dict"]
SHOWN = 48  # numbers in P that a model may have to be printed in full


class MDP:
    """A finite Markov decision process with all that a distillation update needs to know of it.

    P : (S, A, S) transition probabilities P[s, a, s']; rows may sum to less than 1, the rest ends the episode.
        Nested lists, an array, a scipy sparse matrix of shape (S*A, S) (row s*A + a; then kept sparse), or
        `{"sparse": [[s, a, s', p], ...]}`.
    R : (S, A) rewards.  initial : (S,) start distribution.  discount : in (0, 1]; the episode is also killed with
        probability 1 − discount after every step. With discount 1, some action sequence ends it from every state.
    observation : (S,) integers covering 0..O-1; states with one observation share their parameters. Default: 0..S-1.
    teacher : (S, A) policy or None.  loss : None, or c (S, A), or {state: {action: c}}: the coefficients of an own
        state loss l(s) = Σ_a c[s, a] pi_theta(a|s).
    states, actions : unique names; by default s0, s1, .. and a0, a1, ..  name : a label, no part of `==`.

    Numbers may be ints, floats, Fractions, Decimals or text ("99/100", "0.1"); see `mdp.numbers.rational`. The floats
    are attributes of the same names (read-only copies), the exact model is `exact`. A row (or distribution) that
    misses 1 by no more than `mdp.numbers.tolerance(its length)` is taken to sum to exactly 1.

    Raises ValueError, in one line that names the place, the value and the law that it breaks.

    >>> bandit = MDP(P=[[[0.5], [0]]], R=[[1, "1/3"]], initial=[1], actions=["again", "end"])
    >>> bandit
    MDP(1 state, 2 actions, 1 observation, discount 1)
    >>> bandit.exact.R[0, 1], bandit.ending.tolist()
    (Fraction(1, 3), [[0.5, 1.0]])
    >>> MDP(P=[[[1.2]]], R=[[0]], initial=[1], states=["left"])
    Traceback (most recent call last):
    ValueError: P[s=0 'left', a=0] sums to 1.2; must be at most 1
    """

    P: Any
    R: FloatArray
    initial: FloatArray
    discount: float
    observation: NDArray[np.int64]
    teacher: FloatArray | None
    loss: FloatArray | None
    states: tuple[str, ...]
    actions: tuple[str, ...]
    name: str
    n_states: int
    n_actions: int
    n_observations: int
    is_sparse: bool
    ending: FloatArray
    _labels: Labels
    _transitions: Transitions
    _reward: Numbers
    _initial: Rows
    _discount: Fraction
    _teacher: Rows | None
    _loss: Numbers | None

    def __init__(
        self,
        P: Any,
        R: Any,
        initial: Any,
        discount: Any = 1,
        observation: Any = None,
        teacher: Any = None,
        loss: Any = None,
        states: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        name: str = "",
    ) -> None:
        if not isinstance(name, str):
            raise ValueError(f"name is {show(name)}; must be text")
        labels = Labels(names_of(states, "states"), names_of(actions, "actions"))
        is_sparse = sp.issparse(P) or isinstance(P, Mapping)
        dense = None if is_sparse else rationals(P, "P", 3, labels.place("P"))
        reward = rationals(R, "R", 2, labels.place("R"))
        S, A = reward.floats.shape if dense is None else dense.floats.shape[:2]
        if dense is not None and dense.floats.shape != (S, A, S):
            raise ValueError(f"P has shape {dense.floats.shape}; must be (S, A, S), here {(S, A, S)}")
        shaped(reward, "R", (S, A))
        for what, given, n in (("states", labels.states, S), ("actions", labels.actions, A)):
            if given is not None and len(given) != n:
                raise ValueError(f"{what} has length {len(given)}; must have length {n}")
        named = labels.states or tuple(f"s{s}" for s in range(S)), labels.actions or tuple(f"a{a}" for a in range(A))
        if dense is None:
            transitions = sparse_transitions(P, S, A, labels.place("P"))
        else:
            transitions = dense_transitions(dense, labels.place("P"))
        start = shaped(rationals(initial, "initial", 1, labels.place("initial")), "initial", (S,))
        taught = None if teacher is None else rationals(teacher, "teacher", 2, labels.place("teacher"))
        own = loss_of(loss, *named, labels.place("loss"))
        observed = observation_of(observation, S, labels.place("observation"))
        observed.flags.writeable = False
        self.__dict__.update(
            _labels=labels,
            _transitions=transitions,
            _reward=reward,
            _initial=table(start, labels.place("initial"), full=True),
            _discount=discount_of(discount),
            _teacher=taught and table(shaped(taught, "teacher", (S, A)), labels.place("teacher"), full=True),
            _loss=own and shaped(own, "loss", (S, A)),
            observation=observed,
            states=named[0],
            actions=named[1],
            name=name,
            n_states=S,
            n_actions=A,
            n_observations=int(observed.max()) + 1,
            is_sparse=is_sparse,
        )
        self.__dict__.update(
            P=transitions.floats(),
            R=reward.floats,
            initial=self._initial.data.floats,
            discount=float(self._discount),
            teacher=self._teacher and self._teacher.data.floats.reshape(S, A),
            loss=own and own.floats,
            ending=transitions.rows.missing.reshape(S, A),
        )
        self._check_proper()

    def _check_proper(self) -> None:
        if self._discount < 1:
            return
        endless = endless_states(self, np.ones((self.n_states, self.n_actions), dtype=bool))
        if endless.size:
            s, more = int(endless[0]), endless.size - 1
            others = f" (nor from {more} other{'s' * (more > 1)})" if more else ""
            raise ValueError(
                f"{self._labels.place('P')((s,))}: no actions from there ever end the episode{others}; "
                "with discount 1 it must be possible to end from every state"
            )

    @cached_property
    def exact(self) -> Exact:
        """The same model on Fractions, built on demand."""
        return Exact(self)

    def _given(self) -> dict[str, Any]:
        """Constructor arguments that give this model again, exactly."""
        own = np.array_equal(self.observation, np.arange(self.n_states))
        return {
            "P": self._transitions.given(),
            "R": self._reward.given,
            "initial": self._initial.data.given,
            "discount": self._discount,
            "observation": None if own else self.observation,
            "teacher": self._teacher and self._teacher.data.given.reshape(self.R.shape),
            "loss": self._loss and self._loss.given,
            "states": self._labels.states,
            "actions": self._labels.actions,
            "name": self.name,
        }

    def replace(self, **changes: Any) -> MDP:
        """Return a copy with some constructor arguments changed; the others keep their exact numbers.

        >>> walk = MDP(P=[[["1/3"]]], R=[[0]], initial=[1]).replace(R=[[2]])
        >>> walk.R.tolist(), walk.exact.P[0, 0, 0]
        ([[2.0]], Fraction(1, 3))
        """
        unknown = set(changes) - set(given := self._given())
        if unknown:
            raise ValueError(f"replace: {nearest(min(unknown), given)}")
        return MDP(**(given | changes))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that copies have read-only arrays too.
        return _rebuilt, (self._given(),)

    def __eq__(self, other: object) -> bool:
        """Equal exact content and names, dense or sparse; the label `name` does not count."""
        if not isinstance(other, MDP):
            return NotImplemented
        return (
            (self.states, self.actions, self._discount) == (other.states, other.actions, other._discount)
            and np.array_equal(self.observation, other.observation)
            and same(self._reward, other._reward)
            and same(self._loss, other._loss)
            and same(self._initial, other._initial)
            and same(self._teacher, other._teacher)
            and (self.n_states, self.n_actions) == (other.n_states, other.n_actions)
            and self._transitions.same(other._transitions)
        )

    def __hash__(self) -> int:
        # Equal exact numbers have equal floats; probabilities are left out, because normalised ones need not.
        return hash((self.states, self.actions, self._discount, self.observation.tobytes(), self.R.tobytes()))

    def __repr__(self) -> str:
        counts = ((self.n_states, "state"), (self.n_actions, "action"), (self.n_observations, "observation"))
        sizes = ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counts)
        label = f"{self.name!r}: " if self.name else ""
        return f"MDP({label}{sizes}, discount {self._discount}{', sparse' * self.is_sparse})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis and IPython print: a small model as the call that builds it, a larger one by its sizes."""
        if self.is_sparse or self.n_states**2 * self.n_actions > SHOWN:
            printer.text(repr(self))
            return
        given = to_dict(self) | ({"name": self.name} if self.name else {})
        printer.text(f"MDP({', '.join(f'{key}={value!r}' for key, value in given.items())})")


def _rebuilt(given: dict[str, Any]) -> MDP:
    return MDP(**given)


class Exact:
    """The exact content of an MDP: `Fraction`s under the attribute names of `MDP`, worked out when asked for.

    P (S, A, S), R (S, A), initial (S,), teacher (S, A) or None, loss (S, A) or None, ending (S, A): read-only object
    arrays; discount: Fraction; observation (S,) integers; rows[s][a] = {s': P[s, a, s']}, non-zeros only, which is
    what large sparse models use.

    >>> MDP(P=[[[0.1, 0.9]], [[0, 0]]], R=[[0], [1]], initial=[1, 0]).exact.rows[0][0][1]
    Fraction(9, 10)
    """

    discount: Fraction
    observation: NDArray[np.int64]
    _mdp: MDP

    def __init__(self, mdp: MDP) -> None:
        self.__dict__.update(_mdp=mdp, discount=mdp._discount, observation=mdp.observation)

    @cached_property
    def P(self) -> ObjectArray:
        """P[s, a, s'] as an (S, A, S) object array; for large sparse models use `rows`."""
        return self._mdp._transitions.fractions()

    @cached_property
    def rows(self) -> tuple[tuple[Mapping[int, Fraction], ...], ...]:
        """rows[s][a] = {s': P[s, a, s']} of the non-zeros, in the order of s'."""
        return self._mdp._transitions.by_row()

    @cached_property
    def R(self) -> ObjectArray:
        """Rewards, (S, A)."""
        return self._mdp._reward.fractions

    @cached_property
    def initial(self) -> ObjectArray:
        """The start distribution, (S,); it sums to exactly 1."""
        return self._mdp._initial.fractions

    @cached_property
    def teacher(self) -> ObjectArray | None:
        """The teacher, (S, A), whose rows sum to exactly 1; or None."""
        taught = self._mdp._teacher
        return None if taught is None else taught.fractions.reshape(self._mdp.R.shape)

    @cached_property
    def loss(self) -> ObjectArray | None:
        """Coefficients of the own state loss, (S, A); or None."""
        loss = self._mdp._loss
        return None if loss is None else loss.fractions

    @cached_property
    def ending(self) -> ObjectArray:
        """1 − Σ_s' P[s, a, s'], (S, A): the probability that the episode ends on (s, a), before discounting."""
        return self._mdp._transitions.rows.exact_missing.reshape(self._mdp.R.shape)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")


def endless_states(mdp: MDP, support: Any) -> NDArray[np.intp]:
    """Return, in order, the states from which the episode never ends under policies with the given support.

    support (S, A) of booleans: the actions that have a positive probability. A state is endless if no path of
    supported actions with P[s, a, s'] > 0 leads to a pair (s, a) with Σ_s' P[s, a, s'] < 1. With a discount below 1
    every episode is killed sooner or later, and the answer is empty.

    Raises ValueError if the support has another shape, is not boolean, or allows no action in some state.

    >>> loop = MDP(P=[[[1], [0]]], R=[[0, 0]], initial=[1])
    >>> endless_states(loop, [[True, False]]).tolist(), endless_states(loop, [[True, True]]).tolist()
    ([0], [])
    """
    S, A = mdp.n_states, mdp.n_actions
    allowed = np.asarray(support)
    if allowed.shape != (S, A) or allowed.dtype != bool:
        raise ValueError(f"support is an array of {allowed.dtype} of shape {allowed.shape}; must be bool of {(S, A)}")
    idle = np.flatnonzero(~allowed.any(axis=1))
    if idle.size:
        raise ValueError(f"{mdp._labels.place('support')((int(idle[0]),))} allows no action; must allow one")
    if mdp._discount < 1:
        return np.zeros(0, dtype=np.intp)
    transitions = mdp._transitions
    if transitions.columns is None:
        origin, target = np.nonzero(((mdp.P > 0) & allowed[:, :, None]).any(axis=1))
    else:
        row = transitions.origins()
        used = allowed.ravel()[row]
        origin, target = row[used] // A, transitions.columns[used]
    # Search backwards from one extra node, S, that stands for the end of the episode.
    last = np.flatnonzero((allowed & ~transitions.rows.closed.reshape(S, A)).any(axis=1))
    backwards = np.concatenate([target, np.full(last.size, S)]), np.concatenate([origin, last])
    graph = sp.csr_array((np.ones(backwards[0].size), backwards), shape=(S + 1, S + 1))
    reached = breadth_first_order(graph, S, directed=True, return_predecessors=False)
    return np.setdiff1d(np.arange(S), reached)


def to_dict(mdp: MDP) -> dict[str, Any]:
    """Return the model as plain JSON values, exactly: `mdp.io.from_dict(to_dict(mdp)) == mdp`.

    Numbers become ints, floats where the shortest decimal of the float is the number, and text "p/q" otherwise.
    Keys with default values are left out.

    >>> to_dict(MDP(P=[[["1/3"]]], R=[[0.1]], initial=[1]))
    {'P': [[['1/3']]], 'R': [[0.1]], 'initial': [1]}
    """
    exact, given = mdp.exact, mdp._given()
    content: dict[str, Any] = {"P": _plain(exact.P) if not mdp.is_sparse else {"sparse": _sparse_entries(mdp)}}
    content |= {"R": _plain(exact.R), "initial": _plain(exact.initial)}
    if exact.discount != 1:
        content["discount"] = _json_number(exact.discount)
    if given["observation"] is not None:
        content["observation"] = mdp.observation.tolist()
    for key in ("states", "actions"):
        if given[key] is not None:
            content[key] = list(given[key])
    if exact.teacher is not None:
        content["teacher"] = _plain(exact.teacher)
    if exact.loss is not None:
        content["loss"] = {
            state: {action: _json_number(c) for action, c in zip(mdp.actions, row, strict=True) if c}
            for state, row in zip(mdp.states, exact.loss, strict=True)
            if any(row)
        }
    return content


def _sparse_entries(mdp: MDP) -> list[list[Any]]:
    return [[s, a, t, _json_number(p)] for s, a, t, p in mdp._transitions.entries()]


def _json_number(x: Fraction) -> int | float | str:
    """A JSON value that is read back as exactly x."""
    if x.denominator == 1:
        return x.numerator
    close = float(x)
    # A double prints at most 17 digits, so a long numerator or denominator is never one.
    if x.denominator < 10**400 and Fraction(repr(close)) == x:
        return close
    return str(x)


def _plain(array: ObjectArray) -> Any:
    known: dict[Fraction, int | float | str] = {}

    def walk(item: Any) -> Any:
        if isinstance(item, list):
            return [walk(entry) for entry in item]
        if item not in known:
            known[item] = _json_number(item)
        return known[item]

    return walk(array.tolist())
