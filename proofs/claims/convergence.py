"""Claims about where updates end: P1, P2, P3, P4, runaway logits."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.orbits import outcome
from dynamics.rules import Rule
from mdp import MDP, Array, evaluation, random, solve, zoo
from proofs.certificates import (
    field_json,
    generic_json,
    identity_fact,
    identity_holds,
    mdp_json,
    table,
    term,
    value_json,
)
from proofs.claims import stated
from proofs.claims.claim import Claim, Json, Ledger
from proofs.claims.gradients import refute
from proofs.exact import (
    ExactField,
    balls,
    exact_field,
    generic,
    has_logarithms,
    precision,
    pull_back,
    rationals,
    readable_point,
    setting,
    teacher_table,
)

PAPER = "Czarnecki et al., Distilling Policy Distillation, AISTATS 2019"
REST = ("on-policy", "teacher", "n-distill-kl", "reverse-kl", "reverse-kl-corrected")
DO_NOT_REST = ("n-distill", "er")


# --- P1 ---------------------------------------------------------------------------------------------------------------


def log_rates(p: Array, F: Array) -> Array:
    """`d/dt log p_b = F_b − Σ_a p_a F_a` along dtheta/dt = F, for one row of logits (A,)."""
    return np.asarray(F - (p * F).sum())


def kl_rate_holds(exact: ExactField) -> bool:
    """Whether d/dt KL(pi(s)‖pi_theta(s)) = −alpha d_q(s) ‖pi(s) − pi_theta(s)‖² for all theta, tabular."""
    problem, student = exact.problem, exact.student
    F = eq1.update(problem, student)
    d = eq1.evaluate(problem, student).d
    t, p = problem.teacher.p, student.p
    for s in range(len(d)):
        rate = -(t[s] * log_rates(p[s], F[s])).sum()
        gap = t[s] - p[s]
        if rate != -problem.alpha * d[s] * (gap * gap).sum():
            return False
    return True


def kl_rises(rule: Any, seed: int) -> tuple[Field, Array, int, Any] | None:
    """An aliased MDP, a policy and a state whose KL to the teacher rises, exactly."""
    for k in range(seed, seed + 50):
        mdp = random.episodic(k, 2, 2, observations=1)
        field = Field(mdp, rule)
        at = setting(field, rationals())
        point = readable_point(np.random.default_rng(k), field)
        student = at.student(point)
        moved = np.array(pull_back(field.student, eq1.update(at.problem, student)), dtype=object)
        F = moved.reshape(field.shape)[field.student.observation]
        t, p = at.problem.teacher.p, student.p
        for s in range(mdp.n_states):
            rate = -(t[s] * log_rates(p[s], F[s])).sum()
            if rate > 0:
                return field, point, s, rate
    return None


def at_teacher(field: Field) -> Array:
    """F at the teacher, exactly, or in balls where logarithms enter."""
    if not has_logarithms(field):
        at = setting(field, rationals())
        return eq1.update(at.problem, at.student(teacher_table(field.mdp)))
    with precision():
        at = setting(field, balls())
        return eq1.update(at.problem, at.student(teacher_table(field.mdp)))


def check_p1(ledger: Ledger) -> None:
    for S, A in ((2, 2), (1, 3), (1, 4)):
        for name, control in (
            ("on-policy", None),
            ("teacher", None),
            ("on-policy", "uniform"),
            ("on-policy", "mix:1/3"),
        ):
            (exact,) = generic(S, A, {"rule": ledger.rule(name), "control": control})
            identity: Json = {"kind": "kl-rate", "field": generic_json(ledger.rule(name), S, A, control=control)}
            q = control or ledger.rule(name).control
            ledger.note(
                f"KL falls at the stated rate: {name}, q {q}, every {S} x {A} MDP", kl_rate_holds(exact), identity
            )
    found = kl_rises(ledger.rule("on-policy"), ledger.seed)
    if found is None:
        ledger.note("with aliasing KL can rise: no example found", None)
    else:
        field, point, s, rate = found
        fact: Json = {
            "kind": "kl-rises",
            "field": field_json(field),
            "policy": table(point),
            "state": s,
            "value": str(rate),
        }
        ledger.note(f"with aliasing KL can rise: at {field.mdp.states[s]} by {rate}", True, fact)
    mdp = random.episodic(1, 3, 2, discount="9/10")
    for name in REST:
        field = Field(mdp, ledger.rule(name))
        still = all(x == 0 or (hasattr(x, "contains") and x.contains(0)) for x in at_teacher(field).ravel())
        ledger.note(
            f"the teacher is a rest point of {name}", still, {"kind": "rests-at-teacher", "field": field_json(field)}
        )
    for name in DO_NOT_REST:
        field = Field(mdp, ledger.rule(name))
        value = at_teacher(field)[0, 0]
        moves = not value.contains(0) if hasattr(value, "contains") else value != 0
        fact = {"kind": "field-value", "field": field_json(field), "policy": table(teacher_table(mdp)), "i": [0, 0]}
        ledger.note(f"{name} does not rest at the teacher: F there is {value}", moves, fact | value_json(value))


P1 = Claim(
    "P1",
    "convergence without reward",
    "A tabular student that distils without reward, by on-policy or teacher distillation, comes to the teacher at "
    "every state whose visits do not add up to a finite number, so at every state that the teacher reaches: "
    "KL(pi(s)‖pi_theta(s)) never rises. With aliasing it can. N-distill and ER do not in general rest at the teacher; "
    "both reverse-KL rows and N-distill with KL do.",
    r"\frac{d}{dt} \mathrm{KL}(\pi(s)\,\|\,\pi_\theta(s)) = -\alpha\, d_q(s)\, \|\pi(s) - \pi_\theta(s)\|^2",
    "tabular, ODE, no reward; q fixed, the student's own or a mixture; g < 1, or a teacher that ends",
    f"{PAPER}, Proposition 1",
    "the rate as an identity on all 2 x 2, 1 x 3 and 1 x 4 MDPs; exact values at the teacher; an exact counter-example",
    "F[s, a] = alpha d(s) (t_a - p_a), and d/dt log p_b = F_b - Σ_a p_a F_a, so KL moves by -Σ_b t_b F_b + Σ_a p_a F_a "
    "= -alpha d ‖t - p‖², at every size. In local time dtau = alpha d(s) dt the integral of ‖t - p‖² is at most KL "
    "at the start and p moves at bounded speed, so t - p -> 0 where tau runs to infinity. KL bounds p away from 0 "
    "wherever t > 0, so it does at every state that the teacher reaches (docs/claims.md, P1).",
    check_p1,
)


# --- P2 ---------------------------------------------------------------------------------------------------------------


def gated_students(seed: int, count: int, discount: str) -> Iterator[tuple[MDP, Array]]:
    """Students that satisfy the gate's condition: copied from the teacher wherever they are worse."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        mdp = random.episodic(rng, int(rng.integers(2, 5)), int(rng.integers(2, 4)), discount=discount)
        exact, teacher = mdp.exact, teacher_table(mdp)
        weights = rng.integers(1, 6, size=mdp.R.shape)
        student = np.array([[Fraction(int(w), int(row.sum())) for w in row] for row in weights], dtype=object)
        theirs = evaluation.values(exact, teacher)
        while True:
            worse = (theirs > evaluation.values(exact, student)) & (student != teacher).any(-1)
            if not worse.any():
                break
            student[np.flatnonzero(worse)[0]] = teacher[np.flatnonzero(worse)[0]]
        yield mdp, student


def reward_adds(mdp: MDP, gated: Rule, task: Rule, point: Array) -> bool:
    """Whether F(gated + R) = F(gated) + F(task), at a rational policy: +R is the reward row, gate or no gate."""
    plain, reward, both = (
        setting(field, rationals()) for field in (Field(mdp, gated), Field(mdp, task), Field(mdp, gated, reward=True))
    )
    one, two, sum_ = (eq1.update(at.problem, at.student(point)).ravel() for at in (plain, reward, both))
    return all(x + y == z for x, y, z in zip(one, two, sum_, strict=True))


def gated_update_is_stated(field: Field, point: Array) -> bool:
    """Whether F[s] = alpha d(s) (t − p) where V_pi > V_theta and 0 elsewhere, at a rational policy."""
    at = setting(field, rationals())
    student = at.student(point)
    F = eq1.update(at.problem, student)
    world, t = at.world, at.problem.teacher.p
    d = evaluation.chain(world, student.p).visits(world.initial)
    theirs, ours = evaluation.values(world, t), evaluation.values(world, student.p)
    stated_update = [
        [d[s] * (x - y) * int(theirs[s] > ours[s]) for x, y in zip(t[s], student.p[s], strict=True)]
        for s in range(len(d))
    ]
    return all(x == y for x, y in zip(F.ravel(), np.array(stated_update, dtype=object).ravel(), strict=True))


def check_p2(ledger: Ledger) -> None:
    for discount, count in (("1", 60), ("9/10", 40)):
        better = 0
        for k, (mdp, student) in enumerate(gated_students(ledger.seed, count, discount)):
            exact, teacher = mdp.exact, teacher_table(mdp)
            gain = evaluation.expected_return(exact, student) - evaluation.expected_return(exact, teacher)
            better += bool(gain >= 0)
            if k < 6:
                fact: Json = {"kind": "value-gate", "mdp": mdp_json(mdp), "student": table(student)}
                ledger.note(f"gated student {k}, g = {discount}: gains {float(gain):.4g}", gain >= 0, fact)
        says = f"{better} of {count} students that meet the condition do at least as well, g = {discount}, exactly"
        ledger.note(says, better == count, means="instances")
    opened = 0
    for k in range(20):
        field = Field(random.episodic(k, 3, 2), ledger.rule("value-gate"))
        point = readable_point(np.random.default_rng(k), field)
        at = setting(field, rationals())
        opened += any(x != 0 for x in eq1.update(at.problem, at.student(point)).ravel())
        ledger.note(f"the gated update is as stated, random MDP {k}", gated_update_is_stated(field, point))
        if k < 6:
            adds = reward_adds(field.mdp, ledger.rule("value-gate"), ledger.rule("reward"), point)
            ledger.note(f"with +R it is that and the reward row, random MDP {k}", adds)
    ledger.note(f"the gate was open on {opened} of these 20", opened >= 5, means="instances")


P2 = Claim(
    "P2",
    "the value gate",
    "If the gated loss is at most H(pi(s)‖pi(s)) at every state the student reaches, then the student's expected value "
    "is at least the teacher's, and so is its value at every state it reaches.",
    r"[V_\pi > V_{\pi_\theta}]\, H(\pi\|\pi_\theta) \le H(\pi\|\pi)\ \text{on reached states} \Rightarrow "
    r"\mathbb{E}V_{\pi_\theta} \ge \mathbb{E}V_\pi",
    "tabular; the teacher ends (or g < 1; the theory asks for g = 1, which is not needed)",
    f"{PAPER}, Proposition 2",
    "proof in words; exact instances; the gated update at rational policies",
    "H(pi‖pi_theta) >= H(pi‖pi), equal only where the policies are, so at a reached state either V_theta >= V_pi or "
    "the policies agree. Let m be the largest V_pi - V_theta over reached states and suppose m > 0, at s. There the "
    "policies agree, so m = g Σ P_pi(s, s') (V_pi - V_theta)(s') <= m g Σ P_pi(s, s'), which forces every successor to "
    "attain m too and the episode never to end, against the hypothesis.",
    check_p2,
)


# --- P3 ---------------------------------------------------------------------------------------------------------------


def improvement_rate_holds(exact: ExactField) -> bool:
    """Whether d/dt Σ_a p Q_pi = d(s) Σ_a (p_a (Q_pi(s,a) − Σ_b p_b Q_pi(s,b)))², Q_pi = R + g P V_pi, for all theta."""
    problem, student = exact.problem, exact.student
    world, t, p = problem.world, problem.teacher.p, student.p
    V = evaluation.chain(world, t).values(eq1.dot(t, world.R))
    Q = world.R + evaluation.backup(world, V)
    F, d = eq1.update(problem, student), stated.visits(exact)
    for s in range(len(d)):
        mean = (p[s] * Q[s]).sum()
        pull = p[s] * (Q[s] - mean)
        if (p[s] * log_rates(p[s], F[s]) * Q[s]).sum() != d[s] * (pull * pull).sum():
            return False
    return True


def check_p3(ledger: Ledger) -> None:
    for S, A in ((2, 2), (1, 3)):
        (exact,) = generic(S, A, {"rule": ledger.rule("bootstrap")})
        ledger.note(f"Σ_a p Q_pi rises at the stated rate, every {S} x {A} MDP", improvement_rate_holds(exact))
    refute(ledger, Field(zoo.load("swirl"), ledger.rule("bootstrap")), "swirl")
    improved = 0
    for k in range(40):
        mdp = random.episodic(k, 3, 3, discount="9/10")
        exact_mdp, teacher = mdp.exact, teacher_table(mdp)
        Q = evaluation.action_values(exact_mdp, teacher)
        greedy = np.array([[Fraction(int(a == max(range(3), key=row.__getitem__))) for a in range(3)] for row in Q])
        gain = evaluation.values(exact_mdp, greedy) - evaluation.values(exact_mdp, teacher)
        improved += bool((gain >= 0).all())
        if k < 6:
            fact: Json = {"kind": "greedy-improves", "mdp": mdp_json(mdp)}
            ledger.note(f"greedy over Q_pi improves everywhere, random MDP {k}", (gain >= 0).all(), fact)
    ledger.note(f"greedy over Q_pi improves in every state of {improved} of 40 MDPs", improved == 40, means="instances")


P3 = Claim(
    "P3",
    "teacher bootstrapping",
    "Teacher bootstrapping on a tabular student is no gradient field, yet at every reachable state the policy "
    "converges: to the uniform policy on those actions greedy for Q_pi whose logits were largest at the start. The "
    "limit is at least as good as the teacher at every reachable state.",
    r"\frac{d}{dt}\sum_a \pi_\theta Q_\pi = d(s) \sum_a \left(\pi_\theta(a|s)\,(Q_\pi(s,a) - \bar Q_\pi(s))\right)^2",
    "tabular, ODE, q = pi_theta, g < 1 or every policy greedy for Q_pi ends",
    f"{PAPER}, Proposition 3; the proof of convergence is this project's (docs/claims.md)",
    "the Lyapunov identity on all 2 x 2 and 1 x 3 MDPs; a witness of curl; exact policy improvement on instances",
    "docs/claims.md, P3: in the local time of a state the dynamics is the policy gradient of a bandit with payoffs "
    "Q_pi(s, ·), which is solved in closed form: with u = exp(-z) and dsigma = dtau / Σ exp z, the differences of u "
    "grow linearly and the product of u is constant. Every action keeps an infinite integral of probability, so by "
    "induction along paths every reachable state's local time runs to infinity.",
    check_p3,
)


# --- P4 ---------------------------------------------------------------------------------------------------------------


def check_p4(ledger: Ledger) -> None:
    for S, A, observation in ((2, 2, None), (1, 3, None), (2, 2, [0, 0])):
        one, two = generic(
            S, A, {"rule": ledger.rule("teacher-v")}, {"rule": ledger.rule("reward")}, observation=observation
        )
        fields = [generic_json(ledger.rule(name), S, A) for name in ("teacher-v", "reward")]
        same: Json | None = None if observation else {"kind": "same-field", "left": fields[0], "right": fields[1]}
        alias = ", aliased" if observation else ""
        ledger.note(
            f"teacher V reward has the field of the plain reward, every {S} x {A} MDP{alias}", one.equals(two), same
        )
    for k in range(12):
        mdp = random.episodic(k, 3, 2, discount="9/10")
        for optimal in (False, True):
            if optimal:
                best = solve.optimal(mdp)
                mdp = mdp.replace(teacher=[[int(x > 0.5) for x in row] for row in best])
            exact, teacher = mdp.exact, teacher_table(mdp)
            V = evaluation.values(exact, teacher)
            Q = evaluation.action_values(exact, teacher)
            step = _teacher_v_step(ledger, mdp)
            advantage = Q - V[:, None]
            holds = bool((step == advantage).all())
            if optimal:
                holds = holds and bool((advantage <= 0).all()) and all((row == 0).any() for row in advantage)
            word = "optimal" if optimal else "random"
            fact: Json = {"kind": "advantage", "mdp": mdp_json(mdp), "optimal": optimal}
            ledger.note(f"its expected step is the {word} teacher's advantage, MDP {k}", holds, fact if k < 4 else None)


def _teacher_v_step(ledger: Ledger, mdp: MDP) -> Array:
    """E[rhat | s, a] as the row's own terms give it."""
    at = setting(Field(mdp, ledger.rule("teacher-v")), rationals())
    step = at.problem.fixed_now + evaluation.backup(at.world, at.problem.fixed_next)
    return np.array([[Fraction(int(x.p), int(x.q)) for x in row] for row in step], dtype=object)


P4 = Claim(
    "P4",
    "teacher V reward",
    "The expected reward of teacher V is the teacher's advantage, for any teacher; for an optimal one it is zero on "
    "optimal actions and negative on all others. With q = pi_theta its field equals the plain policy gradient.",
    r"\mathbb{E}[r + g V_\pi(s') - V_\pi(s)\,|\,s,a] = A_\pi(s,a), \qquad F_{\text{teacher-v}} = \nabla J",
    "q = pi_theta for the equality of fields; the teacher ends",
    f"{PAPER}, Proposition 4",
    "the fields symbolically on all 2 x 2 (also aliased) and 1 x 3 MDPs; the advantage exactly on instances",
    "The first is the definition of Q_pi. The values telescope: Σ_{i>=t} (V(s_{i+1}) - V(s_i)) = -V(s_t), which does "
    "not depend on a_t, and E ∇ log pi(a_t|s_t) V(s_t) = 0, at every size. A teacher optimal from every state has "
    "V_pi = V*, so its advantage is Q* - V*.",
    check_p4,
)


# --- runaway logits ---------------------------------------------------------------------------------------------------


def check_runaway(ledger: Ledger) -> None:
    mdp = MDP([[[0], [0]]], [[0, 0]], [1], teacher=[["1/4", "3/4"]])
    exact = exact_field(Field(mdp, ledger.rule("er")))
    p1 = exact.student.p[0, 1]
    log_t = exact.problem.teacher.log_p[0]
    slope = exact.values[1] - exact.values[0]
    ledger.note(
        "two-armed bandit: z' = 2 p (1 - p) (log t_1 - log t_0)", slope == 2 * p1 * (1 - p1) * (log_t[1] - log_t[0])
    )
    fact = identity_fact(
        ["z", "E", "c"],
        term("D(t, E + 2*z - 1/E)"),
        term("2*c"),
        {"t": {"z": term("2*c*E/(1+E)**2"), "E": term("E*(2*c*E/(1+E)**2)")}},
    )
    ledger.note("so exp z + 2 z - exp(-z) grows linearly: z runs off like log t", identity_holds(fact), fact)
    for name in ("er", "eer"):
        (generic_exact,) = generic(2, 2, {"rule": ledger.rule(name)})
        linear = generic_exact.climbs(stated.objective(generic_exact, stated.DESCENDED["er"], reward=False))
        holder = {"kind": "a-gradient", "field": generic_json(ledger.rule(name), 2, 2), "potential": "episode"}
        ledger.note(f"{name} climbs a return with the policy-free reward log t, every 2 x 2 MDP", linear, holder)
    deterministic = zoo.load("bandit").replace(teacher=[[1, 0, 0]])
    at = setting(Field(deterministic, ledger.rule("on-policy")), rationals())
    point = np.array([[Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]], dtype=object)
    pushed = eq1.update(at.problem, at.student(point))[0]
    ledger.note("a deterministic teacher: F = d (t - p) vanishes at no policy of full support", pushed[0] > 0)
    for name in ("er", "eer"):
        kind = outcome(Field(zoo.load("swirl"), ledger.rule(name)), np.zeros((2, 2)), limit=2000).kind
        ledger.note(f"{name} on swirl from theta = 0 ends at the {kind}", kind == "boundary", means="illustration")


RUNAWAY = Claim(
    "runaway",
    "runaway logits",
    "H(pi_theta‖pi) is linear in pi_theta, so ER and EER are minimised by a deterministic policy: where some reachable "
    "state prefers an action, no finite theta is a rest point and the logits run off, at most logarithmically where "
    "visits are bounded; in a bandit the policy converges. Cross-entropy to a deterministic teacher does the same.",
    r"\frac{d}{dt}\left(e^{z} + 2 z - e^{-z}\right) = 2 \log\frac{\pi(1)}{\pi(0)}",
    "tabular, ODE, no reward; for ER the actions' values at some reachable state are never all equal",
    f"{PAPER}, section 4; this project",
    "the bandit's law in closed form; the objective symbolically on all 2 x 2 MDPs; two flows as instances",
    "ER climbs the return of the reward log t, whose action values Q are bounded. At a rest point of full support "
    "p_a (Q_a - Σ_b p_b Q_b) = 0 for every action, so Q_a is the same for all a. Without such a state a bounded "
    "orbit of this gradient flow would have a rest point among its limits; so every orbit is unbounded.",
    check_runaway,
)
