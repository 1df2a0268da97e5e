"""Rules ranked by evidence for a wish, and where the decision tree's advice and the measurement differ.

A ranking goes by, in this order: what guarantees that the flow cannot cycle (`dynamics.choice.guarantees.GROUPS`), what
the wish is about (`MEASURE`), speed, and variance. Values within a tolerance of the best that is left count as equal
and pass to the next criterion: 5 % of what there is to gain for the measure (as in `dynamics.experiments.fig1`), a
factor of 2 for times, a factor of 1.1 for variances; after that the table's order decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from dynamics.choice.evidence import Evidence, Scales
from dynamics.choice.guarantees import GROUPS
from dynamics.choice.tree import Advice, Choice

WISHES: dict[str, dict[str, bool]] = {  # what is asked for: the answers that say so
    "inside": {"outside": False},
    "copy": {"outside": True, "improve": False},
    "improve": {"outside": True, "improve": True},
}
SAID = {
    "inside": "copy the teacher in the states that it visits",
    "copy": "copy the teacher in the student's own states",
    "improve": "improve the return",
}
MEASURE = {
    "inside": "KL to the teacher on its own states",
    "copy": "KL to the teacher on the student's states",
    "improve": "return",
}
NEAR = 0.05  # of what there is to gain: within this share of the best counts as equal
FASTER = 2.0  # times within this factor are equal
QUIETER = 1.1  # variances within this factor are equal

ORDER = (
    "ranked by what guarantees that the flow cannot cycle; then by what the wish is about, equal within "
    f"{100 * NEAR:g} % of what there is to gain; then by speed, equal within a factor of {FASTER:g}; then by variance, "
    f"equal within a factor of {QUIETER:g}"
)

Key = Callable[[Evidence], float]  # what is ranked: smaller is better, inf where unknown


@dataclass(frozen=True)
class Ranking:
    """The candidates for a wish, the best first; `best`: those that nothing but speed and variance tells apart from it.

    `refused`: those that cannot run. `tree`: the tree's rules, None where its questions have no answers;
    `agrees`: whether the first of them that runs is among the best, None where there is none; `differences`: sentences.
    """

    wish: str
    order: tuple[Choice, ...]
    best: tuple[Choice, ...]
    refused: tuple[Choice, ...]
    tree: tuple[Choice, ...] | None
    agrees: bool | None
    differences: tuple[str, ...]


def wish_of(answers: Mapping[str, bool]) -> str | None:
    """The wish that answers to the tree's questions express, or None where they leave it open.

    >>> wish_of({"outside": False, "improve": True}), wish_of({"improve": False}), wish_of({"strong": True})
    ('improve', 'copy', None)
    """
    if answers.get("improve"):
        return "improve"
    if answers.get("outside") is False:
        return "inside"
    return None if answers.get("improve") is None else "copy"


def measured(row: Evidence, wish: str) -> float | None:
    """What the wish is about, of one candidate."""
    return {
        "inside": row.kl_teacher_states,
        "copy": row.kl_student_states,
        "improve": row.expected_return,
    }[wish]


def speed(row: Evidence, wish: str) -> float | None:
    """When the wish's measure has done 95 % of its way, in the time of F."""
    return {
        "inside": row.copies_teacher_states,
        "copy": row.copies_student_states,
        "improve": row.reaches,
    }[wish]


def slack(rows: Sequence[Evidence], wish: str, scales: Scales) -> float:
    """By how much two measures may differ and count as equal: 5 % of J* − J_uniform, or of the uniform student's KL.

    Where that is not known or 0, of the range of what was measured.
    """
    span: float | None
    if wish == "improve":
        known = scales.optimal is not None and scales.uniform is not None
        span = (scales.optimal or 0.0) - (scales.uniform or 0.0) if known else None
    else:
        span = scales.kl_teacher_states if wish == "inside" else scales.kl_student_states
    if not span:
        values = [x for row in rows if (x := measured(row, wish)) is not None]
        span = max(values, default=0.0) - min(values, default=0.0)
    return NEAR * abs(span)


def criteria(rows: Sequence[Evidence], wish: str, scales: Scales) -> list[tuple[Key, Callable[[float], float]]]:
    """What is ranked by, in order: a key, and the largest value that counts as equal to a best one."""
    allowed = slack(rows, wish, scales)
    sign = -1.0 if wish == "improve" else 1.0

    def group(row: Evidence) -> float:
        return inf if row.guarantee is None else GROUPS.index(row.guarantee.group)

    def worth(row: Evidence) -> float:
        value = measured(row, wish)
        return inf if value is None else sign * value

    def time(row: Evidence) -> float:
        value = speed(row, wish)
        return inf if value is None else value

    def variance(row: Evidence) -> float:
        return inf if row.variance is None else row.variance

    return [
        (group, lambda best: best),
        (worth, lambda best: best + allowed),
        (time, lambda best: FASTER * best),
        (variance, lambda best: QUIETER * best),
    ]


def bands(rows: Sequence[Evidence], key: Key, equal: Callable[[float], float]) -> list[list[Evidence]]:
    """The rows cut into bands of equals, the best first: each holds what equals the best that is left.

    >>> rows = [Evidence(name, False, name, expected_return=x) for name, x in (("a", 1.0), ("b", 1.4), ("c", 3.0))]
    >>> [[row.rule for row in band] for band in bands(rows, lambda row: row.expected_return, lambda best: best + 0.5)]
    [['a', 'b'], ['c']]
    """
    left, found = list(rows), []
    while left:
        limit = equal(min(key(row) for row in left))
        found.append([row for row in left if key(row) <= limit])
        left = [row for row in left if key(row) > limit]
    return found


def ranked(rows: Sequence[Evidence], by: Sequence[tuple[Key, Callable[[float], float]]]) -> list[Evidence]:
    """The rows ranked by the criteria in turn, each among those that the ones before call equal."""
    if not by:
        return list(rows)
    return [row for band in bands(rows, *by[0]) for row in ranked(band, by[1:])]


def ranking(rows: Sequence[Evidence], wish: str, scales: Scales, advice: Advice | None) -> Ranking:
    """The candidates ranked for a wish (a key of `WISHES`), beside the tree's advice for it.

    >>> from dynamics.choice.evidence import scales, survey
    >>> from vorticity import TABLE
    >>> from mdp import zoo
    >>> bandit = zoo.load("bandit:2")
    >>> rows = survey(bandit, starts=1, table={name: TABLE[name] for name in ("er", "reward", "teacher-v")})
    >>> ranking(list(rows), "improve", scales(bandit), None).order[:2]
    (('teacher-v', False), ('reward', False))
    """
    ran = [row for row in rows if row.refused is None]
    by = criteria(ran, wish, scales)
    order = ranked(ran, by)
    best = bands(bands(ran, *by[0])[0], *by[1])[0] if ran else []
    refused = tuple(row.choice for row in rows if row.refused is not None)
    rules = None if advice is None else advice.rules
    first = None if rules is None else next((row for choice in rules for row in ran if row.choice == choice), None)
    texts = _differences(first, order, best, wish, scales) if first is not None else ()
    if rules is not None and first is None:
        texts = ("none of the rules that the tree advises runs here",)
    return Ranking(
        wish,
        tuple(row.choice for row in order),
        tuple(row.choice for row in best),
        refused,
        rules,
        None if first is None else first in best,
        texts,
    )


def _differences(
    first: Evidence, order: Sequence[Evidence], best: Sequence[Evidence], wish: str, scales: Scales
) -> tuple[str, ...]:
    """In which way the tree's preferred rule is not the best here, in sentences."""
    found = []
    top, by = order[0], criteria(order, wish, scales)
    group, worth, time, variance = (key for key, _ in by)
    what, sign = MEASURE[wish], "more" if wish == "improve" else "less"
    if first not in best:
        if group(first) > group(top):
            found.append(
                f"{first.label}, which the tree prefers, {_state(first)}; {top.label} {_state(top)} and has a {what} "
                f"of {_number(measured(top, wish))} (the tree's: {_number(measured(first, wish))})"
            )
        else:
            found.append(
                f"{first.label}, which the tree prefers, ends at a {what} of {_number(measured(first, wish))}; "
                f"{top.label} ends at {_number(measured(top, wish))}, with no less of a guarantee"
            )
    elif first is not top:
        if FASTER * time(top) < time(first) < inf:
            found.append(
                f"{top.label} comes to the same {what} sooner than {first.label}: at {_number(speed(top, wish))}, "
                f"against {_number(speed(first, wish))} in the time of F"
            )
        if QUIETER * variance(top) < variance(first) < inf:
            found.append(
                f"{top.label} comes to the same {what} with less noise than {first.label}: "
                f"{_number(top.variance)} trajectories an update, against {_number(first.variance)}"
            )
    bolder = [row for row in order if group(top) < group(row) < len(GROUPS) - 1]
    leader = min(bolder, key=worth, default=None)
    if leader is not None and by[1][1](worth(leader)) < worth(top):
        found.append(
            f"{leader.label} reaches {sign}, a {what} of {_number(measured(leader, wish))} against "
            f"{_number(measured(top, wish))} of {top.label}, but {_state(leader)}"
        )
    return tuple(found)


def _state(row: Evidence) -> str:
    """What is known of a row's flow, as the end of a sentence."""
    if row.guarantee is None:
        return "was not run"
    return {
        "cannot cycle": "cannot cycle",
        "came to rest": "has no guarantee: it was only seen to come to rest or to the boundary",
        "undecided": "has no guarantee, and no verdict was reached",
        "cycles": f"cycles here, with period {_number(row.period)}",
    }[row.guarantee.group]


def _number(x: float | None) -> str:
    return "infinity or unknown" if x is None else f"{x:.4g}"
