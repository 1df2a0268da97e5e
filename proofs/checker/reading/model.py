"""An MDP as a certificate states it, on Fractions, with its laws: what is refused here is no MDP."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.reading import strict

Table = tuple[tuple[Fraction, ...], ...]

MOST_STATES = 12
MOST_ACTIONS = 512


@dataclass(frozen=True)
class Model:
    """P[s][a] = {s': probability > 0}, R[s][a], start distribution, discount, teacher and own loss or None."""

    P: tuple[tuple[dict[int, Fraction], ...], ...]
    R: Table
    initial: tuple[Fraction, ...]
    discount: Fraction
    teacher: Table | None
    loss: Table | None

    @property
    def n_states(self) -> int:
        return len(self.P)

    @property
    def n_actions(self) -> int:
        return len(self.P[0])


def read_model(value: object, where: str) -> Model:
    """The MDP that a certificate's object states.

    Raises Refused when a key is missing or unknown, a shape or a number is wrong, a row of P exceeds 1, the start or a
    teacher's row does not sum to 1, the discount is outside (0, 1], or it is 1 and some state can never end.

    >>> one = {"P": [[["1/2"]]], "R": [["0"]], "initial": ["1"], "discount": "1", "teacher": None, "loss": None}
    >>> read_model(one, "mdp").P
    (({0: Fraction(1, 2)},),)
    >>> read_model(one | {"P": [[["1"]]]}, "mdp")
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: mdp: from state 0 no sequence of actions ends; with discount 1 one must
    """
    keys = strict.record(value, where, ["P", "R", "initial", "discount", "teacher", "loss"])
    n_states = len(strict.items(keys["P"], f"{where}.P"))
    if not 1 <= n_states <= MOST_STATES:
        raise Refused(f"{where}.P: {n_states} states; from 1 to {MOST_STATES} are checked")
    n_actions = len(strict.items(keys["P"][0], f"{where}.P[0]"))
    if not 1 <= n_actions <= MOST_ACTIONS:
        raise Refused(f"{where}.P[0]: {n_actions} actions; from 1 to {MOST_ACTIONS} are checked")
    strict.limit(value, where)
    model = Model(
        P=_transitions(keys["P"], f"{where}.P", n_states, n_actions),
        R=strict.table(keys["R"], f"{where}.R", n_states, n_actions),
        initial=_start(keys["initial"], f"{where}.initial", n_states),
        discount=rational(keys["discount"], f"{where}.discount"),
        teacher=None
        if keys["teacher"] is None
        else strict.policy(keys["teacher"], f"{where}.teacher", n_states, n_actions, positive=False),
        loss=None if keys["loss"] is None else strict.table(keys["loss"], f"{where}.loss", n_states, n_actions),
    )
    if not 0 < model.discount <= 1:
        raise Refused(f"{where}.discount: {show(model.discount)}; must be in (0, 1]")
    anything = tuple((Fraction(1, n_actions),) * n_actions for _ in range(n_states))
    if (stuck := never_ends(model, anything)) is not None:
        raise Refused(f"{where}: from state {stuck} no sequence of actions ends; with discount 1 one must")
    return model


def never_ends(model: Model, policy: Table) -> int | None:
    """A state from which the policy ends with probability 0, or None; always None below discount 1.

    A finite chain ends almost surely exactly if from every state an ending step can be reached.
    """
    if model.discount < 1:
        return None
    ending = set()
    edges: dict[int, set[int]] = {}
    for s, row in enumerate(model.P):
        moves = [move for a, move in enumerate(row) if policy[s][a] > 0]
        if any(sum(move.values()) < 1 for move in moves):
            ending.add(s)
        edges[s] = {t for move in moves for t in move}
    while grown := {s for s, to in edges.items() if s not in ending and to & ending}:
        ending |= grown
    return next((s for s in edges if s not in ending), None)


def reachable(model: Model, start: int) -> set[int]:
    """The states that some actions lead to from `start`, itself among them."""
    found, todo = {start}, [start]
    while todo:
        for t in {t for move in model.P[todo.pop()] for t in move} - found:
            found.add(t)
            todo.append(t)
    return found


def _start(value: object, where: str, n_states: int) -> tuple[Fraction, ...]:
    start = tuple(rational(x, f"{where}[{s}]") for s, x in enumerate(strict.items(value, where, n_states)))
    strict.check_distribution(start, where)
    return start


def _transitions(
    value: object, where: str, n_states: int, n_actions: int
) -> tuple[tuple[dict[int, Fraction], ...], ...]:
    result = []
    for s, rows in enumerate(strict.items(value, where, n_states)):
        block = strict.table(rows, f"{where}[{s}]", n_actions, n_states)
        for a, row in enumerate(block):
            for t, x in enumerate(row):
                if not 0 <= x <= 1:
                    raise Refused(f"{where}[{s}][{a}][{t}]: {show(x)}; must be a probability in [0, 1]")
            if sum(row) > 1:
                raise Refused(f"{where}[{s}][{a}]: sums to {show(Fraction(sum(row)))}; must be at most 1")
        result.append(tuple({t: x for t, x in enumerate(row) if x} for row in block))
    return tuple(result)
