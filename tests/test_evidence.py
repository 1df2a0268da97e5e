"""Evidence for a choice: guarantees, what every rule does, rankings, and where the tree and the measurement differ."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from dynamics.choice import (
    GROUPS,
    WISHES,
    Evidence,
    Scales,
    candidates,
    checks,
    choose,
    evidence,
    ranking,
    scales,
    survey,
)
from dynamics.choice import tree as choice
from dynamics.choice.evidence import measure
from dynamics.choice.guarantees import KINDS, Guarantee, guarantee, is_acyclic, seen
from dynamics.choice.ranked import bands, criteria, ranked, slack
from dynamics.choice.tree_checks import copies
from dynamics.fields import Field
from dynamics.motion import flow
from dynamics.orbits import Outcome, first_times, halfway, outcome, where_it_ends
from dynamics.rules import REWARD, TABLE
from dynamics.sampling import estimates, noise
from mdp import MDP, evaluation, random, solve, zoo
from mdp.student import sigmoid
from vorticity.commands.main import main
from vorticity.text import ranking as ranking_text

Capture = pytest.CaptureFixture[str]
Rows = dict[str, Evidence]


def some(*names: str) -> dict[str, object]:
    return {name: TABLE[name] for name in names}


def rows_of(name: str, *rules: str, starts: int = 2, **options: object) -> Rows:
    found = survey(zoo.load(name), starts=starts, table=some(*rules), decide=ranking_text.decided, **options)  # type: ignore[arg-type]
    return {row.label: row for row in found}


def kind(name: str, rule: str, *, reward: bool = False, **options: object) -> str | None:
    found = guarantee(Field(zoo.load(name), rule, reward=reward, **options), ranking_text.decided)  # type: ignore[arg-type]
    return None if found is None else found.claim


# --- guarantees -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mdp", "rule", "reward", "claim"),
    [
        ("swirl", "n-distill", True, "T2"),
        ("swirl", "teacher", False, "fixed visits"),
        ("swirl", "on-policy", False, "P1"),
        ("swirl", "on-policy", True, "C6"),
        ("swirl", "reverse-kl", True, None),  # the rule that cycles there
        ("swirl", "bootstrap", False, "P3"),
        ("swirl", "value-gate", True, None),
        ("entropy-cycle", "on-policy", True, "C6"),
        ("entropy-cycle", "reverse-kl", True, None),
        ("corridor-cycle", "on-policy", True, None),  # three states: it cycles
        ("aliased-cycle", "on-policy", True, None),  # aliased
        ("aliased-cycle", "on-policy", False, None),  # P1 asks for a tabular student
        ("aliased-cycle", "bootstrap", False, None),
        ("one-state-cycle", "reverse-kl", True, None),  # three actions
        ("token-tree", "reverse-kl", True, "A1"),
        ("token-tree", "value-gate", True, None),  # A1 leaves the gate out
        ("token-tree", "student-critic", False, "A1"),
        ("chain", "eer-no-reward", True, "A1"),
        ("bandit", "reverse-kl", True, "curl"),
        ("fig2", "on-policy", True, None),
    ],
)
def test_what_is_guaranteed(mdp: str, rule: str, reward: bool, claim: str | None) -> None:
    assert kind(mdp, rule, reward=reward) == claim


def test_a_row_that_lost_its_correction_loses_its_guarantee() -> None:
    swirl = zoo.load("swirl")
    row = TABLE["reverse-kl-corrected"] + REWARD
    lost = dataclasses.replace(row, reward=REWARD)
    assert guarantee(Field(swirl, row)).kind == "gradient"  # type: ignore[union-attr]
    assert guarantee(Field(swirl, lost), ranking_text.decided) is None


def test_c6_and_a1_ask_for_the_students_own_control_where_they_do() -> None:
    assert kind("swirl", "on-policy", reward=True, control="mix:1/2") is None
    assert kind("chain", "student-critic", control="mix:1/2") is None
    assert kind("chain", "on-policy", reward=True, control="mix:1/2") == "A1"
    assert kind("swirl", "on-policy", reward=True, alpha=0) == "T2"  # nothing but the return is left


def test_p3_with_discount_1_asks_for_greedy_policies_that_end() -> None:
    def loop(pay: float) -> Field:
        stay = MDP([[[1, 0], [0, 1]], [[0.5, 0], [0, 0]]], [[pay, 0], [0, 1]], [1, 0], teacher=[[0.5, 0.5]] * 2)
        return Field(stay, "bootstrap")

    assert not is_acyclic(loop(-1).mdp)
    assert guarantee(loop(-1)).claim == "P3"  # type: ignore[union-attr]
    assert guarantee(loop(1)) is None  # staying for ever pays


@pytest.mark.parametrize("seed", range(6))
def test_acyclic_is_what_a_search_finds(seed: int) -> None:
    """By hand: no power of the transition graph, on the states that are reached, comes back."""
    for mdp in (random.acyclic(seed, 5, 2), random.deterministic_graph(seed, 5, 2)):
        step = (mdp.P > 0).any(1)
        reached, walks = set(choice.reachable(mdp).tolist()), step.copy()
        back = False
        for _ in range(5):
            back |= any(walks[s, s] for s in reached)
            walks = (walks.astype(int) @ step.astype(int)) > 0
        assert is_acyclic(mdp) is not back


def test_a_loop_that_is_never_reached_does_not_count() -> None:
    P = [[[0, 0], [0, 0]], [[0, 0.5], [0, 0.5]]]
    assert is_acyclic(MDP(P, [[0, 1]] * 2, [1, 0])) and not is_acyclic(MDP(P, [[0, 1]] * 2, [0.5, 0.5]))


def test_what_was_only_seen_says_how_often() -> None:
    assert seen(["rest"] * 4).reason == "numerical: it came to rest from each of 4 starts tried"
    assert "2 of 3 starts" in seen(["undecided", "rest", "diverged"]).reason
    assert seen(["rest", "rest", "cycle"], 6.5).group == "cycles"  # a cycle at any start demotes
    assert [Guarantee(name, "", "").group for name in KINDS] == [GROUPS[0]] * 4 + list(GROUPS[1:])


# --- evidence ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swirl() -> Rows:
    return rows_of("swirl", "reverse-kl", "reverse-kl-corrected", starts=1)


@pytest.fixture(scope="module")
def turning() -> Outcome:
    return outcome(Field(zoo.load("swirl"), "reverse-kl", reward=True), np.zeros((2, 2)))


def test_swirl_cycles_and_its_correction_rests(swirl: Rows) -> None:
    cycles, corrected = swirl["reverse-kl + R"], swirl["reverse-kl-corrected + R"]
    assert cycles.outcome == "cycle" and cycles.period == pytest.approx(6.48894425, rel=1e-7)
    assert cycles.starts == ("cycle",) and cycles.guarantee.group == "cycles"  # type: ignore[union-attr]
    assert corrected.outcome == "rest" and corrected.guarantee.kind == "gradient"  # type: ignore[union-attr]
    field = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    at = np.array([[0, 3.315655], [0, 1.909093]])  # theory C4
    rests = evaluation.expected_return(field.mdp, field.policy(at).p)
    assert corrected.expected_return == pytest.approx(float(rests), rel=1e-6)
    assert swirl["reverse-kl"].kl_student_states == pytest.approx(0, abs=1e-12)


def test_a_cycles_worth_is_its_mean_over_time(swirl: Rows) -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    run = flow(
        field, np.zeros((2, 2)), 60 + 4 * 6.48894425, samples=np.linspace(60, 60 + 4 * 6.48894425, 801), rtol=1e-8
    )
    mean = float(np.mean(evaluation.expected_return(field.mdp, field.policy(run.theta[:-1]).p)))
    assert swirl["reverse-kl + R"].expected_return == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize("name", ["corridor-cycle", pytest.param("aliased-cycle", marks=pytest.mark.slow)])
def test_the_other_cycles_come_last(name: str) -> None:
    rows = rows_of(name, "on-policy", "n-distill", starts=1)
    order = ranking(list(rows.values()), "improve", scales(zoo.load(name)), None).order
    assert rows["on-policy + R"].guarantee.kind == "cycle" and order[-1] == ("on-policy", True)  # type: ignore[union-attr]
    assert rows["n-distill + R"].guarantee.kind == "gradient"  # type: ignore[union-attr]


def test_a_cycle_from_a_later_start_demotes(monkeypatch: pytest.MonkeyPatch, turning: Outcome) -> None:
    """The first start rests, planted; the second cycles; a third is not asked any more."""
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    quiet = outcome(Field(field.mdp, "reverse-kl"), np.zeros((2, 2)))
    runs = [quiet, turning]
    monkeypatch.setattr(evidence, "outcome", lambda *_args, **_options: runs.pop(0))
    found = measure(field, np.zeros((3, 2, 2)), scales(field.mdp))
    assert found.outcome == "rest" and found.starts == ("rest", "cycle")
    assert found.guarantee.kind == "cycle" and "start 2" in found.guarantee.reason  # type: ignore[union-attr]
    assert found.period == turning.period


def test_a_cycle_from_a_later_start_is_told() -> None:
    late = row("on-policy", "cycle", starts=("rest", "cycle"), period=6.5)
    assert ranking_text._cells(late, "improve")[2] == "rest; a cycle from start 2, period 6.5"
    assert ranking_text._cycles(late) and not ranking_text._cycles(row("on-policy"))


def test_a_cycle_against_a_guarantee_says_so(monkeypatch: pytest.MonkeyPatch, turning: Outcome) -> None:
    monkeypatch.setattr(evidence, "outcome", lambda *_args, **_options: turning)
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    found = measure(field, np.zeros((1, 2, 2)), scales(field.mdp), decide=lambda _field: "by mistake")
    assert found.guarantee.group == "cycles" and "one of the two is wrong" in found.guarantee.reason  # type: ignore[union-attr]


def test_at_the_boundary_the_worth_is_that_of_where_it_leads() -> None:
    bandit = Field(zoo.load("bandit"), "reward")
    found = measure(bandit, np.zeros((1, 1, 3)), scales(bandit.mdp))
    assert found.outcome == "boundary" and found.expected_return == 1.0  # the best arm, though not there yet
    assert found.kl_student_states is None  # an arm of the teacher's is given up
    sure = zoo.load("chain").replace(teacher=[[0, 1], [0, 1]])
    copied = measure(Field(sure, "on-policy"), np.zeros((1, 2, 2)), scales(sure))
    assert copied.outcome == "boundary" and copied.kl_student_states == 0.0


def test_a_limit_policy_that_never_ends_is_not_taken() -> None:
    endless = MDP([[[1], [0]]], [[-1, 0]], [1], teacher=[[1, 0]])
    found = measure(Field(endless, "n-distill"), np.zeros((1, 1, 2)), scales(endless))
    assert found.outcome == "boundary" and np.isfinite(found.expected_return)  # type: ignore[arg-type]
    assert scales(endless).teacher is None


def test_a_return_without_bound_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_STEPS", 300)
    stays = MDP([[[1], [0]]], [[1, 0]], [1], teacher=[[0.5, 0.5]])
    found = measure(Field(stays, "reward"), np.zeros((1, 1, 2)), scales(stays))
    assert found.outcome == "undecided" and found.notes and scales(stays).optimal is None


def test_times_are_first_times_on_the_way() -> None:
    """Two arms, teacher (1/4, 3/4), p the chance of the second: its log-odds move by 2 (3/4 − p); a fine iteration."""
    mdp = MDP([[[0], [0]]], [[0, 1]], [1], teacher=[["1/4", "3/4"]])
    field = Field(mdp, "teacher")
    run = outcome(field, np.zeros((1, 2))).trajectory
    reaches, _, copied = first_times(field, run, (0.5, 0.75), (None, 0.13081203594113694))
    z, t, crossed, near = 0.0, 0.0, None, None
    while crossed is None or near is None:
        p = 1 / (1 + np.exp(-z))
        gap = 0.25 * np.log(0.25 / (1 - p)) + 0.75 * np.log(0.75 / p)
        crossed = t if crossed is None and p >= 0.5 + 0.95 * 0.25 else crossed
        near = t if near is None and gap <= 0.05 * 0.13081203594113694 else near
        z, t = z + 1e-4 * 2 * (0.75 - p), t + 1e-4
    assert reaches == pytest.approx(crossed, rel=2e-2) and copied == pytest.approx(near, rel=2e-2)
    assert first_times(field, run, (0.75, 0.5), (None, None)) == (
        None,
        None,
        None,
    )  # a teacher below the uniform student


def test_noise_is_that_of_sampled_trajectories() -> None:
    field = Field(zoo.load("chain"), "eer", reward=True)
    theta = np.array([[0.3, -0.2], [0.1, 0.4]])
    drawn = estimates(field, theta, 4000, np.random.default_rng(0))
    drawn = getattr(drawn, "values", drawn)
    by_sampling = float(((drawn - field(theta)) ** 2).sum((-2, -1)).mean() / (field(theta) ** 2).sum())
    assert noise(field, theta) == pytest.approx(by_sampling, rel=0.1)
    at_teacher = np.log(np.asarray(field.mdp.teacher))
    assert noise(Field(field.mdp, "reverse-kl"), at_teacher) is None  # no signal


def test_halfway_is_in_policies() -> None:
    field = Field(zoo.load("chain"), "reward")
    found = outcome(field, np.zeros((2, 2)))
    end = where_it_ends(field, found)
    p = field.policy(halfway(field, found.trajectory.theta, end)).p  # type: ignore[arg-type]
    share = np.linalg.norm(p - 0.5) / np.linalg.norm(end.p[-1] - 0.5)
    assert 0.5 <= share < 0.55
    assert halfway(field, np.zeros((5, 2, 2)), field.policy(np.zeros((1, 2, 2)))) is None


def test_every_row_is_a_candidate_once_and_says_why_it_cannot_run() -> None:
    names = candidates()
    assert {name for name, _ in names} == set(TABLE) and len(set(names)) == len(names)
    assert all((TABLE[name] + REWARD) != TABLE[name] for name, reward in names if reward)
    chain = zoo.load("chain")
    sure = chain.replace(teacher=[[0, 1], [0.5, 0.5]])
    rows = {row.label: row for row in survey(sure, starts=1, table=some("er", "on-policy"))}  # type: ignore[arg-type]
    assert "is 0" in str(rows["er"].refused) and rows["er"].guarantee is None and rows["on-policy"].refused is None
    bare = MDP(P=chain.P, R=chain.R, initial=chain.initial)
    assert [row.label for row in survey(bare, starts=1) if row.refused is None] == ["reward", "entropy-bonus"]
    with pytest.raises(ValueError, match="0 starts; must be at least 1"):
        next(iter(survey(chain, starts=0)))


def test_large_fields_are_followed_and_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "LARGE", 3)
    found = rows_of("chain", "on-policy", "value-gate", starts=3)
    assert (
        found["value-gate"].starts == ("undecided",) and "4 parameters (more than 3)" in found["value-gate"].notes[-1]
    )
    assert found["value-gate"].guarantee.group == "undecided"  # type: ignore[union-attr]
    assert found["on-policy"].guarantee.claim == "P1"  # type: ignore[union-attr]
    assert found["on-policy"].kl_student_states == pytest.approx(0, abs=1e-6)


def test_sparse_worlds_and_other_students(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "LARGE", 50)
    world = random.grid_world(0, size=5)
    world = world.replace(teacher=solve.teacher(world, "epsilon:0.1"))
    found = next(iter(survey(world, starts=1, table=some("on-policy"))))  # type: ignore[arg-type]
    assert found.kl_student_states is not None and found.variance is not None
    mdp = zoo.load("swirl")
    field = Field(mdp, "reverse-kl-corrected", reward=True, student=sigmoid([0, 1]))
    one = measure(field, np.zeros((1, 2)), scales(mdp))
    assert one.outcome == "rest" and one.expected_return == pytest.approx(311.08977, rel=1e-6)


# --- rankings ---------------------------------------------------------------------------------------------------------


def row(name: str, kind: str = "gradient", J: float = 0.0, **more: object) -> Evidence:
    known = Guarantee(kind, "", "")
    return Evidence(name, False, name, guarantee=known, outcome="rest", expected_return=J, **more)  # type: ignore[arg-type]


SCALE = Scales(0.0, 0.5, 1.0, 1.0, 1.0)  # so that returns within 0.05 are equal
PLANTED = [
    row("er", "gradient", 0.5, reaches=1.0),
    row("eer", "cycle", 1.0),
    row("reward", "gradient", 0.96, reaches=9.0, variance_start=1.0),
    row("teacher-v", "Lyapunov", 1.0, reaches=8.0, variance_start=5.0, variance_halfway=0.1),
    row("bootstrap", "gradient", 0.99, reaches=3.0, variance_start=50.0),
    row("on-policy", "rest seen", 1.0, reaches=1.0),
    row("teacher", "undecided", 1.0),
    Evidence("value-gate", False, "value-gate", refused="why"),
]
RANKED = ["bootstrap", "reward", "teacher-v", "er", "on-policy", "teacher", "eer"]


def order(rows: list[Evidence], wish: str = "improve") -> list[str]:
    return [name for name, _ in ranking(rows, wish, SCALE, None).order]


def test_the_order_is_guarantee_worth_speed_variance() -> None:
    assert order(PLANTED) == RANKED
    assert order(PLANTED[::-1]) == RANKED  # whatever order they come in
    found = ranking(PLANTED, "improve", SCALE, None)
    assert found.refused == (("value-gate", False),) and found.tree is None and found.agrees is None
    assert [name for name, _ in found.best] == ["reward", "teacher-v", "bootstrap"]


@pytest.mark.parametrize("swapped", [(0, 1), (1, 2), (2, 3)])
def test_another_order_of_criteria_ranks_otherwise(swapped: tuple[int, int]) -> None:
    """The control of the test before: with two criteria swapped it would fail."""
    rows = [one for one in PLANTED if one.refused is None]
    by = criteria(rows, "improve", SCALE)
    assert [one.rule for one in ranked(rows, by)] == RANKED
    a, b = swapped
    by[a], by[b] = by[b], by[a]
    assert [one.rule for one in ranked(rows, by)] != RANKED


def test_bands_start_at_the_best_that_is_left() -> None:
    rows = [row("er", J=x) for x in (0.0, 0.04, 0.08, 0.12)]
    found = bands(rows, lambda one: float(one.expected_return or 0), lambda best: best + 0.05)
    assert [[one.expected_return for one in band] for band in found] == [[0.0, 0.04], [0.08, 0.12]]


def test_unknown_measures_come_last_and_copying_wants_small_kls() -> None:
    rows = [
        row("er", kl_student_states=None, kl_teacher_states=0.0),
        row("eer", kl_student_states=0.5, kl_teacher_states=None),
        row("reward", kl_student_states=0.1, kl_teacher_states=0.9),
    ]
    assert order(rows, "copy") == ["reward", "eer", "er"] and order(rows, "inside") == ["er", "reward", "eer"]
    assert slack(rows, "improve", Scales(None, None, None, None, None)) == 0.0
    assert slack(rows, "copy", Scales(None, None, None, None, 0.0)) == pytest.approx(0.05 * 0.4)


def test_every_wish_leads_to_a_leaf_or_to_the_teachers_strength() -> None:
    for answers in WISHES.values():
        assert choice.missing(answers) is None or choice.missing(answers).id == "strong"  # type: ignore[union-attr]


# --- the tree beside the measurement ----------------------------------------------------------------------------------


VALUES = choose({"outside": True, "improve": True, "strong": False, "values": True})  # teacher-v
BOTH = choose({"outside": True, "improve": True, "strong": True})  # eer + R


def test_where_it_agrees_and_where_it_differs() -> None:
    agrees = ranking(PLANTED, "improve", SCALE, VALUES)
    assert agrees.agrees is True and agrees.tree == (("teacher-v", False),)
    assert len(agrees.differences) == 1 and "bootstrap comes to the same return sooner" in agrees.differences[0]
    worse = [one if one.rule != "teacher-v" else dataclasses.replace(one, expected_return=0.2) for one in PLANTED]
    differs = ranking(worse, "improve", SCALE, VALUES)
    assert differs.agrees is False
    assert differs.differences[0].startswith("teacher-v, which the tree prefers, ends at a return of 0.2; bootstrap")
    cycling = dataclasses.replace(PLANTED[3], guarantee=seen(["cycle"], 6.5), period=6.5)
    demoted = ranking([*PLANTED[:3], cycling, *PLANTED[4:]], "improve", SCALE, VALUES)
    assert (
        demoted.agrees is False
        and "teacher-v, which the tree prefers, cycles here, with period 6.5" in (demoted.differences[0])
    )


def test_what_is_not_known_is_not_said_to_be_more() -> None:
    """The tree's rule is where it ends at the start: no noise and no time is known of it."""
    advice = choose({"outside": False})
    at_rest = row("teacher", kl_teacher_states=0.0, variance_start=None, copies_teacher_states=None)
    other = row("on-policy", kl_teacher_states=0.0, variance_start=3.0, copies_teacher_states=5.0)
    found = ranking([at_rest, other], "inside", SCALE, advice)
    assert found.agrees and not any("infinity" in text for text in found.differences)


def test_a_rule_without_guarantee_that_reaches_more_is_named() -> None:
    rows = [row("teacher-v", J=0.5), row("on-policy", "undecided", 0.9), row("er", "cycle", 1.0)]
    found = ranking(rows, "improve", SCALE, VALUES)
    assert found.agrees is True
    assert found.differences == (
        "on-policy reaches more, a return of 0.9 against 0.5 of teacher-v, but has no guarantee, and no verdict was "
        "reached",
    )
    assert ranking([rows[0], row("on-policy", "undecided", 0.52)], "improve", SCALE, VALUES).differences == ()


def test_where_nothing_advised_runs() -> None:
    found = ranking([row("reward", J=1.0)], "improve", SCALE, BOTH)
    assert found.agrees is None and found.differences == ("none of the rules that the tree advises runs here",)


def test_facts_of_the_tree_are_asked_of_the_measurement() -> None:
    scale = Scales(0.0, 0.3, 1.0, 1.0, 1.0)
    rows = [
        row("teacher", J=0.3, kl_student_states=0.4),
        row("on-policy", J=0.3, kl_student_states=0.0),
        dataclasses.replace(row("eer", J=0.95), reward=True, label="eer + R"),
        row("reward", J=1.0, variance_start=2.0),
        row("teacher-v", J=1.0, variance_start=3.0),
        row("er", "cycle", J=9.0, kl_student_states=0.0),  # seen to cycle: does not count
    ]

    def asked(path: dict[str, bool], some: list[Evidence] = rows) -> dict[str, bool | None]:
        return {one.question: one.holds for one in checks(some, scale, path)}

    weak = {"outside": True, "improve": True, "strong": False, "values": True}
    assert asked(weak) == {"outside": True, "improve": True, "strong": False, "values": False}
    assert asked({"outside": False, "strong": True, "values": False}) == {
        "outside": False,
        "strong": True,
        "values": None,
    }
    assert asked({"improve": False}) == {"improve": None}  # none with the reward left a KL
    held_back = [dataclasses.replace(one, expected_return=0.5) if one.rule == "eer" else one for one in rows]
    assert asked(weak, held_back)["strong"] is True and asked({"strong": True}, held_back)["strong"] is False
    assert set(asked(weak, [])) == set(weak) and set(asked(weak, []).values()) == {None}


def test_which_rows_copy() -> None:
    free = {"reward", "teacher-v", "student-critic", "bootstrap", "entropy-bonus", "value-gate"}
    assert {name for name in TABLE if not copies(name)} == free


def test_an_adversarial_teacher_differs_where_it_should() -> None:
    """Figure 6's bad teacher: who copies it ends at −0.94; the tree sends to teacher-v, and that is among the best."""
    mdp = zoo.load("corridor-adversarial:5")
    rows = list(survey(mdp, starts=1, limit=400, table=some("n-distill", "reward", "teacher-v")))  # type: ignore[arg-type]
    found = ranking(rows, "improve", scales(mdp), VALUES)
    assert found.agrees is True and {name for name, _ in found.order[-2:]} == {"n-distill"}
    wrong = ranking(rows, "improve", scales(mdp), choose({"outside": True, "improve": True, "strong": True}))
    assert wrong.agrees is False and "n-distill + R, which the tree prefers" in wrong.differences[0]


# --- the command ------------------------------------------------------------------------------------------------------


def answer(capsys: Capture, *args: str) -> dict[str, object]:
    assert main(["choose", *args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_json_of_every_wish(capsys: Capture) -> None:
    found = answer(capsys, "bandit:2", "--starts", "1", "--limit", "40")
    assert [one["wish"] for one in found["rankings"]] == list(WISHES)  # type: ignore[attr-defined]
    assert found["rules"] == [] and len(found["evidence"]) == len(candidates())  # type: ignore[arg-type]
    assert {"rule", "reward", "label", "refused", "guarantee", "outcome", "return", "kl_teacher_states"} <= set(
        found["evidence"][0]  # type: ignore[index]
    )
    for one in found["rankings"]:  # type: ignore[attr-defined]
        assert set(one) == {
            "wish",
            "order",
            "best",
            "refused",
            "tree",
            "agrees",
            "differences",
            "checks",
        }
        assert len(one["order"]) + len(one["refused"]) == len(candidates())
        assert one["tree"][0]["id"] in TABLE and all(isinstance(text, str) for text in one["differences"])
    assert found["measured"]["complete"] is True and found["measured"]["starts"] == 1  # type: ignore[index]


def test_one_wish_keeps_the_trees_keys(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    few = some("teacher", "eer", "n-distill", "teacher-v")
    monkeypatch.setattr(ranking_text, "survey", partial(survey, table=few))
    found = answer(capsys, "bandit:2", "--outside", "--improve", "--starts", "1", "--alpha", "2", "--limit", "40")
    assert [one["wish"] for one in found["rankings"]] == ["improve"]  # type: ignore[attr-defined]
    assert found["rules"][0]["id"] == "eer" or found["rules"]  # type: ignore[index]
    assert [step["question"] for step in found["path"]][:2] == ["outside", "improve"]  # type: ignore[attr-defined]
    assert found["measured"]["alpha"] == 2.0  # type: ignore[index]
    open_ones = ranking_text.cases(zoo.load("chain"), {"outside": True, "strong": True}, None)
    assert [(one.wish, one.advice is not None) for one in open_ones] == [("copy", True), ("improve", True)]


def test_without_a_teacher_the_measurement_still_answers(
    tmp_path_factory: pytest.TempPathFactory, capsys: Capture
) -> None:
    path = tmp_path_factory.mktemp("choose") / "bare.json"
    path.write_text(json.dumps({"P": [[[0], [0]]], "R": [[0, 1]], "initial": [1]}))
    picture = path.with_suffix(".png")
    assert main(["choose", str(path), "--improve", "-o", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "the tree has no advice" in shown and "measured: reward" in shown and "needs a teacher" in shown
    assert picture.stat().st_size > 1000


def test_ctrl_c_ranks_what_is_there(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    done = list(survey(zoo.load("bandit:2"), starts=1, table=some("teacher", "on-policy")))  # type: ignore[arg-type]

    def interrupted(*_args: object, **_options: object) -> object:
        yield from done
        raise KeyboardInterrupt

    monkeypatch.setattr(ranking_text, "survey", interrupted)
    assert main(["choose", "bandit:2", "--inside"]) == 130
    shown = capsys.readouterr()
    assert "measured: " in shown.out and "interrupted" in shown.out and "interrupted" in shown.err


@pytest.mark.slow
def test_swirl_as_the_command_says_it(capsys: Capture) -> None:
    found = answer(capsys, "swirl", "--outside", "--improve")
    (one,) = found["rankings"]  # type: ignore[misc]
    assert one["order"][-1] == {"id": "reverse-kl", "reward": True}
    groups = {(row["rule"], row["reward"]): row["guarantee"]["group"] for row in found["evidence"]}  # type: ignore[attr-defined]
    assert [key for key, group in groups.items() if group == "cycles"] == [("reverse-kl", True)]
    assert groups["on-policy", True] == groups["n-distill", True] == "cannot cycle"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["token-tree", "chain", "bandit"])
def test_nothing_cycles_where_nothing_can(name: str) -> None:
    for one in survey(zoo.load(name), starts=2, limit=400, decide=ranking_text.decided):
        assert one.refused or "gate" in one.rule or one.guarantee.group == "cannot cycle"  # type: ignore[union-attr]
        assert one.outcome != "cycle"


def test_exact_alpha_is_passed_on() -> None:
    rows = list(survey(zoo.load("bandit:2"), starts=1, alpha=Fraction(1, 2), table=some("reverse-kl")))  # type: ignore[arg-type]
    field = Field(zoo.load("bandit:2"), "reverse-kl", reward=True, alpha=Fraction(1, 2))
    end = where_it_ends(field, outcome(field, np.zeros((1, 2))))
    assert rows[1].expected_return == pytest.approx(float(evaluation.expected_return(field.mdp, end.p)[0]))
