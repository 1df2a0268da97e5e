"""The table of update rules: one row of the paper's Table 1, or of a method in use elsewhere, is one row here.

A row says which policy controls the states visited, the loss at a visited state and the reward of a step, as formulas:

    F(theta) = E_q [ Σ_t  ∇ log pi_theta(a_t|s_t) · Rhat_t  −  ∇ l(s_t; theta) ],      Rhat_t = Σ_{i ≥ t} rhat_i

(the paper, eq. 1). Nothing else in the project knows a rule: the field, its Jacobian, the potential, the printed
table and the proofs are all read off the row. To add a rule, write a `Rule`; see `docs/rules.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dynamics.rules.formula import (
    after,
    log_t,
    r,
    teacher_better,
    v,
    v_student,
)
from dynamics.rules.rule import CROSS_ENTROPY, ENTROPY, KL, REVERSE_CROSS_ENTROPY, REVERSE_KL, Rule
from mdp import nearest

PAPER = "Czarnecki et al., Distilling Policy Distillation, AISTATS 2019"


# --- which rules are gradients ----------------------------------------------------------------------------------------


# --- the table --------------------------------------------------------------------------------------------------------

_EVERYWHERE = {"student": True, "fixed": True}
_FIXED_ONLY = {"student": False, "fixed": True}
_STUDENT_ONLY = {"student": True, "fixed": False}
_NOWHERE = {"student": False, "fixed": False}

_ROWS = (
    Rule(
        "teacher",
        "teacher distill",
        "teacher",
        loss=CROSS_ENTROPY,
        source=f"{PAPER}, Table 1",
        note="with +R a gradient, but not of the return, and unbounded where Q_pi + alpha < 0",
        gradient=_FIXED_ONLY,
    ),
    Rule(
        "on-policy",
        "on-policy distill",
        "student",
        loss=CROSS_ENTROPY,
        source=f"{PAPER}, Table 1 and Theorem 1",
        gradient=_FIXED_ONLY,
    ),
    Rule(
        "er",
        "entropy regularised (ER)",
        "student",
        reward=log_t,
        source=f"{PAPER}, Table 1",
        gradient=_EVERYWHERE,
    ),
    Rule(
        "n-distill",
        "N-distill (the reward-based correction)",
        "student",
        loss=CROSS_ENTROPY,
        reward=-after(CROSS_ENTROPY),
        source=f"{PAPER}, Table 1 and Theorem 2",
        gradient=_STUDENT_ONLY,
    ),
    Rule(
        "n-distill-kl",
        "N-distill with KL",
        "student",
        loss=KL,
        reward=-after(KL),
        source=f"{PAPER}, Theorem 2 with l = KL(pi‖pi_theta)",
        gradient=_STUDENT_ONLY,
    ),
    Rule(
        "eer",
        "expected entropy regularised (EER)",
        "student",
        loss=REVERSE_CROSS_ENTROPY,
        reward=after(log_t),
        source=f"{PAPER}, Table 1",
        gradient=_EVERYWHERE,
    ),
    Rule(
        "eer-no-reward",
        "EER without its reward term",
        "student",
        loss=REVERSE_CROSS_ENTROPY,
        source=f"{PAPER}, Table 1's EER less its reward",
        gradient=_FIXED_ONLY,
    ),
    Rule(
        "reverse-kl",
        "reverse KL (per-token on-policy distillation)",
        "student",
        loss=REVERSE_KL,
        source="Agarwal et al., On-policy distillation of language models, ICLR 2024, eq. 4 (reverse KL)",
        gradient=_FIXED_ONLY,
    ),
    Rule(
        "reverse-kl-corrected",
        "trajectory KL (reverse KL, corrected)",
        "student",
        loss=REVERSE_KL,
        reward=-after(REVERSE_KL),
        source="Gu et al., MiniLLM, ICLR 2024, section 2.2; the paper, Theorem 2",
        gradient=_STUDENT_ONLY,
    ),
    Rule(
        "reward",
        "plain policy gradient",
        "student",
        reward=r,
        source="Sutton et al., Policy gradient methods, NIPS 1999, Theorem 1",
        gradient=_EVERYWHERE,
    ),
    Rule(
        "teacher-v",
        "teacher V reward",
        "student",
        reward=r + after(v) - v,
        source=f"{PAPER}, Table 1",
        gradient=_EVERYWHERE,
    ),
    Rule(
        "student-critic",
        "teacher V reward less the student's V",
        "student",
        reward=r + after(v) - v_student,
        source=f"{PAPER}, Table 1 as printed (a misprint: the text has the teacher's V)",
        gradient=_NOWHERE,
    ),
    Rule(
        "bootstrap",
        "teacher bootstrapping (TD + V)",
        "student",
        reward=r + after(v),
        horizon="step",
        source=f"{PAPER}, Table 1",
        gradient=_FIXED_ONLY,
    ),
    Rule(
        "entropy-bonus",
        "on-policy entropy bonus",
        "student",
        loss=-ENTROPY,
        reward=r,
        source="Mnih et al., Asynchronous methods (A3C), ICML 2016, section 4; the paper, section 3",
        gradient=_FIXED_ONLY,
    ),
    Rule(
        "value-gate",
        "value-gated distill",
        "student",
        loss=teacher_better * CROSS_ENTROPY,
        source=f"{PAPER}, the value gate (theory P2)",
        note="discontinuous at the gate: verdicts hold per side of it",
        gradient=_FIXED_ONLY,
    ),
)

TABLE: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _ROWS})


def get(name: str) -> Rule:
    """The row of the table with this id; raises ValueError that suggests the nearest id.

    >>> get("n-distill").title
    'N-distill (the reward-based correction)'
    """
    if name in TABLE:
        return TABLE[name]
    raise ValueError(f"rule: {nearest(name, TABLE)} (known: {', '.join(TABLE)})")


def label(rule: Rule) -> str:
    """What a rule is called in print: its id, and " + R" where the task's reward was added to what its row holds.

    >>> from dynamics.rules import REWARD
    >>> label(get("on-policy") + REWARD), label(get("reward"))
    ('on-policy + R', 'reward')
    """
    row = TABLE.get(rule.id)
    added = rule.has_reward and not (row is not None and row.has_reward)
    return rule.id + (" + R" if added else "")
