"""The measured half of `choose`: what every rule does on the MDP, ranked for a wish beside the tree's advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dynamics.choice import (
    CAUTION,
    MEASURE,
    ORDER,
    SAID,
    WISHES,
    Advice,
    Check,
    Choice,
    Evidence,
    Fact,
    Ranking,
    Scales,
    candidates,
    checks,
    choose,
    known,
    ranking,
    scales,
    speed,
    survey,
    wish_of,
)
from dynamics.fields import Field
from mdp import MDP
from proofs.exact import LARGEST_CHECKED, decide
from vorticity.text import render, tree

Json = dict[str, Any]
SHOWN = 5  # rules named in a line
UNRUN = "not run: interrupted"
HEADERS = (
    "rule",
    "guarantee",
    "ends",
    "return",
    "KL, teacher's states",
    "KL, student's states",
    "time to 95 %",
    "trajectories, start",
    "halfway",
)


@dataclass(frozen=True)
class Case:
    """A wish, the tree's advice for it (None where its questions have no answer: `missing` says which), and facts."""

    wish: str
    found: tuple[Fact, ...]
    advice: Advice | None
    missing: str = ""


@dataclass(frozen=True)
class Answer:
    """All that was measured on an MDP, and for each wish a case, its ranking and what becomes of the tree's facts."""

    rows: tuple[Evidence, ...]
    scales: Scales
    cases: tuple[tuple[Case, Ranking, tuple[Check, ...]], ...]
    setting: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether every rule was run, or refused to."""
        return all(row.refused != UNRUN for row in self.rows)


def cases(world: MDP, given: Mapping[str, bool | None], ask: tree.Ask | None) -> tuple[Case, ...]:
    """The wishes to rank for: the one that the answers express, or that is asked for; else every one they leave open.

    >>> from mdp import zoo
    >>> [case.wish for case in cases(zoo.load("chain"), {"outside": None, "improve": None}, None)]
    ['inside', 'copy', 'improve']
    >>> [case.wish for case in cases(zoo.load("chain"), {"improve": True}, None)]
    ['improve']
    """
    answers = dict.fromkeys(tree.OPTIONS) | dict(given)
    said = {name: answer for name, answer in answers.items() if answer is not None}
    if ask is not None or said.get("outside") is False or "improve" in said:
        return (_case(world, answers, ask, None),)
    open_ones = [wish for wish in WISHES if said.get("outside") is None or WISHES[wish]["outside"]]
    return tuple(_case(world, answers | WISHES[wish], None, wish) for wish in open_ones)


def _case(world: MDP, given: Mapping[str, bool | None], ask: tree.Ask | None, wish: str | None) -> Case:
    try:
        found = tree.facts(world, given, ask)
    except ValueError as error:  # the tree has no answer; the measurement has
        said = {name: answer for name, answer in given.items() if answer is not None}
        return Case(wish or wish_of(said) or "improve", (), None, str(error))
    return Case(wish or wish_of(known(found)) or "improve", found, choose(known(found)))


def decided(field: Field) -> str | None:
    """Why the field is a gradient on its MDP, in words; None: it is none, open, all but certain only, or too large."""
    if field.mdp.n_states * field.mdp.n_actions > LARGEST_CHECKED:
        return None
    found = decide(field)
    return f"{found.reason} ({found.holds_for})" if found.verdict == "gradient" and found.error_bound == 0 else None


def measure(
    world: MDP, which: Sequence[Case], tell: Callable[[float], None] | None, *, alpha: Any, starts: int, **options: Any
) -> Answer:
    """Run every rule on the MDP and rank them for each case. Ctrl-C ranks what is there; the others are listed so.

    `options`: `seed` and `limit`, as for `dynamics.choice.evidence.survey`.
    """
    rows: list[Evidence] = []
    everything = candidates()
    try:
        for row in survey(world, alpha=alpha, starts=starts, decide=decided, **options):
            rows.append(row)
            if tell is not None:
                tell(len(rows) / len(everything))
    except KeyboardInterrupt:
        rows += [
            Evidence(name, reward, tree.named(((name, reward),)), refused=UNRUN)
            for name, reward in everything[len(rows) :]
        ]
    offered = scales(world)
    judged = []
    for case in which:
        path = {} if case.advice is None else dict(case.advice.path)
        judged.append((case, ranking(rows, case.wish, offered, case.advice), checks(rows, offered, path)))
    return Answer(tuple(rows), offered, tuple(judged), {"alpha": float(alpha), "starts": starts, **options})


def to_json(world: MDP, answer: Answer) -> Json:
    """The object of `vorticity choose MDP --json`: the tree's advice where there is one wish, and all the evidence."""
    only = answer.cases[0][0] if len(answer.cases) == 1 else None
    blank: Json = {"mdp": world.name, "rules": [], "path": [], "reasons": [], "remark": "", "would_change": []}
    advised = blank | {"caution": CAUTION}
    if only is not None and only.advice is not None:
        advised = tree.to_json(world, only.found, only.advice)
    return advised | {
        "evidence": [row.to_json() for row in answer.rows],
        "rankings": [_ranking_json(*case) for case in answer.cases],
        "scales": asdict(answer.scales),
        "measured": {**answer.setting, "complete": answer.complete, "order": ORDER},
    }


def _ranking_json(case: Case, found: Ranking, told: tuple[Check, ...]) -> Json:
    def pairs(rules: tuple[Choice, ...]) -> list[Json]:
        return [{"id": name, "reward": reward} for name, reward in rules]

    return {
        "wish": found.wish,
        "order": pairs(found.order),
        "best": pairs(found.best),
        "refused": pairs(found.refused),
        "tree": None if found.tree is None else pairs(found.tree),
        "agrees": found.agrees,
        "differences": [case.missing] if case.missing else list(found.differences),
        "checks": [asdict(check) for check in told],
    }


def show(world: MDP, answer: Answer) -> None:
    """Print the evidence as a table in the order of the last wish, and every wish's ranking beside the tree."""
    _, last, _ = answer.cases[-1]
    by_choice = {row.choice: row for row in answer.rows}
    ordered = [by_choice[choice] for choice in last.order]
    render.table(HEADERS, [_cells(row, last.wish) for row in ordered], title=f"{world.name}: to {SAID[last.wish]}")
    for line in _remarks(answer, ordered):
        render.say(line)
    for case, found, told in answer.cases:
        print()
        for line in _told(case, found, told, by_choice):
            print(render.clean(line) if not line.startswith("  ") else f"  {render.clean(line)}")


def _cells(row: Evidence, wish: str) -> list[str]:
    known = row.guarantee
    kind = "-" if known is None else f"{known.kind}{f' ({known.claim})' if known.claim else ''}"
    turn = f"period {render.number(row.period)}"
    ends = f"{row.outcome}, {turn}" if row.outcome == "cycle" else row.outcome or "-"
    if _cycles(row) and row.outcome != "cycle":
        ends += f"; a cycle from start {row.starts.index('cycle') + 1}, {turn}"
    numbers = (
        row.expected_return,
        row.kl_teacher_states,
        row.kl_student_states,
        speed(row, wish),
        row.variance_start,
        row.variance_halfway,
    )
    return [row.label, kind, ends, *(render.number(x, 3) for x in numbers)]


def _cycles(row: Evidence) -> bool:
    """Whether a flow of the rule was seen to cycle, from whichever start."""
    return row.guarantee is not None and row.guarantee.group == "cycles"


def _remarks(answer: Answer, ordered: Sequence[Evidence]) -> Iterator[str]:
    yield ORDER
    yield (
        "gradient, Lyapunov, no cycle: theorems about the ODE; rest seen, cycle, undecided: numerical; starts tried: "
        f"{max((len(row.starts) for row in ordered), default=0)}, where nothing is guaranteed"
    )
    if any(row.outcome == "boundary" for row in ordered):
        yield "at the boundary: the return where it is heading; a KL of - is infinite there, or unknown"
    for reason in dict.fromkeys(row.refused for row in answer.rows if row.refused is not None):
        who = ", ".join(row.label for row in answer.rows if row.refused == reason)
        yield f"not run: {who}: {reason}"
    for text in dict.fromkeys(note for row in ordered for note in row.notes):
        about = [row.label for row in ordered if text in row.notes]
        yield f"{'every rule' if len(about) == len(ordered) else ', '.join(about)}: {text}"


def _told(case: Case, found: Ranking, told: tuple[Check, ...], rows: Mapping[Choice, Evidence]) -> Iterator[str]:
    names = [rows[choice].label for choice in found.order]
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    yield f"to {SAID[case.wish]} ({MEASURE[case.wish]})"
    yield f"  measured: {', '.join(names[:SHOWN])}{more}"
    cycling = [row.label for choice in found.order if _cycles(row := rows[choice])]
    if cycling:
        yield f"  cycles here, so comes last: {', '.join(cycling)}"
    if case.advice is None:
        yield f"  the tree has no advice: {case.missing}"
        return
    word = {True: "agrees", False: "differs", None: "cannot be compared"}[found.agrees]
    outside = next((fact for fact in case.found if fact.question == "outside"), None)
    if case.wish != "inside" and outside is not None and outside.derived and outside.answer is False:
        yield f"  the tree stops at its first question ({outside.evidence}); --outside asks further"
    yield f"  the tree: {tree.named(case.advice.rules)}; it {word}"
    for text in found.differences:
        yield f"    {text}"
    for check in told:
        mark = {True: "so here", False: "NOT so here", None: "not told"}[check.holds]
        yield f"  the tree says that {check.says}: {mark}; {check.text}"


def write_picture(answer: Answer, name: str, path: Path) -> None:
    """Write the picture of the evidence, in the order of the last wish's ranking."""
    from dynamics.drawing import draw, save

    save(draw(answer.rows, answer.cases[-1][1], answer.scales, name), path)
