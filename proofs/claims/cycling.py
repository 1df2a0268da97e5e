"""Claims about cycling: C1, C2, C3, C4, C5, and A1, where nothing cycles."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.motion import iterate
from mdp import MDP, Array, evaluation, random, student, zoo
from proofs.certificates import field_json, identity_fact, identity_holds, table, term
from proofs.claims.claim import Claim, Json, Ledger
from proofs.exact import ExactField, exact_field, generic, pull_back, rationals, readable_point, setting

PAPER = "Czarnecki et al., Distilling Policy Distillation, AISTATS 2019"
STARTS = 5


# --- C1 ---------------------------------------------------------------------------------------------------------------


def check_c1(ledger: Ledger) -> None:
    mdp = zoo.load("fig2")
    sigmoid = student.sigmoid(mdp.observation)
    exact = exact_field(Field(mdp, ledger.rule("on-policy"), reward=True, student=sigmoid))
    p, x = exact.student.p[0, 1], exact.student.p[1, 1]
    first, second = exact.values
    ledger.note("on-policy + R: th1' = p (1 - p) (1 - 2x)", first == p * (1 - p) * (1 - 2 * x))
    ledger.note("on-policy + R: th2' = x (1 - x) (2p - 1)", second == x * (1 - x) * (2 * p - 1))
    sinh = [(2 * y - 1) / (y * (1 - y)) for y in (p, x)]  # 2 sinh th, since exp th = y / (1 - y)
    conserved = sinh[0] * first + sinh[1] * second == 0
    law = {
        "th1": term("p*(1-p)*(1-2*x)"),
        "th2": term("x*(1-x)*(2*p-1)"),
        "p": term("p*(1-p)*p*(1-p)*(1-2*x)"),
        "x": term("x*(1-x)*x*(1-x)*(2*p-1)"),
    }
    cosh = "p/(1-p) + (1-p)/p + x/(1-x) + (1-x)/x"
    fact = identity_fact(["th1", "th2", "p", "x"], term(f"D(t, {cosh})"), "0", {"t": law})
    ledger.note("2 cosh th1 + 2 cosh th2 is conserved", conserved and identity_holds(fact), fact)
    fixed = exact_field(Field(mdp, ledger.rule("n-distill"), reward=True, student=sigmoid))
    q, y = fixed.student.p[0, 1], fixed.student.p[1, 1]
    ledger.note("N-distill + R: th1' = p (1 - p) (1 + 2x) > 0", fixed.values[0] == q * (1 - q) * (1 + 2 * y))
    ledger.note("N-distill + R: th2' = x (1 - x) (2p - 1)", fixed.values[1] == y * (1 - y) * (2 * q - 1))
    for k, name in enumerate(("on-policy", "n-distill")):
        field = Field(mdp, ledger.rule(name), reward=True)
        at = setting(field, rationals())
        point = readable_point(np.random.default_rng(k), field)
        F = pull_back(field.student, eq1.update(at.problem, at.student(point)))
        for o in range(2):
            fact = {"kind": "field-value", "field": field_json(field), "policy": table(point), "i": [o, 1]}
            p0, x0 = (Fraction(point[row][1]) for row in range(2))
            law0 = (1 - 2 * x0 if name == "on-policy" else 1 + 2 * x0) * p0 * (1 - p0)
            said = law0 if o == 0 else x0 * (1 - x0) * (2 * p0 - 1)
            value = F[2 * o + 1]
            same = Fraction(int(value.p), int(value.q)) == said
            ledger.note(f"{name} + R at a rational policy, parameter {o}", same, fact | {"value": str(value)})
    for name, crossings in (("on-policy", (540, None)), ("n-distill", (380, 1280))):
        field = Field(mdp, ledger.rule(name), reward=True, student=sigmoid)
        run = iterate(field, [-2.0, -2.0], 0.025, 1400).theta
        seen = [next((k for k, v in enumerate(run[:, j]) if v >= 0), -1) for j in range(2)]
        near = all(said is None or abs(k - said) <= 6 for k, said in zip(seen, crossings, strict=True))
        says = f"{name} + R from (-2, -2), step 0.025: p = 1/2 at step {seen[0]}, x = 1/2 at {seen[1]}"
        ledger.note(f"{says} (the paper's figure: {crossings[0]}, {crossings[1] or '-'})", near, means="illustration")


C1 = Claim(
    "C1",
    "cycling with reward (the paper's Figure 2)",
    "On fig2 on-policy distillation with reward is matching pennies in the logits: it conserves 2 cosh th1 + 2 cosh "
    "th2, so every orbit but the centre is periodic, and none is isolated. N-distill with reward runs to the boundary, "
    "where the distillation loss is -4.",
    r"\dot\theta_1 = p(1-p)(1-2x),\quad \dot\theta_2 = x(1-x)(2p-1),\quad 2\cosh\theta_1 + 2\cosh\theta_2 = "
    r"\text{const}",
    "fig2, sigmoid chart, alpha 1, ODE",
    f"{PAPER}, Figure 2 and section 5; the conserved quantity is this project's",
    "vector fields and conservation as identities of rational functions; the figure's step counts by iteration",
    "The conserved function is strictly convex and proper with its only critical point at 0, so its other level sets "
    "are closed curves without rest points, and the flow runs round them. Corrected: th1' > 0 and p has no limit "
    "below 1, since th1' is bounded below while p is bounded away from 0 and 1; once p > 1/2, th2' > 0 and likewise "
    "x goes to 1, and the loss E l = -4 p x to -4.",
    check_c1,
)


# --- C3 ---------------------------------------------------------------------------------------------------------------


def diagonal_identity(exact: ExactField, s: int) -> bool:
    """`∂F_s/∂z_s = d(s) [B (2 p (1−p) K + 1 − 2p) − alpha ((1−t)p² + t(1−p)² − K p(1−p)(p−t))]` for all theta.

    z_s = theta[s,1] − theta[s,0], F_s = F[s,1], B = F_s / d(s), K the difference of expected returns to s.
    """
    problem, alpha = exact.problem, exact.problem.alpha
    at = eq1.evaluate(problem, exact.student, visits_suffice=False)
    if at.chain is None:
        raise ValueError("the field has no chain")
    kernel = evaluation.backup_matrix(problem.world, at.chain.resolvent())
    p, t, d = exact.student.p[s, 1], problem.teacher.p[s, 1], at.d[s]
    K = kernel[s, 1, s] - kernel[s, 0, s]
    B = p * (1 - p) * (at.Q[s, 1] - at.Q[s, 0]) + alpha * (t - p)
    row = exact.values[2 * s + 1]
    slope = row.derivative(exact.derivations[2 * s + 1])  # z_s moves with theta[s, 1]
    inner = (1 - t) * p * p + t * (1 - p) * (1 - p) - K * p * (1 - p) * (p - t)
    return bool(row == d * B and slope == d * (B * (2 * p * (1 - p) * K + 1 - 2 * p) - alpha * inner))


def check_c3(ledger: Ledger) -> None:
    (exact,) = generic(2, 2, {"rule": ledger.rule("on-policy"), "reward": True})
    for s in range(2):
        ledger.note(f"the Jacobian's diagonal at s{s}, every 2 x 2 MDP", diagonal_identity(exact, s))
    for k in range(3):
        field = Field(random.episodic(k, 3, 2, discount="9/10"), ledger.rule("on-policy"), reward=True)
        three = exact_field(field)
        holds = all(diagonal_identity(three, s) for s in range(3))
        ledger.note(f"the Jacobian's diagonal for all theta, random MDP {k} with 3 states", holds)
    inner = "(1-t)*p**2 + t*(1-p)**2 - K*p*(1-p)*(p-t)"
    above = identity_fact(
        ["p", "t", "e", "K"],
        term(inner.replace("K", "(1/(1-p) - e)")),
        term("t*(1-p) + e*p*(1-p)*(p-t)"),
    )
    ledger.note("p >= t, K = 1/(1-p) - e: the bracket is t (1-p) + e p (1-p) (p-t) > 0", identity_holds(above), above)
    below = identity_fact(
        ["p", "t", "e", "K"],
        term(inner.replace("K", "(0 - 1/p + e)")),
        term("p*(1-t) + e*p*(1-p)*(t-p)"),
    )
    ledger.note("p <= t, K = -1/p + e: the bracket is p (1-t) + e p (1-p) (t-p) > 0", identity_holds(below), below)
    negative = 0
    for k in range(200):
        field = Field(random.episodic(k, 2, 2, discount="99/100"), ledger.rule("on-policy"), reward=True)
        at = setting(field, rationals())
        point = readable_point(np.random.default_rng(k), field)
        reached = eq1.evaluate(at.problem, at.student(point), visits_suffice=False)
        kernel = evaluation.backup_matrix(at.world, reached.chain.resolvent()) if reached.chain else None
        p = reached.q[:, 1]
        inside = kernel is not None and all(
            -1 / p[s] < kernel[s, 1, s] - kernel[s, 0, s] < 1 / (1 - p[s]) for s in range(2)
        )
        negative += bool(inside)
    ledger.note(
        f"K lies in (-1/p, 1/(1-p)) on {negative} of 200 random MDPs, exactly", negative == 200, means="instances"
    )


C3 = Claim(
    "C3",
    "no Hopf point in two dimensions",
    "Two actions, no aliasing, on-policy distillation with reward: at every rest point each diagonal entry of the "
    "Jacobian in logit differences is negative, or zero where the teacher never takes an action that surely comes "
    "back. So a 2-state, 2-action MDP has no Hopf point and no source.",
    r"\tfrac12 J_{ss} = -\alpha d(s)\left[(1-t)p^2 + t(1-p)^2 - K p (1-p)(p-t)\right] \le 0, \quad -\tfrac1p \le "
    r"K \le \tfrac1{1-p}",
    "two actions, tabular, alpha > 0, states that are visited; negative for g < 1, or a teacher of full support",
    "this project",
    "the diagonal as an identity on all 2 x 2 MDPs and on random 3-state ones; its sign by two identities",
    "At a rest point B = 0 and the identity leaves -alpha d(s) [...]. With b_a the chance to come back after action a, "
    "K = (b_1 - b_0) / (1 - p b_1 - (1-p) b_0) with 0 <= b_a <= 1, not both 1: so -1/p <= K <= 1/(1-p), strictly when "
    "no b_a is 1; then e > 0 and both brackets are sums of terms >= 0, not all 0; with a teacher of full support "
    "t (1-p) and p (1-t) are positive anyway. A Hopf point needs trace 0 and a source trace > 0; the case of diagonal "
    "entries 0 is docs/claims.md, C3.",
    check_c3,
)


# --- A1 ---------------------------------------------------------------------------------------------------------------

A1_CONTROLS = (None, "teacher", "uniform", "mix:1/3")


def descendants(mdp: MDP) -> Array:
    """Which states can be reached from which, as booleans (from, to), each from itself."""
    reach = np.eye(mdp.n_states, dtype=bool) | (mdp.P > 0).any(1)
    for _ in range(mdp.n_states):
        reach = reach | (reach.astype(int) @ reach.astype(int) > 0)
    return np.asarray(reach)


def acyclic_structure(field: Field) -> bool:
    """Whether F[s]/d(s) depends on s and states reachable from s only, and symmetrically on s itself, for all theta."""
    exact = exact_field(field)
    local = eq1.evaluate(exact.problem, exact.student).local
    below, A = descendants(field.mdp), field.mdp.n_actions
    zero = exact.ring.number(0)
    for s in range(field.mdp.n_states):
        for u in range(field.mdp.n_states):
            slopes = [
                [(zero + local[s, a]).derivative(exact.derivations[u * A + c]) for c in range(A)] for a in range(A)
            ]
            if not below[s, u] and any(x != 0 for row in slopes for x in row):
                return False
            if s == u and any(slopes[a][c] != slopes[c][a] for a in range(A) for c in range(a)):
                return False
    return True


def check_a1(ledger: Ledger) -> None:
    for name, rule in ledger.table.items():
        if name == "value-gate":
            continue
        controls = A1_CONTROLS if name != "student-critic" else (None,)
        for control in controls:
            some = [Field(random.acyclic(seed, 3, 2), rule, control=control, reward=True) for seed in (7, 11)]
            q = control or rule.control
            holds = all(acyclic_structure(field) for field in some)
            fact: Json = {"kind": "acyclic-structure", "field": field_json(some[0])}
            says = f"{name} + R, q {q}: brackets are triangular and gradients state by state, on 2 random 3 x 2 MDPs"
            ledger.note(says, holds, fact if control is None else None, means="instances")
    field = Field(random.acyclic(3, 3, 3), ledger.rule("reverse-kl"), reward=True)
    ledger.note("reverse-kl + R with 3 actions, on one", acyclic_structure(field), means="instances")
    looped = Field(random.episodic(0, 2, 2), ledger.rule("on-policy"), reward=True)
    plain = exact_field(looped)
    local = eq1.evaluate(plain.problem, plain.student).local
    moved = (plain.ring.number(0) + local[1, 1]).derivative(plain.derivations[1])
    ledger.note("control: with a cycle the brackets are not triangular", moved != 0)


A1 = Claim(
    "A1",
    "acyclic MDPs do not recur",
    "On an acyclic MDP with a tabular student the only recurrent points of the ODE are rest points, for every rule "
    "whose loss and reward at s do not depend on the student's policy at other states except through Q, and whose "
    "reward of a step does not depend on the student's policy at that step's own state (which state terms may).",
    r"x \in \omega(x) \Rightarrow F(x) = 0",
    "acyclic transitions, full tabular softmax student, ODE; not value-gate (discontinuous), nor student-critic under "
    "another control; nothing is claimed of convergence to one point, nor of discrete steps",
    "this project",
    "proof in words; its two premises as identities for all theta on random acyclic MDPs of three states, every rule "
    "but the gate under every control (student-critic under its own)",
    "F[s] = d(s) B_s, where B_s depends on theta_s and on states reachable from s only, and is a gradient in theta_s: "
    "∇_s of W Σ b Q log p + (1 - W) Σ p Q - alpha l, W the weight of the fixed part b (teacher or uniform) in q, "
    "Q the action values at s, which do "
    "not depend on theta_s. Let x be recurrent, and u a state such that the parameters of all other states reachable "
    "from u are constant along the orbit of x (to begin with, one that reaches no other). Along the orbit B_u is "
    "the gradient of one function f of "
    "theta_u alone, and df/dt = d(u) |B_u|² >= 0. Since x returns arbitrarily near to itself, f is constant, so "
    "d(u) |B_u|² = 0 and theta_u is constant: either u is never reached, or B_u = 0. By induction every parameter is.",
    check_a1,
)
