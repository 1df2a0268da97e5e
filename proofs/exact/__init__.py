"""Exact fields: eq. (1) in exact arithmetics and as rational functions; is it a gradient, and why.

`arithmetic` (rationals, residues, balls), `ring` (rational functions), `fields` (a field for all theta), `points` (curl
at a point, identity testing), `curl` (the verdict), `explain` (the reason in a sentence).
"""

from proofs.exact.arithmetic import (
    Arithmetic,
    Numbers,
    balls,
    contraction,
    fraction,
    objects,
    outward,
    precision,
    rationals,
    teacher_table,
    world,
)
from proofs.exact.curl import LARGEST_CHECKED, Verdict, ball_json, decide, decide_all, is_ball
from proofs.exact.explain import obstruction, visit_dependence
from proofs.exact.fields import ExactField, exact_field, generic, pull_back
from proofs.exact.points import (
    has_logarithms,
    identity_test,
    idle_states,
    random_point,
    readable_point,
    setting,
    zero_matrix,
)
from proofs.exact.ring import Ratio, Ring

__all__ = [
    "LARGEST_CHECKED",
    "Arithmetic",
    "ExactField",
    "Numbers",
    "Ratio",
    "Ring",
    "Verdict",
    "ball_json",
    "balls",
    "contraction",
    "decide",
    "decide_all",
    "exact_field",
    "fraction",
    "generic",
    "has_logarithms",
    "identity_test",
    "idle_states",
    "is_ball",
    "objects",
    "obstruction",
    "outward",
    "precision",
    "pull_back",
    "random_point",
    "rationals",
    "readable_point",
    "setting",
    "teacher_table",
    "visit_dependence",
    "world",
    "zero_matrix",
]
