"""The table of update rules, transcribed from the theory: Czarnecki et al. 2019, Table 1, and rows in use elsewhere.

Each row: the loss at a visited state, the reward of a step, and the horizon of Rhat_t (all later rewards, or this one).
"""

from __future__ import annotations

from dataclasses import dataclass

from proofs.checker.numbers.rational import Refused, show
from proofs.checker.reading import strict
from proofs.checker.reading.expression import Expr, Term, per_state, read_expression, split, symbols

_ZERO = {"number": "0"}


def _minus(x: Expr) -> Expr:
    return ["*", {"number": "-1"}, x]


CROSS_ENTROPY = _minus(["total", ["*", "t", "log_p"]])  # H(pi || pi_theta)
REVERSE_CROSS_ENTROPY = _minus(["total", ["*", "p", "log_t"]])  # H(pi_theta || pi)
FORWARD_KL = ["total", ["*", "t", ["+", "log_t", _minus("log_p")]]]  # KL(pi || pi_theta)
REVERSE_KL = ["total", ["*", "p", ["+", "log_p", _minus("log_t")]]]  # KL(pi_theta || pi)
NEGATIVE_ENTROPY = ["total", ["*", "p", "log_p"]]  # −H(pi_theta || pi_theta)
OWN_LOSS = ["total", ["*", "c", "p"]]

TABLE: dict[str, tuple[Expr, Expr, str]] = {  # id: (loss, reward, horizon)
    "teacher": (CROSS_ENTROPY, _ZERO, "episode"),
    "on-policy": (CROSS_ENTROPY, _ZERO, "episode"),
    "er": (_ZERO, "log_t", "episode"),
    "n-distill": (CROSS_ENTROPY, _minus(["after", CROSS_ENTROPY]), "episode"),
    "n-distill-kl": (FORWARD_KL, _minus(["after", FORWARD_KL]), "episode"),
    "eer": (REVERSE_CROSS_ENTROPY, ["after", "log_t"], "episode"),
    "eer-no-reward": (REVERSE_CROSS_ENTROPY, _ZERO, "episode"),
    "reverse-kl": (REVERSE_KL, _ZERO, "episode"),
    "reverse-kl-corrected": (REVERSE_KL, _minus(["after", REVERSE_KL]), "episode"),
    "reward": (_ZERO, "r", "episode"),
    "teacher-v": (_ZERO, ["+", "r", ["+", ["after", "v"], _minus("v")]], "episode"),
    "student-critic": (_ZERO, ["+", "r", ["+", ["after", "v"], _minus("v_student")]], "episode"),
    "bootstrap": (_ZERO, ["+", "r", ["after", "v"]], "step"),
    "entropy-bonus": (NEGATIVE_ENTROPY, "r", "episode"),
    "value-gate": (["*", "teacher_better", CROSS_ENTROPY], _ZERO, "episode"),
}


@dataclass(frozen=True)
class Rule:
    """A row as it is evaluated: an own loss and "+R" are already in it."""

    loss: Expr
    terms: tuple[Term, ...]
    whole: bool  # Rhat_t is the sum of all later rewards; otherwise the reward of the step alone
    symbols: frozenset[str]
    own: bool  # given in the certificate, not one of the table


def read_rule(name: object, row: object, where: str, own_loss: bool, plus_reward: bool) -> Rule:
    """The rule that a field names, or the row it gives for a name that is not in the table.

    An own loss takes the place of H(pi || pi_theta) in the rows of the table that have it; a row given in the
    certificate is taken as written (it says "c" where it means an own loss). r is added unless the row has it.

    >>> read_rule("on-policy", None, "field", own_loss=True, plus_reward=True).terms[-1].expr
    'r'
    >>> read_rule("mine", None, "field", own_loss=False, plus_reward=False)
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: field.rule: 'mine' is not in the table, and the field gives no row for it
    """
    key = strict.text(name, f"{where}.rule")
    if key in TABLE:
        if row is not None:
            raise Refused(f"{where}.row: {show(key)} is in the table; a row is given only for other names")
        loss, reward, horizon = TABLE[key]
        if own_loss:
            loss, reward = _replace(loss), _replace(reward)
    elif row is None:
        raise Refused(f"{where}.rule: {show(key)} is not in the table, and the field gives no row for it")
    else:
        parts = strict.record(row, f"{where}.row", ["loss", "reward", "horizon"])
        loss = read_expression(parts["loss"], f"{where}.row.loss", reward=False)
        reward = read_expression(parts["reward"], f"{where}.row.reward", reward=True)
        horizon = parts["horizon"]
        if horizon not in ("episode", "step"):
            raise Refused(f'{where}.row.horizon: {show(horizon)}; must be "episode" or "step"')
        if not per_state(loss):
            raise Refused(f"{where}.row.loss: has a value for each action; a loss has one for the state (use total)")
    if plus_reward and "r" not in symbols(reward, later=False):
        reward = ["+", reward, "r"]
    used = symbols(loss) | symbols(reward)
    if "c" in used and not own_loss:
        raise Refused(f"{where}: the rule uses c, and the MDP has no own loss")
    return Rule(loss, split(reward, f"{where}.row.reward"), horizon == "episode", frozenset(used), key not in TABLE)


def _replace(expr: Expr) -> Expr:
    """The expression with the own loss in the place of H(pi || pi_theta)."""
    if expr == CROSS_ENTROPY:
        return OWN_LOSS
    return [expr[0], *(_replace(x) for x in expr[1:])] if isinstance(expr, list) else expr
