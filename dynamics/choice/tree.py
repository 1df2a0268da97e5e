"""Which rule to use: the paper's decision tree (Fig. 1) as data, and what an MDP itself can answer of it.

The tree is `TREE`: questions with a yes and a no branch, and leaves that hold rules. `choose` walks it on answers;
`answers_from` derives from an MDP the answers that follow from it, each with the numbers that it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order

from dynamics.rules import PAPER, TABLE
from mdp import MDP, Array, evaluation, nearest, solve

SOURCE = f"{PAPER}, Fig. 1"
STRONG = 0.9  # a strong teacher has at least this share of what can be gained over the uniform policy
RARE = 0.01  # a state that the teacher visits less often than this in an episode is outside its states
TABLE_1 = f"{PAPER}, Fig. 1 and Table 1"
CAUTION = (
    "on-policy distill (+ R) only where no guarantee is needed: it is the gradient of nothing. That does not mean that "
    "it cycles (without reward a tabular student converges), but with reward nothing forbids it"
)

Choice = tuple[str, bool]  # a rule's id, and whether the task's reward is added (+ R)


@dataclass(frozen=True)
class Leaf:
    """An end of the tree: the rules advised, the preferred one first, why, and what to know of them.

    Raises ValueError when a rule is not in the table.
    """

    rules: tuple[Choice, ...]
    reason: str
    remark: str = ""
    source: str = SOURCE

    def __post_init__(self) -> None:
        for name, _ in self.rules:
            if name not in TABLE:
                raise ValueError(f"leaf: rule {nearest(name, TABLE)}")


@dataclass(frozen=True)
class Question:
    """A fork of the tree: a yes-or-no question, its two branches, and what each answer means."""

    id: str
    text: str
    yes: Question | Leaf
    no: Question | Leaf
    if_yes: str
    if_no: str
    source: str = SOURCE

    def branch(self, answer: bool) -> Question | Leaf:
        """The branch of this answer."""
        return self.yes if answer else self.no

    def meaning(self, answer: bool) -> str:
        """What this answer means for the choice."""
        return self.if_yes if answer else self.if_no


_AWAY = (
    "neither rests at the teacher itself, and a tabular student ends at a deterministic policy with EER; "
    "n-distill-kl and reverse-kl-corrected are gradients that do rest there"
)
_REWARDED = (
    "each is the gradient of the return less a distillation loss: what is gained and what is copied are one objective"
)

TREE = Question(
    "outside",
    "Will the student be evaluated outside the teacher's states?",
    yes=Question(
        "improve",
        "Is improvement over the teacher wanted, over speed?",
        yes=Question(
            "strong",
            "Is the teacher strong?",
            yes=Leaf((("eer", True), ("n-distill", True)), _REWARDED, source=TABLE_1),
            no=Question(
                "values",
                "Are the teacher's values V known?",
                yes=Leaf(
                    (("teacher-v", False),),
                    "the teacher's values shape the reward and nothing is copied: a gradient of the return, whatever "
                    "the teacher",
                    "with exact expectations its field is that of the plain policy gradient; what changes is the "
                    "variance of the sampled update",
                    TABLE_1,
                ),
                no=Leaf(
                    (("eer", True), ("n-distill", True)),
                    _REWARDED,
                    "what is copied of a weak teacher pulls away from the optimum: a small alpha weighs it down",
                    TABLE_1,
                ),
                if_yes="the teacher's judgement of states can be used instead of its actions",
                if_no="only the teacher's actions can be copied",
            ),
            if_yes="copying a strong teacher leads most of the way to the optimum",
            if_no="copying a weak teacher holds the student back",
        ),
        no=Leaf(
            (("eer", False), ("n-distill", False)),
            "each is the gradient of a loss on the student's own states; the paper prefers EER",
            _AWAY,
            TABLE_1,
        ),
        if_yes="the task's reward has to enter",
        if_no="the teacher is the aim, and the reward can stay out",
    ),
    no=Leaf(
        (("teacher", False),),
        "supervised learning on the teacher's trajectories: a gradient of the cross-entropy there",
        source=TABLE_1,
    ),
    if_yes="the student has to act in states that it leads itself to, so it should learn there",
    if_no="only states that the teacher visits matter, so the teacher may act",
)


def questions(node: Question | Leaf = TREE) -> tuple[Question, ...]:
    """Every question of the tree, from the root on.

    >>> [question.id for question in questions()]
    ['outside', 'improve', 'strong', 'values']
    """
    return () if isinstance(node, Leaf) else (node, *questions(node.no), *questions(node.yes))


@dataclass(frozen=True)
class Change:
    """What the advice would become with the other answer to one question of the path.

    `rules` holds one tuple of rules where the remaining answers lead to one leaf, and several where they depend on
    the questions in `asks`, which have no answer yet.
    """

    question: str
    answer: bool
    rules: tuple[tuple[Choice, ...], ...]
    asks: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What the tree advises. `rules`: (id, +R) the preferred first; `path`: the questions asked and their answers.

    `reasons`: (text, source), one for each answer of the path and the last for the leaf; `remark`: what to know of
    these rules; `would_change`: one `Change` for each question of the path; `caution`: what holds at every leaf.
    """

    rules: tuple[Choice, ...]
    path: tuple[tuple[str, bool], ...]
    reasons: tuple[tuple[str, str], ...]
    would_change: tuple[Change, ...]
    remark: str
    caution: str = CAUTION


def walk(answers: Mapping[str, bool]) -> tuple[tuple[Question, ...], Question | Leaf]:
    """The questions of `TREE` that the answers settle, from the root on, and where they end.

    Where they end is a leaf, or the first question that has no answer.
    Raises ValueError for an answer to a question that the tree does not ask, or one that is not True or False.

    >>> passed, end = walk({"outside": True})
    >>> [question.id for question in passed], end.text
    (['outside'], 'Is improvement over the teacher wanted, over speed?')
    """
    known = [question.id for question in questions()]
    for name, answer in answers.items():
        if name not in known:
            raise ValueError(f"answers: question {nearest(name, known)} (known: {', '.join(known)})")
        if not isinstance(answer, bool | np.bool_):
            raise ValueError(f"answers[{name!r}] is {answer!r}; must be True or False")
    passed: tuple[Question, ...] = ()
    node: Question | Leaf = TREE
    while isinstance(node, Question) and node.id in answers:
        passed, node = (*passed, node), node.branch(bool(answers[node.id]))
    return passed, node


def missing(answers: Mapping[str, bool]) -> Question | None:
    """The next question that has to be answered, or None when the answers reach a leaf.

    >>> missing({"outside": True, "improve": False}) is None
    True
    >>> missing({}).id
    'outside'
    """
    _, end = walk(answers)
    return end if isinstance(end, Question) else None


def choose(answers: Mapping[str, bool]) -> Advice:
    """The advice of the decision tree for answers to its questions, {question id: True or False}.

    Answers off the path are allowed and only used in `would_change`.
    Raises ValueError when an answer is missing (it names the question; see `missing`), and as `walk` does.
    Source: the paper, Fig. 1.

    >>> choose({"outside": True, "improve": False}).rules
    (('eer', False), ('n-distill', False))
    >>> choose({"outside": True})
    Traceback (most recent call last):
        ...
    ValueError: the answer to 'improve' is missing: Is improvement over the teacher wanted, over speed?
    """
    passed, leaf = walk(answers)
    if isinstance(leaf, Question):
        raise ValueError(f"the answer to {leaf.id!r} is missing: {leaf.text}")
    path = tuple((question.id, bool(answers[question.id])) for question in passed)
    meanings = [(q.meaning(answer), q.source) for q, (_, answer) in zip(passed, path, strict=True)]
    return Advice(
        leaf.rules,
        path,
        (*meanings, (leaf.reason, leaf.source)),
        tuple(_change(question, not answers[question.id], answers) for question in passed),
        leaf.remark,
    )


def _change(question: Question, answer: bool, answers: Mapping[str, bool]) -> Change:
    ends = list(_ends(question.branch(answer), answers))
    rules = dict.fromkeys(leaf.rules for leaf, _ in ends)
    asks = dict.fromkeys(name for _, asked in ends for name in asked)
    return Change(question.id, answer, tuple(rules), tuple(asks) if len(rules) > 1 else ())


def _ends(node: Question | Leaf, answers: Mapping[str, bool]) -> Iterator[tuple[Leaf, tuple[str, ...]]]:
    """The leaves below a node that the answers leave open, each with the unanswered questions on the way."""
    if isinstance(node, Leaf):
        yield node, ()
    elif node.id in answers:
        yield from _ends(node.branch(bool(answers[node.id])), answers)
    else:
        for answer in (True, False):
            yield from ((leaf, (node.id, *asked)) for leaf, asked in _ends(node.branch(answer), answers))


# --- what an MDP answers itself ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """One question's answer, or None where there is none; whether it was derived; and what it rests on."""

    question: str
    answer: bool | None
    derived: bool
    evidence: str
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)


def answers_from(
    mdp: MDP,
    *,
    outside: bool | None = None,
    improve: bool | None = None,
    strong: bool | None = None,
    values_known: bool | None = None,
) -> tuple[Fact, ...]:
    """The answers for an MDP: those given, and the others derived where they follow from it, in the tree's order.

    outside: is there a state that a student can reach (by some actions from the start) and that the teacher visits
    less than `RARE` = 0.01 times an episode? `d_pi(s)` as in `mdp.evaluation.visits`.
    strong: has the teacher at least `STRONG` = 90 % of what can be gained over the uniform policy, `(J_pi − J_uniform)
    / (J* − J_uniform) ≥ 0.9`? Where nothing can be gained, every teacher is strong.
    values: V_pi is computed from the MDP, so it is known whenever there is a teacher that ends.
    improve: a wish, never derived.
    Where there is no teacher, or no optimum, the answer is None and the evidence says why. These two thresholds are
    this project's; the paper names none.

    >>> from mdp import zoo
    >>> [(fact.question, fact.answer) for fact in answers_from(zoo.load("corridor"), improve=True)]
    [('outside', True), ('improve', True), ('strong', True), ('values', True)]
    """
    given = {"outside": outside, "improve": improve, "strong": strong, "values": values_known}
    derive = {"outside": _outside, "improve": _improve, "strong": _strong, "values": _values}
    facts = []
    for name, answer in given.items():
        if answer is not None:
            facts.append(Fact(name, answer, False, "given"))
            continue
        try:
            facts.append(derive[name](mdp))
        except ValueError as error:
            facts.append(Fact(name, None, True, f"cannot be derived: {error}"))
    return tuple(facts)


def known(facts: tuple[Fact, ...]) -> dict[str, bool]:
    """The answers of the facts that have one, as `choose` takes them.

    >>> known((Fact("strong", True, False, "given"), Fact("improve", None, True, "a wish")))
    {'strong': True}
    """
    return {fact.question: fact.answer for fact in facts if fact.answer is not None}


def _teacher(mdp: MDP) -> Array:
    if mdp.teacher is None:
        raise ValueError("the MDP has no teacher")
    return np.asarray(mdp.teacher)


def _outside(mdp: MDP) -> Fact:
    visits = evaluation.visits(mdp, _teacher(mdp))
    reached = reachable(mdp)
    rare = reached[visits[reached] < RARE]
    least = int(reached[visits[reached].argmin()])
    text = (
        f"of the states a student can reach, {len(rare)} of {len(reached)} are visited by the teacher less than "
        f"{RARE} times an episode; least often {mdp.states[least]!r}: {visits[least]:.3g}"
    )
    numbers = {"reachable": len(reached), "rare": len(rare), "least": float(visits[least]), "threshold": RARE}
    return Fact("outside", bool(len(rare)), True, text, numbers)


def reachable(mdp: MDP) -> Array:
    """The states that some actions lead to from the start, in order.

    >>> from mdp import zoo
    >>> reachable(zoo.load("chain")).tolist()
    [0, 1]
    """
    row, column = sp.csr_array(mdp.P.reshape(-1, mdp.n_states)).nonzero()
    start = np.flatnonzero(mdp.initial > 0)
    origin = np.concatenate([row // mdp.n_actions, np.full(len(start), mdp.n_states)])
    target = np.concatenate([column, start])
    graph = sp.csr_array((np.ones(len(origin)), (origin, target)), shape=(mdp.n_states + 1,) * 2)
    found = breadth_first_order(graph, mdp.n_states, directed=True, return_predecessors=False)
    return np.sort(found[found < mdp.n_states])


def _improve(mdp: MDP) -> Fact:
    return Fact("improve", None, True, "cannot be derived: it is a wish")


def _strong(mdp: MDP) -> Fact:
    policies = {"teacher": _teacher(mdp), "uniform": solve.uniform(mdp), "optimal": solve.optimal(mdp)}
    returns = {name: float(evaluation.expected_return(mdp, policy)) for name, policy in policies.items()}
    rounding = 1e-12 * max(map(abs, returns.values()))
    returns = {name: value if abs(value) > rounding else 0.0 for name, value in returns.items()}
    gain = returns["optimal"] - returns["uniform"]
    share = 1.0 if gain <= rounding else (returns["teacher"] - returns["uniform"]) / gain
    earned = f"it returns {returns['teacher']:.4g}, uniform {returns['uniform']:.4g}, optimal {returns['optimal']:.4g}"
    text = f"the teacher has {share:.3g} of what can be gained over the uniform policy: {earned} (threshold {STRONG})"
    return Fact("strong", share >= STRONG, True, text, {**returns, "share": share, "threshold": STRONG})


def _values(mdp: MDP) -> Fact:
    values = evaluation.values(mdp, _teacher(mdp))
    low, high = float(values.min()), float(values.max())
    text = f"V of the teacher is computed from the MDP: from {low:.4g} to {high:.4g}"
    return Fact("values", True, True, text, {"least": low, "greatest": high})
