"""A field as a certificate states it: an MDP (or all MDPs of a size), observations, a rule, its control, alpha, +R."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.reading import strict
from proofs.checker.reading.model import MOST_STATES, Model, never_ends, read_model
from proofs.checker.reading.rules import Rule, read_rule

NEEDS_TEACHER = {"t", "log_t", "teacher_better", "v"}
NEEDS_TEACHER_VALUES = {"teacher_better", "v"}


@dataclass(frozen=True)
class Field:
    """`model` is None for a generic field, whose P, R, start, discount, alpha and teacher are indeterminates.

    The control takes actions with probabilities w_t t + w_p pi_theta + w_u / A, `weights` = (w_t, w_p, w_u).
    """

    model: Model | None
    n_states: int
    n_actions: int
    observation: tuple[int, ...]
    rule: Rule
    weights: tuple[Fraction, Fraction, Fraction]
    alpha: Fraction | None
    where: str

    @property
    def n_observations(self) -> int:
        return max(self.observation) + 1

    @property
    def n_parameters(self) -> int:
        return self.n_observations * self.n_actions

    @property
    def tabular(self) -> bool:
        return self.n_observations == self.n_states

    @property
    def gated(self) -> bool:
        return "teacher_better" in self.rule.symbols

    def parameters(self, s: int) -> list[int]:
        """The numbers of the parameters that state s uses; [o, a] has the number o A + a."""
        return [self.observation[s] * self.n_actions + a for a in range(self.n_actions)]


def read_field(value: object, where: str) -> Field:
    """The field that a certificate's object states.

    Raises Refused where a key is missing or unknown, the observations do not cover 0..O−1, the rule is unknown and has
    no row, the control is none, or a teacher is needed (or needs values) and there is none (or it never ends).

    >>> row = {"observation": [0], "rule": "er", "control": "mix:1/4", "reward": False}
    >>> read_field({"generic": {"states": 1, "actions": 2}, **row}, "field").weights
    (Fraction(1, 4), Fraction(3, 4), Fraction(0, 1))
    """
    if not isinstance(value, dict):
        raise Refused(f"{where}: {show(value)} is no object")
    kinds = ["generic"] if "generic" in value else ["mdp", "alpha"]
    keys = strict.record(value, where, [*kinds, "observation", "rule", "control", "reward"], ["row"])
    model = None
    if "generic" in keys:
        sizes = strict.record(keys["generic"], f"{where}.generic", ["states", "actions"])
        n_states, n_actions = (_size(sizes[key], f"{where}.generic.{key}") for key in ("states", "actions"))
    else:
        model = read_model(keys["mdp"], f"{where}.mdp")
        n_states, n_actions = model.n_states, model.n_actions
    field = Field(
        model=model,
        n_states=n_states,
        n_actions=n_actions,
        observation=_observation(keys["observation"], f"{where}.observation", n_states),
        rule=read_rule(
            keys["rule"],
            keys.get("row"),
            where,
            own_loss=model is not None and model.loss is not None,
            plus_reward=strict.truth(keys["reward"], f"{where}.reward"),
        ),
        weights=_control(keys["control"], f"{where}.control"),
        alpha=None if model is None else _alpha(keys["alpha"], f"{where}.alpha"),
        where=where,
    )
    _check_teacher(field)
    return field


def _alpha(value: object, where: str) -> Fraction:
    alpha = rational(value, where)
    if alpha < 0:
        raise Refused(f"{where}: {show(value)}; must be at least 0")
    return alpha


def _size(value: object, where: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST_STATES:
        raise Refused(f"{where}: {show(value)}; must be an integer from 1 to {MOST_STATES}")
    return value


def _observation(value: object, where: str, n_states: int) -> tuple[int, ...]:
    rows = tuple(strict.index(x, f"{where}[{s}]", n_states) for s, x in enumerate(strict.items(value, where, n_states)))
    for o in range(max(rows)):
        if o not in rows:
            raise Refused(f"{where}: no state has observation {o}; they must cover 0..{max(rows)}")
    return rows


def _control(value: object, where: str) -> tuple[Fraction, Fraction, Fraction]:
    name = strict.text(value, where)
    one, zero = Fraction(1), Fraction(0)
    known = {"teacher": (one, zero, zero), "student": (zero, one, zero), "uniform": (zero, zero, one)}
    if name in known:
        return known[name]
    if not name.startswith("mix:"):
        raise Refused(f"{where}: {show(name)}; must be student, teacher, uniform or mix:W")
    weight = rational(name.removeprefix("mix:"), where)
    if not 0 <= weight <= 1:
        raise Refused(f"{where}: the weight {show(weight)} of the teacher; must be in [0, 1]")
    return weight, 1 - weight, zero


def _check_teacher(field: Field) -> None:
    """That there is a teacher where one is used, that its logarithms exist, and that its values and visits do."""
    model, used = field.model, field.rule.symbols
    if model is None:
        return
    driven = field.weights[0] > 0
    if model.teacher is None:
        if driven or used & NEEDS_TEACHER:
            raise Refused(f"{field.where}: the rule or its control needs a teacher, and the MDP has none")
        return
    if "log_t" in used:
        for s, row in enumerate(model.teacher):
            for a, x in enumerate(row):
                if x == 0:
                    raise Refused(f"{field.where}.mdp.teacher[{s}][{a}]: 0; the rule needs its logarithm")
    if used & NEEDS_TEACHER_VALUES or field.weights[0] == 1:
        stuck = never_ends(model, model.teacher)
        if stuck is not None:
            raise Refused(f"{field.where}.mdp.teacher: never ends from state {stuck}; with discount 1 it must")
