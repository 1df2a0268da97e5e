"""What an update rule is, as data, and what is read off a row: its terms, its control, and whether it is a gradient.

A row says which policy controls the states visited, the loss at a visited state and the reward of a step, as formulas:

    F(theta) = E_q [ Σ_t  ∇ log pi_theta(a_t|s_t) · Rhat_t  −  ∇ l(s_t; theta) ],      Rhat_t = Σ_{i ≥ t} rhat_i

(Czarnecki et al., AISTATS 2019, eq. 1). Nothing else in the project knows a rule: the field, its Jacobian, the
potential, the printed table and the proofs are all read off the row. The rows are in the table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from dynamics.rules.formula import (
    ONE,
    ZERO,
    Formula,
    c,
    expand,
    identical,
    is_state_formula,
    is_zero,
    latex,
    log_p,
    log_t,
    own,
    p,
    parts,
    r,
    substitute,
    t,
    teacher_better,
    total,
    totals,
    uses,
    v,
    v_student,
)
from dynamics.rules.formula import partial as partial_derivative
from mdp import nearest, rational

# The losses of the table, each a state formula.
CROSS_ENTROPY = -total(t * log_p)  # H(pi‖pi_theta)
REVERSE_CROSS_ENTROPY = -total(p * log_t)  # H(pi_theta‖pi)
KL = total(t * (log_t - log_p))  # KL(pi‖pi_theta)
REVERSE_KL = total(p * (log_p - log_t))  # KL(pi_theta‖pi)
ENTROPY = -total(p * log_p)  # H(pi_theta‖pi_theta)
OWN_LOSS = total(c * p)  # the MDP's own state loss

# "+ R": a rule plus this holds r_i once.
REWARD = r


@dataclass(frozen=True)
class Rule:
    """One update rule, as data.

    `control` is the policy q that visits states: "teacher" or "student". `loss` is the state formula l(s), `reward` the
    formula of one step's rhat_i: a sum of terms in the symbols of `dynamics.rules.formula`, those of the next step
    inside `after(...)`. `horizon` is "episode" (Rhat_t sums to the end) or "step" (Rhat_t = rhat_t). `gradient` holds
    what the source says, by kind of control: {"student": ..., "fixed": ...}, True, False, or missing where it says
    nothing; it is compared with what is computed and never used to compute. `alpha` scales the distillation terms.

    Raises ValueError, naming the row, when the formulas break a law of eq. (1).
    Source: the paper, eq. (1) and Table 1.

    >>> rule = Rule("mine", "my rule", "student", loss=CROSS_ENTROPY)
    >>> (2 * rule + REWARD).reward_text
    'r'
    """

    id: str
    title: str
    control: str
    loss: Formula = ZERO
    reward: Formula = ZERO
    horizon: str = "episode"
    source: str = ""
    note: str = ""
    gradient: Mapping[str, bool] = field(default_factory=dict, hash=False, compare=False)
    alpha: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.control not in ("teacher", "student"):
            raise ValueError(f"rule {self.id!r}: control is {self.control!r}; must be 'teacher' or 'student'")
        if self.horizon not in ("episode", "step"):
            raise ValueError(f"rule {self.id!r}: horizon is {self.horizon!r}; must be 'episode' or 'step'")
        if not is_state_formula(self.loss) or any(part.op == "after" for part in parts(self.loss)):
            raise ValueError(f"rule {self.id!r}: loss {self.loss} must be a state formula, a sum made with total(...)")
        if uses(self.loss, r, v, v_student):
            raise ValueError(f"rule {self.id!r}: loss {self.loss} uses r, v or v_student, which belong to the reward")
        for part in parts(self.reward):
            if part.op == "after" and any(inner.op == "after" for inner in parts(part.args[0])):
                raise ValueError(f"rule {self.id!r}: reward {self.reward} looks more than one step ahead")
        split(self)

    def __add__(self, other: Formula) -> Rule:
        """This rule with r_i added to its reward; a rule that holds r_i already is returned unchanged."""
        if other != REWARD:
            raise ValueError(f"rule {self.id!r} + {other}; only REWARD can be added, other terms make another rule")
        return self if self.has_reward else dataclasses.replace(self, reward=self.reward + r)

    def __rmul__(self, alpha: Any) -> Rule:
        """alpha · rule: scales the loss and the distillation part of the reward, never r_i or the values."""
        return dataclasses.replace(self, alpha=self.alpha * rational(alpha, "alpha"))

    @property
    def has_reward(self) -> bool:
        """Whether the reward holds r_i."""
        return uses(self.reward, r)

    def with_own_loss(self) -> Rule:
        """The rule with `Σ_a c[s, a] pi_theta(a|s)` in place of H(pi‖pi_theta), in its loss and in its reward."""
        place = CROSS_ENTROPY.args[1]
        loss, reward = (substitute(x, place, -OWN_LOSS) for x in (self.loss, self.reward))
        return dataclasses.replace(self, loss=loss, reward=reward)

    @property
    def needs_full_support(self) -> bool:
        """Whether the formulas are infinite where the teacher's probability is 0.

        Computed: set t = 0 in the formulas; whatever still holds log t diverges there.
        """
        try:
            return any(uses(substitute(x, t, ZERO), log_t) for x in (self.loss, self.reward))
        except ValueError:  # it divides by t
            return True

    @property
    def needs_teacher_values(self) -> bool:
        """Whether the rule uses V_pi, so that the teacher itself must end."""
        return uses(self.reward, v) or uses(self.loss, teacher_better) or uses(self.reward, teacher_better)

    @property
    def loss_text(self) -> str:
        """The loss as text."""
        return str(self.loss)

    @property
    def reward_text(self) -> str:
        """The reward of a step as text."""
        return str(self.reward)

    def _repr_latex_(self) -> str:
        control = {"teacher": r"\pi", "student": r"\pi_\theta"}[self.control]
        row = rf"q = {control},\quad \ell = {latex(self.loss)},\quad \hat r_i = {latex(self.reward)}"
        return rf"$\text{{{self.title}}}:\quad {row}$"


@dataclass(frozen=True)
class Split:
    """A rule's reward, taken apart: `rhat_i = alpha·(now + after(state) + after(action)) + environment terms`.

    `now` and `action` are per-action formulas, `state` a state formula; `r`, `v_now`, `v_next`, `v_student_now` are
    the coefficients of R[s_i, a_i], V_pi(s_i), V_pi(s_{i+1}), V_theta(s_i), which alpha does not scale.
    """

    now: Formula = ZERO
    state: Formula = ZERO
    action: Formula = ZERO
    r: Fraction = Fraction(0)
    v_now: Fraction = Fraction(0)
    v_next: Fraction = Fraction(0)
    v_student_now: Fraction = Fraction(0)

    @property
    def depends_on_student(self) -> bool:
        """Whether a step's reward depends on theta."""
        return bool(self.v_student_now) or any(
            uses(x, p, log_p, teacher_better) for x in (self.now, self.state, self.action)
        )


def split(rule: Rule) -> Split:
    """Take a rule's reward apart into the terms that eq. (1) treats alike.

    Raises ValueError when a term is not linear in r, v and v_student, or holds the student's value of the next state.

    >>> from vorticity import TABLE
    >>> split(TABLE["teacher-v"]).v_now
    Fraction(-1, 1)
    """
    found: dict[str, Any] = {"now": ZERO, "state": ZERO, "action": ZERO}
    weighs = bool(rule.alpha)  # with weight 0 only the environment's terms are left
    for factor, term in _terms(rule.reward):
        if term.op == "after":
            for inner_factor, inner in _terms(term.args[0]):
                _sort_term(rule, found, factor * inner_factor, inner, next_step=True)
        else:
            _sort_term(rule, found, factor, term, next_step=False)
    if not weighs:
        found |= {"now": ZERO, "state": ZERO, "action": ZERO}
    return Split(**found)


_ENVIRONMENT = {(r, False): "r", (v, False): "v_now", (v, True): "v_next", (v_student, False): "v_student_now"}


def _sort_term(rule: Rule, found: dict[str, Any], factor: Fraction, term: Formula, *, next_step: bool) -> None:
    if (term, next_step) in _ENVIRONMENT:
        key = _ENVIRONMENT[term, next_step]
        found[key] = found.get(key, Fraction(0)) + factor
        return
    if uses(term, r, v, v_student) or any(part.op == "after" for part in parts(term)):
        raise ValueError(
            f"rule {rule.id!r}: reward term {term}{' of the next step' if next_step else ''} is not one of "
            "r, v, v_student, after(v), formulas of the two policies, and after(...) of those"
        )
    key = "now" if not next_step else "state" if is_state_formula(term) else "action"
    found[key] = found[key] + factor * term


def _terms(x: Formula) -> list[tuple[Fraction, Formula]]:
    """x as a list of (number, term) whose sum it is."""
    if is_zero(x):
        return []
    if x.op == "+":
        return _terms(x.args[0]) + _terms(x.args[1])
    if x.op == "*":
        for number, rest in (x.args, x.args[::-1]):
            if number.op == "number":
                return [(number.args[0] * factor, term) for factor, term in _terms(rest)]
    return [(Fraction(1), x)]


def control_kind(rule: Rule, control: str | None = None) -> str:
    """ "student", "fixed" (teacher, uniform) or "mixed" (a mixture that depends on the student).

    `control` is None (the row's own), "teacher", "student", "uniform" or "mix:W", W pi + (1 − W) pi_theta; `mix:0` is
    the student and `mix:1` the teacher. Raises ValueError for anything else.

    >>> from vorticity import TABLE
    >>> control_kind(TABLE["er"], "mix:1")
    'fixed'
    """
    weight = mixture_weight(rule.control if control is None else control)
    if weight is None or weight == 1:
        return "fixed"
    return "student" if weight == 0 else "mixed"


def mixture_weight(control: str) -> Fraction | None:
    """The teacher's weight W in a control policy W pi + (1 − W) pi_theta; None for "uniform"."""
    if not isinstance(control, str):
        raise ValueError(f"control is {control!r}; must be text: teacher, student, uniform or mix:W")
    named = {"teacher": Fraction(1), "student": Fraction(0), "uniform": None}
    if control in named:
        return named[control]
    if control.startswith("mix:"):
        weight = rational(control[4:], "the weight of control mix:W")
        if 0 <= weight <= 1:
            return weight
        raise ValueError(f"control {control!r}: the teacher's weight is {float(weight):g}; must lie in [0, 1]")
    raise ValueError(f"control: {nearest(control, named)} (known: {', '.join(named)}, mix:W)")


def expected_gradient(rule: Rule, control: str | None = None) -> bool | None:
    """What the sources say: is the rule's field a gradient under this control? None where they are silent.

    Theory: every student-driven row stops being a gradient under a mixture that depends on the student, and so does
    teacher distillation.
    """
    kind = control_kind(rule, control)
    return False if kind == "mixed" and rule.gradient else rule.gradient.get(kind)


def structural_potential(rule: Rule, control: str | None = None) -> str | None:
    """A potential that holds for *every* MDP, parameter and Phi, as text, read off the row; None where none is seen.

    Student control, whole-episode reward rhat_i = now(s_i, a_i) + after(h)(s_{i+1}, a_{i+1}): let
    W = E_q Σ_t [now + h](s_t, a_t), counting h at the first state too. Then
    ∇W − F = E_q Σ_t [∇l + ∇ E_a h + E_a ∂now](s_t), so F = ∇W when that bracket vanishes at every state: an identity
    between formulas (theory T2). Fixed control and rewards that do not depend on the student: visits d and action
    values Q are constants, and F is the gradient of Σ_s d(s) (Σ_a q Q log pi_theta − l).

    >>> from vorticity import TABLE
    >>> structural_potential(TABLE["n-distill"])
    'E_q Σ_t [total(t*log_p)](s_t, a_t), q = pi_theta'
    >>> structural_potential(TABLE["on-policy"]) is None
    True
    """
    kind, terms = control_kind(rule, control), split(rule)
    loss = rule.loss if rule.alpha else ZERO
    if uses(loss, teacher_better) or uses(rule.reward, teacher_better):
        return None  # the gate jumps: a gradient on each side of it is none across it
    if kind == "fixed" and not terms.depends_on_student:
        inside = _joined("" if is_zero(rule.reward) else "total(q*Q*log_p)", _weighted(rule.alpha, -loss))
        return f"Σ_s d_q(s) [{inside}](s), q fixed, Q the action values of the rule's reward"
    if kind != "student" or rule.horizon != "episode" or terms.v_student_now or not _bracket_vanishes(loss, terms):
        return None
    environment = terms.r * r + (terms.v_now + terms.v_next) * v
    distilled = _weighted(rule.alpha, terms.now + terms.state + terms.action)
    return f"E_q Σ_t [{_joined(distilled, '' if is_zero(environment) else str(environment))}](s_t, a_t), q = pi_theta"


def _weighted(alpha: Fraction, x: Formula) -> str:
    """alpha · x as text, "" for 0."""
    return "" if is_zero(x) else str(x) if alpha == 1 else f"{alpha}*({x})"


def _joined(left: str, right: str) -> str:
    """left + right as text."""
    if not (left and right):
        return left or right or "0"
    return f"{left} - {right[1:]}" if right.startswith("-") else f"{left} + {right}"


def _bracket_vanishes(loss: Formula, terms: Split) -> bool:
    """Whether ∇(l + h + Σ_a p action) + E_a ∂now is 0 in logits: its L-derivative w is p times a state quantity."""
    w = (loss + terms.state + total(p * terms.action)).gradient + p * own(terms.now)
    for inner in totals(terms.now):
        w = w + total(p * partial_derivative(terms.now, inner)) * inner.gradient
    state_part = ZERO
    for monomial, coefficient in expand(w).items():
        if monomial.count(p) == 1 and all(is_state_formula(x) for x in monomial if x != p):
            rest = ONE
            for factor in (x for x in monomial if x != p):
                rest = rest * factor
            state_part = state_part + coefficient * rest
    return identical(w, p * state_part)
