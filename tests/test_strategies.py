"""The strategies draw what they promise, reach the corners, and shrink to what is easy to read."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import pretty

from mdp import MDP, endless_states, zoo
from mdp.evaluation import visits
from mdp.strategies import distributions, mdps, parameters, points, policies, students

ONCE = settings(deadline=None, max_examples=60)


@ONCE
@given(mdps())
def test_models_are_valid_and_proper(mdp: MDP) -> None:
    assert 1 <= mdp.n_states <= 6 and 1 <= mdp.n_actions <= 4
    assert F(1, 2) <= mdp.exact.discount <= 1
    assert mdp.teacher is not None and (mdp.teacher > 0).all() and sum(mdp.exact.initial) == 1
    assert not endless_states(mdp, np.ones(mdp.R.shape, dtype=bool)).size
    assert np.isfinite(visits(mdp, mdp.teacher)).all()
    assert all(x.denominator <= 2 for x in mdp.exact.R.ravel())


@ONCE
@given(mdps(states=(2, 3), actions=(2, 2), discount=(1, 1), observed=False, acyclic=True, teacher=False))
def test_options_are_kept(mdp: MDP) -> None:
    assert 2 <= mdp.n_states <= 3 and mdp.n_actions == 2 and mdp.discount == 1
    assert mdp.teacher is None and mdp.n_observations == mdp.n_states
    assert not np.tril(mdp.P.sum(1)).any()


@ONCE
@given(mdps(sparse_rows=False, discount=(F(9, 10), F(19, 20))))
def test_dense_rows_and_a_range_of_discounts(mdp: MDP) -> None:
    assert (mdp.P > 0).all() and (mdp.ending > 0).all() and (mdp.initial > 0).all()
    assert F(9, 10) <= mdp.exact.discount <= F(19, 20)


@ONCE
@given(mdps(acyclic=True, sparse_rows=False))
def test_dense_acyclic_rows_lead_to_every_higher_state(mdp: MDP) -> None:
    upper = np.triu(np.ones((mdp.n_states, mdp.n_states), dtype=bool), 1)
    assert ((mdp.P > 0) == upper[:, None, :]).all() and (mdp.ending > 0).all()


@ONCE
@given(st.data())
def test_policies_and_parameters(data: st.DataObject) -> None:
    S, A = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    table = data.draw(policies(S, A))
    assert [len(row) for row in table] == [A] * S
    assert all(sum(row) == 1 and min(row) > 0 for row in table)
    theta = data.draw(parameters((S, A)))
    assert theta.shape == (S, A) and (np.abs(theta) <= 3).all() and (theta * 4 == np.round(theta * 4)).all()


GENERATE = settings(max_examples=4000, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
CORNERS = {
    "aliased states": lambda m: m.n_observations < m.n_states,
    "a loop": lambda m: m.n_states > 1 and bool((m.P[0, 0, 1] > 0) and (m.P[1, 0, 0] > 0)),
    "a sure end": lambda m: bool((m.ending == 1).any()),
    "a deterministic move": lambda m: bool((m.P == 1).any()),
    "discount below 1": lambda m: m.discount < 1,
    "an improper policy": lambda m: (
        m.discount == 1 and bool(endless_states(m, np.eye(m.n_actions)[[0] * m.n_states] > 0).size)
    ),
    "a state that reaches the end through another only": lambda m: (
        m.discount == 1 and bool((m.ending.sum(1) == 0).any())
    ),
    "a state that is never visited": lambda m: bool((visits(m, m.teacher) == 0).any()),
    "a reward": lambda m: bool(m.R.any()),
    "a teacher that is not uniform": lambda m: bool((m.teacher != m.teacher[0, 0]).any()),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_corners_are_reached(corner: str) -> None:
    assert find(mdps(), CORNERS[corner], settings=GENERATE)


def test_teachers_may_leave_actions_out() -> None:
    quiet = settings(deadline=None, database=None, derandomize=True)
    taught = find(mdps(states=(1, 2), zeros=True), lambda m: bool((m.teacher == 0).any()), settings=quiet)
    assert taught == MDP(P=[[[0], [0]]], R=[[0, 0]], initial=[1], teacher=taught.teacher)
    assert sorted(taught.teacher[0]) == [0, 1]
    assert find(mdps(zeros=True), lambda m: True, settings=quiet).teacher.tolist() == [[1]]
    assert find(policies(1, 2, zeros=True), lambda q: 0 in q[0], settings=quiet) == [[0, 1]]


def test_models_shrink_to_what_is_easy_to_read() -> None:
    quiet = settings(deadline=None, database=None, max_examples=200, derandomize=True)
    least = MDP(P=[[[0]]], R=[[0]], initial=[1], teacher=[[1]])
    paying = find(mdps(states=(1, 2), actions=(1, 2)), lambda m: bool(m.R.max() > 1), settings=quiet)
    assert paying == least.replace(R=[["3/2"]])


def test_a_counterexample_is_printed_as_the_call_that_builds_it() -> None:
    """What hypothesis shows of a small model can be pasted back; a large one is shown by its sizes."""
    for mdp in (zoo.load("fig2"), zoo.load("chain"), zoo.load("aliased-cycle")):
        shown = pretty(mdp)
        assert eval(shown, {"MDP": MDP}) == mdp and repr(mdp.name) in shown
    assert pretty(zoo.load("corridor")) == repr(zoo.load("corridor"))

    @settings(deadline=None, database=None, derandomize=True, print_blob=False, phases=[Phase.generate, Phase.shrink])
    @given(mdps(states=(1, 2), actions=(1, 2)))
    def nothing_pays(mdp: MDP) -> None:
        assert mdp.R.max() <= 1

    with pytest.raises(AssertionError) as failure:
        nothing_pays()
    assert "MDP(P=[[[0]]], R=[[1.5]], initial=[1], teacher=[[1]])" in "".join(failure.value.__notes__)


def test_distributions_shrink_to_uniform() -> None:
    assert find(distributions(3), lambda p: True) == [F(1, 3)] * 3
    assert find(distributions(2), lambda p: p[0] > F(1, 2)) == [F(2, 3), F(1, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": (0, 3)}, "states is"),
        ({"actions": (3, 2)}, "actions is"),
        ({"discount": (0, 1)}, "discount is"),
        ({"discount": (F(1, 2), 2)}, "discount is"),
    ],
)
def test_bad_ranges_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mdps(**options)  # type: ignore[arg-type]


@ONCE
@given(st.data())
def test_points_and_students(data: st.DataObject) -> None:
    """Rational points are exact policies; students are of every kind and fit their MDP."""
    mdp = data.draw(mdps(states=(1, 3), actions=(1, 3)))
    point = data.draw(points((mdp.n_observations, mdp.n_actions)))
    assert point.dtype == object and all(row.sum() == 1 and min(row) > 0 for row in point)
    assert all(isinstance(x, F) for x in point.ravel())
    student = data.draw(students(mdp))
    assert student.table == (mdp.n_states, mdp.n_actions)
    assert np.isfinite(student.policy(np.zeros(student.shape)).p).all()


def test_students_reach_every_kind_and_shrink() -> None:
    mdp = MDP([[[0, 0]] * 2] * 2, [[0, 0]] * 2, [1, 0])
    general = find(students(mdp), lambda student: student.observation is None, settings=GENERATE)
    assert general.phi is not None and len(general.shape) == 1
    assert find(students(mdp), lambda student: student.shape == (1, 2), settings=GENERATE).observation is not None
    assert (find(points((2, 2)), lambda point: True) == F(1, 2)).all()
