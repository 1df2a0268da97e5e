"""The decision tree on the terminal: its questions asked, its advice told with what it rests on."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from dynamics.choice import Advice, Change, Choice, Fact, Question, tree
from dynamics.fields import Field
from dynamics.rules import REWARD, TABLE, expected_gradient, structural_potential
from mdp import MDP

OPTIONS = {  # a question's id: the options that answer it, yes and no
    "outside": ("--outside", "--inside"),
    "improve": ("--improve", "--copy"),
    "strong": ("--strong", "--weak"),
    "values": ("--values", "--no-values"),
}
Ask = Callable[[Question], bool]


def asker() -> Ask | None:
    """A function that asks a question on the terminal (on standard error), or None where nobody can answer."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None

    def ask(question: Question) -> bool:
        try:
            return click.confirm(question.text, default=None, err=True)
        except click.Abort:
            raise KeyboardInterrupt from None

    return ask


def facts(world: MDP | None, given: Mapping[str, bool | None], ask: Ask | None) -> tuple[Fact, ...]:
    """The answers: those given, those the MDP answers, and those `ask` finds, up to a leaf of the tree.

    Raises ValueError, naming the options, when an answer is missing and nobody can be asked.

    >>> [fact.question for fact in facts(None, {"outside": False}, None)]
    ['outside']
    """
    found = {name: Fact(name, answer, False, "given") for name, answer in given.items() if answer is not None}
    if world is not None:
        named = {"values_known" if name == "values" else name: answer for name, answer in given.items()}
        found |= {fact.question: fact for fact in tree.answers_from(world, **named)}
    while (question := tree.missing(tree.known(tuple(found.values())))) is not None:
        if ask is None:
            yes, no = OPTIONS[question.id]
            why = f" ({found[question.id].evidence})" if question.id in found else ""
            raise ValueError(f"{question.text} Answer with {yes} or {no}{why}")
        found[question.id] = Fact(question.id, ask(question), False, "answered")
    return tuple(found.values())


def verdict(world: MDP | None, name: str, reward: bool) -> dict[str, Any]:
    """A rule of the advice: is it a gradient, by its own row, of what, what the paper says, and does it run here?

    >>> verdict(None, "n-distill", False)["gradient"], verdict(None, "on-policy", False)["gradient"]
    ('gradient', 'undecided')
    """
    rule = TABLE[name] + REWARD if reward else TABLE[name]
    refused = None
    if world is not None:
        try:
            rule = Field(world, rule).effective_rule
        except ValueError as error:
            refused = str(error)
    potential = structural_potential(rule)
    return {
        "id": name,
        "reward": reward,
        "title": TABLE[name].title,
        "gradient": "undecided" if potential is None else "gradient",
        "potential": potential,
        "paper_gradient": expected_gradient(rule),
        "refused": refused,
    }


def to_json(world: MDP | None, found: tuple[Fact, ...], advice: Advice) -> dict[str, Any]:
    """The object of `vorticity choose --json`."""
    asked = {fact.question: fact for fact in found}
    text = {question.id: question.text for question in tree.questions()}
    path = [
        {
            "question": name,
            "text": text[name],
            "answer": answer,
            "derived": asked[name].derived,
            "evidence": asked[name].evidence,
            "numbers": asked[name].numbers,
        }
        for name, answer in advice.path
    ]
    return {
        "mdp": None if world is None else world.name,
        "rules": [verdict(world, *rule) for rule in advice.rules],
        "path": path,
        "reasons": [{"text": reason, "source": source} for reason, source in advice.reasons],
        "remark": advice.remark,
        "would_change": [
            dataclasses.asdict(change) | {"rules": [[_pair(rule) for rule in rules] for rules in change.rules]}
            for change in advice.would_change
        ],
        "caution": advice.caution,
    }


def _pair(rule: Choice) -> dict[str, Any]:
    return {"id": rule[0], "reward": rule[1]}


def named(rules: tuple[Choice, ...]) -> str:
    """The rules in words, the preferred one first.

    >>> named((("eer", True), ("n-distill", True)))
    'eer + R or n-distill + R'
    """
    return " or ".join(f"{name} + R" if reward else name for name, reward in rules)


def text(answer: Mapping[str, Any], advice: Advice) -> str:
    """The advice for people, from the object of `to_json`."""
    return "\n".join(_lines(answer, advice))


def _lines(answer: Mapping[str, Any], advice: Advice) -> Iterator[str]:
    word = {True: "yes", False: "no", None: "not said"}
    runs = tuple((rule["id"], rule["reward"]) for rule in answer["rules"] if not rule["refused"])
    yield f"advice: {named(runs or advice.rules)}"
    for rule in answer["rules"]:
        yield f"  {named(((rule['id'], rule['reward']),))}: {rule['title']}"
        if rule["refused"]:
            yield f"    does not run on {answer['mdp']}: {rule['refused']}"
        computed = "undecided by its row" if rule["potential"] is None else f"yes, of {rule['potential']}"
        yield f"    gradient, computed: {computed}; the source: {word[rule['paper_gradient']]}"
    yield from ["", "because"]
    for step, (meaning, _) in zip(answer["path"], advice.reasons, strict=False):
        how = "derived: " if step["derived"] else ""
        yield f"  {step['text']} {word[step['answer']]} ({how}{step['evidence']})"
        yield f"    so {meaning}"
    yield f"  {named(advice.rules)}: {advice.reasons[-1][0]}"
    if advice.remark:
        yield f"    but {advice.remark}"
    yield f"  source: {advice.reasons[-1][1]}"
    yield from ["", "what would change it"]
    questions = {question.id: question.text for question in tree.questions()}
    for change in advice.would_change:
        yield f"  {questions[change.question]} {word[change.answer]}: {_outcome(change, advice)}"
    yield from ["", f"caution: {advice.caution}"]


def _outcome(change: Change, advice: Advice) -> str:
    if change.rules == (advice.rules,):
        return "the same"
    if len(change.rules) == 1:
        return named(change.rules[0])
    return f"{'; or '.join(map(named, change.rules))}: it depends on {' and '.join(map(_options, change.asks))}"


def _options(name: str) -> str:
    return "/".join(OPTIONS[name])
