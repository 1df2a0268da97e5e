"""What is known beforehand of a rule's flow on an MDP: that it is a gradient, has a Lyapunov function, or cannot recur.

`guarantee` reads it off the row, the student and the transitions; whether a field is a gradient on *this* MDP is
decided elsewhere (`proofs.exact.curl.decide`) and handed in as a function. What was only seen is no guarantee: `seen`
turns the outcomes of flows into words that say how many starts they rest on. A cycle that was seen outweighs
everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from dynamics.choice.tree import reachable
from dynamics.fields import Field
from dynamics.rules import CROSS_ENTROPY, KL, Split, control_kind, split, structural_potential
from dynamics.rules import formula as fm
from mdp import MDP, endless_states, evaluation

KINDS = ("gradient", "gradient here", "Lyapunov", "no cycle", "rest seen", "undecided", "cycle")  # best first
GROUPS = ("cannot cycle", "came to rest", "undecided", "cycles")  # what a ranking tells apart
GROUP = {kind: GROUPS[max(0, k - 3)] for k, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Guarantee:
    """What holds of a flow: its kind, one of `KINDS`, the claim that says so ("" for what was only seen), and why.

    >>> Guarantee("no cycle", "C6", "two states, two actions").group
    'cannot cycle'
    """

    kind: str
    claim: str
    reason: str

    @property
    def group(self) -> str:
        """What a ranking tells apart: one of `GROUPS`."""
        return GROUP[self.kind]


Decide = Callable[[Field], str | None]  # why a field is a gradient on its MDP, in words; None: it is none, or open


def guarantee(field: Field, decide: Decide | None = None) -> Guarantee | None:
    """The best that is known of the field's flow before it is run, or None.

    In this order: the row's own identity (T2; every MDP and student), a gradient on this MDP (`decide`), a known
    Lyapunov function (P1, P3), no recurrence (A1: acyclic MDPs; C6: two states, two actions, forward KL). These are
    statements about the ODE. A value gate jumps, so that a gradient on each of its sides guarantees nothing.

    >>> from mdp import zoo
    >>> swirl = zoo.load("swirl")
    >>> [guarantee(Field(swirl, rule, reward=True)) is None for rule in ("on-policy", "reverse-kl", "n-distill")]
    [False, True, False]
    >>> guarantee(Field(swirl, "on-policy", reward=True)).claim
    'C6'
    """
    potential = structural_potential(field.effective_rule, field.control)
    if potential is not None:
        fixed = control_kind(field.rule, field.control) == "fixed"
        claim = "fixed visits" if fixed else "T2"
        return Guarantee("gradient", claim, f"a gradient on every MDP, of {potential}")
    if field.problem.gated:
        return None
    found = None if decide is None else decide(field)
    if found is not None:
        return Guarantee("gradient here", "curl", f"a gradient on this MDP: {found}")
    descends = field.lyapunov()
    if descends is not None:
        return Guarantee("Lyapunov", "P1", f"no gradient, but {descends}")
    if _bootstraps(field):
        reason = "no gradient, but each state's policy converges to actions that are greedy for Q of the teacher (P3)"
        return Guarantee("Lyapunov", "P3", reason)
    if _planar_forward(field):
        reason = "no periodic orbit: two states, two actions, forward KL; a weighted divergence is negative (C6)"
        return Guarantee("no cycle", "C6", reason)
    if _triangular(field):
        return Guarantee(
            "no cycle", "A1", "nothing recurs: no state comes back to itself, and the student is tabular (A1)"
        )
    return None


def seen(kinds: Sequence[str], period: float | None = None) -> Guarantee:
    """What the outcomes of flows from some starts show (kinds of `dynamics.orbits.outcomes`), in words.

    >>> seen(["rest", "boundary"]).reason
    'numerical: it came to rest, or ran to the boundary, from each of 2 starts tried'
    >>> seen(["rest", "cycle"], 6.5).reason
    'numerical: a cycle of period 6.5 was found from start 2'
    """
    if "cycle" in kinds:
        at = kinds.index("cycle") + 1
        turn = "a cycle" if period is None else f"a cycle of period {period:.6g}"
        return Guarantee("cycle", "", f"numerical: {turn} was found from start {at}")
    n = len(kinds)
    from_where = f"each of {n} starts" if n > 1 else "the one start"
    if n and all(kind in ("rest", "boundary") for kind in kinds):
        end = "came to rest, or ran to the boundary," if "boundary" in kinds else "came to rest"
        end = "ran to the boundary" if set(kinds) == {"boundary"} else end
        return Guarantee("rest seen", "", f"numerical: it {end} from {from_where} tried")
    open_ones = sum(kind not in ("rest", "boundary") for kind in kinds)
    return Guarantee("undecided", "", f"undecided: no verdict from {open_ones} of {n} starts tried")


def is_acyclic(mdp: MDP) -> bool:
    """Whether no state that can be reached from the start comes back to itself, by any actions.

    >>> from mdp import zoo
    >>> is_acyclic(zoo.load("token-tree")), is_acyclic(zoo.load("swirl"))
    (True, False)
    """
    row, column = sp.csr_array(mdp.P.reshape(-1, mdp.n_states)).nonzero()
    origin = row // mdp.n_actions
    reached = np.isin(origin, reachable(mdp))
    origin, target = origin[reached], column[reached]
    graph = sp.csr_array((np.ones(len(origin)), (origin, target)), shape=(mdp.n_states,) * 2)
    pieces, _ = connected_components(graph, directed=True, connection="strong")
    return bool(pieces == mdp.n_states) and not (origin == target).any()


def _triangular(field: Field) -> bool:
    """A1: acyclic, tabular; no step's reward depends on the student's policy there, unless it cancels under q = p."""
    terms = split(field.effective_rule)
    own = control_kind(field.rule, field.control) == "student"
    cancels = own and fm.is_state_formula(terms.now)
    fits = (cancels or not fm.uses(terms.now, fm.p, fm.log_p)) and (own or not terms.v_student_now)
    return fits and field.student.phi is None and is_acyclic(field.mdp)


def _planar_forward(field: Field) -> bool:
    """C6: two states, two actions, tabular, q the student, H(pi‖pi_theta) or its KL, alpha > 0, and r_i alone."""
    rule = field.effective_rule
    return (
        field.student.table == (2, 2)
        and field.student.phi is None
        and control_kind(field.rule, field.control) == "student"
        and rule.horizon == "episode"
        and rule.loss in (CROSS_ENTROPY, KL)
        and rule.alpha > 0
        and split(rule) == Split(r=Fraction(1))
    )


def _bootstraps(field: Field) -> bool:
    """P3: one-step returns r_i + V_pi(s_{i+1}), no loss, tabular, q the student; and the greedy policies end.

    With discount 1 only where no state has two greedy actions, so that there is one greedy policy to be asked.
    """
    rule, mdp = field.effective_rule, field.mdp
    fits = rule.horizon == "step" and fm.is_zero(rule.loss) and split(rule) == Split(r=Fraction(1), v_next=Fraction(1))
    if not (fits and field.student.phi is None and control_kind(field.rule, field.control) == "student"):
        return False
    if mdp.discount < 1:
        return True
    Q = evaluation.action_values(mdp, np.asarray(mdp.teacher))
    greedy = Q.max(-1, keepdims=True) - 1e-9 * (1 + np.abs(Q).max()) <= Q
    return bool((greedy.sum(-1) == 1).all()) and not len(endless_states(mdp, greedy))
