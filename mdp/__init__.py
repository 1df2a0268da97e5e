"""Finite MDPs, policies and students, visits and values, random families, and where models come from.

`model` (an MDP, exact and in floats), `policies` (softmax, entropies), `student` (logits = Phi theta), `evaluation`
(visits, values, return), `solve` (optimal policies and teachers), `zoo` and `random` (named models, random families),
`io` (files).
"""

from mdp.evaluation import Algebra, Chain, EndlessError, World, backup, backup_matrix, chain, product, visits_only
from mdp.io import from_dict, parse_json, to_dict
from mdp.model import MDP, endless_states
from mdp.numbers import Numbers, rational, rationals, show
from mdp.policies import Array, Policy, kl, policy, softmax, summed
from mdp.reading import nearest
from mdp.sources import is_path, load
from mdp.student import Student

__all__ = [
    "MDP",
    "Algebra",
    "Array",
    "Chain",
    "EndlessError",
    "Numbers",
    "Policy",
    "Student",
    "World",
    "backup",
    "backup_matrix",
    "chain",
    "endless_states",
    "evaluation",
    "from_dict",
    "io",
    "is_path",
    "kl",
    "load",
    "nearest",
    "parse_json",
    "policy",
    "product",
    "random",
    "rational",
    "rationals",
    "show",
    "softmax",
    "solve",
    "strategies",
    "student",
    "summed",
    "to_dict",
    "visits_only",
    "zoo",
]
