"""Claims about limit cycles: that they exist (C2, C4, C5), and where there are none (C6)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.orbits import Orbit, outcome, rest_point
from dynamics.rules import label
from mdp import MDP, zoo
from proofs.certificates import Refusal, field_json, identity_fact, identity_holds, term
from proofs.claims.claim import Claim, Json, Ledger
from proofs.claims.gradients import refute
from proofs.cycles import OrbitProof, certified_rest_points, find_box, prove_cycle, settles
from proofs.enclosures import Interval, system
from proofs.exact import ExactField, generic

STARTS = 5
WINDOW = (-12.0, 12.0)
HALF = 0.5  # nats: half the side of the boxes in which rest points are counted in three dimensions


def note_cycle(ledger: Ledger, field: Field, period: float, amplitude: list[float]) -> None:
    """Steps: the cycle exists, attracts and has this period; several starts end on it, with these amplitudes."""
    orbit = _orbit_from(field, np.zeros(field.shape))
    name = label(field.rule)
    if orbit is None:
        ledger.note(f"{name} ends on a cycle from theta = 0", False)
        return
    note_proof(ledger, field, orbit, period)
    rng = np.random.default_rng(ledger.seed)
    others = [_orbit_from(field, rng.normal(size=field.shape)) for _ in range(STARTS - 1)]
    same = all(other is not None and abs(other.period - orbit.period) < 1e-7 * orbit.period for other in others)
    swing = np.ptp(orbit.theta[..., :1] - orbit.theta[..., 1:], axis=0)
    near = bool(np.allclose(swing.ravel(), amplitude, atol=2e-4))
    told = f"peak to peak {np.round(swing.ravel(), 5).tolist()}"
    ledger.note(f"{name}: {STARTS} starts (seed {ledger.seed}) end on it", same, means="illustration")
    fact: Json = {
        "kind": "closed-orbit",
        "field": field_json(field),
        "theta": [[repr(float(x)) for x in row] for row in orbit.theta[0]],
        "period": repr(float(orbit.period)),
        "bound": "1/10000000",
        "amplitude": [[f"{x:.6f}" for x in row] for row in swing],
    }
    ledger.note(f"{name}: {told}", near, fact, means="illustration")


def _orbit_from(field: Field, theta0: Any) -> Orbit | None:
    """The isolated orbit on which the flow from theta0 ends; None where it does not."""
    done = outcome(field, theta0)
    return done.orbit if done.kind == "cycle" and done.isolated else None


def note_proof(ledger: Ledger, field: Field, orbit: Orbit, period: float) -> None:
    """Steps: Krawczyk's operator proves the orbit, and in the plane a ring that traps it."""
    name = f"{label(field.rule)} on {field.mdp.name or 'the MDP'}"
    proof = prove_cycle(field, orbit)
    found, enclosed = proof.orbit, proof.period
    holds = isinstance(found, OrbitProof) and found.stable is True and abs(float(found.period[0]) - period) < 1e-4
    facts = proof.facts()
    says = f"least period in [{', '.join(enclosed)}], attracting" if enclosed else str(found)
    ledger.note(f"{name} has a periodic orbit: {says} (K)", holds, facts[0] if holds else None)
    if proof.ring is not None:
        ledger.note(f"{name}: {proof.ring} (A)", bool(proof.ring), facts[-1] if proof.ring else None)


def note_rests(ledger: Ledger, field: Field, types: Sequence[str], box: Any = WINDOW) -> None:
    """A step: the box of log-odds holds exactly these rest points, by type."""
    found = certified_rest_points(field, box)
    holds = found.complete and [point.type for point in found.points] == list(types)
    name = f"{label(field.rule)} on {field.mdp.name or 'the MDP'}"
    ledger.note(f"{name}: {found} ({', '.join(types)})", holds, found.fact() if holds else None)


def note_settles(ledger: Ledger, field: Field, log_odds: Sequence[float], box: Any = None) -> None:
    """Steps: every trajectory from a box comes to rest at the one rest point there, at these log-odds."""
    at = system(field)
    trap = find_box(at) if box is None else None
    place = np.stack([trap.lo, trap.hi], 1) if isinstance(trap, Interval) else box
    found = settles(field, place)
    if isinstance(found, Refusal):
        ledger.note(f"{label(field.rule)}: {found}", False)
        return
    points = [point.box.mid for point in found.rest.points]
    holds = len(points) == 1 and bool(np.allclose(points[0], log_odds, atol=2e-4))
    ledger.note(f"{label(field.rule)}: {found}", holds, found.fact())


def near(mdp: MDP, field: Field, guess: Sequence[float]) -> Any:
    """A box of half a nat on every side round the rest point near a guess (log-odds), with short ends."""
    found = rest_point(field, [[0.0, z] for z in guess])
    if found is None:
        raise ValueError(f"no rest point near {guess} on {mdp.name}")
    z = np.round(64 * (found.theta[:, 1] - found.theta[:, 0])) / 64
    return np.stack([z - HALF, z + HALF], 1)


def check_c2(ledger: Ledger) -> None:
    mdp = zoo.load("corridor-cycle")
    field = Field(mdp, ledger.rule("on-policy"), reward=True)
    refute(ledger, field, "corridor-cycle")
    note_cycle(ledger, field, 18.21568, [0.19942, 0.96748, 2.16456])
    note_rests(ledger, field, ["saddle"], near(mdp, field, (-0.43, 0.74, -0.37)))
    note_settles(ledger, Field(mdp, ledger.rule("n-distill"), reward=True), [1.9865, 4.4004, 3.4586], WINDOW)
    for right, kind in (("0.986", "cycle"), ("0.987", "rest")):
        taught = mdp.replace(teacher=[[1 - Fraction(right), Fraction(right)]] * 3, name=f"corridor-cycle, {right}")
        other = Field(taught, ledger.rule("on-policy"), reward=True)
        done = outcome(other, np.zeros((3, 2)))
        ledger.note(f"with the teacher at {right}: {done.kind}", done.kind == kind, means="illustration")
        if kind == "rest":
            note_rests(ledger, other, ["sink"], near(taught, other, (-0.42, 0.86, 1.22)))
        elif done.orbit is not None:
            note_proof(ledger, other, done.orbit, 49.53609)


def check_c4(ledger: Ledger) -> None:
    mdp = zoo.load("swirl")
    field = Field(mdp, ledger.rule("reverse-kl"), reward=True)
    refute(ledger, field, "swirl")
    note_cycle(ledger, field, 6.48894425, [0.96443, 2.04973])
    note_rests(ledger, field, ["source"])
    note_settles(ledger, Field(mdp, ledger.rule("reverse-kl-corrected"), reward=True), [3.315655, 1.909093])
    forward = Field(mdp, ledger.rule("on-policy"), reward=True)
    note_rests(ledger, forward, ["sink"])
    kind = outcome(forward, np.zeros((2, 2))).kind
    ledger.note(f"forward KL from theta = 0: {kind}", kind == "rest", means="illustration")


def check_c5(ledger: Ledger) -> None:
    mdp = zoo.load("aliased-cycle")
    field = Field(mdp, ledger.rule("on-policy"), reward=True)
    refute(ledger, field, "aliased-cycle")
    note_cycle(ledger, field, 10.5755107, [1.4361, 4.2627])
    note_rests(ledger, field, ["source"])
    note_settles(ledger, Field(mdp, ledger.rule("n-distill"), reward=True), [0.4621, 4.3438], WINDOW)


def check_c7(ledger: Ledger) -> None:
    field = Field(zoo.load("entropy-cycle"), ledger.rule("entropy-bonus"), reward=True)
    refute(ledger, field, "entropy-cycle")
    note_cycle(ledger, field, 22.0769937, [2.1119, 2.87992])
    note_rests(ledger, field, ["source"])


def _cycle_claim(name: str, title: str, statement: str, hypotheses: str, more: str, check: Any) -> Claim:
    return Claim(
        name,
        title,
        statement,
        r"\theta(t + T) = \theta(t), \qquad T > 0",
        hypotheses,
        "this project",
        "Krawczyk's operator on points of the orbit and its period over validated Taylor steps (K); in the plane a "
        "ring that traps it (A); rest points by branch and bound; integration from several starts as an illustration",
        "K encloses exactly one solution of the equations of a periodic orbit, and its multipliers inside the unit "
        f"circle. {more} Proofs and methods: docs/existence.md.",
        check,
        quick=False,
    )


C2 = _cycle_claim(
    "C2",
    "cycling without aliasing, plain cross-entropy",
    "On corridor-cycle on-policy distillation with reward has an attracting limit cycle of period 18.2157 round a "
    "saddle; with the teacher at 0.986 it has one of period 49.536, at 0.987 the rest point there is a sink. N-distill "
    "with reward rests from everywhere within 12 nats.",
    "corridor-cycle, tabular, alpha 1, ODE",
    "N-distill is a gradient in a box that no trajectory leaves, with one rest point in it.",
    check_c2,
)
C4 = _cycle_claim(
    "C4",
    "cycling in two states, reverse KL",
    "On swirl reverse KL with reward has an attracting limit cycle of period 6.48894 around its only rest point within "
    "12 nats, a source. Its corrected version rests from everywhere in a box round 0; forward KL has one rest point "
    "within 12 nats, a sink, and no cycle (C6).",
    "swirl, tabular, alpha 1, ODE",
    "In the plane a ring that the flow enters everywhere and that holds no rest point holds a periodic orbit "
    "(Poincaré, Bendixson). A gradient in a box that no trajectory leaves comes to rest.",
    check_c4,
)
C5 = _cycle_claim(
    "C5",
    "cycling in the plane, plain cross-entropy, two observations",
    "On aliased-cycle on-policy distillation with reward has an attracting limit cycle of period 10.5755 around its "
    "only rest point within 12 nats, a source; N-distill with reward rests from everywhere within 12 nats.",
    "aliased-cycle, observations [0, 1, 0], alpha 1, ODE",
    "In the plane a ring that the flow enters everywhere and that holds no rest point holds a periodic orbit "
    "(Poincaré, Bendixson). A gradient in a box that no trajectory leaves comes to rest.",
    check_c5,
)


C7 = _cycle_claim(
    "C7",
    "cycling by an entropy bonus alone",
    "No teacher is needed: on entropy-cycle, two states with one reward of 1/3 and a discount of 24/25, reward with "
    "the usual entropy bonus (reverse KL to the uniform policy, visits held still) has an attracting limit cycle of "
    "period 22.077 around its only rest point within 12 nats, a source.",
    "entropy-cycle, tabular, alpha 1, ODE",
    "In the plane a ring that the flow enters everywhere and that holds no rest point holds a periodic orbit "
    "(Poincaré, Bendixson).",
    check_c7,
)


# --- C6 ---------------------------------------------------------------------------------------------------------------


def weighted_divergence_holds(exact: ExactField) -> bool:
    """`div(D Z) = −2 alpha Σ_s n_s (b_s / b_u) [a_s t_s / p_s² + c_s (1−t_s) / (1−p_s)²]` for all theta, u ≠ s.

    Two states, two actions. z_s = theta[s,1] − theta[s,0], Z_s = dz_s/dt, p_s the chance of action 1, b = p (1 − p),
    det = det(I − g P_p), D = det² / (b_0 b_1), n_s = d(s) det, a_s and c_s the determinant at p_s = 0 and 1.
    """
    world, student, alpha = exact.problem.world, exact.student, exact.problem.alpha
    one, t = exact.ring.number(1), exact.problem.teacher.p[:, 1]
    p = student.p[:, 1]

    def determinant(policy: Any) -> Any:
        move = [[(one - policy[s]) * world.P[s, 0, x] + policy[s] * world.P[s, 1, x] for x in (0, 1)] for s in (0, 1)]
        m = [[int(s == x) * one - world.discount * move[s][x] for x in (0, 1)] for s in (0, 1)]
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]

    det, b = determinant(p), p * (one - p)
    D = det * det / (b[0] * b[1])
    d = eq1.evaluate(exact.problem, student).d
    left: Any = exact.ring.number(0)
    right: Any = exact.ring.number(0)
    for s in (0, 1):
        speed = exact.values[2 * s + 1] - exact.values[2 * s]
        left = left + (D * speed).derivative(exact.derivations[2 * s + 1])  # z_s moves with theta[s, 1]
        a, c = (determinant([end if x == s else p[x] for x in (0, 1)]) for end in (0 * one, one))
        bracket = a * t[s] / (p[s] * p[s]) + c * (one - t[s]) / ((one - p[s]) * (one - p[s]))
        right = right - 2 * alpha * d[s] * det * b[s] / b[1 - s] * bracket
    return bool(left == right)


def check_c6(ledger: Ledger) -> None:
    (exact,) = generic(2, 2, {"rule": ledger.rule("on-policy"), "reward": True})
    ledger.note("div(D Z) is as stated, for all theta and every 2 x 2 MDP", weighted_divergence_holds(exact))
    # The same in two lines: F_s is b_s n_s (kappa_s + alpha h_s det) / det², and of h_s det alone depends on p_s.
    fact = identity_fact(
        ["p", "t", "a", "c"],
        term("D(p, ((t - p) / (p*(1 - p))) * (a*(1 - p) + c*p))"),
        term("0 - a*t/p**2 - c*(1 - t)/(1 - p)**2"),
        {"p": {"p": "1"}},
    )
    ledger.note("∂(h det)/∂p = -a t / p² - c (1 - t) / (1 - p)²", identity_holds(fact), fact)
    (other,) = generic(2, 2, {"rule": ledger.rule("teacher"), "reward": True})
    ledger.note("control: with the teacher in charge the divergence is another", not weighted_divergence_holds(other))


C6 = Claim(
    "C6",
    "no cycle in two states, forward KL",
    "Two states, two actions, no aliasing: on-policy distillation with reward has no periodic orbit, whatever the MDP, "
    "the teacher and alpha > 0.",
    r"\nabla\cdot(D Z) = -2\alpha\sum_s n_s \frac{b_s}{b_{s'}}\left[\frac{a_s t_s}{p_s^2} + "
    r"\frac{c_s (1 - t_s)}{(1 - p_s)^2}\right] \le 0, \qquad D = \frac{\det(I - g P_{\pi_\theta})^2}{b_0 b_1}",
    "two states, two actions, tabular, q = pi_theta, cross-entropy or KL to the teacher, alpha > 0, ODE",
    "this project",
    "the weighted divergence as an identity on all 2 x 2 MDPs; its sign and the exceptional cases in words",
    "Bendixson and Dulac: where div(D Z) < 0 no periodic orbit lies. n_s, a_s and c_s are affine in the other state's "
    "policy and not negative, so each of the two terms is zero for all theta or for none. If both vanish, one "
    "coordinate of z never turns back: docs/claims.md, C6.",
    check_c6,
)
