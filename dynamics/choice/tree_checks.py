"""The facts that the decision tree argues with, each asked of what was measured on one MDP.

A leaf may be right for a wrong reason. Each answer of the tree's path says what follows from it
(`dynamics.choice.tree`); `checks` says whether that is so here. Rules that were seen to cycle do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dynamics.choice.evidence import Evidence, Scales
from dynamics.choice.ranked import QUIETER, slack
from dynamics.choice.tree import STRONG, questions
from dynamics.rules import TABLE
from dynamics.rules import formula as fm


@dataclass(frozen=True)
class Check:
    """What the tree concludes from an answer, whether it `holds` on this MDP (None: nothing to tell by), and why."""

    question: str
    says: str
    holds: bool | None
    text: str


def checks(rows: Sequence[Evidence], scales: Scales, path: Mapping[str, bool]) -> tuple[Check, ...]:
    """What each answer on the tree's path {question: answer} claims, against the evidence.

    outside: teacher distillation copies less well in the student's own states than the best that learns there.
    improve: rules that hold the task's reward return more than those that do not; or, for copying, come no nearer to
    the teacher. strong: the best copying rule has 90 % of what can be gained; a weak teacher: it returns less than the
    best that copies nothing (a value gate is neither). values, where they are known: the teacher's make the policy
    gradient less noisy.

    >>> from dynamics.choice.evidence import scales, survey
    >>> from mdp import zoo
    >>> bandit = zoo.load("bandit:2")
    >>> rows = list(survey(bandit, starts=1, table={name: TABLE[name] for name in ("on-policy", "reward")}))
    >>> [(one.question, one.holds) for one in checks(rows, scales(bandit), {"improve": True})]
    [('improve', True)]
    """
    ran = [row for row in rows if row.guarantee is not None and row.guarantee.group != "cycles"]
    ask: dict[str, Callable[[list[Evidence], Scales, bool], tuple[bool | None, str]]] = {
        "outside": _outside,
        "improve": _improve,
        "strong": _strong,
        "values": _values,
    }
    says = {question.id: question.meaning for question in questions()}
    return tuple(Check(name, says[name](answer), *ask[name](ran, scales, answer)) for name, answer in path.items())


def copies(name: str) -> bool:
    """Whether a row's loss or reward holds the teacher's probabilities, at every state: not behind a value gate.

    >>> [name for name in ("on-policy", "er", "reward", "teacher-v", "bootstrap", "entropy-bonus") if copies(name)]
    ['on-policy', 'er']
    """
    formulas = (TABLE[name].loss, TABLE[name].reward)
    gated = any(fm.uses(x, fm.teacher_better) for x in formulas)
    return not gated and any(fm.uses(x, fm.t, fm.log_t) for x in formulas)


def _best(rows: Sequence[Evidence], value: Callable[[Evidence], float | None], sign: float) -> tuple[str, float] | None:
    """The label and the value of the row with the largest sign · value; None where none is known."""
    known = [(sign * x, row.label, x) for row in rows if (x := value(row)) is not None]
    return None if not known else max(known, key=lambda one: one[0])[1:]


def _return(row: Evidence) -> float | None:
    return row.expected_return


def _own(row: Evidence) -> float | None:
    return row.kl_student_states


def _outside(rows: list[Evidence], scales: Scales, answer: bool) -> tuple[bool | None, str]:
    taught = _best([row for row in rows if row.choice == ("teacher", False)], _own, -1.0)
    best = _best([row for row in rows if row.rule != "teacher"], _own, -1.0)
    if taught is None or best is None:
        return None, "teacher distill, or all others, left no KL to compare"
    as_well = taught[1] <= best[1] + slack(rows, "copy", scales)
    how = "as near" if as_well else "less near"
    text = (
        f"learning on the teacher's trajectories comes {how} to the teacher in the student's own states: KL "
        f"{taught[1]:.3g}, against {best[1]:.3g} of {best[0]}"
    )
    return as_well is not answer, text


def _improve(rows: list[Evidence], scales: Scales, answer: bool) -> tuple[bool | None, str]:
    rewarded = [row for row in rows if row.reward or TABLE[row.rule].has_reward]
    plain = [row for row in rows if row not in rewarded]
    value, sign, wish, what = (
        (_return, 1.0, "improve", "return") if answer else (_own, -1.0, "copy", "KL to the teacher")
    )
    with_r, without = _best(rewarded, value, sign), _best(plain, value, sign)
    if with_r is None or without is None:
        return None, f"nothing to compare: no {what} with, or none without the task's reward"
    gain = sign * (with_r[1] - without[1])
    text = (
        f"the best {what} with the reward is {with_r[1]:.4g} ({with_r[0]}), without it {without[1]:.4g} ({without[0]})"
    )
    return (gain > slack(rows, wish, scales)) is answer, text


def _strong(rows: list[Evidence], scales: Scales, answer: bool) -> tuple[bool | None, str]:
    rewarded = [row for row in rows if row.reward or TABLE[row.rule].has_reward]
    copying = _best([row for row in rewarded if copies(row.rule)], _return, 1.0)
    if copying is None or scales.uniform is None or scales.optimal is None:
        return None, "no copying rule with reward left a return, or there is no optimum"
    if answer:
        gain = scales.optimal - scales.uniform
        share = 1.0 if gain <= 0 else (copying[1] - scales.uniform) / gain
        return share >= STRONG, f"{copying[0]} gets {100 * share:.0f} % of what can be gained"
    free = _best([row for row in rewarded if not copies(row.rule) and row.rule != "value-gate"], _return, 1.0)
    if free is None:
        return None, "no rule without copying left a return"
    behind = copying[1] < free[1] - slack(rows, "improve", scales)
    others = f"the best that does not, {free[0]}, {free[1]:.4g}"
    return behind, f"the best that copies, {copying[0]}, returns {copying[1]:.4g}; {others}"


def _values(rows: list[Evidence], _scales: Scales, answer: bool) -> tuple[bool | None, str]:
    noise = {row.rule: row.variance for row in rows if row.rule in ("reward", "teacher-v")}
    shaped, plain = noise.get("teacher-v"), noise.get("reward")
    if shaped is None or plain is None:
        return None, "the variances of reward and teacher-v were not computed"
    text = (
        f"trajectories an update, the same expected field: {shaped:.3g} with the teacher's values, {plain:.3g} without"
    )
    return (QUIETER * shaped < plain if answer else None), text
