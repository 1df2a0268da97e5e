"""The laws of a model: what is refused and how, what is kept exactly, and what scales."""

from __future__ import annotations

import copy
import pickle
import time
from dataclasses import FrozenInstanceError
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from mdp import MDP, endless_states, rational, rationals
from mdp.numbers import tolerance

TWO: dict[str, Any] = {
    "P": [[[0.5, "1/4"], [0, 1]], [[0, 0], [0.1, 0.9]]],
    "R": [[1, "-1/3"], [2.5, 0]],
    "initial": ["1/3", "2/3"],
    "states": ["left", "right"],
    "actions": ["stay", "go"],
}


def two(**changes: Any) -> MDP:
    return MDP(**(TWO | changes))


def refusal(**changes: Any) -> str:
    with pytest.raises(ValueError) as caught:
        two(**changes)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


# Numbers


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (0.1, Fraction(1, 10)),
        ("0.1", Fraction(1, 10)),
        ("1/10", Fraction(1, 10)),
        (Decimal("0.1"), Fraction(1, 10)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.float32(0.1), Fraction(1, 10)),
        (np.float16(0.1), Fraction(1, 10)),
        (np.longdouble("0.1"), Fraction(1, 10)),
        (np.array(0.1), Fraction(1, 10)),
        (np.str_("1/10"), Fraction(1, 10)),
        ("-1.5e-3", Fraction(-3, 2000)),
        (" +.5 ", Fraction(1, 2)),
        ("5.", Fraction(5)),
        (np.int8(-7), Fraction(-7)),
        (2**70, Fraction(2**70)),
        ("0e999999999", Fraction(0)),
        (Decimal("0e-9999"), Fraction(0)),
        (5e-324, Fraction("5e-324")),
        (1e100, Fraction(10**100)),
        (-0.0, Fraction(0)),
    ],
)
def test_numbers_are_read_as_written(written: object, value: Fraction) -> None:
    found = rational(written, "x")
    assert found == value and type(found) is Fraction


@pytest.mark.parametrize(
    "written", [True, np.False_, None, 1j, float("nan"), float("inf"), np.float32("-inf"), "", "x"]
)
def test_what_is_no_number_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"^R\[2\] is .*; must be a finite number"):
        rational(written, "R[2]")


@pytest.mark.parametrize(
    "written", ["nan", "inf", "1_0", "१", "0x10", "1e", "1/2/3", "1 / 2", "1/-2", [1], b"1", {}, object]
)
def test_other_text_and_things_are_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"^x is .*; must be a finite number"):
        rational(written, "x")


@pytest.mark.parametrize(
    "written",
    [
        "1e999999999",
        "1e-999999999",
        "1e" + "9" * 900,
        "1" * 1001,
        1e101,
        "1e-324",
        10**4000,
        Fraction(1, 10**4000),
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
        np.float64(1e300),
    ],
)
def test_absurd_sizes_are_refused_at_once(written: object) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"^x is .{1,80}; must be 0 or of magnitude 4e-324 to 1e100") as caught:
        rational(written, "x")
    assert time.perf_counter() - start < 0.5
    assert len(str(caught.value)) < 200


def test_a_zero_denominator_has_its_own_law() -> None:
    with pytest.raises(ValueError, match=r"^x is '1/00'; the denominator of a fraction must not be 0$"):
        rational("1/00", "x")


@given(st.floats(-1e100, 1e100))
def test_floats_survive(x: float) -> None:
    assert float(rational(x, "x")) == x


@given(st.fractions())
def test_fractions_survive_as_text(x: Fraction) -> None:
    assert rational(str(x), "x") == rational(x, "x") == x


def test_ragged_lists_name_their_place() -> None:
    assert refusal(P=[[[1, 0], [0, 1]], [[0, 0], [1]]]).startswith(
        "P[s=1 'right', a=1 'go'] has length 1; must have length 2, as P[s=0 'left', a=0 'stay'] has"
    )
    assert refusal(R=[[1, 2], 3]) == "R[s=1 'right'] is 3; must be a list"
    assert refusal(P=[[[1, 0], [0, [1]]], [[0, 0], [0, 1]]]).startswith(
        "P[s=0 'left', a=1 'go', s'=1 'right'] is a list of length 1; must be a finite number"
    )


def test_array_like_things() -> None:
    assert rationals(np.arange(3, dtype=np.uint8), "x", 1).fractions.tolist() == [0, 1, 2]
    assert rationals(np.array([2**60 + 1]), "x", 1).fractions[0] == 2**60 + 1
    assert rationals([np.array([0.1, 0.2]), ("1/3", 1)], "x", 2).fractions[1, 0] == Fraction(1, 3)
    for bad in (
        np.array([True]),
        np.array([1j]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        "text",
        None,
        {1},
        np.ma.array([1]),
    ):
        with pytest.raises(ValueError, match=r"^x"):
            rationals(bad, "x", 1)


# Laws, each with its place


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"P": [[[1.2, 0], [0, 1]], [[0, 0], [0, 1]]]}, "P[s=0 'left', a=0 'stay'] sums to 1.2; must be at most 1"),
        (
            {"P": [[[0.6, 0.6], [0, 1]], [[0, 0], [0, 1]]], "states": None, "actions": None},
            "P[s=0, a=0] sums to 1.2; must be at most 1",
        ),
        (
            {"P": [[[0.5, 0], [0, 1]], [[0, 0], [0, "-1/3"]]]},
            "P[s=1 'right', a=1 'go', s'=1 'right'] is -1/3; must be at least 0",
        ),
        ({"P": [[[0, 1]], [[0, 1]]]}, "R has shape (2, 2); must be (S, A) = (2, 1)"),
        ({"P": [[[0], [0]], [[0], [0]]]}, "P has shape (2, 2, 1); must be (S, A, S), here (2, 2, 2)"),
        ({"P": np.zeros((2, 2))}, "P has shape (2, 2); must have 3 axes, none of them empty"),
        ({"P": np.zeros((0, 2, 0))}, "P has shape (0, 2, 0); must have 3 axes, none of them empty"),
        ({"P": []}, "P is empty; must have at least one entry"),
        ({"R": [[1, 0], [0, float("nan")]]}, "R[s=1 'right', a=1 'go'] is nan; must be a finite number"),
        ({"R": np.array([[1, 0], [0, np.inf]])}, "R[s=1 'right', a=1 'go'] is inf; must be a finite number"),
        ({"initial": [0.5, 0.4]}, "initial sums to 0.9; must sum to 1"),
        ({"initial": [-0.5, 1.5]}, "initial[s=0 'left'] is -0.5; must be at least 0"),
        ({"initial": [1]}, "initial has shape (1,); must be (S,) = (2,)"),
        ({"teacher": [[1, 0], [0.5, 0.6]]}, "teacher[s=1 'right'] sums to 1.1; must sum to 1"),
        ({"teacher": [[1, 0], [1.5, -0.5]]}, "teacher[s=1 'right', a=1 'go'] is -0.5; must be at least 0"),
        ({"teacher": [[1], [1]]}, "teacher has shape (2, 1); must be (S, A) = (2, 2)"),
        ({"discount": 0}, "discount is 0; must be in (0, 1]"),
        ({"discount": "1.01"}, "discount is '1.01'; must be in (0, 1]"),
        ({"discount": "0." + "9" * 30}, "discount is '0.999999999999999999999999999999', which rounds to 1"),
        ({"observation": [0, True]}, "observation[s=1 'right'] is True; must be an integer"),
        ({"observation": [0, 1.5]}, "observation[s=1 'right'] is 1.5; must be an integer"),
        ({"observation": [0, 1.0]}, "observation[s=1 'right'] is 1.0; must be an integer"),
        ({"observation": [1, 1]}, "observation never takes the value 0; must cover 0..1"),
        ({"observation": [0, 10**30]}, "observation[s=1 'right'] is 10"),
        ({"observation": [0]}, "observation has length 1; must have length 2, one for each state"),
        ({"loss": [[1, 2]]}, "loss has shape (1, 2); must be (S, A) = (2, 2)"),
        ({"loss": {"rigth": {"go": 1}}}, "loss names a state: unknown 'rigth'; the nearest is 'right'"),
        ({"loss": {"right": {"og": 1}}}, "loss[s=1 'right'] names an action: unknown 'og'; the nearest is 'go'"),
        ({"loss": {"right": {"go": "x"}}}, "loss[s=1 'right', a=1 'go'] is 'x'; must be a finite number"),
        ({"loss": {"right": 4}}, "loss[s=1 'right'] is 4; must map action names to numbers"),
        ({"states": ["a", "a"]}, "states[1] is 'a', as states[0] is; names must be unique"),
        ({"states": ["a", ""]}, "states[1] is ''; must be non-empty text"),
        ({"actions": ["a", 1]}, "actions[1] is 1; must be non-empty text"),
        ({"actions": ["a\0", "b"]}, "actions[0] is 'a\\x00'; must be valid text without NUL"),
        ({"actions": "ab"}, "actions is 'ab'; must be a list of names"),
        ({"states": ["a"]}, "states has length 1; must have length 2"),
        ({"P": {"sparse": [[0, 0, 2, 1]]}}, "P['sparse'][0] has the index 2; must be an integer from 0 to 1"),
        (
            {"P": {"sparse": [[0, 0, 1, 1], [0, 0, 1, 1]]}},
            "P['sparse'][1] is a second entry for P[s=0 'left', a=0 'stay', s'=1",
        ),
        ({"P": {"dense": []}}, "P is a mapping; must be"),
        ({"P": sp.csr_array((3, 2))}, "P has shape (3, 2); must be (S*A, S) = (4, 2), as R has shape (2, 2)"),
        (
            {"P": sp.csr_array(np.array([[0, 0], [0, -1.0], [0, 0], [0, 0]]))},
            "P[s=0 'left', a=1 'go', s'=1 'right'] is -1.0; must be",
        ),
        (
            {"P": sp.csr_array(np.array([[0, 0], [1, 1.0], [0, 0], [0, 0]]))},
            "P[s=0 'left', a=1 'go'] sums to 2; must be at most 1",
        ),
        (
            {"P": sp.csr_array(np.array([[0, 0], [0, np.nan], [0, 0], [0, 0]]))},
            "P[s=0 'left', a=1 'go', s'=1 'right'] is nan; must",
        ),
        ({"name": 3}, "name is 3; must be text"),
    ],
)
def test_a_broken_law_is_named_with_its_place(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes).startswith(message)


def test_endless_states_are_refused_at_discount_1() -> None:
    P = [[[0, 1], [0.5, 0.25]], [[0, 1], [0, 1]]]
    assert refusal(P=P).startswith("P[s=1 'right']: no actions from there ever end the episode; with discount 1")
    assert two(P=P, discount="99/100").discount == 0.99
    assert "from there ever end" in refusal(P=sp.csr_array(np.array(P).reshape(4, 2)))


def test_endless_states_under_a_support() -> None:
    mdp = two(P=[[[0.5, "1/4"], [0, 1]], [[0, 0], [0, 1]]])
    assert endless_states(mdp, np.array([[False, True], [False, True]])).tolist() == [0, 1]
    assert endless_states(mdp, np.array([[True, False], [False, True]])).tolist() == [1]
    assert endless_states(mdp, np.array([[False, True], [True, False]])).tolist() == []
    assert endless_states(mdp.replace(discount=0.5), np.array([[False, True], [False, True]])).size == 0
    sparse = mdp.replace(P=sp.csr_array(mdp.P.reshape(4, 2)))
    assert endless_states(sparse, np.array([[True, False], [False, True]])).tolist() == [1]
    with pytest.raises(ValueError, match=r"support\[s=1 'right'\] allows no action"):
        endless_states(mdp, np.array([[True, True], [False, False]]))
    with pytest.raises(ValueError, match="support is an array of float64"):
        endless_states(mdp, np.ones((2, 2)))


# Exact content


def test_exact_numbers_are_those_written() -> None:
    exact = two(teacher=[["1/3", "2/3"], [1, 0]], loss={"right": {"go": -4}}, discount=0.99).exact
    assert exact.P[0, 0].tolist() == [Fraction(1, 2), Fraction(1, 4)]
    assert exact.rows[1][1] == {0: Fraction(1, 10), 1: Fraction(9, 10)} and exact.rows[1][0] == {}
    assert exact.R[0, 1] == Fraction(-1, 3) and exact.initial[0] == Fraction(1, 3)
    assert exact.discount == Fraction(99, 100)
    assert exact.teacher is not None and exact.teacher[0, 1] == Fraction(2, 3)
    assert exact.loss is not None and exact.loss.tolist() == [[0, 0], [0, -4]]
    assert exact.ending.tolist() == [[Fraction(1, 4), 0], [1, 0]]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any))
def test_rounded_rows_are_normalised(weights: list[int]) -> None:
    floats = np.array(weights) / sum(weights)
    n = len(weights)
    P = np.tile(floats, (n, 1, 1)).reshape(n, 1, n)
    for given_P in (P, P.tolist(), sp.csr_array(P.reshape(n, n))):
        mdp = MDP(given_P, np.zeros((n, 1)), floats, 0.5, teacher=np.ones((n, 1)))
        assert sum(mdp.exact.initial) == 1
        assert all(sum(row.values()) == 1 for (row,) in mdp.exact.rows)
        assert not mdp.ending.any() and not mdp.exact.ending.any()
        assert np.allclose(mdp.exact.P[:, 0].astype(float), P[:, 0], rtol=1e-13, atol=0)


def test_rows_within_the_tolerance_only() -> None:
    slack = tolerance(1)
    inside, outside = MDP([[[1 - slack / 2]]], [[0]], [1], 0.5), MDP([[[1 - 2 * slack]]], [[0]], [1], 0.5)
    assert inside.exact.ending[0, 0] == 0 == inside.ending[0, 0] and inside.P[0, 0, 0] == 1
    assert outside.exact.ending[0, 0] > 0 and outside.ending[0, 0] > 0
    assert MDP(np.array([[[1 + slack / 2]]]), [[0]], [1], 0.5).exact.P[0, 0, 0] == 1
    with pytest.raises(ValueError, match="must be at most 1"):
        MDP([[[1 + 2 * slack]]], [[0]], [1], 0.5)


def test_float32_is_as_coarse_as_it_is() -> None:
    P = np.random.default_rng(0).random((3, 2, 3)).astype(np.float32)
    P /= P.sum(-1, keepdims=True)
    mdp = MDP(P, np.zeros((3, 2)), [1, 0, 0], 0.5)
    assert not mdp.exact.ending.any() and pickle.loads(pickle.dumps(mdp)) == mdp


def test_the_smallest_numbers_survive_normalisation() -> None:
    mdp = MDP([[[5e-324, 1], [0, 0]], [[0, 0]] * 2], np.zeros((2, 2)), [1, 0])
    assert mdp.P[0, 0, 0] == 5e-324 and mdp.replace(name="again") == mdp
    with pytest.raises(ValueError, match=r"P\[s=0, a=0, s'=0\] is .*must be 0 or of magnitude"):
        MDP([[["4e-324", 1], [0, 0]], [[0, 0]] * 2], np.zeros((2, 2)), [1, 0])


def test_common_denominators_are_bounded() -> None:
    primes = [10**300 + k for k in (157, 331)]
    with pytest.raises(ValueError, match=r"P\[s=0, a=0\] has a common denominator of more than 480 digits"):
        MDP([[[f"1/{primes[0]}", f"1/{primes[1]}"]], [[0, 0]]], [[0], [0]], [1, 0])


# Frozen


@pytest.mark.parametrize("sparse", [False, True])
def test_callers_arrays_stay_and_ours_are_read_only(sparse: bool) -> None:
    P = np.array([[[0.3, 0.7], [0, 0]], [[0.1, 0.2], [0.5, -0.0]]])
    given_P: Any = sp.csr_array(P.reshape(4, 2)) if sparse else P
    arrays: dict[str, Any] = {
        "R": np.ones((2, 2)),
        "initial": np.array([0.5, 0.5]),
        "teacher": np.full((2, 2), 0.5),
        "loss": np.eye(2),
    }
    before = copy.deepcopy((given_P, arrays))
    mdp = MDP(P=given_P, observation=(o := np.array([0, 0])), **arrays)
    mdp.exact.P, mdp.exact.ending  # noqa: B018
    for key, array in arrays.items():
        assert array.flags.writeable and np.array_equal(array, before[1][key])
        array[:] = 7
        assert getattr(mdp, key).max() <= 1 and not getattr(mdp, key).flags.writeable
    o[:] = 1
    assert mdp.observation.tolist() == [0, 0]
    assert (abs(given_P - before[0])).max() == 0
    mine = [mdp.P.data, mdp.P.indices, mdp.P.indptr] if sparse else [mdp.P]
    for array in [*mine, mdp.ending, mdp.observation, mdp.exact.P, mdp.exact.R, mdp.exact.ending, mdp.exact.initial]:
        assert not array.flags.writeable
    with pytest.raises(FrozenInstanceError):
        mdp.discount = 0.5
    with pytest.raises(FrozenInstanceError):
        mdp.exact.discount = Fraction(1)
    with pytest.raises(FrozenInstanceError):
        del mdp.R
    with pytest.raises(TypeError):
        mdp.exact.rows[0][0][1] = Fraction(1)  # type: ignore[index]


def test_replace_keeps_the_rest_exactly() -> None:
    mdp = two(teacher=[["1/3", "2/3"], [1, 0]], observation=[0, 0], name="two")
    other = mdp.replace(R=[[0, 0], [0, "1/7"]])
    assert other.exact.R[1, 1] == Fraction(1, 7) and other.exact.initial[0] == Fraction(1, 3) and other.name == "two"
    assert other != mdp and other.replace(R=TWO["R"]) == mdp
    with pytest.raises(ValueError, match="replace: unknown 'discont'; the nearest is 'discount'"):
        mdp.replace(discont=1)


def test_equality_is_of_exact_content_and_names() -> None:
    mdp = two()
    half = {"P": [[[0.5, 0.25], [0, 1]], [[0, 0], [0.1, 0.9]]], "R": [[1, Fraction(-1, 3)], ["2.50", 0]]}
    for same in (
        two(**half),
        two(P=np.array(half["P"])),
        two(P=sp.coo_array(np.array(half["P"]).reshape(4, 2))),
        two(name="x"),
    ):
        assert same == mdp and hash(same) == hash(mdp)
    for key, value in {
        "R": [[1, "-1/3"], [2.5, "1e-300"]],
        "states": None,
        "discount": 0.9,
        "teacher": [[1, 0], [0, 1]],
        "observation": [0, 0],
        "initial": ["1/3", "2/3"][::-1],
        "P": [[["0.50000000000000000001", "1/4"], [0, 1]], [[0, 0], [0.1, 0.9]]],
    }.items():
        assert two(**{key: value}) != mdp
    assert mdp != "two" and len({mdp, two()}) == 1


@pytest.mark.parametrize("P", [TWO["P"], np.full((2, 2, 2), 1 / 3), sp.csr_array(np.full((4, 2), 1 / 3))])
def test_copies_are_equal_and_frozen(P: Any) -> None:
    mdp = two(P=P)
    sparse = two(P={"sparse": [[0, 0, 1, "1/3"], [1, 1, 0, 0.25]]})
    for one in (mdp, sparse):
        for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            assert other == one and not other.R.flags.writeable and other.is_sparse == one.is_sparse
    assert (
        repr(mdp).startswith("MDP(2 states, 2 actions, 2 observations, discount 1")
        and ("sparse" in repr(mdp)) == mdp.is_sparse
    )


# Size


def test_large_models_are_quick_and_not_refused_for_rounding() -> None:
    rng = np.random.default_rng(1)
    S, A = 5_000, 3
    row, column = np.repeat(np.arange(S * A), 6), rng.integers(S, size=S * A * 6)
    weights = sp.csr_array((rng.random(row.size), (row, column)), shape=(S * A, S))
    P = sp.csr_array(sp.diags_array(1 / np.asarray(weights.sum(axis=1)).ravel()) @ weights)
    initial = rng.dirichlet(np.ones(S))
    start = time.perf_counter()
    mdp = MDP(P, rng.random((S, A)), initial, 0.99, teacher=rng.dirichlet(np.ones(A), size=S))
    assert not mdp.ending.any() and mdp.replace(name="x") == mdp
    P.data[:20] *= 0.5
    MDP(P, mdp.R, initial)  # proper: a search of the graph
    assert time.perf_counter() - start < 5
    assert sum(mdp.exact.initial) == 1


def test_large_dense_models() -> None:
    rng = np.random.default_rng(2)
    for S, A in ((2_000, 1), (500, 4)):
        P = rng.random((S, A, S))
        P /= P.sum(axis=-1, keepdims=True)
        start = time.perf_counter()
        assert not MDP(P, np.zeros((S, A)), np.full(S, 1 / S), 0.9).ending.any()
        P[0, 0] *= 0.9
        assert MDP(P, np.zeros((S, A)), np.full(S, 1 / S)).ending[0, 0] == pytest.approx(0.1)
        assert time.perf_counter() - start < 10
