"""A field of which one number is a parameter mu, in differences of logits.

    x[o (A − 1) + k] = theta[o, k + 1] − theta[o, 0],   x' = F(x, mu),   F[o, k] = F_theta[o, k + 1] − F_theta[o, 0]

F_theta (eq. (1)) depends on theta through the policy alone, so it is evaluated at theta[o, 0] = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from proofs.checker.identities.update import World, concrete, update
from proofs.checker.numbers.arithmetic import total
from proofs.checker.numbers.rational import Refused, show
from proofs.checker.numbers.series import PowerSeries, Series
from proofs.checker.reading import strict
from proofs.checker.reading.field import Field, read_field

Motion = Callable[[PowerSeries, Sequence[Series], Series], list[Series]]  # (x, mu) -> F

KINDS: dict[str, tuple[str, ...]] = {  # of a parameter, with the keys that say where it stands
    "alpha": (),
    "discount": (),
    "teacher": ("action",),
    "sharpness": (),
    "mixture": (),
    "reward": ("state", "action"),
}
_FROM_ZERO = {"alpha", "discount", "teacher", "mixture"}
_BELOW_ONE = {"discount", "teacher", "mixture"}
_LONGEST = 1000  # characters of one number of the field: exponents of products stay those of numbers that fit


@dataclass(frozen=True)
class Family:
    """A field over a given MDP, without a gate, and what of it mu takes the place of."""

    field: Field
    kind: str
    state: int | None
    action: int | None

    @property
    def dimension(self) -> int:
        """n = O (A − 1)."""
        return self.field.n_observations * (self.field.n_actions - 1)

    def allows(self, low: Fraction, high: Fraction) -> bool:
        """Whether [low, high] lies in the open range of mu."""
        return (self.kind not in _FROM_ZERO or low > 0) and (self.kind not in _BELOW_ONE or high < 1)


def read_family(field_value: object, parameter: object) -> Family:
    """The field and parameter that a fact states. Raises Refused where they are not of the forms of KINDS."""
    kind = parameter.get("kind") if isinstance(parameter, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise Refused(f"parameter: {show(kind)} is no kind of parameter; known are {', '.join(KINDS)}")
    keys = strict.record(parameter, "parameter", ["kind", *KINDS[kind]])
    for text in strict.texts(field_value):
        if len(text) > _LONGEST:
            raise Refused(f"field: a number of {len(text)} characters; at most {_LONGEST} are checked here")
    field = read_field(field_value, "field")
    if field.model is None:
        raise Refused("field: a generic field has no rest points; give an MDP")
    if field.gated:
        raise Refused("field.rule: has a gate, so that it is not smooth")
    if field.n_actions < 2:
        raise Refused("field: with one action nothing moves")
    place = {
        key: strict.index(keys[key], f"parameter.{key}", field.n_states if key == "state" else field.n_actions)
        for key in KINDS[kind]
    }
    family = Family(field, kind, place.get("state"), place.get("action"))
    _check_place(family)
    return family


def _check_place(family: Family) -> None:
    """That the field has what mu is to take the place of."""
    field, teacher = family.field, family.field.model.teacher if family.field.model else None
    if family.kind == "mixture" and not (0 < field.weights[0] < 1 and field.weights[2] == 0):
        raise Refused('parameter: "mixture" is for a field whose control is mix:W with W in (0, 1)')
    if family.kind not in ("teacher", "sharpness"):
        return
    if teacher is None:
        raise Refused(f'parameter: "{family.kind}" is for a field with a teacher, and the MDP has none')
    for s, row in enumerate(teacher):
        if family.action is not None and row[family.action] == 1:
            raise Refused(f"parameter.action: the teacher of state {s} takes no other action to share what is left")
        if family.kind == "sharpness" and 0 in row:
            raise Refused(f'field.mdp.teacher[{s}]: has a 0; "sharpness" is for a teacher of full support')


def motion(family: Family) -> Motion:
    """(x, mu) -> F in differences of logits."""
    field, n = family.field, family.field.n_actions

    def F(numbers: PowerSeries, x: Sequence[Series], mu: Series) -> list[Series]:
        zero = numbers.number(Fraction(0))
        rows = [softmax(numbers, [zero, *x[at : at + n - 1]]) for at in range(0, len(x), n - 1)]
        full = update(field, numbers, world(family, numbers, mu), [rows[o] for o in field.observation]).F
        return [full[at + k] - full[at] for at in range(0, len(full), n) for k in range(1, n)]

    return F


def world(family: Family, numbers: PowerSeries, mu: Series) -> World:
    """The numbers of the field, with mu in the place of the parameter."""
    plain = concrete(family.field, numbers)
    if family.kind == "alpha":
        return replace(plain, alpha=mu)
    if family.kind == "discount":
        return replace(plain, discount=mu)
    if family.kind == "mixture":
        return replace(plain, mixture=mu)
    if family.kind == "reward":
        R = [list(row) for row in plain.R]
        R[family.state or 0][family.action or 0] = mu
        return replace(plain, R=R)
    model = family.field.model
    teacher = (model.teacher if model else None) or ()
    if family.kind == "sharpness":
        return replace(plain, teacher=[_sharper(numbers, row, mu) for row in teacher])
    return replace(plain, teacher=[_shifted(numbers, row, family.action or 0, mu) for row in teacher])


def _shifted(numbers: PowerSeries, row: Sequence[Fraction], a: int, mu: Series) -> list[Series]:
    """mu at a; the other actions share 1 − mu as they shared 1 − row[a]."""
    rest = numbers.number(Fraction(1)) - mu
    return [mu if b == a else rest * numbers.number(x / (1 - row[a])) for b, x in enumerate(row)]


def _sharper(numbers: PowerSeries, row: Sequence[Fraction], mu: Series) -> list[Series]:
    """row^mu over its sum."""
    return softmax(numbers, [mu * numbers.log(numbers.number(x)) for x in row])


def softmax(numbers: PowerSeries, logits: Sequence[Series]) -> list[Series]:
    """p_a = 1 / (1 + Σ_{b ≠ a} exp(z_b − z_a)): each logit stands once in each term, which keeps intervals narrow."""
    one = numbers.number(Fraction(1))
    result = []
    for a, z in enumerate(logits):
        others = (numbers.exp(y - z) for b, y in enumerate(logits) if b != a)
        result.append(one / (one + total(numbers, others)))
    return result
