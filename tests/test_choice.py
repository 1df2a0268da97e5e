"""The decision tree says what the paper's Figure 1 says, and what it derives from an MDP is right."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from dynamics.choice import Advice, Choice, answers_from, choose, known, tree
from dynamics.choice.tree import missing
from dynamics.rules import TABLE
from mdp import MDP, evaluation, random, zoo
from vorticity.commands.main import main
from vorticity.text import tree as tree_text

Capture = pytest.CaptureFixture[str]
COPY: tuple[Choice, ...] = (("eer", False), ("n-distill", False))
BOTH: tuple[Choice, ...] = (("eer", True), ("n-distill", True))
VALUES: tuple[Choice, ...] = (("teacher-v", False),)
IDS = ("outside", "improve", "strong", "values")


def figure_1(outside: bool, improve: bool, strong: bool, values: bool) -> tuple[Choice, ...]:
    """Figure 1 retyped: the text of each arm beside what it returns."""
    if not outside:  # Is the student evaluated outside the teacher's states? No -> teacher distill.
        return (("teacher", False),)
    if not improve:  # Yes -> improvement wanted, over speed? No -> EER (preferred) or N-distill.
        return COPY
    if strong:  # Yes -> is the teacher strong? Yes -> EER + R or N-distill + R.
        return BOTH
    if values:  # No -> teacher's V known? Yes -> teacher V reward;
        return VALUES
    return BOTH  # no -> EER + R or N-distill + R.


ALL = list(product((False, True), repeat=4))


@pytest.mark.parametrize("row", ALL)
def test_every_path_is_the_papers(row: tuple[bool, ...]) -> None:
    answers = dict(zip(IDS, row, strict=True))
    advice = choose(answers)
    assert advice.rules == figure_1(*row)
    assert [answers[name] for name, _ in advice.path] == [answer for _, answer in advice.path]
    assert [name for name, _ in advice.path] == list(IDS[: len(advice.path)])
    assert len(advice.reasons) == len(advice.path) + 1
    assert all(text and "Czarnecki" in source for text, source in advice.reasons)
    assert "on-policy distill (+ R) only where no guarantee is needed" in advice.caution
    # Only the answers on the path are needed.
    assert choose(dict(advice.path)).rules == advice.rules


@pytest.mark.parametrize("row", ALL)
def test_what_would_change_is_what_the_other_answer_gives(row: tuple[bool, ...]) -> None:
    answers = dict(zip(IDS, row, strict=True))
    advice = choose(answers)
    assert [change.question for change in advice.would_change] == [name for name, _ in advice.path]
    for change in advice.would_change:
        assert change.answer is not answers[change.question]
        assert change.rules == (choose(answers | {change.question: change.answer}).rules,)
        assert change.asks == ()


def completions(answers: dict[str, bool]) -> set[tuple[Choice, ...]]:
    """The advice of every completion of some answers."""
    free = [name for name in IDS if name not in answers]
    full = [answers | dict(zip(free, row, strict=True)) for row in product((False, True), repeat=len(free))]
    return {figure_1(*(one[name] for name in IDS)) for one in full}


@pytest.mark.parametrize("known_ones", [(a, b) for a in (None, False, True) for b in (None, False, True)])
def test_missing_answers_leave_changes_open(known_ones: tuple[bool | None, bool | None]) -> None:
    more = {name: x for name, x in zip(("strong", "values"), known_ones, strict=True) if x is not None}
    advice = choose({"outside": True, "improve": False} | more)
    change = next(change for change in advice.would_change if change.question == "improve")
    assert set(change.rules) == completions({"outside": True, "improve": True} | more)
    assert bool(change.asks) == (len(change.rules) > 1)
    assert not set(change.asks) & set(more)


def test_missing_names_the_next_question() -> None:
    for size in range(5):
        for row in product((False, True), repeat=size):
            answers = dict(zip(IDS, row, strict=False))
            question = missing(answers)
            try:
                rules = choose(answers).rules
            except ValueError as error:
                assert question is not None and repr(question.id) in str(error) and question.text in str(error)
                assert question.id not in answers
            else:
                assert question is None and {rules} == completions(answers)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"outsid": True}, "'outside'"),
        ({"outside": 1}, "must be True or False"),
        ({"outside": None}, "must be True or False"),
        ({"outside": False, "strong": "yes"}, "must be True or False"),
    ],
)
def test_bad_answers_are_refused(answers: dict[str, bool], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose(answers)


def test_every_rule_of_the_tree_is_a_gradient_under_its_own_control() -> None:
    """The tree never advises what is no gradient: computed, and as the sources say."""
    for row in ALL:
        for name, reward in choose(dict(zip(IDS, row, strict=True))).rules:
            found = tree_text.verdict(None, name, reward)
            assert found["gradient"] == "gradient" and found["paper_gradient"] is True
    assert tree_text.verdict(None, "on-policy", True)["gradient"] == "undecided"  # what the caution is about


def test_a_leaf_with_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="'eer'"):
        tree.Leaf((("eeer", False),), "why")


# --- derived ----------------------------------------------------------------------------------------------------------


def fact(mdp: MDP, question: str) -> tree.Fact:
    return next(fact for fact in answers_from(mdp) if fact.question == question)


def test_good_and_adversarial_teachers_of_the_corridor() -> None:
    """Figure 6's pair: the derived strength flips the advice, with returns found by iteration."""
    good, bad = zoo.load("corridor"), zoo.load("corridor-adversarial")
    rules = {}
    for mdp, sign in ((good, 1), (bad, -1)):
        strong = fact(mdp, "strong")
        assert strong.derived and strong.answer is (sign > 0)
        assert strong.numbers["optimal"] == pytest.approx(0.99**5, rel=1e-12)
        assert strong.numbers["uniform"] == 0
        assert strong.numbers["teacher"] == pytest.approx(ruin(0.95 if sign > 0 else 0.05), rel=1e-9)
        rules[sign] = choose(known(answers_from(mdp, improve=True))).rules
    assert rules == {1: BOTH, -1: VALUES}


def ruin(up: float) -> float:
    """Return of going right with probability `up` in the corridor of 11, by iterating the values."""
    values = np.zeros(13)
    for _ in range(20_000):
        inner = 0.99 * (up * values[2:] + (1 - up) * values[:-2])
        inner[-1] += up
        inner[0] -= 1 - up
        values[1:-1] = inner
    return float(values[6])


@pytest.mark.parametrize("name", zoo.names())
def test_derived_numbers_are_those_of_the_mdp(name: str) -> None:
    mdp = zoo.load(name)
    facts = {fact.question: fact for fact in answers_from(mdp)}
    assert tuple(facts) == IDS
    assert facts["improve"].answer is None and facts["values"].answer is True
    assert all(fact.derived and fact.evidence for fact in facts.values())
    visits = evaluation.visits(mdp, mdp.teacher)
    reached = reachable(mdp)
    least = min(visits[s] for s in reached)
    assert facts["outside"].answer is bool(least < tree.RARE)
    assert facts["outside"].numbers["least"] == pytest.approx(least)
    assert facts["outside"].numbers["reachable"] == len(reached)
    numbers = facts["strong"].numbers
    assert numbers["teacher"] == pytest.approx(float(evaluation.expected_return(mdp, mdp.teacher)), abs=1e-12)
    assert numbers["optimal"] >= max(numbers["teacher"], numbers["uniform"]) - 1e-12
    assert facts["strong"].answer is (numbers["share"] >= tree.STRONG)


def reachable(mdp: MDP) -> set[int]:
    """By hand: what any action leads to, until nothing is new."""
    found = set(np.flatnonzero(mdp.initial > 0).tolist())
    while True:
        more = {t for s in found for row in mdp.exact.rows[s] for t, p in row.items() if p > 0} | found
        if more == found:
            return found
        found = more


@pytest.mark.parametrize("seed", range(8))
def test_reachable_states_of_random_mdps(seed: int) -> None:
    mdp = random.deterministic_graph(seed, 7, 2)
    mdp = mdp.replace(teacher=np.full((7, 2), Fraction(1, 2)))
    assert fact(mdp, "outside").numbers["reachable"] == len(reachable(mdp))


def test_a_state_never_visited_is_outside() -> None:
    mdp = zoo.load("chain").replace(teacher=[[1, 0], [0.5, 0.5]])  # stops at s0
    found = fact(mdp, "outside")
    assert found.answer is True and "'s1': 0" in found.evidence
    unreachable = MDP(P=[[[0, 0]] * 2, [[1, 0]] * 2], R=[[0, 1]] * 2, initial=[1, 0], teacher=[[0.5, 0.5]] * 2)
    assert fact(unreachable, "outside").answer is False  # no student comes to s1 either


def test_given_answers_stand() -> None:
    facts = answers_from(zoo.load("corridor"), outside=False, strong=False, values_known=False, improve=True)
    assert known(facts) == {"outside": False, "improve": True, "strong": False, "values": False}
    assert not any(fact.derived for fact in facts)


def test_what_cannot_be_derived_says_why() -> None:
    taught = zoo.load("chain")
    bare = MDP(P=taught.P, R=taught.R, initial=taught.initial)
    facts = answers_from(bare)
    assert known(facts) == {}
    assert sum("no teacher" in fact.evidence for fact in facts) == 3
    loop = MDP(P=[[[1], [0]]], R=[[1, 0]], initial=[1], teacher=[[0.5, 0.5]])  # staying pays for ever
    strong = fact(loop, "strong")
    assert strong.answer is None and "endless loop" in strong.evidence
    endless = MDP(P=[[[1], [0]]], R=[[-1, 0]], initial=[1], teacher=[[1, 0]])  # the teacher never ends
    assert known(answers_from(endless)) == {}


def test_where_nothing_can_be_gained_every_teacher_is_strong() -> None:
    flat = MDP(P=[[[0], [0]]], R=[[0.1, 0.1]], initial=[1], teacher=[[0.9, 0.1]])
    assert fact(flat, "strong").answer is True


# --- the command ------------------------------------------------------------------------------------------------------


def answer(capsys: Capture, *args: str) -> dict[str, object]:
    assert main(["choose", *args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def options(row: tuple[bool, ...]) -> list[str]:
    return [tree_text.OPTIONS[name][0 if yes else 1] for name, yes in zip(IDS, row, strict=True)]


@pytest.mark.parametrize("row", ALL)
def test_options_answer_the_questions(row: tuple[bool, ...], capsys: Capture) -> None:
    found = answer(capsys, *options(row))
    assert [(rule["id"], rule["reward"]) for rule in found["rules"]] == list(figure_1(*row))  # type: ignore[attr-defined]
    assert found["mdp"] is None
    assert main(["choose", *options(row)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"advice: {tree_text.named(figure_1(*row))}\n")
    assert (
        "what would change it" in shown and "caution: on-policy distill" in shown and "gradient, computed: yes" in shown
    )


def test_json_holds_the_evidence(capsys: Capture) -> None:
    found = answer(capsys, "corridor-adversarial", "--improve", "--no-measure")
    path = found["path"]
    assert isinstance(path, list)
    assert [step["derived"] for step in path] == [True, False, True, True]
    assert path[2]["numbers"]["optimal"] == pytest.approx(0.951, abs=1e-3)
    assert found["would_change"][2]["rules"] == [  # type: ignore[index]
        [{"id": "eer", "reward": True}, {"id": "n-distill", "reward": True}]
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "--outside or --inside"),
        (["--outside"], "--improve or --copy"),
        (["--outside", "--improve"], "--strong or --weak"),
        (["--outside", "--improve", "--weak"], "--values or --no-values"),
        (["corridor", "--no-measure"], "--improve or --copy"),
        (["--copy", "--starts", "2"], "--starts is given without an MDP"),
        (["chain", "--copy", "--no-measure", "--alpha", "2"], "--alpha is given with --no-measure"),
        (["chain", "-o", "chain.jpg"], "'.jpg'"),
        (["chain", "--starts", "0"], "--starts"),
        (["chain", "--limit", "-1"], "--limit"),
        (["chain", "--alpha", "-1"], "--alpha"),
        (["swril", "--copy"], "'swirl'"),
        (["--teacher", "uniform", "--inside"], "--teacher"),
        (["swirl", "--teacher", "none"], "'none'"),
        (["swirl", "extra"], "extra"),
    ],
)
def test_what_is_missing_is_one_line(args: list[str], said: str, capsys: Capture) -> None:
    assert main(["choose", *args]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and said in printed.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("row", ALL)
def test_on_a_terminal_it_asks(row: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    wanted = choose(dict(zip(IDS, row, strict=True)))
    typed = "maybe\n" + "".join("y\n" if yes else "n\n" for _, yes in wanted.path)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert main(["choose", "--json"]) == 0
    printed = capsys.readouterr()
    assert [rule["id"] for rule in json.loads(printed.out)["rules"]] == [name for name, _ in wanted.rules]
    asked = [question.text for question in tree.questions() if question.text in printed.err]
    assert len(asked) == len(wanted.path)


def test_end_of_input_at_a_question_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert main(["choose"]) == 130
    assert capsys.readouterr().out == ""


def test_a_rule_that_cannot_run_here_says_so(capsys: Capture) -> None:
    assert main(["choose", "corridor", "--teacher", "optimal", "--improve", "--no-measure"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("advice: n-distill + R\n")
    assert "does not run on corridor: teacher[s=0 'x0', a=0 'left'] is 0" in shown


def test_the_own_loss_of_an_mdp_is_judged(capsys: Capture) -> None:
    found = answer(capsys, "fig2", "--outside", "--copy", "--no-measure")
    rules = {rule["id"]: rule for rule in found["rules"]}  # type: ignore[attr-defined]
    assert rules["n-distill"]["gradient"] == "gradient"
    assert "c*p" in rules["n-distill"]["potential"]


def test_every_question_has_options_and_every_rule_is_in_the_table() -> None:
    assert tuple(tree_text.OPTIONS) == IDS == tuple(question.id for question in tree.questions())
    assert isinstance(choose({"outside": False}), Advice)
    assert {name for row in ALL for name, _ in figure_1(*row)} <= set(TABLE)
