"""The field of a rule on an MDP: eq. (1) as a vector field on the student's parameters, and facts about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import update as eq1
from dynamics.fields.vector import VectorField
from dynamics.rules import CROSS_ENTROPY, KL, REWARD, Rule, Split, get, mixture_weight, split, structural_potential
from dynamics.rules import formula as fm
from mdp import MDP, Array, Policy, Student, endless_states, evaluation, policy, rational, softmax
from mdp import student as students


@dataclass(frozen=True, eq=False)
class Field(VectorField):
    """The exact expected update of a rule on an MDP, eq. (1), as a vector field on the student's parameters.

    `rule` is a row of the table (or its id, or a `Rule` of your own); `control` is None (the row's own) or "teacher",
    "student", "uniform", "mix:W"; `reward` adds "+R"; `alpha` weighs the distillation terms; `teacher` (S, A) and
    `student` replace the MDP's own. Parameters and field have shape (..., *student.shape); (O, A) for tabular and
    observed students. Time is the time of F.

    Raises ValueError for an unknown rule or control, a missing teacher, a teacher without full support where the rule
    needs it, and with discount 1 a control policy or teacher that never ends.
    Source: the paper, eq. (1).

    >>> from mdp import zoo
    >>> field = Field(zoo.load("bandit"), "on-policy")
    >>> field(np.zeros(field.shape)).shape == field.shape
    True
    """

    mdp: MDP
    rule: Rule
    control: str
    alpha: Fraction
    student: Student
    shape: tuple[int, ...]
    warnings: tuple[str, ...]

    def __init__(
        self,
        mdp: MDP,
        rule: Rule | str,
        *,
        control: str | None = None,
        alpha: Any = 1,
        reward: bool = False,
        teacher: ArrayLike | None = None,
        student: Student | None = None,
    ) -> None:
        row = get(rule) if isinstance(rule, str) else rule
        row = rational(alpha, "alpha") * row
        if row.alpha < 0:
            raise ValueError(f"alpha is {float(row.alpha):g}; must be at least 0")
        if reward:
            row = row + REWARD
        if teacher is not None:
            mdp = mdp.replace(teacher=teacher)
        learner = student or students.of(mdp)
        if learner.table != (mdp.n_states, mdp.n_actions):
            raise ValueError(
                f"the student is for {learner.table} states x actions; the MDP has {(mdp.n_states, mdp.n_actions)}"
            )
        named = row.control if control is None else control
        mixture_weight(named)
        for name, value in {
            "mdp": mdp,
            "rule": row,
            "control": named,
            "alpha": row.alpha,
            "student": learner,
            "shape": learner.shape,
        }.items():
            object.__setattr__(self, name, value)
        _check_teacher(self)
        object.__setattr__(self, "warnings", _warnings(self))

    # --- the field ---------------------------------------------------------------------------------------------------

    def __call__(self, theta: ArrayLike) -> Array:
        """F(theta) = Phi^T F_logits, eq. (1), shape (..., *shape); theta may be complex."""
        return self.student.pull_back(eq1.update(self.problem, self.policy(theta)))

    def jacobian(self, theta: ArrayLike) -> Array:
        """`∂F_i/∂theta_j` in closed form, theta flattened, shape (..., n, n). The gate's jump is left out."""
        return self.student.pull_back_jacobian(eq1.jacobian(self.problem, self.policy(theta)))

    def rounding(self, theta: ArrayLike) -> Array | float:
        """`32 eps · L · max d · (max |Q| + alpha max |∂l|)`, L the longest expected episode: what rounding leaves.

        Values are sums of about L terms that cancel in the field, so an entry of it or of its Jacobian below this says
        nothing.
        """
        at = eq1.evaluate(self.problem, self.policy(theta), visits_suffice=False)
        slopes, values = self._scales(at)
        longest = 1.0 if at.chain is None else np.abs(at.chain.values(np.ones(at.d.shape[-1]))).max(-1)
        return np.asarray(32 * np.finfo(float).eps * longest * np.abs(at.d).max(-1) * (values + slopes))

    def _scales(self, at: eq1.Point) -> tuple[Array, Array]:
        """alpha max |∂l| and max |Q|: the sizes of what makes up the field, per batch entry."""
        slopes = values = np.zeros(at.d.shape[:-1])
        if not fm.is_zero(self.problem.loss):
            slope = self.problem.loss.gradient.function(at.values)
            slopes = float(self.alpha) * np.abs(slope).max((-2, -1))
        if at.Q is not None:
            values = np.abs(at.Q).max((-2, -1))
        return slopes, values

    def scales(self, at: eq1.Point) -> Array:
        """alpha max |∂l| + max |Q|, the sizes of what makes up the field, per batch entry (...)."""
        slopes, values = self._scales(at)
        return np.asarray(slopes + values)

    def policy(self, theta: ArrayLike) -> Policy:
        """The student's policy at theta, shape (..., S, A). Raises ValueError unless theta is numbers, all finite."""
        return self.student.policy(_numbers(theta))

    def potential(self, theta: ArrayLike) -> Array | None:
        """A function whose gradient is the field, shape (...), or None where none is known to exist.

        Student control: `Σ_s rho(s) W(s)`, the expected sum of rewards with the terms of the next state counted at the
        first state too; for N-distill −E Σ H(pi‖pi_theta), plus J with +R. Fixed control:
        `Σ_s d(s) (Σ_a q Q log pi_theta − l)`. `dynamics.rules.rule.structural_potential` says whether there is one.
        """
        if structural_potential(self.effective_rule, self.control) is None:
            return None
        return eq1.potential(self.problem, self.policy(theta))

    # --- facts about the field ---------------------------------------------------------------------------------------

    @cached_property
    def effective_rule(self) -> Rule:
        """The rule as it acts here: with the MDP's own loss in the cross-entropy's place where it has one."""
        return self.rule if self.mdp.loss is None else self.rule.with_own_loss()

    @property
    def uses_own_loss(self) -> bool:
        """Whether the MDP's own state loss took the cross-entropy's place."""
        return self.effective_rule != self.rule

    def teacher_residual(self) -> float | None:
        """Largest |F| with the student at the teacher, over `max d · (alpha max |∂l| + max spread of Q)`.

        0 (below 1e-9, say) means the teacher is a rest point. None where no parameters give the teacher's policy: it
        lacks full support, or the shared rows cannot represent it; or where rounding hides the answer.
        """
        table = self.mdp.teacher
        if table is None or (table <= 0).any():
            return None
        logits = np.log(table)
        theta = _fit(self.student, logits)
        gap = np.abs(self.policy(theta).p - table).max()
        if gap >= 1e-9:
            return None
        at = eq1.evaluate(self.problem, self.policy(theta))
        slopes, _ = self._scales(at)
        spread = np.zeros(()) if at.Q is None else np.ptp(at.Q, axis=-1).max()
        size = float(np.abs(at.d).max() * (slopes + spread))
        if size == 0:
            return 0.0
        if float(self.rounding(theta)) > 1e-8 * size:
            return None
        return float(np.abs(self(theta)).max()) / size

    def lyapunov(self) -> str | None:
        """A known function that decreases along the flow, in words, or None (theory P1).

        >>> from mdp import zoo
        >>> Field(zoo.load("swirl"), "on-policy").lyapunov()[:21]
        'KL(pi(s)‖pi_theta(s))'
        """
        rule = self.effective_rule
        tabular = self.student.phi is None
        if tabular and fm.is_zero(rule.reward) and rule.loss in (CROSS_ENTROPY, KL) and rule.alpha > 0:
            pure = self.mdp.teacher is not None and bool((self.mdp.teacher == 0).any())
            end = "its policy comes to the teacher's there while logits run off" if pure else "it comes to rest there"
            return (
                "KL(pi(s)‖pi_theta(s)) decreases at every visited state, at the rate "
                f"alpha d_q(s) ‖pi(s) − pi_theta(s)‖² (P1), so {end}"
            )
        return None

    @cached_property
    def problem(self) -> eq1.Problem:
        """The field's numbers as floats, for `dynamics.fields.update`."""
        mdp, table = self.mdp, self.mdp.teacher
        teacher = _for_formulas(policy(np.full(mdp.R.shape, 1 / mdp.n_actions) if table is None else table))
        return build(self, mdp, teacher, float, np.log)


def build(
    field: Field, world: Any, teacher: Policy, number: Callable[[Any], Any], log: Callable[[Array], Array]
) -> eq1.Problem:
    """Assemble the `Problem` of a field in the arithmetic of `world`; `number` maps exact constants into it."""
    rule, terms = field.effective_rule, split(field.effective_rule)
    n_states, n_actions = field.mdp.n_states, field.mdp.n_actions
    zero = number(0)
    weight = mixture_weight(field.control)
    share = 0 if weight is None else 1 - weight
    base: Any = None
    if weight is None:
        base = np.full((n_states, n_actions), number(Fraction(1, n_actions)))
    elif weight != 0:
        base = number(weight) * teacher.p if weight != 1 else teacher.p
    teacher_values: Any = np.full(n_states, zero)
    if rule.needs_teacher_values:
        teacher_values = evaluation.chain(world, teacher.p).values((teacher.p * world.R).sum(-1))
    now = number(terms.r) * world.R + number(terms.v_now) * teacher_values[..., None]
    return eq1.Problem(
        world=world,
        teacher=teacher,
        loss=fm.ZERO if fm.is_zero(rule.loss.gradient) else rule.loss,
        terms=terms,
        alpha=number(rule.alpha),
        base=base,
        share=int(share) if share in (0, 1) else number(share),
        fixed_now=now,
        fixed_next=number(terms.v_next) * teacher_values,
        teacher_values=teacher_values,
        own_loss=world.loss,
        one_step=rule.horizon == "step",
        rewarded=terms != Split(),
        gated=fm.uses(rule.loss, fm.teacher_better) or fm.uses(rule.reward, fm.teacher_better),
        chain=evaluation.chain(world, base) if share == 0 else None,
        number=number,
        log=log,
    )


def _for_formulas(teacher: Policy) -> Policy:
    """The teacher with log 0 replaced by 0: a rule that is allowed such a teacher multiplies it by t = 0."""
    return dataclasses.replace(teacher, log_p=np.where(teacher.p > 0, teacher.log_p, 0.0))


def _check_teacher(field: Field) -> None:
    """Raise ValueError unless the rule's needs of a teacher are met."""
    mdp, rule, weight = field.mdp, field.effective_rule, mixture_weight(field.control)
    if mdp.loss is None and any(fm.uses(x, fm.c) for x in (rule.loss, rule.reward)):
        raise ValueError(f"rule {rule.id!r} uses c, the MDP's own loss coefficients, and the MDP has no own loss")
    uses_teacher = any(fm.uses(x, fm.t, fm.log_t) for x in (rule.loss, rule.reward))
    if mdp.teacher is None:
        if uses_teacher or rule.needs_teacher_values or weight not in (None, 0):
            raise ValueError(f"rule {rule.id!r} needs a teacher and the MDP has none; give one")
        return
    if rule.needs_full_support and (mdp.teacher == 0).any():
        s, a = np.argwhere(mdp.teacher == 0)[0]
        raise ValueError(
            f"teacher[s={s} {mdp.states[s]!r}, a={a} {mdp.actions[a]!r}] is 0; rule {rule.id!r} takes its logarithm, "
            "so every probability must be positive"
        )
    if weight == 1 or rule.needs_teacher_values:
        endless = endless_states(mdp, mdp.teacher > 0)
        if len(endless):
            s = int(endless[0])
            raise ValueError(
                f"teacher at s={s} {mdp.states[s]!r} never ends the episode; with discount 1 rule {rule.id!r} under "
                f"control {field.control!r} needs a teacher that ends"
            )


def _warnings(field: Field) -> tuple[str, ...]:
    """One line for each thing a reader of the field should know."""
    found = []
    if field.uses_own_loss:
        found.append("the MDP's own state loss takes the place of the cross-entropy H(pi‖pi_theta)")
    problem = field.problem
    if problem.share == 0 and problem.rewarded and not problem.terms.depends_on_student:
        at = eq1.evaluate(problem, softmax(np.zeros(field.mdp.R.shape)))
        pull = at.q * at.Q
        if field.effective_rule.loss in (CROSS_ENTROPY, KL):
            pull = pull + float(field.alpha) * problem.teacher.p
        if (pull < 0).any():
            s, a = np.argwhere(pull < 0)[0]
            found.append(
                "with a reward under a fixed control the field is a gradient, though not of the return, and its "
                f"potential is unbounded: the weight of log pi_theta is {at.d[s] * pull[s, a]:.4g} at s={s} "
                f"{field.mdp.states[s]!r}, a={a} {field.mdp.actions[a]!r}"
            )
    return tuple(found)


def _numbers(theta: ArrayLike) -> Array:
    """theta in double precision, real or complex; raises ValueError for anything that is not finite numbers."""
    array = np.asarray(theta)
    if array.dtype not in (np.float64, np.complex128):
        try:
            array = array.astype(complex if array.dtype.kind == "c" else float)
        except (TypeError, ValueError):
            raise ValueError(f"theta has entries of type {array.dtype}; must be numbers") from None
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"theta{list(place)} is {array[place]}; must be finite")
    return array


def _fit(student: Student, logits: Array) -> Array:
    """Parameters whose policy is nearest to softmax(logits): least squares on centred logits."""
    centred = logits - logits.mean(-1, keepdims=True)
    if student.phi is None:
        return np.asarray(centred.reshape(student.shape))
    phi = student.phi if isinstance(student.phi, np.ndarray) else student.phi.toarray()
    n_states, n_actions = student.table
    table = phi.reshape(n_states, n_actions, -1)
    free = (table - table.mean(1, keepdims=True)).reshape(n_states * n_actions, -1)
    theta = np.linalg.lstsq(free.astype(float), centred.ravel(), rcond=None)[0]
    return np.asarray(theta.reshape(student.shape))
