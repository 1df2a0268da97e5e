"""Claims about copying without reward where states share parameters: what survives (O1), cycles (O2), traps (O3)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field
from dynamics.fields import update as eq1
from mdp import MDP, Array, evaluation, random, zoo
from proofs.certificates import field_json, generic_json, identity_fact, identity_holds, table, term
from proofs.claims.claim import Claim, Json, Ledger
from proofs.claims.convergence import REST, log_rates
from proofs.claims.cycles import note_cycle, note_rests, note_settles
from proofs.claims.gradients import refute
from proofs.cycles import TrappingBox, trapping_box
from proofs.exact import (
    ExactField,
    balls,
    exact_field,
    generic,
    has_logarithms,
    precision,
    pull_back,
    rationals,
    setting,
    teacher_table,
)

TRAP = (-3.0, 3.0)  # log-odds: a little outside of the ±log 19 of copying-cycle's teacher


# --- O1 ---------------------------------------------------------------------------------------------------------------


def pull_is_stated(exact: ExactField, *, reverse: bool = False) -> bool:
    """Whether the update of the logits is `alpha d_q(s) (t − p)`, or for reverse KL `alpha d_q(s) p_a (w̄ − w_a)`,
    w = log p − log t, w̄ = Σ_a p_a w_a, for all theta; before any rows are added up."""
    problem, student = exact.problem, exact.student
    t, p = problem.teacher, student.p
    d, F = eq1.evaluate(problem, student).d, eq1.update(problem, student)
    for s in range(len(d)):
        w = student.log_p[s] - t.log_p[s]
        pull = p[s] * ((p[s] * w).sum() - w) if reverse else t.p[s] - p[s]
        if any(F[s, a] != problem.alpha * d[s] * pull[a] for a in range(len(pull))):
            return False
    return True


def mean_attracts(exact: ExactField) -> bool:
    """One observation, the teacher in control: whether d/dt KL(m‖p) = −alpha D ‖m − p‖², m the mean of the teacher's
    rows weighted by its visits and D their sum, which do not depend on theta."""
    problem, student = exact.problem, exact.student
    t, p = problem.teacher.p, student.p[0]
    d = evaluation.chain(problem.world, t).visits(problem.world.initial)
    D = d.sum()
    m = np.array([(d * t[:, a]).sum() / D for a in range(len(p))], dtype=object)
    F = np.array(exact.values, dtype=object)
    rate, gap = -(m * log_rates(p, F)).sum(), m - p
    return bool(rate == -problem.alpha * D * (gap * gap).sum())


def likeness(mdp: MDP) -> MDP:
    """The MDP with the teacher's row at the first state of an observation for all of its states."""
    rows = representative(Field(mdp, "teacher"))[mdp.observation]
    return mdp.replace(teacher=[list(row) for row in rows], name=f"{mdp.name}, rows alike")


def check_o1(ledger: Ledger) -> None:
    for S, A in ((2, 2), (1, 3)):
        for name, control in (("on-policy", None), ("on-policy", "mix:1/3"), ("teacher", None), ("reverse-kl", None)):
            (exact,) = generic(S, A, {"rule": ledger.rule(name), "control": control})
            reverse = name == "reverse-kl"
            known: Json = {"kind": "kl-rate", "field": generic_json(ledger.rule(name), S, A, control=control)}
            q = control or ledger.rule(name).control
            says = f"{name}, q {q}: the pull of a state is as stated, every {S} x {A} MDP"
            ledger.note(says, pull_is_stated(exact, reverse=reverse), None if reverse else known)
    spread = identity_fact(
        ["p", "u", "v"],
        term("u*(1 - p)*((1 - p)*u + p*v - u) + v*p*((1 - p)*u + p*v - v)"),
        term("0 - p*(1 - p)*(v - u)**2"),
    )
    ledger.note("reverse KL: Σ_a w_a p_a (w̄ − w_a) is minus the variance of w", identity_holds(spread), spread)
    (fixed,) = generic(2, 2, {"rule": ledger.rule("teacher")}, observation=[0, 0])
    ledger.note("the teacher acts: the mean of its rows attracts, every 2 x 2 MDP, aliased", mean_attracts(fixed))
    (own,) = generic(2, 2, {"rule": ledger.rule("on-policy")}, observation=[0, 0])
    ledger.note("control: when the student acts it does not", not mean_attracts(own))
    alike = likeness(random.episodic(1, 4, 2, discount="9/10", observations=2))
    other = random.episodic(1, 4, 2, discount="9/10", observations=2)
    for name in REST:
        field = Field(alike, ledger.rule(name))
        fact: Json = {"kind": "rests-at-teacher", "field": field_json(field)}
        ledger.note(f"aliased, the teacher's rows alike: {name} rests at the teacher", not moves(field), fact)
    ledger.note(
        "control: rows that differ: on-policy moves at the first", moves(Field(other, ledger.rule("on-policy")))
    )


def representative(field: Field) -> Array:
    """The teacher's row at the first state of every observation, (O, A): the teacher itself where rows are alike."""
    seen = np.asarray(field.student.observation).tolist()
    return np.array([teacher_table(field.mdp)[seen.index(o)] for o in range(field.shape[0])])


def moves(field: Field) -> bool:
    """Whether F, pulled back to the observations, is not 0 where the student takes `representative` rows."""
    exact = not has_logarithms(field)
    with precision():
        at = setting(field, rationals() if exact else balls())
        update = eq1.update(at.problem, at.student(representative(field)))
        F = pull_back(field.student, update)
    return any(x != 0 if exact else not x.contains(0) for x in F)


O1 = Claim(
    "O1",
    "copying under aliasing: what survives",
    "A teacher of full support that the student can represent attracts for any linear features, whoever acts: under "
    "on-policy, teacher and reverse-KL distillation without reward the distance of the parameters to the teacher's "
    "never grows, and the student comes to the teacher at every state visited. If the teacher (or a fixed policy) "
    "acts, the student comes to the one best student of its class for the cross-entropy, representable or not.",
    r"\frac{d}{dt} \tfrac12\|\theta - \theta^*\|^2 = -\alpha \sum_s d_q(s) \left[\mathrm{KL}(\pi\|\pi_\theta) + "
    r"\mathrm{KL}(\pi_\theta\|\pi)\right](s)",
    "logits = Phi theta, ODE, no reward; g < 1 or a proper MDP; q gives every state of interest a visit",
    "this project",
    "the update of a state as an identity on all 2 x 2 and 1 x 3 MDPs; the aliased mean on all 2 x 2 MDPs; exact "
    "values at a representable teacher; controls that fail",
    "F = Phi^T u with u(s) = alpha d(s) (t - p) or alpha d(s) p (w̄ - w). As rows of u sum to 0, (theta - theta*)·F = "
    "Σ_s u(s)·(log p - log t)(s), which is -alpha Σ d (KL(t‖p) + KL(p‖t)), or -alpha Σ d Var_p(w): docs/aliasing.md. "
    "Under a fixed q the field is minus the gradient of a convex function of theta, whose infimum one policy attains.",
    check_o1,
)


# --- O2 ---------------------------------------------------------------------------------------------------------------


def note_trap(ledger: Ledger, field: Field, box: Any = TRAP) -> None:
    """A step: no trajectory leaves the box, and its one rest point is a source (B)."""
    found = trapping_box(field, box)
    fact = found.fact() if isinstance(found, TrappingBox) else None
    ledger.note(f"{field.rule.id} on {field.mdp.name}: {found} (B)", fact is not None, fact)


def rises(ledger: Ledger, mdp: MDP, point: Array) -> bool:
    """A step: the states whose KL to the teacher rises at a policy, by how much in all, exactly; is that above 0?"""
    field = Field(mdp, ledger.rule("on-policy"))
    at = setting(field, rationals())
    student = at.student(point)
    F = np.array(pull_back(field.student, eq1.update(at.problem, student)), dtype=object)
    F = F.reshape(field.shape)[mdp.observation]
    t, p = at.problem.teacher.p, student.p
    rates = [-(t[s] * log_rates(p[s], F[s])).sum() for s in range(mdp.n_states)]
    for s, rate in enumerate(rates):
        if rate > 0:
            fact = {"kind": "kl-rises", "field": field_json(field), "policy": table(point), "state": s}
            ledger.note(f"KL rises at {mdp.states[s]}, by {rate}", True, fact | {"value": str(rate)})
    return ledger.note(f"KL summed over all states rises, by {sum(rates)}", sum(rates) > 0)


def check_o2(ledger: Ledger) -> None:
    mdp = zoo.load("copying-cycle")
    field = Field(mdp, ledger.rule("on-policy"))
    refute(ledger, field, mdp.name)
    rises(ledger, mdp, np.array([[1 - Fraction(x), Fraction(x)] for x in ("1/5", "1/4")], dtype=object))
    note_trap(ledger, field)
    note_cycle(ledger, field, 16.2116542, [2.35082, 1.54816])
    note_rests(ledger, field, ["source"])
    note_settles(ledger, Field(mdp, ledger.rule("n-distill")), [3.91299, -0.54065])
    note_settles(ledger, Field(mdp, ledger.rule("n-distill-kl")), [4.94710, -2.93601])
    blind = Field(zoo.load("blind-copying-cycle"), ledger.rule("on-policy"))
    note_trap(ledger, blind, [[-0.5, 3.5], [-0.5, 7.0]])
    note_rests(ledger, blind, ["source"])
    other = zoo.load("reverse-copying-cycle")
    per_token = Field(other, ledger.rule("reverse-kl"))
    note_trap(ledger, per_token, (-5.0, 5.0))
    note_rests(ledger, per_token, ["source"])
    represented = Field(likeness(mdp), ledger.rule("on-policy"))
    note_rests(ledger, represented, ["sink"])


O2 = Claim(
    "O2",
    "copying alone can cycle",
    "Without any reward: on copying-cycle, five states under two observations, on-policy distillation has an "
    "attracting limit cycle of period 16.2117 round its only rest point within 12 nats, a source; no trajectory leaves "
    "[-3, 3]^2, and all of them enter it. On blind-copying-cycle, four states under one observation with three "
    "actions, it has a periodic orbit too, and so has reverse KL on reverse-copying-cycle, four states. On "
    "copying-cycle the corrections come to rest, and so does copying itself if states that look alike have one "
    "teacher's row.",
    r"\theta(t + T) = \theta(t), \qquad T > 0, \qquad \mathrm{KL}(\pi\|\pi_\theta)\ \text{rises somewhere}",
    "the MDPs named, alpha 1, no reward, ODE",
    "this project",
    "a box that traps with one source in it (B); Krawczyk's operator on points of the orbit and its period (K); a ring "
    "(A); rest points by branch and bound; integration from several starts as an illustration",
    "Poincaré and Bendixson: a box that no trajectory leaves, with no rest point but a source, holds a periodic orbit; "
    "a function that falls strictly along the flow would have to come back to its value there, so there is none, "
    "though no reward is paid and the teacher is fixed. p moves to a mean of the teacher's rows, so it enters the "
    "range of these rows (docs/aliasing.md). A gradient in a box that no trajectory leaves comes to rest.",
    check_o2,
    quick=False,
)


# --- O3 ---------------------------------------------------------------------------------------------------------------


def blind_corridor() -> MDP:
    """Three cells that look alike: left and right, walls at the ends, start in the middle, g = 0.99.

    The teacher goes on as it goes: left with 19/20 in the left cell, right with 19/20 in the right one.
    """
    return MDP(
        P=[[[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1]]],
        R=[[0, 0]] * 3,
        initial=[0, 1, 0],
        discount="0.99",
        observation=[0, 0, 0],
        teacher=[["19/20", "1/20"], ["1/2", "1/2"], ["1/20", "19/20"]],
        states=["left", "middle", "right"],
        actions=["left", "right"],
        name="blind-corridor",
    )


def relay() -> MDP:
    """Two states that look alike: s0: a0 ends, a1 to s1; s1: a0 ends and pays 1, a1 ends.

    The teacher takes a1 in s0 and a0 in s1, each with probability 19/20, and earns 361/400.
    """
    return MDP(
        P=[[[0, 0], [0, 1]], [[0, 0], [0, 0]]],
        R=[[0, 0], [1, 0]],
        initial=[1, 0],
        observation=[0, 0],
        teacher=[["1/20", "19/20"], ["19/20", "1/20"]],
        states=["s0", "s1"],
        actions=["a0", "a1"],
        name="relay",
    )


def bootstrap_is(exact: ExactField, worth: Fraction) -> bool:
    """Whether on `relay` dz/dt = 2 p (1 − p) (worth − p), z the log-odds of a1: it rests where p is V_pi(s1)."""
    p = exact.student.p[0, 1]
    return bool(exact.values[1] - exact.values[0] == 2 * p * (1 - p) * (worth - p))


def check_o3(ledger: Ledger) -> None:
    for name in ("on-policy", "n-distill-kl"):
        note_rests(ledger, Field(blind_corridor(), ledger.rule(name)), ["sink", "sink", "source"])
    note_rests(ledger, Field(blind_corridor(), ledger.rule("teacher")), ["sink"])
    mdp, sure = relay(), Fraction(19, 20)
    field = Field(mdp, ledger.rule("bootstrap"))
    exact = exact_field(field)
    ledger.note("bootstrap on relay: z' = 2 p (1 - p) (19/20 - p), for all theta", bootstrap_is(exact, sure))
    ledger.note("control: with another worth it is not", not bootstrap_is(exact, 1 - sure))
    note_rests(ledger, field, ["sink"])
    p = Fraction(19, 20)
    ends = evaluation.expected_return(mdp.exact, np.array([[1 - p, p]] * 2, dtype=object))
    taught = evaluation.expected_return(mdp.exact, teacher_table(mdp))
    best = evaluation.expected_return(mdp.exact, np.full((2, 2), Fraction(1, 2), dtype=object))
    says = f"there the student earns {ends}, less than the teacher's {taught} and the uniform student's {best}"
    ledger.note(says, ends < best < taught)


O3 = Claim(
    "O3",
    "several ends under aliasing, and no improvement",
    "On three cells of a corridor that look alike, on-policy distillation without reward has two attracting rest "
    "points and a repelling one between them: the start decides. A correction, though a gradient, has three as well; "
    "when the teacher acts there is one. P3 falls: on relay, two states that look alike, teacher bootstrapping ends "
    "from every start at a student that earns less than the teacher, and less than the uniform student.",
    r"\dot z = 2 p (1 - p) \left(V_\pi(s_1) - p\right)",
    "the MDPs named, alpha 1, ODE",
    "this project",
    "rest points of a box by branch and bound; bootstrapping's field on relay for all theta; exact returns",
    "A teacher that goes on as it goes makes a student's lean its own reason: leaning left it sees the left cell, "
    "where the teacher goes left. On relay d(s1) = p, and going on is worth V_pi(s1) = 19/20 in s0 and -1 in s1: "
    "the pull is p (1 - p) (19/20 - p), so p -> 19/20, while the return p (1 - p) is greatest at 1/2.",
    check_o3,
)
