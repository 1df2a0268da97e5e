"""A slow, independent second derivation of everything `dynamics` computes: shares no code with the package.

Sources: section 2's expectation, the verbal definition of the rules, and nothing else. Four routes, each its own:

* `enumerate_field`: every trajectory of a small acyclic MDP, one after the other; gradients by complex step;
* `pair_field`: the expectation on the chain of (state, action) pairs, for cyclic MDPs and complex parameters;
* `stated_objective`: the loss a rule is said to descend, by squaring a chain with an accumulator until it stands still;
* `expected_gradient`: what (rule, control) ought to be, as a table.

Run as a script it checks each against the others and prints the worst errors. Everything takes plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Trajectory: TypeAlias = tuple[tuple[int, int], ...]  # (state, action) pairs; the episode ends after the last one
STEP = 1e-30  # of the complex step: exact to rounding, since nothing is subtracted


@dataclass(frozen=True)
class Case:
    """One question: an MDP, a teacher, a student's features, and a rule with its options."""

    P: Array  # (S, A, S), rows sum to at most 1
    R: Array  # (S, A)
    rho: Array  # (S,)
    g: float
    phi: Array  # (S * A, n): logits = phi @ theta, row s * A + a
    teacher: Array  # (S, A)
    rule: str
    control: str | None = None  # 'teacher' | 'student' | 'uniform' | 'mix:W'; None: the one listed for the rule
    with_reward: bool = False
    alpha: float = 1.0
    own: Array | None = None  # (S, A) or None: own loss l(s) = sum_a own[s, a] * pi_theta(a|s) for the cross-entropy


# --- policies ---------------------------------------------------------------------------------------------------------


def log_policy(case: Case, theta: Array) -> Array:
    """log pi_theta, (S, A); theta may be complex."""
    logits = (case.phi @ theta).reshape(case.R.shape)
    logits = logits - logits.real.max(axis=1, keepdims=True)
    out: Array = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return out


def control_of(case: Case) -> str:
    """The control in force."""
    return listed_control(case.rule) if case.control is None else case.control


def teacher_share(control: str) -> float | None:
    """Weight of the teacher in the control policy; None for 'uniform'."""
    if control == "uniform":
        return None
    if control.startswith("mix:"):
        return float(control[4:])
    return {"teacher": 1.0, "student": 0.0}[control]


def control_policy(case: Case, student: Array) -> Array:
    """q, (S, A)."""
    share = teacher_share(control_of(case))
    if share is None:
        return np.full(case.R.shape, 1.0 / case.R.shape[1])
    return np.asarray(share * case.teacher + (1.0 - share) * student)


# --- state losses, as functions of one state's log-probabilities (which may be complex) -------------------------------


def no_loss(case: Case, s: int, logp: Array) -> Any:
    """0."""
    return 0.0 * logp.sum()


def cross_entropy(case: Case, s: int, logp: Array) -> Any:
    """H(pi || pi_theta)."""
    return -sum(case.teacher[s, a] * logp[a] for a in range(len(logp)))


def cross_entropy_or_own(case: Case, s: int, logp: Array) -> Any:
    """H(pi || pi_theta), or what the user puts in its place."""
    if case.own is None:
        return cross_entropy(case, s, logp)
    return sum(case.own[s, a] * np.exp(logp[a]) for a in range(len(logp)))


def forward_kl(case: Case, s: int, logp: Array) -> Any:
    """KL(pi || pi_theta)."""
    return sum(w * (np.log(w) - logp[a]) for a, w in enumerate(case.teacher[s]) if w > 0)


def reverse_cross_entropy(case: Case, s: int, logp: Array) -> Any:
    """H(pi_theta || pi)."""
    return -sum(np.exp(logp[a]) * np.log(case.teacher[s, a]) for a in range(len(logp)))


def reverse_kl(case: Case, s: int, logp: Array) -> Any:
    """KL(pi_theta || pi)."""
    return sum(np.exp(logp[a]) * (logp[a] - np.log(case.teacher[s, a])) for a in range(len(logp)))


def minus_entropy(case: Case, s: int, logp: Array) -> Any:
    """-H(pi_theta || pi_theta), differentiated in both places (the second contributes nothing)."""
    return sum(np.exp(logp[a]) * logp[a] for a in range(len(logp)))


StateLoss: TypeAlias = Callable[[Case, int, Array], Any]
LOSSES: Mapping[str, StateLoss] = {
    "teacher": cross_entropy_or_own,
    "on-policy": cross_entropy_or_own,
    "er": no_loss,
    "n-distill": cross_entropy_or_own,
    "n-distill-kl": forward_kl,
    "eer": reverse_cross_entropy,
    "eer-no-reward": reverse_cross_entropy,
    "reverse-kl": reverse_kl,
    "reverse-kl-corrected": reverse_kl,
    "reward": no_loss,
    "teacher-v": no_loss,
    "student-critic": no_loss,
    "bootstrap": no_loss,
    "entropy-bonus": minus_entropy,
    "value-gate": cross_entropy_or_own,  # at the states of `open_gates` only
}
RULES = tuple(LOSSES)


def listed_control(rule: str) -> str:
    """The control policy that the table of rules lists."""
    return "teacher" if rule == "teacher" else "student"


# --- what a rule pays at step i of a trajectory -----------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What step rewards may look at besides the trajectory."""

    logp: Array  # the student's log-probabilities
    v_teacher: Array
    v_student: Array


StepReward: TypeAlias = Callable[[Case, Facts, Trajectory, int], float]


def pay_nothing(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """0."""
    return 0.0


def pay_teacher_log(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """log pi(a_i | s_i)."""
    return float(np.log(case.teacher[trajectory[i]]))


def pay_next_teacher_log(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """log pi(a_{i+1} | s_{i+1}), if there is such a step."""
    return float(np.log(case.teacher[trajectory[i + 1]])) if i + 1 < len(trajectory) else 0.0


def pay_minus_next_loss(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """-l(s_{i+1}) with the rule's own l, if there is such a step."""
    if i + 1 == len(trajectory):
        return 0.0
    s = trajectory[i + 1][0]
    return -float(LOSSES[case.rule](case, s, facts.logp[s]))


def next_teacher_value(facts: Facts, trajectory: Trajectory, i: int) -> float:
    """V_pi(s_{i+1}), 0 when the episode has ended (by termination or by the discount's killing alike)."""
    return float(facts.v_teacher[trajectory[i + 1][0]]) if i + 1 < len(trajectory) else 0.0


def pay_teacher_values(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """V_pi(s_{i+1}) - V_pi(s_i)."""
    return next_teacher_value(facts, trajectory, i) - float(facts.v_teacher[trajectory[i][0]])


def pay_mixed_values(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """V_pi(s_{i+1}) - V_pi_theta(s_i)."""
    return next_teacher_value(facts, trajectory, i) - float(facts.v_student[trajectory[i][0]])


def pay_next_teacher_value(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """V_pi(s_{i+1})."""
    return next_teacher_value(facts, trajectory, i)


DISTILLATION_PAY: Mapping[str, StepReward] = {  # weight alpha
    "er": pay_teacher_log,
    "n-distill": pay_minus_next_loss,
    "n-distill-kl": pay_minus_next_loss,
    "eer": pay_next_teacher_log,
    "reverse-kl-corrected": pay_minus_next_loss,
}
VALUE_PAY: Mapping[str, StepReward] = {  # weight 1
    "teacher-v": pay_teacher_values,
    "student-critic": pay_mixed_values,
    "bootstrap": pay_next_teacher_value,
}
ALREADY_PAY_REWARD = frozenset({"reward", "teacher-v", "student-critic", "bootstrap", "entropy-bonus"})
ONE_STEP = frozenset({"bootstrap"})


def holds_reward(case: Case) -> bool:
    """Whether rhat_i holds r_i (once, whoever asked for it)."""
    return case.with_reward or case.rule in ALREADY_PAY_REWARD


def step_reward(case: Case, facts: Facts, trajectory: Trajectory, i: int) -> float:
    """rhat_i."""
    pay = case.alpha * DISTILLATION_PAY.get(case.rule, pay_nothing)(case, facts, trajectory, i)
    pay += VALUE_PAY.get(case.rule, pay_nothing)(case, facts, trajectory, i)
    return pay + (float(case.R[trajectory[i]]) if holds_reward(case) else 0.0)


# --- (a) enumeration --------------------------------------------------------------------------------------------------


def acyclic_values(case: Case, policy: Array) -> Array:
    """Expected reward to come from each state, by recursion; a revisited state is an error."""
    known: dict[int, float] = {}

    def value(s: int, above: tuple[int, ...]) -> float:
        if s in above:
            raise ValueError(f"state {s} can be visited twice: enumeration needs an acyclic MDP")
        if s not in known:
            total = 0.0
            for a in range(case.R.shape[1]):
                ahead = sum(case.P[s, a, z] * value(int(z), (*above, s)) for z in np.flatnonzero(case.P[s, a]))
                total += policy[s, a] * (case.R[s, a] + case.g * ahead)
            known[s] = total
        return known[s]

    return np.array([value(s, ()) for s in range(len(case.rho))])


def trajectories(case: Case, policy: Array) -> Iterator[tuple[float, Trajectory]]:
    """Every trajectory with its probability; each step ends the episode, is killed (1 - g) or goes on."""

    def grow(weight: float, steps: Trajectory, s: int) -> Iterator[tuple[float, Trajectory]]:
        if any(s == seen for seen, _ in steps):
            raise ValueError(f"state {s} can be visited twice: enumeration needs an acyclic MDP")
        for a in np.flatnonzero(policy[s]):
            longer = (*steps, (s, int(a)))
            here = weight * float(policy[s, a])
            stays = float(case.P[s, a].sum())
            yield here * (1.0 - stays) + here * stays * (1.0 - case.g), longer
            for z in np.flatnonzero(case.P[s, a]):
                yield from grow(here * float(case.P[s, a, z]) * case.g, longer, int(z))

    for s in np.flatnonzero(case.rho):
        yield from grow(float(case.rho[s]), (), int(s))


def derivative_tables(case: Case, theta: Array) -> tuple[Array, Array]:
    """Complex-step gradients of log pi_theta, (S, A, n), and of the rule's state loss, (S, n)."""
    n_states, n_actions = case.R.shape
    of_log = np.zeros((n_states, n_actions, len(theta)))
    of_loss = np.zeros((n_states, len(theta)))
    for k in range(len(theta)):
        moved = theta.astype(complex)
        moved[k] += 1j * STEP
        logp = log_policy(case, moved)
        of_log[:, :, k] = logp.imag / STEP
        of_loss[:, k] = [np.imag(LOSSES[case.rule](case, s, logp[s])) / STEP for s in range(n_states)]
    return of_log, of_loss


def clearly_above(v_teacher: Array, v_student: Array) -> Array:
    """V_pi > V_pi_theta, not decided by rounding: a tie (all actions of a last state paying alike) is a closed gate."""
    scale = max(1.0, float(np.abs(v_teacher).max()), float(np.abs(v_student).max()))
    return np.asarray(v_teacher - v_student > 1e-12 * scale)


def open_gates(case: Case, theta: Array) -> Array:
    """Where `value-gate` copies: V_pi(s) > V_pi_theta(s), (S,) of bool; any MDP, real theta."""
    return clearly_above(pair_values(case, case.teacher), pair_values(case, np.exp(log_policy(case, theta))))


def enumerate_field(case: Case, theta: Array) -> Array:
    """F(theta), (n,), literally: E_q [sum_t grad log pi_theta(a_t|s_t) Rhat_t - grad l(s_t)] over all trajectories."""
    logp = log_policy(case, theta)
    student = np.exp(logp)
    facts = Facts(logp, acyclic_values(case, case.teacher), acyclic_values(case, student))
    of_log, of_loss = derivative_tables(case, theta)
    if case.rule == "value-gate":
        of_loss *= clearly_above(facts.v_teacher, facts.v_student)[:, None]
    field = np.zeros(len(theta))
    for weight, trajectory in trajectories(case, control_policy(case, student)):
        pay = [step_reward(case, facts, trajectory, i) for i in range(len(trajectory))]
        for t, (s, a) in enumerate(trajectory):
            to_go = pay[t] if case.rule in ONE_STEP else sum(pay[t:])
            field += weight * (of_log[s, a] * to_go - case.alpha * of_loss[s])
    return field


# --- the same expectation on the chain of (state, action) pairs: cyclic MDPs, complex theta ---------------------------


def pair_chain(case: Case, policy: Array) -> Array:
    """I - M, where M[(s, a), (z, b)] is the probability that the pair (z, b) follows (s, a)."""
    size = case.R.size
    follow = case.g * np.einsum("saz,zb->sazb", case.P, policy).reshape(size, size)
    return np.asarray(np.eye(size) - follow)


def pair_values(case: Case, policy: Array) -> Array:
    """V of the return under a policy (possibly complex), (S,)."""
    q_values = np.linalg.solve(pair_chain(case, policy), case.R.ravel()).reshape(case.R.shape)
    return np.asarray((policy * q_values).sum(axis=1))


def pair_losses(case: Case, logp: Array) -> Array:
    """The rule's loss at every state, (S,)."""
    return np.array([LOSSES[case.rule](case, s, logp[s]) for s in range(len(case.rho))])


def pair_pay(case: Case, logp: Array, control: Array) -> Array:
    """Expected rhat_i given the pair (s_i, a_i), (S, A); what follows is weighted by g P."""
    onward = case.g * case.P
    pay = np.zeros(case.R.shape, dtype=logp.dtype)
    if case.rule == "er":
        pay += case.alpha * np.log(case.teacher)
    elif case.rule == "eer":
        pay += case.alpha * onward @ (control * np.log(case.teacher)).sum(axis=1)
    elif case.rule in ("n-distill", "n-distill-kl", "reverse-kl-corrected"):
        pay -= case.alpha * onward @ pair_losses(case, logp)
    elif case.rule in ("teacher-v", "student-critic", "bootstrap"):
        v_teacher = pair_values(case, case.teacher)
        pay += onward @ v_teacher
        if case.rule == "teacher-v":
            pay -= v_teacher[:, None]
        elif case.rule == "student-critic":
            pay -= pair_values(case, np.exp(logp))[:, None]
    return pay + case.R if holds_reward(case) else pay


def loss_slopes(case: Case, logp: Array) -> Array:
    """Weights w with grad l(s) = sum_a w[s, a] grad log pi_theta(a|s), (S, A)."""
    student = np.exp(logp)
    if case.rule in ("teacher", "on-policy", "n-distill", "value-gate"):
        return -case.teacher + 0.0 * logp if case.own is None else case.own * student
    if case.rule == "n-distill-kl":
        return -case.teacher + 0.0 * logp
    if case.rule in ("eer", "eer-no-reward"):
        return -student * np.log(case.teacher)
    if case.rule in ("reverse-kl", "reverse-kl-corrected"):
        return np.asarray(student * (logp - np.log(case.teacher)))
    return student * logp if case.rule == "entropy-bonus" else 0.0 * logp


def pair_field(case: Case, theta: Array) -> Array:
    """F(theta), (n,), on any proper MDP; analytic in theta (but for the gate), so theta may be complex."""
    logp = log_policy(case, theta)
    student = np.exp(logp)
    control = control_policy(case, student)
    chain = pair_chain(case, control)
    pay = pair_pay(case, logp, control).ravel()
    to_go = pay if case.rule in ONE_STEP else np.linalg.solve(chain, pay)
    visits = np.linalg.solve(chain.T, (case.rho[:, None] * control).ravel())
    slopes = loss_slopes(case, logp)
    if case.rule == "value-gate":
        slopes = slopes * open_gates(case, np.real(theta))[:, None]
    at_states = visits.reshape(case.R.shape).sum(axis=1)
    features = case.phi.reshape(*case.R.shape, -1)
    of_log = features - np.einsum("sa,sak->sk", student, features)[:, None, :]
    weights = visits * to_go - case.alpha * (at_states[:, None] * slopes).ravel()
    out: Array = weights @ of_log.reshape(case.R.size, -1)
    return out


# --- (b) the stated objectives ----------------------------------------------------------------------------------------

STATED = frozenset({"teacher", "er", "n-distill", "n-distill-kl", "eer", "reverse-kl-corrected", "reward", "teacher-v"})


def accumulated(case: Case, policy: Array, cost: Array) -> Array:
    """E_policy [sum_t cost(s_t)] from every state, (S,): a chain with an accumulator as its last state, squared."""
    size = len(case.rho)
    chain = np.zeros((size + 1, size + 1), dtype=np.result_type(policy, cost, float))
    chain[:size, :size] = case.g * np.einsum("sa,saz->sz", policy, case.P)
    chain[:size, size] = cost
    chain[size, size] = 1.0
    for _ in range(60):
        chain = chain @ chain
    if np.abs(chain[:size, :size]).max() > 1e-12:
        raise ValueError("the episode does not end")
    return np.asarray(chain[:size, size])


def stated_cost(case: Case, logp: Array) -> Array:
    """The distillation loss, as a cost at every visited state, (S,), before alpha."""
    student = np.exp(logp)
    if case.rule in ("er", "eer"):
        return np.asarray(-(student * np.log(case.teacher)).sum(axis=1))
    if case.rule in ("reward", "teacher-v"):
        return np.zeros(len(case.rho))
    return pair_losses(case, logp)


def stated_objective(case: Case, theta: Array) -> Any:
    """What the rule is said to descend, under its listed control: alpha * loss - return; theta may be complex."""
    if case.rule not in STATED or teacher_share(control_of(case)) != teacher_share(listed_control(case.rule)):
        raise ValueError(f"{case.rule} under {control_of(case)} has no stated objective")
    logp = log_policy(case, theta)
    student = np.exp(logp)
    cost = case.alpha * stated_cost(case, logp)
    if case.rule == "teacher":
        if case.with_reward:  # Q_pi is the teacher's and does not move: not the return of anybody
            ahead = accumulated(case, case.teacher, (case.teacher * case.R).sum(axis=1))
            cost = cost - (case.teacher * (case.R + case.g * case.P @ ahead) * logp).sum(axis=1)
        return case.rho @ accumulated(case, case.teacher, cost)
    if holds_reward(case):
        cost = cost - (student * case.R).sum(axis=1)
    return case.rho @ accumulated(case, student, cost)


def objective_gradient(case: Case, theta: Array) -> Array:
    """Complex-step gradient of `stated_objective`; F is to be minus this."""
    return np.asarray(complex_step_jacobian(lambda t: np.array([stated_objective(case, t)]), theta)[0])


# --- (c) Jacobians ----------------------------------------------------------------------------------------------------


def complex_step_jacobian(field: Callable[[Array], Array], theta: Array) -> Array:
    """J[i, j] = d field_i / d theta_j of a callable that is analytic and takes complex parameters."""
    columns = []
    for j in range(len(theta)):
        moved = np.asarray(theta).astype(complex)
        moved[j] += 1j * STEP
        columns.append(np.imag(field(moved)) / STEP)
    return np.stack(columns, axis=-1)


def difference_jacobian(field: Callable[[Array], Array], theta: Array, step: float = 1e-3) -> Array:
    """The same by fourth-order central differences, for callables of real parameters (about 1e-11)."""
    columns = []
    for j in range(len(theta)):
        e = np.zeros(len(theta))
        e[j] = step
        near = field(theta + e) - field(theta - e)
        far = field(theta + 2 * e) - field(theta - 2 * e)
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, axis=-1)


def asymmetry(jacobian: Array, floor: float = 1e-12) -> float:
    """||J - J^T|| / ||J||, 0 for J = 0 up to rounding (`teacher-v` under the teacher's control: F is constant)."""
    size = float(np.linalg.norm(jacobian))
    return float(np.linalg.norm(jacobian - jacobian.T)) / size if size > floor else 0.0


# --- (d) which (rule, control) is a gradient --------------------------------------------------------------------------


def expected_gradient(rule: str, control: str | None = None) -> bool | None:
    """Whether F is a gradient, with or without +R, for every MDP (True), for none but special ones (False).

    Fixed q: F = grad E_q sum_t [log pi_theta(a_t|s_t) Rhat_t - l(s_t)] if the step rewards do not depend on theta;
    only the corrections (n-distill, n-distill-kl, reverse-kl-corrected) and V_pi_theta (student-critic) do. So too
    `value-gate`: on each side of the gate, not across it. q = pi_theta: the rows with a stated objective (but
    `teacher` is `on-policy` then). Mixtures, 0 < W < 1: none. None: `value-gate` where q depends on the student, a
    gradient where every visited gate is closed (F = 0, or with +R and q = pi_theta that of the return), else not.
    """
    if rule not in LOSSES:
        raise ValueError(f"unknown rule {rule!r}")
    share = teacher_share(listed_control(rule) if control is None else control)
    if share is None or share == 1.0:
        return rule not in ("n-distill", "n-distill-kl", "reverse-kl-corrected", "student-critic")
    if rule == "value-gate":
        return None
    return share == 0.0 and rule in STATED and rule != "teacher"


# --- self-check -------------------------------------------------------------------------------------------------------

CONTROLS = ("teacher", "student", "uniform", "mix:0.3", "mix:0", "mix:1")


def random_case(rng: np.random.Generator, *, cyclic: bool, features: str, size: tuple[int, int] = (4, 3)) -> Case:
    """A random MDP, teacher of full support and student features ('tabular', 'aliased' or 'linear')."""
    n_states, n_actions = size
    P = rng.exponential(size=(n_states, n_actions, n_states)) * (rng.random((n_states, n_actions, n_states)) < 0.7)
    if not cyclic:
        P *= np.triu(np.ones((n_states, n_states)), 1)[:, None, :]
    P /= np.maximum(P.sum(axis=2, keepdims=True), 1e-300)
    P *= rng.uniform(0.6, 0.95, size=(n_states, n_actions, 1))
    phi: Array = np.eye(n_states * n_actions)
    if features == "aliased":
        seen = np.minimum(np.arange(n_states), n_states - 2)  # the last two states look alike
        phi = np.kron(np.eye(n_states - 1)[seen], np.eye(n_actions))
    elif features == "linear":
        phi = rng.normal(size=(n_states * n_actions, 5))
    return Case(
        P=P,
        R=rng.normal(size=size),
        rho=rng.dirichlet(np.ones(n_states)),
        g=float(rng.choice([1.0, 0.9])),
        phi=phi,
        teacher=rng.dirichlet(np.ones(n_actions), size=n_states),
        rule="reward",
        alpha=float(rng.uniform(0.3, 2.0)),
    )


def random_theta(rng: np.random.Generator, case: Case) -> Array:
    """Standard normal parameters."""
    return np.array([rng.normal() for _ in range(case.phi.shape[1])])


def jacobian_at(case: Case, theta: Array) -> Array:
    """Jacobian of `pair_field`."""
    return complex_step_jacobian(lambda t: pair_field(case, t), theta)


def relative(found: Array, wanted: Array) -> float:
    """Largest difference over the largest entry (absolute when nearly everything vanishes)."""
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-3))


def check_rule(rule: str, rng: np.random.Generator, rounds: int = 3) -> tuple[float, float, float]:
    """Worst errors: enumeration against pairs; enumeration, then pairs on cyclic MDPs, against the objective."""
    by_pairs = by_objective = cyclic_objective = 0.0
    for k in range(rounds * 6):
        features = ("tabular", "aliased", "linear")[k % 3]
        own = rng.normal(size=(4, 3)) if k % 2 else None
        for with_reward in (False, True):
            base = replace(random_case(rng, cyclic=False, features=features), rule=rule, own=own)
            base = replace(base, with_reward=with_reward)
            theta = random_theta(rng, base)
            for control in CONTROLS:
                case = replace(base, control=control)
                by_pairs = max(by_pairs, relative(pair_field(case, theta), enumerate_field(case, theta)))
            if rule in STATED:
                error = relative(enumerate_field(base, theta), -objective_gradient(base, theta))
                by_objective = max(by_objective, error)
                ring = replace(random_case(rng, cyclic=True, features=features), rule=rule, own=own)
                ring = replace(ring, with_reward=with_reward)
                error = relative(pair_field(ring, theta), -objective_gradient(ring, theta))
                cyclic_objective = max(cyclic_objective, error)
    return by_pairs, by_objective, cyclic_objective


def asymmetry_range(rule: str, control: str, *, cyclic: bool, seed: int, rounds: int = 12) -> tuple[float, float]:
    """Least and greatest asymmetry over random MDPs, features and +R; `value-gate` with at least one gate open."""
    rng = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < rounds:
        case = random_case(rng, cyclic=cyclic, features=("tabular", "aliased", "linear")[len(found) % 3])
        case = replace(case, rule=rule, control=control, with_reward=bool(len(found) % 2))
        theta = random_theta(rng, case)
        if rule != "value-gate" or open_gates(case, theta).any():
            found.append(asymmetry(jacobian_at(case, theta)))
    return min(found), max(found)


def print_tables() -> None:
    """The three tables of the self-check."""
    rng = np.random.default_rng(20190211)
    print("worst relative error          enum/pairs   objective/enum  objective/pairs (cyclic)")
    for rule in RULES:
        pairs, enumerated, ring = check_rule(rule, rng)
        print(f"{rule:28s} {pairs:11.1e}  " + (f"{enumerated:11.1e}  {ring:11.1e}" if rule in STATED else "-"))
    for cyclic in (False, True):
        print(f"\nasymmetry least..greatest, {'cyclic' if cyclic else 'acyclic'} MDPs; ! contradicts expected_gradient")
        print(" " * 22 + "".join(f"{control:>20s}" for control in CONTROLS))
        for rule in RULES:
            row = f"{rule:22s}"
            for control in CONTROLS:
                low, high = asymmetry_range(rule, control, cyclic=cyclic, seed=7)
                wanted = expected_gradient(rule, control)
                wrong = (wanted is True and high > 1e-11) or (wanted is False and low < 1e-6)
                row += f"{low:9.1e}..{high:8.1e}{'!' if wrong else ' '}"
            print(row)


def two_action_case(P: Array, R: Array, rho: Any, g: float, teacher: Array, phi: Array | None = None) -> Case:
    """A case with +R and alpha 1; identity features unless told otherwise."""
    features = np.eye(R.size) if phi is None else phi
    return Case(P, R, np.array(rho), g, features, teacher, rule="on-policy", with_reward=True)


def swirl() -> Case:
    """C4."""
    to_one = np.array([[0.008, 0.684], [0.0, 1.0]])
    right = 1.0 / (1.0 + np.exp([4.328125, 4.953125]))
    P = np.stack([1.0 - to_one, to_one], axis=2)
    R = np.array([[2.35, 15.38], [-4.63, 10.2]])
    return two_action_case(P, R, [0.01, 0.99], 0.97, np.stack([1.0 - right, right], axis=1))


def corridor_cycle() -> Case:
    """C2."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 0] = P[1, 1, 2] = P[2, 0, 1] = 1.0
    R = np.array([[1.0, 0.0], [-0.5, 0.0], [0.55, 0.0]])
    return two_action_case(P, R, [0.25, 0.0, 0.75], 0.99, np.tile([0.02, 0.98], (3, 1)))


def aliased_cycle() -> Case:
    """C5."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 2] = P[2, 0, 0] = P[2, 1, 2] = 1.0
    R = np.array([[1.02, 0.0], [-0.42, 0.0], [-0.52, 0.0]])
    phi = np.kron(np.eye(2)[[0, 1, 0]], np.eye(2))
    first = np.array([0.2, 0.05, 0.2])
    return two_action_case(P, R, [0.2, 0.8, 0.0], 0.99, np.stack([first, 1.0 - first], axis=1), phi)


def rest_point(case: Case, start: Array, time: float = 4000.0) -> tuple[Array, Array]:
    """Flow for a while (0: not at all), then Newton: (rest point, eigenvalues there)."""
    from scipy.integrate import solve_ivp

    theta = start
    if time > 0:
        flow = solve_ivp(lambda _, t: pair_field(case, t), (0.0, time), start, method="LSODA", rtol=1e-9, atol=1e-10)
        theta = flow.y[:, -1]
    for _ in range(50):  # least squares: adding a constant to a row of logits changes nothing
        theta = theta - np.linalg.lstsq(jacobian_at(case, theta), pair_field(case, theta), rcond=1e-12)[0]
    if np.abs(pair_field(case, theta)).max() > 1e-10:
        raise ValueError("no rest point found")
    return theta, np.linalg.eigvals(jacobian_at(case, theta))


def print_rest_points() -> None:
    """The rest points that theory.md quotes for C2, C4 and C5."""
    focus = np.array([0.0, 2.8, 0.0, 1.1])
    for name, case, rule, start, time, sign in (
        ("C4 swirl, log-odds of action 1", swirl(), "reverse-kl", focus, 0.0, 1),
        ("C4 swirl, log-odds of action 1", swirl(), "reverse-kl-corrected", np.zeros(4), 4000.0, 1),
        ("C4 swirl, log-odds of action 1", swirl(), "on-policy", np.zeros(4), 4000.0, 1),
        ("C2 corridor, left - right", corridor_cycle(), "n-distill", np.zeros(6), 4000.0, -1),
        ("C5 aliased, a0 - a1", aliased_cycle(), "n-distill", np.zeros(4), 4000.0, -1),
    ):
        theta, spectrum = rest_point(replace(case, rule=rule), start, time)
        odds = sign * (theta[1::2] - theta[0::2])
        print(f"{name}, {rule} + R: {np.round(odds, 7)}, eigenvalues {np.round(spectrum, 6)}")


if __name__ == "__main__":
    print_tables()
    print()
    print_rest_points()
