"""One MDP as text for people: where each action leads, what it pays, what the teacher does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mdp import MDP, evaluation, solve
from vorticity.text.render import clean, matrix, number, plain_table

if TYPE_CHECKING:
    from proofs.exact import Verdict

LONGEST = 6  # rows of a witness's policy that are printed


def text(model: MDP) -> str:
    """The model, one line an action, and what some policies earn on it.

    >>> from mdp import zoo
    >>> print(text(zoo.load("chain")))
    chain: 2 states, 2 actions, 2 observations, discount 1
    <BLANKLINE>
    state  start  action  reward  teacher  leads to
    s0     1      stop    0       0.3333   the end
                  go      0       0.6667   s1
    s1     0      stop    0       0.25     the end
                  go      1       0.75     the end
    <BLANKLINE>
    expected return: teacher 0.5, uniform 0.25, optimal 1
    """
    sizes = f"{model.n_states} states, {model.n_actions} actions, {model.n_observations} observations"
    head = f"{model.name or 'MDP'}: {sizes}, discount {number(model.discount)}"
    if model.discount < 1:
        head += f" (every step also ends with probability {number(1 - model.discount)})"
    headers = ["state", "start", "action", "reward", "teacher", "leads to"]
    aliased = model.n_observations < model.n_states
    if aliased:
        headers.insert(1, "seen as")
    if model.loss is not None:
        headers.insert(-1, "own loss")
    return f"{head}\n\n{plain_table(headers, _lines(model, aliased))}\n\nexpected return: {_returns(model)}"


def _lines(model: MDP, aliased: bool) -> Iterator[list[str]]:
    for s, state in enumerate(model.states):
        for a, action in enumerate(model.actions):
            first = [str(state), *([str(model.observation[s])] if aliased else []), number(float(model.initial[s]))]
            line = first if a == 0 else [""] * len(first)
            line += [str(action), number(float(model.R[s, a]), 6)]
            line.append("-" if model.teacher is None else number(float(model.teacher[s, a])))
            if model.loss is not None:
                line.append(number(float(model.loss[s, a])))
            yield [*line, _leads_to(model, s, a)]


def _leads_to(model: MDP, s: int, a: int) -> str:
    row = model.exact.rows[s][a]
    parts: list[tuple[str, Fraction | int]] = [(str(model.states[t]), p) for t, p in sorted(row.items())]
    if sum(row.values()) < 1:
        parts.append(("the end", 1 - sum(row.values())))
    return ", ".join(name if p == 1 else f"{name} {number(float(p))}" for name, p in parts)


def _returns(model: MDP) -> str:
    """Each policy's expected return; where there is none (it never ends, no optimum exists), the reason."""
    makers: dict[str, Callable[[MDP], Any]] = {
        "teacher": lambda model: model.teacher,
        "uniform": solve.uniform,
        "optimal": solve.optimal,
    }
    found = []
    for name, make in makers.items():
        try:
            policy = make(model)
            if policy is not None:
                found.append(f"{name} {number(float(evaluation.expected_return(model, policy)), 6)}")
        except ValueError as error:
            found.append(f"{name} none ({error})")
    return ", ".join(found)


def field(model: MDP, answer: Mapping[str, Any]) -> str:
    """The field's answer (theta, policy, field, jacobian or None, asymmetry) as labelled tables.

    Rows of parameters are observations, rows of policies states; the Jacobian's are parameters, row by row.
    """
    theta = answer["theta"]
    named = {row: str(state) for state, row in zip(reversed(model.states), reversed(model.observation), strict=True)}
    rows = [f"o{o} ({named[o]})" if model.n_observations < model.n_states else named[o] for o in range(len(theta))]
    columns = [str(action) for action in model.actions]
    blocks = [f"{key}\n{matrix(answer[key], rows, columns)}" for key in ("theta", "field")]
    blocks.insert(1, f"policy\n{matrix(answer['policy'], [str(state) for state in model.states], columns)}")
    if answer["jacobian"] is not None:
        names = [f"{row}:{column}" for row in rows for column in columns]
        blocks.append(f"Jacobian dF_i/dtheta_j\n{matrix(answer['jacobian'], names, names)}")
    return "\n\n".join([*blocks, f"asymmetry |J - J^T|/|J| = {number(answer['asymmetry'])}"])


def verdict(found: Verdict) -> str:
    """A verdict's evidence, one fact a line."""
    facts = {
        "why": found.reason,
        "decided by": found.method,
        "potential": found.potential,
        "holds for": found.holds_for,
        "asymmetry": None if found.asymmetry is None else number(found.asymmetry),
        "error bound": None if found.error_bound is None else number(found.error_bound),
        "time": f"{number(found.seconds, 2)} s",
    }
    if found.witness is not None:
        w = found.witness
        about = "about " if w["ball"] else ""
        rows = w["policy"] or w["exp_theta"]
        shown = f"{rows}" if len(rows) <= LONGEST else f"{rows[:LONGEST]} and {len(rows) - LONGEST} more (see --json)"
        facts["witness"] = (
            f"dF_i/dtheta_j - dF_j/dtheta_i = {about}{w['value']} at i = {w['i']}, j = {w['j']}, "
            f"{'policy' if w['policy'] else 'exp theta'} {shown}"
        )
    return "\n".join(f"  {name}: {clean(str(fact))}" for name, fact in facts.items() if fact is not None)
