"""Claims about which updates are gradients: T1, T2, G1, E1."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.rules import Rule, after, log, log_p, log_t, p, structural_potential, t, total
from mdp import MDP, random, zoo
from proofs.certificates import curl_fact, field_json, generic_json
from proofs.claims import stated
from proofs.claims.claim import Claim, Json, Ledger
from proofs.claims.variance import estimator_variance
from proofs.exact import (
    ExactField,
    decide,
    exact_field,
    generic,
    identity_test,
    obstruction,
    random_point,
    rationals,
    setting,
    teacher_table,
    visit_dependence,
    zero_matrix,
)

PAPER = "Czarnecki et al., Distilling Policy Distillation, AISTATS 2019"
NO_ROWS = ("on-policy", "eer-no-reward", "reverse-kl", "student-critic", "bootstrap", "entropy-bonus", "value-gate")


def self_loop(actions: int) -> MDP:
    """One state that action a leaves alone with probability (a + 1)/5."""
    weights = [Fraction(a + 1, actions * (actions + 1) // 2) for a in range(actions)]
    return MDP([[[f"{a + 1}/5"] for a in range(actions)]], [[0] * actions], [1], teacher=[weights], name="self-loop")


def refute(ledger: Ledger, field: Field, where: str) -> None:
    """A step: this field is no gradient, with its witness."""
    found = decide(field, seed=ledger.seed)
    shown = found.witness
    at = "" if shown is None else f": curl {shown['value']} at policy {shown['policy']}, i {shown['i']}, j {shown['j']}"
    holds = found.verdict == "not-gradient"
    ledger.note(f"{field.rule.id} is not a gradient on {where}{at}", holds, curl_fact(field, found) if holds else None)


def accept(ledger: Ledger, field: Field, where: str) -> None:
    """A step: this field is a gradient for all theta."""
    found = decide(field, seed=ledger.seed)
    holds = found.verdict == "gradient"
    fact = curl_fact(field, found) if holds else None
    ledger.note(f"{field.rule.id} is a gradient on {where} ({found.method})", holds, fact)


def jacobian_is_derivative(exact: ExactField) -> bool:
    """Whether the closed-form Jacobian in the logits is what differentiating the field gives, for all theta."""
    J = eq1.jacobian(exact.problem, exact.student)
    zero = exact.ring.number(0)
    F = [zero + x for x in eq1.update(exact.problem, exact.student).ravel()]
    return all(
        F[i].derivative(exact.derivations[j]) == zero + J[i, j] for i, j in np.ndindex(len(F), len(exact.derivations))
    )


def check_t1(ledger: Ledger) -> None:
    for name, loss in stated.FOLLOWED.items():
        reward = name in stated.HOLDS_REWARD
        several = [{"rule": ledger.rule(name)}, *([{"rule": ledger.rule("reward")}] if reward else [])]
        exact, *plain = generic(2, 2, *several)
        values = [x - y for x, y in zip(exact.values, plain[0].values, strict=True)] if plain else exact.values
        same = all(x == y for x, y in zip(values, stated.followed(exact, loss), strict=True))
        ledger.note(f"{name}{' less +R' if reward else ''} is -Σ d ∇l of its stated loss, every 2 x 2 MDP", same)
        ledger.note(f"T1's formula for the curl of {name}, every 2 x 2 MDP", stated.curl_identity(exact, loss))
        if not reward:
            both, task = generic(2, 2, {"rule": ledger.rule(name), "reward": True}, {"rule": ledger.rule("reward")})
            parts = zip(both.values, task.values, stated.followed(both, loss), strict=True)
            ledger.note(f"{name} + R is that and the reward row, every 2 x 2 MDP", all(x - y == z for x, y, z in parts))
    (critic,) = generic(2, 2, {"rule": ledger.rule("student-critic")})
    ledger.note("visits balance, killed by 1 - g a step, every 2 x 2 MDP", stated.visits_balance(critic))
    stated_update = stated.frozen_gradient(critic, stated.critic_step(critic))
    same = all(x == y for x, y in zip(critic.values, stated_update, strict=True))
    ledger.note("student-critic is the gradient for R + g P V_pi - V_theta held fixed, every 2 x 2 MDP", same)
    concrete = random.episodic(0, 2, 2, discount="9/10")
    for name, rule in ledger.table.items():
        if name != "value-gate":  # a gate is constant where it is differentiable at all
            ways: tuple[Json, ...] = ({}, {"reward": True}, {"reward": True, "control": "mix:1/3"})
            derived = all(jacobian_is_derivative(exact_field(Field(concrete, rule, **way))) for way in ways)
            ledger.note(f"the Jacobian of {name}, which curls are read from, is its derivative, all theta", derived)
    for name in NO_ROWS:
        reward = name == "value-gate"
        refute(ledger, Field(zoo.load("swirl"), ledger.rule(name), reward=reward), "swirl")
    refute(ledger, Field(zoo.load("chain"), ledger.rule("on-policy")), "chain")
    refute(ledger, Field(zoo.load("aliased-cycle"), ledger.rule("on-policy")), "aliased-cycle")
    accept(ledger, Field(zoo.load("bandit"), ledger.rule("on-policy")), "a bandit (one state, one step)")
    accept(ledger, Field(self_loop(2), ledger.rule("on-policy")), "one state with a self-loop and 2 actions")
    refute(ledger, Field(self_loop(3), ledger.rule("on-policy")), "one state with a self-loop and 3 actions")
    for seed in range(10):
        field = Field(random.episodic(seed, 3, 3, discount="9/10"), ledger.rule("on-policy"))
        curl = setting(field, rationals()).curl(teacher_table(field.mdp))
        ledger.note(f"the curl of on-policy vanishes at the teacher, random MDP {seed}", zero_matrix(curl))


T1 = Claim(
    "T1",
    "not a gradient",
    "The update of on-policy distillation is in general no gradient field: its curl is an expectation of products of "
    "scores and loss gradients that do not cancel. It is one in a bandit, and in one state with a self-loop for two "
    "actions, not for three; at the teacher itself the curl vanishes. The same holds of every row that the table "
    "calls no gradient: each has a witness.",
    r"\partial_j F_i - \partial_i F_j = \alpha\,\mathbb{E}\left[\partial_i \log p(\tau)\,\partial_j \ell(\tau) "
    r"- \partial_j \log p(\tau)\,\partial_i \ell(\tau)\right]",
    "q = pi_theta; softmax student",
    f"{PAPER}, Theorem 1; stated pointwise its condition is too strong (bandits)",
    "the formula as an identity of rational functions over all 2-state 2-action MDPs; witnesses in exact arithmetic",
    "E[∂_i log p(tau) Σ_t g(s_t)] = Σ_s ∂_i d(s) g(s) for any g that does not depend on the trajectory's past, so the "
    "formula is the product rule for F = -Σ_s d(s) ∇l(s), whose second derivatives of l cancel. It is checked as an "
    "identity on all 2 x 2 MDPs. At the teacher ∇l = 0 for the cross-entropy, so its curl is 0 there. Each "
    "witness is one policy at which two mixed derivatives differ, which no function "
    "twice differentiable allows.",
    check_t1,
)


def half_and_half() -> tuple[Rule, Rule]:
    """Jensen–Shannon distillation and its correction: a loss that the table does not have."""
    middle = (p + t) / 2
    js = (total(t * (log_t - log(middle))) + total(p * (log_p - log(middle)))) / 2
    return Rule("js", "", "student", loss=js), Rule("js-corrected", "", "student", loss=js, reward=-after(js))


def check_t2(ledger: Ledger) -> None:
    for name, loss in stated.DESCENDED.items():
        for reward in (False, True):
            held = reward or name in stated.HOLDS_REWARD
            for S, A, observation in ((2, 2, None), (2, 2, [0, 0]), (1, 3, None)):
                (exact,) = generic(S, A, {"rule": ledger.rule(name), "reward": reward}, observation=observation)
                climbs = exact.climbs(stated.objective(exact, loss, reward=held))
                alias = ", aliased" if observation else ""
                fact = generic_json(ledger.rule(name), S, A, reward=reward)
                ledger.note(
                    f"{name}{'+R' * reward} is the gradient of its stated objective, every {S} x {A} MDP{alias}",
                    climbs,
                    None if observation else {"kind": "a-gradient", "field": fact, "potential": "episode"},
                )
    (exact,) = generic(2, 2, {"rule": ledger.rule("teacher")})
    climbs = exact.climbs(stated.objective(exact, stated.DESCENDED["n-distill"], reward=False, fixed=True))
    fact = {"kind": "a-gradient", "field": generic_json(ledger.rule("teacher"), 2, 2), "potential": "fixed"}
    ledger.note("teacher distill is the gradient of -E_pi Σ H(pi‖pi_theta), every 2 x 2 MDP", climbs, fact)
    for name in ("teacher", "on-policy"):
        for control in ("student", "teacher", "uniform", "mix:1/3"):
            (exact,) = generic(2, 2, {"rule": ledger.rule(name), "reward": True, "control": control})
            update = eq1.update(exact.problem, exact.student).ravel()
            same = all(x == y for x, y in zip(update, stated.under_control(exact, control).ravel(), strict=True))
            ledger.note(f"{name} + R under q = {control} is its stated field, every 2 x 2 MDP", same)
    plain, corrected = half_and_half()
    refute(ledger, Field(zoo.load("swirl"), plain), "swirl")
    accept(ledger, Field(zoo.load("swirl"), corrected), "swirl")
    proved = [name for name in stated.DESCENDED if structural_potential(ledger.rule(name)) is not None]
    ledger.note("T2's identity holds of the row's formulas, so for every MDP", proved == list(stated.DESCENDED))


T2 = Claim(
    "T2",
    "the correction",
    "With q = pi_theta and any state loss l, adding the reward -l(s_{t+1}) makes the update the gradient of "
    "-E Σ l(s_t). If l(s) = E_{a~pi_theta} lhat(s, a), adding -lhat(s_{t+1}, a_{t+1}) has the same expectation.",
    r"F = -\nabla_\theta\, \mathbb{E}_{\pi_\theta} \sum_t \ell(s_t;\theta)",
    "q = pi_theta; any softmax student with linear logits, aliasing included; alpha and +R as given",
    f"{PAPER}, Theorem 2",
    "symbolically on all MDPs of sizes 2 x 2 (with and without aliasing) and 1 x 3 by differentiating the objective as "
    "stated; for every MDP by the formulas' own identity",
    "Σ_t Σ_{i>=t} ∇ log pi(a_t|s_t) (-l(s_{i+1})) has expectation -Σ_s (∇d(s)) l(s), since the first state's visits "
    "do not depend on theta; with -Σ_s d(s) ∇l(s) that is -∇ Σ_s d(s) l(s). Nothing is assumed of l. For lhat, the "
    "conditional expectation of lhat(s_{t+1}, a_{t+1}) given everything up to and including s_{t+1} is l(s_{t+1}).",
    check_t2,
)


def constant_visits(rng: np.random.Generator, states: int, actions: int) -> MDP:
    """A random MDP in which no action changes where one goes next."""
    base = random.episodic(rng, states, actions)
    P = base.exact.P.copy()
    P[:, 1:, :] = P[:, :1, :]
    return base.replace(P=P)


def check_g1(ledger: Ledger) -> None:
    rng = np.random.default_rng(ledger.seed)
    agreed, yes = 0, 0
    for k in range(60):
        S, A = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        made: Any = (random.episodic, random.acyclic, random.episodic, constant_visits)[k % 4]
        mdp = made(rng, S, A)
        if k % 8 == 5:  # teachers that are deterministic in places
            pure = [[Fraction(int(a == s % A)) for a in range(A)] for s in range(S)]
            mdp = mdp.replace(teacher=pure)
        field = Field(mdp, ledger.rule("on-policy"))
        said, found = obstruction(field, k) is None, identity_test(field, k).zero
        agreed, yes = agreed + (said == found), yes + found
        if k < 12:
            verdict = decide(field, seed=k)
            ledger.note(f"random MDP {k}: the condition decides the curl", said == found, curl_fact(field, verdict))
    says = f"condition and curl agree on {agreed} of 60 random MDPs ({yes} gradients; seed {ledger.seed})"
    ledger.note(says, agreed == 60, means="instances")
    chain = Field(zoo.load("chain"), ledger.rule("on-policy"))
    depends = visit_dependence(chain)
    ledger.note("on chain, visits of s1 depend on the policy at s0, not the other way round", depends[1, 0])
    ledger.note(
        "on chain, visits of s0 do not depend on the policy at s1",
        not depends[0, 1],
        {"kind": "same-visits", "field": field_json(chain), "state": 0, "by": 1},
    )
    at = setting(chain, rationals())
    point = random_point(np.random.default_rng(1), chain)
    slope = at.visits_slopes(point)[1, 0, 1]
    fact: Json = {"kind": "visits-differ", "field": field_json(chain), "state": 1, "by": 0, "i": [0, 1]}
    fact |= {"policy": [[str(x) for x in row] for row in point], "value": str(slope)}
    ledger.note("the slope of those visits, exactly", slope != 0, fact)


G1 = Claim(
    "G1",
    "when on-policy distillation is a gradient after all",
    "A tabular student's on-policy distillation (cross-entropy or KL, with or without +R) is a gradient field exactly "
    "when (1) no reachable state's visits depend on the policy at another reachable state, and (2) at every reachable "
    "state with more than two actions, for every policy elsewhere, the (killed) chance of coming back is the same for "
    "all actions (where the teacher is deterministic, for all actions it does not take).",
    r"\partial d(s)/\partial\theta_u = 0\ (u \ne s), \qquad \partial d(s)/\partial\theta_s \parallel \pi - \pi_\theta",
    "tabular student, q = pi_theta, alpha > 0, any discount, any teacher",
    "this project",
    "proof in words (docs/claims.md); condition against the curl, both exact, on random MDPs of four families",
    "docs/claims.md, G1: for u != s the curl is x (t_s - p_s)^T - (t_u - p_u) y^T with x = ∂d(s)/∂theta_u and "
    "y = ∂d(u)/∂theta_s. x vanishes or not whatever the policy at u, its entries are p_c times linear forms up to a "
    "factor, and a divisibility argument leaves x = y = 0; for u = s the curl is 0 iff x is parallel to t_s - p_s.",
    check_g1,
)


def check_e1(ledger: Ledger) -> None:
    for S, A, observation in ((2, 2, None), (1, 3, None), (2, 2, [0, 0])):
        one, two = generic(S, A, {"rule": ledger.rule("er")}, {"rule": ledger.rule("eer")}, observation=observation)
        fields = [generic_json(ledger.rule(name), S, A) for name in ("er", "eer")]
        alias = ", aliased" if observation else ""
        fact = None if observation else {"kind": "same-field", "left": fields[0], "right": fields[1]}
        ledger.note(f"ER and EER have one expected field, every {S} x {A} MDP{alias}", one.equals(two), fact)
    mdp = zoo.load("chain")
    policy = np.full((2, 2), Fraction(1, 2), dtype=object)
    found = []
    for name in ("er", "eer"):
        field = Field(mdp, ledger.rule(name))
        value, fact = estimator_variance(field, policy)
        found.append(value)
        ledger.note(
            f"variance of {name}'s single-trajectory estimator on chain: {value.str(8, radius=False)}", True, fact
        )
    differ = not (found[0] - found[1]).contains(0)
    ledger.note("the variances differ", differ)


E1 = Claim(
    "E1",
    "ER and EER: one field, two variances",
    "With q = pi_theta, entropy regularised (ER) and expected entropy regularised (EER) distillation have the same "
    "expected update, aliasing or not; the variances of their sampled updates differ in general (on chain, say).",
    r"F_{\mathrm{ER}} = F_{\mathrm{EER}}, \qquad \operatorname{Var}\hat F_{\mathrm{ER}} \ne "
    r"\operatorname{Var}\hat F_{\mathrm{EER}}",
    "q = pi_theta; a teacher of full support",
    f"{PAPER}, section 4 and Fig. 4",
    "symbolically on all 2 x 2 and 1 x 3 MDPs; variances by enumerating the trajectories of chain, in balls",
    "T2's second half with lhat = -log pi: both are the gradient of E Σ log pi(a_t|s_t), for every MDP.",
    check_e1,
)
