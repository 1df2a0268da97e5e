"""The independent checker: what is true passes, what is false does not, and nothing makes it fall over.

Known answers are derived by hand in the tests that use them; variances by enumerating all trajectories.
"""

from __future__ import annotations

import ast
import copy
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynamics.fields import Field
from dynamics.rules import TABLE
from mdp import MDP, random, zoo
from proofs.checker import Report, Unreadable, canonical_hash, check, main
from proofs.checker.identities.integrator import steps
from proofs.checker.identities.numerical import flow_of
from proofs.checker.kinds import KINDS
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.reading import rules
from proofs.checker.reading.field import read_field

ROOT = Path(__file__).resolve().parent.parent
LN2 = Fraction("0.693147180559945309417232121458176568")  # to 36 digits, from a table


# --- certificates by hand ---------------------------------------------------------------------------------------


def world(mdp: MDP) -> dict[str, Any]:
    """An MDP as a certificate writes it."""
    exact, actions, states = mdp.exact, range(mdp.n_actions), range(mdp.n_states)

    def rows(table: Any) -> Any:
        return None if table is None else [[str(x) for x in row] for row in table]

    return {
        "P": [[[str(exact.rows[s][a].get(t, 0)) for t in states] for a in actions] for s in states],
        "R": rows(exact.R),
        "initial": [str(x) for x in exact.initial],
        "discount": str(exact.discount),
        "teacher": rows(exact.teacher),
        "loss": rows(exact.loss),
    }


def field(mdp: MDP, rule: str, control: str = "student", reward: bool = False, alpha: str = "1") -> dict[str, Any]:
    observation = [int(o) for o in mdp.observation]
    about = {"rule": rule, "control": control, "alpha": alpha, "reward": reward}
    return {"mdp": world(mdp), "observation": observation, **about}


def generic(rule: str, control: str = "student", states: int = 2, actions: int = 2, **more: Any) -> dict[str, Any]:
    about = {"rule": rule, "control": control, "reward": False, "observation": list(range(states))}
    return {"generic": {"states": states, "actions": actions}, **about, **more}


def certificate(*facts: Any, verdict: str = "proved", **more: Any) -> dict[str, Any]:
    about = {"claim": "T1", "statement": "so it is", "verdict": verdict, "argument": None, "made": {"by": "hand"}}
    paper = {"format": "vorticity certificate 1", **about, "facts": list(facts), **more}
    return paper | {"hash": canonical_hash(paper)}


def holds(fact: dict[str, Any]) -> Report:
    """The report of a certificate with one fact, which must be valid."""
    numerical = fact["kind"] in ("rest-point", "closed-orbit")
    report = check(certificate(fact, verdict="supported" if numerical else "proved"))
    assert report.valid, report.reason
    return report


def refused(fact: Any, *said: str) -> str:
    """The reason for which the fact is refused; it names the fact and holds all the texts."""
    report = check(certificate(fact, verdict="supported"))
    assert not report.valid and report.reason is not None
    assert report.reason.startswith("fact 1 (") and "\n" not in report.reason
    for text in said:
        assert text in report.reason, report.reason
    return report.reason


def loop(actions: int) -> MDP:
    """One state that may stay, with probabilities 1/5, 2/5, ... of its actions."""
    total = actions * (actions + 1) // 2
    teacher = [[Fraction(a + 1, total) for a in range(actions)]]
    return MDP([[[f"{a + 1}/5"] for a in range(actions)]], [list(range(actions))], [1], teacher=teacher)


def ball(middle: Fraction, bits: int = 60, radius: int = 2) -> dict[str, Any]:
    return {"mid": [round(middle * 2**bits), -bits], "rad": [radius, -bits]}


# --- not a gradient ---------------------------------------------------------------------------------------------

# In `chain`, go leads from s0 to s1: d(s1) = p(go|s0) =: x, and on-policy distillation has F[s1, go] = x (3/4 − y),
# y = p(go|s1), while F[s0] knows nothing of s1. So the curl of i = [1, 1] and j = [0, 1] is x (1 − x) (3/4 − y):
# at x = 1/3, y = 1/2 that is 2/9 · 1/4 = 1/18.
CHAIN = {
    "kind": "not-a-gradient",
    "field": field(zoo.load("chain"), "on-policy"),
    "policy": [["2/3", "1/3"], ["1/2", "1/2"]],
    "i": [1, 1],
    "j": [0, 1],
    "value": "1/18",
}


def test_the_curl_of_the_chain_by_hand() -> None:
    report = holds(CHAIN)
    assert (report.claim, report.n_facts, report.error_bound) == ("T1", 1, 0.0)
    holds(CHAIN | {"i": [0, 1], "j": [1, 1], "value": "-1/18"})
    without = {key: x for key, x in CHAIN.items() if key != "value"}
    holds(without | {"ball": ball(Fraction(1, 18))})
    holds(CHAIN | {"field": field(zoo.load("chain"), "on-policy", alpha="5/3"), "value": "5/54"})
    assert "1/18" in refused(CHAIN | {"value": "1/17"})


def test_numbers_longer_than_python_reads_at_once() -> None:
    """Python's own limit is 4300 digits."""
    zeros = "0" * 6000
    holds(CHAIN | {"value": f"1{zeros}/18{zeros}"})
    refused(CHAIN | {"value": f"1{zeros}/18{zeros[1:]}1"}, "about 0.0556 (a fraction of")
    holds(CHAIN | {"value": f"0.05{zeros}", "field": field(zoo.load("chain"), "on-policy", alpha="0.9")})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"i": [0, 1], "j": [0, 1], "value": "0"}, "is 0, and must not be"),
        ({"policy": [["2/3", "1/3"], ["1/4", "3/4"]], "value": "0"}, "is 0, and must not be"),
        ({"policy": [["2/3", "1/3"], ["1/3", "2/3"]]}, "value: 1/18, but"),
        ({"i": [1, 0]}, "is -1/18"),
        ({"i": [2, 0]}, "must be an integer from 0 to 1"),
        ({"i": [True, 1]}, "i[0]: True"),
        ({"i": [1]}, "i: 1 entries; must be 2"),
        ({"policy": [["1", "0"], ["1/2", "1/2"]]}, "policy[0][1]: 0; must be positive"),
        ({"policy": [["2/3", "1/2"], ["1/2", "1/2"]]}, "policy[0]: sums to 7/6"),
        ({"policy": [["2/3", "1/3"]]}, "policy: 1 entries; must be 2"),
        ({"value": 0.05}, "value: 0.05 is no rational"),
        ({"value": "1/0"}, "divides by zero"),
        ({"value": "9" * 100_001}, "100001 characters"),
        ({"ball": ball(Fraction(1, 18))}, "either a value or a ball"),
        ({"field": field(zoo.load("chain"), "n-distill")}, "is 0"),
        ({"field": field(zoo.load("chain"), "reverse-kl")}, "logarithms"),
        ({"field": generic("on-policy")}, "a generic field has no values"),
    ],
)
def test_every_number_of_a_witness_matters(change: dict[str, Any], said: str) -> None:
    refused(CHAIN | change, said)


def test_every_number_of_a_witness_s_field_matters() -> None:
    changes = [
        (("mdp", "teacher"), [["1/3", "2/3"], ["1/3", "2/3"]]),
        (("mdp", "P", 0, 1), ["0", "1/2"]),
        (("mdp", "initial"), ["1/2", "1/2"]),
        (("mdp", "discount"), "9/10"),
        (("mdp", "loss"), [["0", "0"], ["0", "1"]]),
        (("alpha",), "2"),
        (("rule",), "reverse-kl"),
        (("control",), "mix:1/3"),
        (("control",), "teacher"),
        (("observation",), [0, 0]),
    ]
    for path, value in changes:
        refused(edited(CHAIN, ("field", *path), value))


def edited(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    result = copy.deepcopy(value)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return result


def test_one_state_with_a_self_loop_is_a_gradient_for_two_actions_not_for_three() -> None:
    holds({"kind": "curl-free", "field": field(loop(2), "on-policy")})
    refused({"kind": "curl-free", "field": field(loop(3), "on-policy")}, "is not 0 for all parameters")
    holds({"kind": "curl-free", "field": field(zoo.load("bandit"), "on-policy")})
    refused({"kind": "curl-free", "field": field(zoo.load("chain"), "on-policy")}, "is not 0 for all parameters")
    refused({"kind": "curl-free", "field": generic("on-policy")})


# --- values with logarithms -------------------------------------------------------------------------------------


def test_values_by_hand_with_and_without_logarithms() -> None:
    """Bandits: plain reward has F[a] = p_a (R_a − J); reverse KL has F[0] = −p_0 (log p_0/t_0 − KL).

    Three arms, R = (0, 1/2, 1), uniform: F = (−1/6, 0, 1/6). Two arms, teacher (2/3, 1/3), uniform:
    KL = (log 3/4 + log 3/2)/2, so F[0] = −(log 3/4 − log 3/2)/4 = log 2 / 4.
    """
    even = {"kind": "field-value", "policy": [["1/3", "1/3", "1/3"]]}
    for a, value in enumerate(["-1/6", "0", "1/6"]):
        holds(even | {"field": field(zoo.load("bandit"), "reward"), "i": [0, a], "value": value})
    two = {"kind": "field-value", "policy": [["1/2", "1/2"]], "field": field(zoo.load("bandit:2"), "reverse-kl")}
    holds(two | {"i": [0, 0], "ball": ball(LN2 / 4)})
    holds(two | {"i": [0, 1], "ball": ball(-LN2 / 4)})
    holds(two | {"i": [0, 0], "ball": ball(LN2 / 4, bits=110)})
    refused(two | {"i": [0, 0], "ball": ball(LN2 / 4 + Fraction(1, 2**57))}, "outside of the ball")
    refused(two | {"i": [0, 0], "ball": ball(LN2 / 4, bits=110, radius=0)}, "outside of the ball")
    refused(two | {"i": [0, 0], "value": str(LN2 / 4)}, "logarithms enter")
    refused(two | {"i": [0, 0]}, "'value' is missing")
    for wrong in [{"mid": [1, 0]}, {"mid": [1, 0], "rad": [-1, 0]}, {"mid": [1, 10**6], "rad": [1, 0]}]:
        refused(two | {"i": [0, 0], "ball": wrong}, "ball")
    refused(two | {"i": [0, 0], "ball": {"mid": [True, 0], "rad": [1, 0]}}, "not two integers")


def test_a_ball_for_a_curl_must_leave_out_zero() -> None:
    """EER without its reward on `chain`: F[s1, go] = x y (1 − y) log 3, and the curl is x (1 − x) y (1 − y) log 3."""
    fact = {key: x for key, x in CHAIN.items() if key != "value"}
    fact["field"] = field(zoo.load("chain"), "eer-no-reward")
    holds(fact | {"ball": ball(Fraction(math.log(3)) / 18, bits=40)})
    refused(fact | {"ball": {"mid": [0, 0], "rad": [1, 0]}}, "holds 0")
    refused(fact | {"field": field(zoo.load("chain"), "eer"), "ball": ball(Fraction(1, 18), bits=40)}, "outside")


def test_logarithms_that_cancel_leave_a_value() -> None:
    """At the teacher every log p − log t is 0: reverse KL has a rational field there, namely 0."""
    fact = {"kind": "field-value", "policy": [["1/3", "2/3"], ["1/4", "3/4"]], "i": [1, 0], "value": "0"}
    holds(fact | {"field": field(zoo.load("chain"), "reverse-kl")})
    refused(fact | {"field": field(zoo.load("chain"), "er")}, "logarithms enter")


# --- for all theta ----------------------------------------------------------------------------------------------

STUDENT_GRADIENTS = {"er", "n-distill", "n-distill-kl", "eer", "reverse-kl-corrected", "reward", "teacher-v"}
FIXED_GRADIENTS = {"teacher", "on-policy", "er", "eer", "eer-no-reward", "reverse-kl"}
FIXED_GRADIENTS |= {"reward", "teacher-v", "bootstrap", "entropy-bonus"}
REST = {"teacher", "on-policy", "n-distill-kl", "reverse-kl", "reverse-kl-corrected", "value-gate"}


def test_the_table_is_complete() -> None:
    assert set(rules.TABLE) == set(TABLE) and len(rules.TABLE) == 15


@pytest.mark.parametrize("rule", rules.TABLE)
def test_the_verdicts_of_the_table_for_all_mdps_of_two_states(rule: str) -> None:
    """The theory's table: which rows are gradients, by which potential, and for which the teacher is a rest point."""

    def outcome(kind: str, said: bool, **more: Any) -> None:
        fact = {"kind": kind, **more}
        if said:
            assert 0 < holds(fact).error_bound < 2**-60
        else:
            refused(fact)

    outcome("a-gradient", rule in STUDENT_GRADIENTS, field=generic(rule), potential="episode")
    outcome("a-gradient", rule in STUDENT_GRADIENTS, field=generic(rule) | {"reward": True}, potential="episode")
    outcome("curl-free", rule in STUDENT_GRADIENTS, field=generic(rule))
    outcome("curl-free", rule in STUDENT_GRADIENTS, field=generic(rule, actions=3, observation=[0, 0]))
    for control in ("teacher", "uniform"):
        outcome("a-gradient", rule in FIXED_GRADIENTS, field=generic(rule, control), potential="fixed")
        outcome("curl-free", rule in FIXED_GRADIENTS, field=generic(rule, control))
    outcome("curl-free", False, field=generic(rule, "mix:1/3"))
    outcome("rests-at-teacher", rule in REST, field=generic(rule))


def test_potentials_ask_for_their_control() -> None:
    refused({"kind": "a-gradient", "field": generic("er", "uniform"), "potential": "episode"}, "student control")
    refused({"kind": "a-gradient", "field": generic("er"), "potential": "fixed"}, "does not depend on the student")
    refused({"kind": "a-gradient", "field": generic("er"), "potential": "both"}, "must be")


def test_given_mdps_have_potentials_too() -> None:
    fig2 = zoo.load("fig2")
    holds({"kind": "a-gradient", "field": field(fig2, "n-distill", reward=True), "potential": "episode"})
    refused({"kind": "a-gradient", "field": field(fig2, "on-policy", reward=True), "potential": "episode"})
    holds({"kind": "a-gradient", "field": field(fig2, "teacher", "teacher", alpha="1/3"), "potential": "fixed"})


def test_same_field() -> None:
    """E1: ER and EER; P4: the teacher's V as a reward; and what they are not equal to."""
    holds({"kind": "same-field", "left": generic("er"), "right": generic("eer")})
    holds({"kind": "same-field", "left": generic("teacher-v"), "right": generic("reward")})
    shared = {"states": 3, "actions": 3, "observation": [0, 1, 0]}
    holds({"kind": "same-field", "left": generic("eer", **shared), "right": generic("er", **shared)})
    swirl = zoo.load("swirl")
    holds({"kind": "same-field", "left": field(swirl, "er"), "right": field(swirl, "eer")})
    refused({"kind": "same-field", "left": generic("er"), "right": generic("eer-no-reward")}, "left − right at")
    refused({"kind": "same-field", "left": generic("er", "uniform"), "right": generic("eer", "teacher")})
    refused({"kind": "same-field", "left": generic("student-critic"), "right": generic("reward")})
    refused({"kind": "same-field", "left": field(swirl, "er"), "right": field(swirl, "eer", alpha="2")})
    refused(
        {"kind": "same-field", "left": field(swirl, "er"), "right": field(zoo.load("chain"), "er")}, "two different"
    )
    refused({"kind": "same-field", "left": generic("er"), "right": generic("er", **shared)}, "different sizes")
    refused({"kind": "same-field", "left": generic("er"), "right": field(swirl, "er")}, "different MDPs")
    one = generic("er", observation=[0, 0])
    refused({"kind": "same-field", "left": generic("er"), "right": one}, "different observations")


def test_rests_at_the_teacher_of_a_given_mdp() -> None:
    chain = zoo.load("chain")
    for rule in sorted(REST - {"teacher"}):
        holds({"kind": "rests-at-teacher", "field": field(chain, rule)})
    refused({"kind": "rests-at-teacher", "field": field(chain, "n-distill")}, "F at [0, 0]", "at the teacher")
    refused({"kind": "rests-at-teacher", "field": field(chain, "on-policy", reward=True)})
    shared = chain.replace(observation=[0, 0])
    refused({"kind": "rests-at-teacher", "field": field(shared, "on-policy")}, "whose parameters it shares")
    sure = chain.replace(teacher=[[0, 1], [0, 1]])
    refused({"kind": "rests-at-teacher", "field": field(sure, "on-policy")}, "has a 0")
    refused({"kind": "rests-at-teacher", "field": generic("on-policy", observation=[0, 0])}, "not representable")


def test_kl_falls_at_the_stated_rate_for_any_control() -> None:
    for control in ("student", "teacher", "uniform", "mix:1/3"):
        holds({"kind": "kl-rate", "field": generic("on-policy", control)})
    holds({"kind": "kl-rate", "field": field(zoo.load("corridor-cycle"), "on-policy", alpha="3/7")})
    refused({"kind": "kl-rate", "field": generic("reverse-kl")}, "the rate at state 0")
    refused({"kind": "kl-rate", "field": generic("on-policy") | {"reward": True}})
    refused({"kind": "kl-rate", "field": generic("on-policy", observation=[0, 0])}, "tabular")


def test_kl_rises_with_aliasing_by_hand() -> None:
    """Two states that look alike, started in with 9/10 and 1/10; teachers (3/4, 1/4) and (1/4, 3/4); p = (1/2, 1/2).

    F[0, 0] = 9/10 · 1/4 − 1/10 · 1/4 = 1/5 = −F[0, 1], so at the second state −Σ (t − p) F = 2/4 · 1/5 = 1/10.
    """
    teacher = [["3/4", "1/4"], ["1/4", "3/4"]]
    two = MDP(np.zeros((2, 2, 2)), np.zeros((2, 2)), ["9/10", "1/10"], observation=[0, 0], teacher=teacher)
    fact = {"kind": "kl-rises", "field": field(two, "on-policy"), "policy": [["1/2", "1/2"]], "state": 1}
    holds(fact | {"value": "1/10"})
    refused(fact | {"value": "1/9"}, "d/dt KL is 1/10")
    refused(fact | {"state": 0, "value": "-1/10"}, "a rise is positive")
    refused(fact | {"state": 2, "value": "1/10"}, "must be an integer")


def test_the_structure_of_acyclic_fields() -> None:
    tree = zoo.load("token-tree:2")
    for rule in ("on-policy", "n-distill", "reverse-kl", "student-critic"):
        holds({"kind": "acyclic-structure", "field": field(tree, rule, reward=True)})
    refused({"kind": "acyclic-structure", "field": field(zoo.load("swirl"), "on-policy")}, "later ones only")
    refused({"kind": "acyclic-structure", "field": field(zoo.load("fig2"), "on-policy")}, "tabular")
    refused({"kind": "acyclic-structure", "field": generic("on-policy")}, "not acyclic")
    # A reward t · Σ p r has B_a = m p_a (t_a − Σ p t) with m = Σ p r, no gradient where t and r are not parallel.
    mean = {"loss": {"number": "0"}, "reward": ["*", "t", ["total", ["*", "p", "r"]]], "horizon": "episode"}
    own = field(zoo.load("bandit"), "mean") | {"row": mean}
    own["mdp"]["R"] = [["0", "1", "0"]]
    refused({"kind": "acyclic-structure", "field": own}, "the curl of B at state 0")


def test_visits_of_the_chain() -> None:
    """d(s0) = 1; d(s1) = x = p(go|s0), whose derivative in theta[s0, go] is x (1 − x)."""
    on = field(zoo.load("chain"), "on-policy")
    holds({"kind": "same-visits", "field": on, "state": 0, "by": 1})
    holds({"kind": "same-visits", "field": on | {"control": "teacher"}, "state": 1, "by": 0})
    refused({"kind": "same-visits", "field": on, "state": 1, "by": 0}, "∂d(1) in [0, 0]")
    refused({"kind": "same-visits", "field": generic("on-policy"), "state": 0, "by": 1})
    differ = {"kind": "visits-differ", "field": on, "state": 1, "by": 0, "policy": CHAIN["policy"], "i": [0, 1]}
    holds(differ | {"value": "2/9"})
    refused(differ | {"value": "-2/9"}, "is 2/9")
    refused(differ | {"state": 0, "value": "0"}, "must not be")
    refused(differ | {"i": [1, 1], "value": "0"}, "no parameter of state 0")


# --- the value gate ---------------------------------------------------------------------------------------------


def test_a_gate_is_decided_exactly_and_not_differentiated_across() -> None:
    """`chain` with V_teacher(s1) = 3/4: at p(go|s1) = 1/2 the gate at s1 is open, at 4/5 it is shut.

    V(s0) = x y against 2/3 · 3/4 = 1/2; open as well at x = 1/3. At the boundary there is no derivative.
    """
    gate = CHAIN | {"field": field(zoo.load("chain"), "value-gate")}
    holds(gate)
    refused(gate | {"policy": [["2/3", "1/3"], ["1/5", "4/5"]], "value": "0"}, "must not be")
    refused(gate | {"policy": [["2/3", "1/3"], ["1/4", "3/4"]], "value": "1/18"}, "boundary of a gate")
    value = {"kind": "field-value", "field": gate["field"], "i": [1, 1], "value": "0"}
    holds(value | {"policy": [["2/3", "1/3"], ["1/4", "3/4"]]})
    refused({"kind": "curl-free", "field": gate["field"]}, "gate")
    # Where both values are equal for all theta, the gate stays shut: no reward, so no curl either.
    still = edited(gate, ("field", "mdp", "R"), [["0", "0"], ["0", "0"]])
    refused(still | {"value": "0"}, "must not be")


def test_value_gate() -> None:
    one = world(MDP([[[0], [0]]], [[0, 1]], [1], teacher=[["1/2", "1/2"]]))
    holds({"kind": "value-gate", "mdp": one, "student": [["1/4", "3/4"]]})
    holds({"kind": "value-gate", "mdp": one, "student": [["1/2", "1/2"]]})
    refused({"kind": "value-gate", "mdp": one, "student": [["3/4", "1/4"]]}, "V_student is 1/4, V_teacher 1/2")
    # A worse student at s1 does not matter where it never goes there.
    chain = world(zoo.load("chain").replace(R=[[1, 0], [0, 1]]))
    holds({"kind": "value-gate", "mdp": chain, "student": [["1", "0"], ["1", "0"]]})
    refused({"kind": "value-gate", "mdp": chain, "student": [["1/2", "1/2"], ["1", "0"]]}, "student[0]")
    refused({"kind": "value-gate", "mdp": chain | {"teacher": None}, "student": [["1", "0"]] * 2}, "there is none")


def test_greedy_policies_improve() -> None:
    for name in ("chain", "swirl", "corridor:5", "token-tree:3"):
        holds({"kind": "greedy-improves", "mdp": world(zoo.load(name))})
    # Staying pays and never ends: V = (1 + V)/2 = 1 for the even teacher, and the greedy policy stays for ever.
    stay = {"P": [[["1"], ["0"]]], "R": [["1", "0"]], "initial": ["1"], "discount": "1", "teacher": [["1/2", "1/2"]]}
    refused({"kind": "greedy-improves", "mdp": stay | {"loss": None}}, "no greedy policy ends")
    refused({"kind": "greedy-improves", "mdp": stay | {"loss": None, "teacher": [["1", "0"]]}}, "never ends")
    ties = world(zoo.load("corridor:11").replace(R=np.zeros((11, 2))))
    assert holds({"kind": "greedy-improves", "mdp": ties}).seconds < 20
    many = world(random.episodic(0, 9, 3).replace(R=np.zeros((9, 3))))
    refused({"kind": "greedy-improves", "mdp": many}, "19683 greedy policies")


def test_advantages() -> None:
    chain = zoo.load("chain")
    holds({"kind": "advantage", "mdp": world(chain), "optimal": False})
    refused(
        {"kind": "advantage", "mdp": world(chain), "optimal": True},
        "takes action 0 at state 0, whose advantage is -1/2",
    )
    best = world(chain.replace(teacher=[[0, 1], [0, 1]]))
    holds({"kind": "advantage", "mdp": best, "optimal": True})
    refused({"kind": "advantage", "mdp": best, "optimal": 1}, "must be true or false")
    worst = world(chain.replace(teacher=[[1, 0], [1, 0]]))
    refused({"kind": "advantage", "mdp": worst, "optimal": True}, "action 1 at state 1 has advantage 1 > 0")


# --- variance ---------------------------------------------------------------------------------------------------


def trajectories(mdp: MDP, q: list[list[Fraction]]) -> Iterator[tuple[Fraction, list[tuple[int, int]]]]:
    """Every path of an acyclic MDP that is killed with 1 − discount after each step, with its probability."""
    exact = mdp.exact

    def after(s: int) -> Iterator[tuple[Fraction, list[tuple[int, int]]]]:
        for a, x in enumerate(q[s]):
            ends_here = Fraction(1)
            for t, y in exact.rows[s][a].items():
                ends_here -= exact.discount * y
                for z, tail in after(t):
                    yield x * exact.discount * y * z, [(s, a), *tail]
            if ends_here:
                yield x * ends_here, [(s, a)]

    for s, x in enumerate(exact.initial):
        if x:
            yield from ((x * y, path) for y, path in after(s))


def enumerated_variance(mdp: MDP, q: list[list[Fraction]], reward: bool, corrected: bool) -> Fraction:
    """On-policy or N-distillation (+R), control and student q, by all trajectories and nothing clever.

    Logarithms are those of floats; without the correction no logarithm enters, and the result is exact.
    """
    n, observation = mdp.n_actions, [int(o) for o in mdp.observation]
    teacher = mdp.exact.teacher
    second, mean = Fraction(0), [Fraction(0)] * (mdp.n_observations * n)
    cross = [-sum(t * Fraction(math.log(x)) for t, x in zip(teacher[s], q[s], strict=True)) for s in range(len(q))]
    for w, path in trajectories(mdp, q):
        g = [Fraction(0)] * len(mean)
        gains = [mdp.exact.R[s][a] * reward for s, a in path]
        if corrected:
            gains = [x - (cross[path[k + 1][0]] if k + 1 < len(path) else 0) for k, x in enumerate(gains)]
        for k, (s, a) in enumerate(path):
            for b in range(n):
                slope = (int(a == b) - q[s][b]) * sum(gains[k:]) - (q[s][b] - teacher[s][b])
                g[observation[s] * n + b] += slope
        second += w * sum(x * x for x in g)
        mean = [x + w * y for x, y in zip(mean, g, strict=True)]
    return second - sum(x * x for x in mean)


@pytest.mark.parametrize("observation", [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 1, 0, 2, 2]])
def test_variance_by_enumeration(observation: list[int]) -> None:
    tree = zoo.load("token-tree:3").replace(discount="9/10", observation=observation)
    rows = [[Fraction(o + 1, 9), Fraction(8 - o, 9)] for o in range(max(observation) + 1)]
    policy, q = [[str(x) for x in row] for row in rows], [rows[o] for o in observation]
    for reward in (False, True):
        exactly = enumerated_variance(tree, q, reward, corrected=False)
        fact = {"kind": "variance", "field": field(tree, "on-policy", reward=reward), "policy": policy}
        holds(fact | {"value": str(exactly)})
        holds(fact | {"ball": ball(exactly)})
        refused(fact | {"value": str(exactly + 1)})
        nearly = enumerated_variance(tree, q, reward, corrected=True)
        fact = {"kind": "variance", "field": field(tree, "n-distill", reward=reward), "policy": policy}
        holds(fact | {"ball": ball(nearly, bits=44)})
        refused(fact | {"ball": ball(nearly + Fraction(1, 2**40), bits=44)}, "outside")


def test_variance_by_hand() -> None:
    """Two arms, R = (0, 1), even policy: g_hat = 0 or (−1/2, 1/2), so E|g|² − |E g|² = 1/4 − 1/8."""
    two = field(zoo.load("bandit:2"), "reward")
    holds({"kind": "variance", "field": two, "policy": [["1/2", "1/2"]], "value": "1/8"})
    refused({"kind": "variance", "field": two, "policy": [["1/3", "2/3"]], "value": "1/8"}, "the variance is")
    refused({"kind": "variance", "field": field(loop(2), "er"), "policy": [["1/2", "1/2"]], "value": "1"}, "later ones")


def test_variance_with_logarithms() -> None:
    """ER on two arms, teacher (2/3, 1/3), even policy: g_hat = ±(1/2, −1/2) log t, E|g|² = (a² + b²)/4 with
    a = log 2/3, b = log 1/3, E g = (a − b)/4 (1, −1), so the variance is (a² + b²)/4 − (a − b)²/8 = (a + b)²/8.
    EER has none there: its field is that of the loss, which is the same on every path."""
    two, even = zoo.load("bandit:2"), {"kind": "variance", "policy": [["1/2", "1/2"]]}
    er = Fraction((math.log(2 / 3) + math.log(1 / 3)) ** 2 / 8)
    holds(even | {"field": field(two, "er"), "ball": ball(er, bits=46)})
    refused(even | {"field": field(two, "er"), "ball": ball(er + Fraction(1, 2**40), bits=46)}, "outside")
    holds(even | {"field": field(two, "eer"), "value": "0"})
    refused(even | {"field": field(two, "er"), "value": "0"}, "logarithms")


# --- identities -------------------------------------------------------------------------------------------------


def product_of(*terms: Any) -> Any:
    result = terms[0]
    for term in terms[1:]:
        result = ["*", result, term]
    return result


def odds(x: str) -> Any:
    """x/(1−x) + (1−x)/x = 2 cosh of the log-odds of x."""
    return ["+", ["/", x, ["-", "1", x]], ["/", ["-", "1", x], x]]


def slope(x: str, force: Any) -> Any:
    """x' = x (1 − x) · (x (1 − x) force), for log-odds that move with x (1 − x) force."""
    return product_of(["**", product_of(x, ["-", "1", x]), 2], force)


FIG2 = {
    "kind": "identity",
    "generators": ["p", "x"],
    "derivations": {
        "flow": {"p": slope("p", ["-", "1", ["*", "2", "x"]]), "x": slope("x", ["-", ["*", "2", "p"], "1"])}
    },
    "left": ["D", "flow", ["+", odds("p"), odds("x")]],
    "right": "0",
}


def test_the_conserved_quantity_of_fig2_and_the_field_it_belongs_to() -> None:
    """C1: th1' = p(1−p)(1−2x), th2' = x(1−x)(2p−1), x and p of action R, conserve 2 cosh th1 + 2 cosh th2."""
    assert holds(FIG2).error_bound > 0
    point = {"kind": "field-value", "policy": [["2/3", "1/3"], ["3/4", "1/4"]]}  # p = 1/3, x = 1/4
    on, corrected = (field(zoo.load("fig2"), rule, reward=True) for rule in ("on-policy", "n-distill"))
    holds(point | {"field": on, "i": [0, 1], "value": "1/9"})
    holds(point | {"field": on, "i": [1, 1], "value": "-1/16"})
    holds(point | {"field": corrected, "i": [0, 1], "value": "1/3"})  # p (1 − p) (1 + 2x)
    holds(point | {"field": corrected, "i": [1, 1], "value": "-1/16"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"left": ["D", "flow", odds("p")]}, "left − right is not 0"),
        ({"right": "1/1000000007"}, "left − right is not 0"),
        ({"left": ["*", "p", str(2**521 - 1)]}, "left − right is not 0"),  # whatever prime one might have thought of
        ({"left": ["/", "1", ["-", "p", "p"]]}, "a denominator is 0 at each"),
        ({"left": ["/", "1", ["-", ["D", "flow", "1"], "0"]]}, "a denominator is 0 at each"),
        ({"left": ["**", "p", 1001]}, "exponent"),
        ({"left": ["**", "p", "2"]}, "exponent"),
        ({"left": "y"}, "'y' is no generator"),
        ({"left": 0}, "is no term"),
        ({"left": ["D", "other", "p"]}, "no derivation"),
        ({"left": ["sin", "p", "p"]}, "is no term"),
        ({"derivations": {"flow": {"p": ["D", "flow", "p"]}}}, "none stands in a derivation"),
        ({"derivations": {"flow": {"y": "p"}}}, "'y' is unknown"),
        ({"derivations": []}, "is no object"),
        ({"generators": ["p", "p"]}, "must be a new name"),
        ({"generators": ["p", "2"]}, "must be a new name"),
    ],
)
def test_false_and_malformed_identities(change: dict[str, Any], said: str) -> None:
    refused(FIG2 | change, said)


def test_a_term_too_deep_or_too_large() -> None:
    deep: Any = "p"
    for _ in range(200):
        deep = ["+", deep, "1"]
    refused(FIG2 | {"left": deep}, "nested more than")
    wide: Any = "p"
    for _ in range(16):
        wide = ["*", wide, wide]
    refused(FIG2 | {"left": wide}, "at most")
    tower: Any = "p"
    for _ in range(90):
        tower = ["**", tower, 1000]
    refused(FIG2 | {"left": tower}, "too large to be tested")


def test_derivations_are_derivations() -> None:
    """D(xy) = x D y + y D x, D(1/x) = −D x / x², and second derivatives: D D x³ = 6 x for D x = 1."""
    base = {"kind": "identity", "generators": ["x", "y"], "derivations": {"D": {"x": "1"}, "E": {"x": "y", "y": "x"}}}
    holds(base | {"left": ["D", "D", ["D", "D", ["**", "x", 3]]], "right": ["*", "6", "x"]})
    holds(base | {"left": ["D", "D", ["*", "x", "y"]], "right": "y"})
    holds(base | {"left": ["D", "E", ["*", "x", "y"]], "right": ["+", ["**", "x", 2], ["**", "y", 2]]})
    holds(base | {"left": ["D", "E", ["**", "x", -1]], "right": ["*", ["-", "0", "y"], ["**", "x", -2]]})
    refused(base | {"left": ["D", "E", ["*", "x", "y"]], "right": ["*", "x", "y"]})


# --- numerical facts --------------------------------------------------------------------------------------------


def test_rest_points() -> None:
    """Two arms, teacher (2/3, 1/3): on-policy distillation rests at the log-odds log 2; a boundary is no rest point."""
    rest = {"kind": "rest-point", "field": field(zoo.load("bandit:2"), "on-policy"), "bound": "0.0000000001"}
    holds(rest | {"theta": [["0.693147180559945", "0"]]})
    refused(rest | {"theta": [["0.69314", "0"]]}, "the largest entry of F")
    refused(rest | {"theta": [["0.693147180559945", "0"]], "bound": "0.1"}, "at most 1e-6")
    run = {"kind": "rest-point", "field": field(zoo.load("bandit:2"), "reward"), "bound": "0.000001"}
    refused(run | {"theta": [["-40", "0"]]}, "least probability")
    refused(run | {"theta": [["-1000000", "0"]]}, "beyond ±1000")
    # C4: corrected + R rests at log-odds (3.315655, 1.909093) of action 1, by the theory's own table.
    corrected = field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    swirl = {"kind": "rest-point", "field": corrected, "theta": [["0", "3.31565469"], ["0", "1.90909348"]]}
    holds(swirl | {"bound": "0.0000001"})
    refused(swirl | {"bound": "0.0000001", "theta": [["0", "3.31566"], ["0", "1.90909"]]}, "the largest entry of F")


def orbit(name: str, rule: str, theta: list[list[str]], period: str, amplitude: list[list[str]]) -> dict[str, Any]:
    about = {"theta": theta, "period": period, "bound": "0.0000001", "amplitude": amplitude}
    return {"kind": "closed-orbit", "field": field(zoo.load(name), rule, reward=True), **about}


# Periods and amplitudes: the theory's (C4, C5, C2). Points on the orbits: where this checker's own integrator settles.
ORBITS = {
    "swirl": orbit(
        "swirl",
        "reverse-kl",
        [["-2.8036980949414563", "0.30369809493833566"], ["-1.2811611692586993", "0.28116116924140555"]],
        "6.48894425",
        [["0.96443"], ["2.04973"]],
    ),
    "aliased-cycle": orbit(
        "aliased-cycle",
        "on-policy",
        [["1.007067918666336", "-0.007067918666285644"], ["-0.7070746054562441", "0.7070746054563121"]],
        "10.5755107",
        [["1.4361"], ["4.2627"]],
    ),
    "corridor-cycle": orbit(
        "corridor-cycle",
        "on-policy",
        [
            ["0.7629755822418334", "0.23702441775812322"],
            ["0.16515619966818762", "0.8348438003317905"],
            ["0.17515114300981738", "0.8248488569901893"],
        ],
        "18.2156763",
        [["0.19942"], ["0.96748"], ["2.16456"]],
    ),
}


@pytest.mark.parametrize("name", ORBITS)
def test_the_cycles_of_the_zoo(name: str) -> None:
    assert holds(ORBITS[name]).seconds < 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"period": "6.4889453"}, "away from theta"),
        ({"period": "3.2444721"}, "away from theta"),
        ({"period": "12.9778885"}, "back"),
        ({"period": "0.00000001"}, "stays within"),
        ({"period": "-1"}, "must be positive"),
        ({"amplitude": [["0.96463"], ["2.04973"]]}, "amplitude[0][0]"),
        ({"amplitude": [["0.96443"], ["2.04953"]]}, "amplitude[1][0]"),
        ({"amplitude": [["0.96443"]]}, "amplitude: 1 entries"),
        ({"theta": [["-2.8036", "0.3037"], ["-1.2812", "0.2812"]]}, "away from theta"),
        ({"theta": [["0", "2.79304"], ["0", "1.13600"]]}, "rad|away|stays"),  # the unstable focus
        ({"bound": "0.00001"}, "at most 1e-6"),
        ({"field": field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)}, "away from theta"),
        ({"field": field(zoo.load("swirl"), "reverse-kl", reward=True, alpha="1.0001")}, "away from theta"),
    ],
)
def test_what_is_no_cycle(change: dict[str, Any], said: str) -> None:
    reason = refused(ORBITS["swirl"] | change)
    assert any(text in reason for text in said.split("|")), reason


def test_the_integrator_is_of_high_order() -> None:
    """A circle: the error falls by more than 2^8 when the longest step is halved, and the estimate covers it."""

    def miss(longest: float) -> float:
        *_, last = steps(lambda x: [-x[1], x[0]], [1.0, 0.0], 6.0, 1.0, longest, 10_000)
        return math.hypot(last.end[0] - math.cos(6), last.end[1] - math.sin(6))

    assert miss(1.0) > 2**8 * miss(0.5) > 0
    with pytest.raises(ArithmeticError, match="more than 10 steps"):
        list(steps(lambda x: [-x[1], x[0]], [1.0, 0.0], 6.0, 1e-12, 0.01, 10))


# --- rows of the certificate's own ------------------------------------------------------------------------------

MINUS = {"number": "-1"}
MIDDLE = ["*", {"number": "1/2"}, ["+", "p", "t"]]


def divergence(of: str) -> Any:
    return ["total", ["*", of, ["+", f"log_{of}", ["*", MINUS, ["log", MIDDLE]]]]]


JS = ["*", {"number": "1/2"}, ["+", divergence("p"), divergence("t")]]


def own(loss: Any, reward: Any = None, horizon: str = "episode") -> dict[str, Any]:
    return {"row": {"loss": loss, "reward": {"number": "0"} if reward is None else reward, "horizon": horizon}}


def test_jensen_shannon_and_its_correction() -> None:
    """T2 for a loss that is in no table: with −l one step later it is a gradient, without it is not."""
    corrected = generic("js-corrected", **own(JS, ["*", MINUS, ["after", JS]]))
    holds({"kind": "a-gradient", "field": corrected, "potential": "episode"})
    refused({"kind": "a-gradient", "field": generic("js", **own(JS)), "potential": "episode"})
    holds({"kind": "rests-at-teacher", "field": corrected})
    late = generic("late", **own(JS, ["*", {"number": "-2"}, ["after", JS]]))
    refused({"kind": "a-gradient", "field": late, "potential": "episode"})


def test_the_logarithm_of_one_is_zero_and_others_need_a_positive_argument() -> None:
    """log Σ p = log 1 = 0, as a number and at random points; log(−p) is no number, in a ball either."""
    none, reward = {"number": "0"}, ["*", "t", ["log", ["total", "p"]]]
    left = generic("mine", **own(none, reward))
    holds({"kind": "same-field", "left": left, "right": generic("zero", **own(none))})
    holds(
        {
            "kind": "same-field",
            "left": generic("mine", actions=1, **own(none, "log_p")),
            "right": generic("er", actions=1),
        }
    )
    point = {"kind": "field-value", "policy": [["1/2", "1/2"]], "i": [0, 0]}
    two = field(zoo.load("bandit:2"), "mine")
    holds(point | {"field": two | own(none, reward), "value": "0"})
    bad = two | own(none, ["log", ["*", MINUS, "p"]])
    refused(point | {"field": bad, "value": "0"}, "log of -1/2")
    refused(point | {"field": bad, "ball": ball(Fraction(0))}, "log of a number that is not positive")


def test_alpha_weighs_distillation_and_not_the_reward() -> None:
    """A row r + log t: at alpha = 3 its field is J's plus 3 times ER's. Products are weighed by what they hold."""
    base = {"kind": "same-field", "right": field(loop(3), "er", reward=True, alpha="3")}
    for reward in (
        ["+", "r", "log_t"],
        ["+", "log_t", "r"],
        ["*", {"number": "1/2"}, ["*", ["+", "r", "log_t"], {"number": "2"}]],
    ):
        left = field(loop(3), "mine", alpha="3") | own({"number": "0"}, reward)
        holds(base | {"left": left})
        refused(base | {"left": left | {"alpha": "2"}})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (own(["total", "q"]), "no symbol"),
        (own("p"), "use total"),
        (own(["total", "r"]), "only in rewards"),
        (own(["after", ["total", "p"]]), "only in rewards"),
        (own(["total", "c"]), "no own loss"),
        (own(["total"]), "takes 1 operands"),
        (own(["total", "p", "p"]), "takes 1 operands"),
        (own(["-", "p", "p"]), "is no formula"),
        (own({"number": 1}), "is no rational"),
        (own({"n": "1"}), "is no number"),
        (own({"number": "0"}, ["after", ["after", "p"]]), "inside 'after'"),
        (own({"number": "0"}, ["*", "p", ["after", "p"]]), "plain number"),
        (own({"number": "0"}, ["log", ["after", "p"]]), "'after' inside"),
        (own({"number": "0"}, ["/", {"number": "1"}, ["after", "p"]]), "'after' inside"),
        (own({"number": "0"}, None, "week"), "horizon"),
        (own(["total", ["*", "p", ["log", ["*", MINUS, "p"]]]]), "not defined"),
        (own(["/", ["total", "p"], {"number": "0"}]), "not defined"),
        ({"row": {"loss": "p"}}, "'reward' is missing"),
        ({}, "gives no row"),
        ({**own(JS), "rule": "er"}, "only for other names"),
    ],
)
def test_rows_that_are_none(row: dict[str, Any], said: str) -> None:
    refused({"kind": "curl-free", "field": generic("mine") | row}, said)


# --- the document and the model ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("mdp", "P", 0, 1), ["0", "6/5"], "P[0][1][1]: 6/5; must be a probability"),
        (("mdp", "P", 0, 1), ["1/2", "2/3"], "P[0][1]: sums to 7/6; must be at most 1"),
        (("mdp", "P", 0), [["0", "0"]], "P[1]: 2 entries; must be 1"),
        (("mdp", "P"), [], "0 states"),
        (("mdp", "P"), None, "no list"),
        (("mdp", "initial"), ["1/2", "1/3"], "initial: sums to 5/6"),
        (("mdp", "initial"), ["2", "-1"], "initial[0]: 2"),
        (("mdp", "discount"), "0", "must be in (0, 1]"),
        (("mdp", "discount"), "1.01", "must be in (0, 1]"),
        (("mdp", "discount"), 1, "discount: 1 is no rational"),
        (("mdp", "R", 0, 0), float("nan"), "R[0][0]"),
        (("mdp", "R", 0, 0), True, "R[0][0]: True"),
        (("mdp", "R", 0, 0), "1" * 12_001, "characters"),
        (("mdp", "teacher", 0), ["1/2", "1/3"], "teacher[0]: sums to 5/6"),
        (("mdp", "teacher", 0), ["3/2", "-1/2"], "teacher[0][0]: 3/2"),
        (("mdp", "teacher"), None, "needs a teacher"),
        (("mdp", "name"), "chain", "'name' is unknown"),
        (("mdp",), None, "is no object"),
        (("observation",), [0, 2], "observation[1]: 2"),
        (("observation",), [1, 1], "no state has observation 0"),
        (("observation",), [0], "1 entries"),
        (("observation",), [False, True], "observation[0]: False"),
        (("rule",), "onpolicy", "not in the table"),
        (("rule",), None, "rule: None"),
        (("control",), "mix:2", "must be in [0, 1]"),
        (("control",), "teachers", "must be student"),
        (("alpha",), "one", "alpha: 'one'"),
        (("reward",), 0, "must be true or false"),
        (("extra",), 0, "'extra' is unknown"),
    ],
)
def test_malformed_fields_are_named(path: tuple[Any, ...], value: Any, said: str) -> None:
    refused(edited(CHAIN, ("field", *path), value), "fact 1 (not-a-gradient): field", said)


def test_models_that_cannot_end_and_teachers_without_logarithms() -> None:
    stay = {"P": [[["1"]]], "R": [["0"]], "initial": ["1"], "discount": "1", "teacher": [["1"]], "loss": None}
    fact = {"kind": "curl-free", "field": CHAIN["field"] | {"mdp": stay, "observation": [0]}}
    refused(fact, "from state 0 no sequence of actions ends")
    holds(edited(fact, ("field", "mdp", "discount"), "0.99"))
    sure = zoo.load("chain").replace(teacher=[["0", "1"], ["1/4", "3/4"]])
    refused({"kind": "curl-free", "field": field(sure, "er")}, "teacher[0][0]: 0; the rule needs its logarithm")
    holds({"kind": "curl-free", "field": field(sure, "teacher", "teacher")})
    lazy = MDP([[[1], [0]]], [[0, 0]], [1], teacher=[[1, 0]])
    refused({"kind": "curl-free", "field": field(lazy, "teacher", "teacher")}, "never ends from state 0")
    refused({"kind": "curl-free", "field": field(lazy, "bootstrap")}, "never ends from state 0")
    refused({"kind": "curl-free", "field": generic("er", states=13)}, "from 1 to 12")
    refused({"kind": "curl-free", "field": generic("er", states=7, actions=7)}, "at most 48")
    big = world(random.episodic(0, 13, 2))
    refused({"kind": "advantage", "mdp": big, "optimal": False}, "13 states")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "vorticity certificate 2"}, "format"),
        ({"claim": ""}, "claim"),
        ({"claim": 1}, "claim"),
        ({"statement": None}, "statement"),
        ({"argument": 1}, "argument"),
        ({"verdict": "undecided"}, "verdict"),
        ({"facts": []}, "facts: 0"),
        ({"facts": {}}, "facts"),
        ({"facts": [None]}, "fact 1 (None): None is no object"),
        ({"facts": [{"kind": "curlfree"}]}, "'curlfree' is unknown"),
        ({"facts": [{"kind": ["curl-free"]}]}, "is unknown"),
        ({"facts": [CHAIN, CHAIN | {"value": "1"}]}, "fact 2 (not-a-gradient): value: 1"),
        ({"facts": [CHAIN | {"note": "x"}]}, "'note' is unknown"),
        ({"facts": [{key: CHAIN[key] for key in CHAIN if key != "policy"}]}, "'policy' is missing"),
        ({"made": None}, "made"),
        ({"made": {"python": 3}}, "made"),
        ({"signed": "me"}, "'signed' is unknown"),
    ],
)
def test_malformed_certificates(change: dict[str, Any], said: str) -> None:
    paper = {**certificate(CHAIN), **change}
    report = check(paper | {"hash": canonical_hash(paper)})
    assert not report.valid and report.reason is not None and said in report.reason, report.reason


def test_the_hash_is_compared_but_not_trusted() -> None:
    paper = certificate(CHAIN)
    assert check(paper).valid
    tampered = edited(paper, ("facts", 0, "value"), "1/17")
    report = check(tampered)
    assert not report.valid and report.reason is not None and report.reason.startswith("hash: ")
    report = check(tampered | {"hash": canonical_hash(tampered)})
    assert not report.valid and report.reason is not None and report.reason.startswith("fact 1 (not-a-gradient): value")
    assert not check({key: x for key, x in paper.items() if key != "hash"}).valid
    assert canonical_hash(dict(reversed(paper.items()))) == paper["hash"]


def test_numerical_facts_alone_prove_nothing() -> None:
    rest = {"kind": "rest-point", "field": field(zoo.load("bandit:2"), "on-policy"), "bound": "0.0000000001"}
    rest["theta"] = [["0.693147180559945", "0"]]
    assert check(certificate(rest, verdict="supported")).valid
    report = check(certificate(rest, verdict="proved"))
    assert not report.valid and report.reason is not None and "must be 'supported'" in report.reason
    assert check(certificate(rest, CHAIN, verdict="proved")).valid


JUNK: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    float("inf"),
    "",
    "x",
    "1e5",
    "-1",
    "0",
    "1/0",
    [],
    [[]],
    {},
    {"number": "1"},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


EXAMPLES = {
    "not-a-gradient": CHAIN,
    "identity": FIG2,
    "own row": {
        "kind": "a-gradient",
        "field": generic("js", **own(JS, ["*", MINUS, ["after", JS]])),
        "potential": "episode",
    },
    "ball": {
        "kind": "variance",
        "field": field(zoo.load("bandit:2"), "er"),
        "policy": [["1/2", "1/2"]],
        "ball": ball(Fraction(1, 3)),
    },
    "rest-point": {
        "kind": "rest-point",
        "field": field(zoo.load("bandit:2"), "on-policy"),
        "theta": [["0.7", "0"]],
        "bound": "0.0000001",
    },
    "value-gate": {"kind": "value-gate", "mdp": world(zoo.load("chain")), "student": [["1/3", "2/3"], ["1/4", "3/4"]]},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_junk_anywhere_makes_it_fall_over(name: str) -> None:
    paper = certificate(EXAMPLES[name], verdict="supported")
    for path in places(paper):
        for junk in JUNK if len(path) < 5 else JUNK[:: len(JUNK) // 3]:
            changed = edited(paper, path, junk)
            report = check(changed | {"hash": canonical_hash(changed)})
            assert isinstance(report, Report) and report.valid == (report.reason is None)
            assert report.reason is None or ("\n" not in report.reason and len(report.reason) < 500)


@pytest.mark.parametrize("value", [None, 1, "x", [], [1], {}, {"format": 1}, {"claim": {1, 2}}])
def test_what_is_no_certificate_at_all(value: Any) -> None:
    if isinstance(value, str):
        with pytest.raises(Unreadable):
            check(value)
    else:
        assert not check(value).valid


# --- the command ------------------------------------------------------------------------------------------------


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = written(tmp_path / "good.json", json.dumps(certificate(CHAIN, FIG2)))
    bad = written(tmp_path / "bad.json", json.dumps(certificate(FIG2, CHAIN | {"value": "1"})))
    assert main([good]) == 0
    assert capsys.readouterr().out.startswith(f"{good}: valid: T1, 2 facts, 0.")
    assert main([good, bad]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith(f"{bad}: invalid: fact 2 (not-a-gradient): value: 1, but ")
    broken = {
        "none": str(tmp_path / "none.json"),
        "folder": str(tmp_path),
        "text": written(tmp_path / "text.json", "{"),
        "nan": written(tmp_path / "nan.json", json.dumps({"claim": float("nan")})),
        "twice": written(tmp_path / "twice.json", '{"claim": "a", "claim": "b"}'),
        "deep": written(tmp_path / "deep.json", "[" * 100_000),
    }
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    for path in [*broken.values(), str(tmp_path / "bytes.json")]:
        assert main([path, bad, good]) == 2
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3 and ": unreadable: " in lines[0]
    assert main([]) == 2


def test_it_runs_alone_in_a_process_of_its_own_even_without_unicode(tmp_path: Path) -> None:
    good = written(tmp_path / "good.json", json.dumps(certificate(CHAIN, claim="Schlüssel\ud800\n")))
    bad = written(tmp_path / "bad.json", json.dumps(certificate(CHAIN | {"value": "1"})))
    command = [sys.executable, "-m", "proofs.checker", good, bad]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 1 and not done.stderr
    assert len(done.stdout.splitlines()) == 2 and "valid: Schl\\xfcssel??" in done.stdout


BALLS = (
    "cyclic.py",
    "flow.py",
    "shooting.py",
    "taylor.py",
)  # of proved orbits: python-flint, loaded when one is checked


def test_it_shares_nothing_with_what_it_checks() -> None:
    files = sorted((ROOT / "proofs" / "checker").rglob("*.py"))
    assert len(files) > 45
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                ours = name.startswith("proofs.checker.") or name == "proofs.checker"
                allowed = sys.stdlib_module_names | {"flint" if path.name in BALLS else "mpmath"}
                assert ours or name.split(".")[0] in allowed, f"{path.name} imports {name}"
    code = "import proofs.checker, sys; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & {"numpy", "scipy", "sympy", "flint", "mdp", "dynamics", "vorticity"}


# --- a second derivation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", rules.TABLE)
def test_both_derivations_of_eq_1_agree(rule: str) -> None:
    """The project's field and the checker's, derived apart from each other, on random MDPs with shared observations."""
    generator = np.random.default_rng(0)
    for mdp in (random.episodic(4, 3, 2, discount="9/10", observations=2), zoo.load("fig2")):
        for control in ("student", "teacher", "uniform", "mix:1/3"):
            for reward in (False, True):
                theirs = Field(mdp, rule, control=control, reward=reward, alpha="2/3")
                theta = generator.normal(size=theirs.shape)
                mine = flow_of(read_field(field(mdp, rule, control, reward, "2/3"), "field"))(list(theta.ravel()))
                assert mine == pytest.approx(np.asarray(theirs(theta)).ravel(), rel=1e-10, abs=1e-12)


def test_enclosures_hold_the_truth() -> None:
    """Random quotients and a logarithm at 60 bits: the exact value is inside, and the enclosure is narrow."""
    numbers, generator = Enclosures(60), np.random.default_rng(1)
    for _ in range(200):
        a, b, c, d = (Fraction(int(x), 97) for x in generator.integers(1, 10**6, size=4))
        low, high = ends((numbers.number(a) - numbers.number(b)) * numbers.number(c) / numbers.number(d))
        assert low <= (a - b) * c / d <= high and high - low <= abs(high) / 2**50 + Fraction(1, 2**40)
    low, high = ends(numbers.log(numbers.number(Fraction(2))))
    assert low < LN2 < high and high - low < Fraction(1, 2**48)


def test_every_kind_of_the_spec_is_known_and_tried_here() -> None:
    spec = (ROOT / "docs" / "certificates.md").read_text("utf-8")
    listed = {line.split("`")[1] for line in spec.splitlines() if line.startswith("| `")}
    assert listed == set(KINDS)
    source = "".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_check*.py")))
    assert all(f'"kind": "{kind}"' in source or f'outcome("{kind}"' in source for kind in KINDS)
