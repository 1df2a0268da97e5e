"""Hypothesis strategies for models, policies and parameters: test your own claims on them.

Everything drawn is exact and small, and shrinks to what is easy to read: one state, one action, an episode that ends
at once, zero rewards, uniform distributions, discount 1, no aliasing.

    from hypothesis import given
    from mdp.strategies import mdps

    @given(mdps(acyclic=True))
    def test_my_claim(mdp): ...
"""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from mdp.model import MDP
from mdp.numbers import rational
from mdp.policies import Array
from mdp.student import Student, features, observed, of, tabular

Table = list[list[Fraction]]
Range = tuple[int, int]
Number = str | int | float | Fraction
Discounts = tuple[Number, Number]


def distributions(n: int, zeros: bool = False) -> st.SearchStrategy[list[Fraction]]:
    """n probabilities, weights 1..9 over their sum, or 0..9 with `zeros`; shrinks to the uniform distribution.

    >>> from hypothesis import find
    >>> find(distributions(2), lambda p: True)
    [Fraction(1, 2), Fraction(1, 2)]
    """
    return st.lists(st.integers(0 if zeros else 1, 9), min_size=n, max_size=n).map(_normalised)


def policies(n_states: int, n_actions: int, zeros: bool = False) -> st.SearchStrategy[Table]:
    """Policies as an S × A table of fractions, of full support unless `zeros`; shrinks to the uniform policy.

    `np.array(table, dtype=float)` is the (S, A) array that `mdp.evaluation` takes.

    >>> from hypothesis import find
    >>> find(policies(1, 2), lambda q: True)
    [[Fraction(1, 2), Fraction(1, 2)]]
    """
    return st.lists(distributions(n_actions, zeros), min_size=n_states, max_size=n_states)


def parameters(shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
    """Parameters theta of a student: a float array of multiples of 1/4 from −3 to 3, exact in binary; shrinks to 0.

    >>> from hypothesis import find
    >>> find(parameters((1, 2)), lambda theta: True)
    array([[0., 0.]])
    """
    size = prod(shape)
    quarters = st.lists(st.integers(-12, 12), min_size=size, max_size=size)
    return quarters.map(lambda numbers: np.array(numbers, dtype=float).reshape(shape) / 4)


def points(shape: tuple[int, int]) -> st.SearchStrategy[Array]:
    """Rational policies of full support as an (O, A) object array of `Fraction`s: points for exact arithmetic.

    What `proofs.exact.curl.exact_curl` and `proofs.exact.points` take; shrinks to the uniform policy.

    >>> from hypothesis import find
    >>> find(points((1, 2)), lambda point: True)
    array([[Fraction(1, 2), Fraction(1, 2)]], dtype=object)
    """
    return policies(*shape).map(lambda table: np.array(table, dtype=object).reshape(shape))


def students(mdp: MDP) -> st.SearchStrategy[Student]:
    """Students of an MDP: its own, a tabular one, one that sees a single observation, and general rational features.

    Features are an (S·A, n) matrix of multiples of 1/2 from −1 to 1 with n of 1 to 3; shrinks to the MDP's own student.

    >>> from hypothesis import find
    >>> find(students(MDP([[[0], [0]]], [[0, 1]], [1])), lambda student: True).shape
    (1, 2)
    """
    S, A = mdp.n_states, mdp.n_actions
    halves = st.integers(1, 3).flatmap(lambda n: st.lists(st.integers(-2, 2), min_size=S * A * n, max_size=S * A * n))
    made = halves.map(lambda numbers: features(np.array(numbers).reshape(S * A, -1) / 2, A))
    return st.sampled_from([of(mdp), tabular(S, A), observed([0] * S, A)]) | made


def mdps(
    states: Range = (1, 6),
    actions: Range = (1, 4),
    discount: Discounts | None = None,
    observed: bool = True,
    acyclic: bool = False,
    sparse_rows: bool = True,
    teacher: bool = True,
    zeros: bool = False,
) -> st.SearchStrategy[MDP]:
    """Valid MDPs, exact and proper: from every state some action sequence ends the episode where the discount is 1.

    `states`, `actions`: least and greatest number of each. `discount`: a range (least, greatest) within (0, 1]; None
    draws 1 or a fraction from 1/2 to 99/100. `observed`: states may share observations (False: none do).
    `acyclic`: transitions only to higher-numbered states. `sparse_rows`: transition weights 0..4 (deterministic moves,
    sure ends and states that nothing reaches included), else 1..4 for every allowed one and for the end, and a start in
    any state. `teacher`: of full support, or with `zeros` one that may leave actions out (and with discount 1 never
    end), or none. Rewards are multiples of 1/2 from −4 to 4. Raises ValueError when a range is empty or wrong.

    >>> from hypothesis import find
    >>> m = find(mdps(states=(1, 2), actions=(1, 2)), lambda m: True)
    >>> m.P.tolist(), m.R.tolist(), m.discount
    ([[[0.0]]], [[0.0]], 1.0)
    """
    for label, (least, greatest) in (("states", states), ("actions", actions)):
        if not 1 <= least <= greatest:
            raise ValueError(f"{label} is ({least}, {greatest}); must be a range of positive integers, least first")
    discounts = _discounts(discount)

    @st.composite
    def models(draw: st.DrawFn) -> MDP:
        g, n_actions = draw(discounts), draw(st.integers(*actions))
        block = _state(n_actions, states[1], least_weight=0 if sparse_rows else 1, zeros=zeros)
        blocks = draw(st.lists(block, min_size=states[0], max_size=states[1]))
        taught = [_normalised([action.teacher for action in state.actions]) for state in blocks]
        return MDP(
            P=[_transitions(s, blocks, acyclic, proper=g == 1) for s in range(len(blocks))],
            R=[[Fraction(action.halves, 2) for action in state.actions] for state in blocks],
            initial=_normalised([state.initial for state in blocks]),
            discount=g,
            observation=_observations(blocks) if observed else None,
            teacher=taught if teacher else None,
        )

    return models()


class _Action(NamedTuple):
    """The numbers of one action; `weights`: of the end, then of the transition to each state there might be."""

    halves: int
    teacher: int
    weights: list[int]


class _State(NamedTuple):
    """The numbers of one state, drawn together so that a state can be taken away as a whole when examples shrink."""

    initial: int
    shared: int
    way_out: tuple[int, int]
    actions: list[_Action]


def _state(n_actions: int, most_states: int, least_weight: int, zeros: bool) -> st.SearchStrategy[_State]:
    weights = st.lists(st.integers(least_weight, 4), min_size=most_states + 1, max_size=most_states + 1)
    action = st.builds(_Action, st.integers(-8, 8), st.integers(0 if zeros else 1, 9), weights)
    way_out = st.tuples(st.integers(0, n_actions - 1), st.integers(0, most_states - 1))
    actions = st.lists(action, min_size=n_actions, max_size=n_actions)
    return st.builds(_State, st.integers(least_weight, 9), st.integers(0, most_states - 1), way_out, actions)


def _transitions(s: int, blocks: list[_State], acyclic: bool, proper: bool) -> Table:
    """P[s][a][s'] = weights over the states and the end, divided by their sum; all zero ends at once.

    Where episodes must end, one action leads to a higher-numbered state or out (by default out).
    """
    n_states = len(blocks)
    first = s + 1 if acyclic else 0
    chosen, jump = blocks[s].way_out
    way_out = n_states - jump % (n_states - s)
    table = []
    for a, action in enumerate(blocks[s].actions):
        end, *weights = action.weights[: n_states + 1]
        row = [0] * first + weights[first:] + [end]
        row[way_out] += proper and a == chosen
        table.append([Fraction(w, max(1, sum(row))) for w in row[:-1]])
    return table


def _observations(blocks: list[_State]) -> list[int]:
    """Observations covering 0..O−1 in order of first use; `shared` counts back from a fresh one."""
    labels: list[int] = []
    for state in blocks:
        fresh = max(labels, default=-1) + 1
        labels.append(fresh - state.shared % (fresh + 1))
    return labels


def _discounts(bounds: Discounts | None) -> st.SearchStrategy[Fraction]:
    if bounds is None:
        return st.just(Fraction(1)) | st.integers(50, 99).map(lambda k: Fraction(k, 100))
    least, greatest = (rational(bound, "discount") for bound in bounds)
    if not 0 < least <= greatest <= 1:
        raise ValueError(f"discount is ({bounds[0]}, {bounds[1]}); must be a range within (0, 1], least first")
    return st.integers(0, 20).map(lambda k: greatest - (greatest - least) * k / 20)


def _normalised(weights: list[int]) -> list[Fraction]:
    """Weights over their sum; uniform where all are 0."""
    if not any(weights):
        weights = [1] * len(weights)
    return [Fraction(w, sum(weights)) for w in weights]
