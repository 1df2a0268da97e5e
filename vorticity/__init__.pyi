"""Types of the public face: see `__init__.py`; tests/test_face.py holds the two together."""

from dynamics.bifurcations import Diagram, diagram, hopf_points
from dynamics.choice import choose, side
from dynamics.drawing import Picture, explorer, portrait, save, side_by_side
from dynamics.fields import Field, FunctionField, VectorField, families, in_chart
from dynamics.learners import discrete_outcome
from dynamics.motion import Trajectory, ensemble, flow, iterate
from dynamics.orbits import Inventory, Orbit, Outcome, RestPoint, outcome, rest_point, rest_points, shoot
from dynamics.orbits import inventory as cycles
from dynamics.portraits import basins
from dynamics.rules import (
    CROSS_ENTROPY,
    ENTROPY,
    KL,
    OWN_LOSS,
    REVERSE_CROSS_ENTROPY,
    REVERSE_KL,
    REWARD,
    TABLE,
    Rule,
    structural_potential,
)
from dynamics.sampling import moments
from mdp import MDP, Policy, Student, evaluation, io, load, random, softmax, solve, strategies, student, zoo
from proofs.certificates import curl_fact, generic_json
from proofs.certificates import write as write_certificate
from proofs.checker import Report, check
from proofs.claims import CLAIMS, Claim, Finding, to_certificate, verify
from proofs.cycles import certified_rest_points, prove_cycle, prove_orbit
from proofs.exact import Verdict, exact_field, generic
from proofs.exact import decide as curl
from proofs.exact import decide_all as curl_of_all
from vorticity import formula

__version__: str

def check_names() -> None: ...

__all__ = [
    "CLAIMS",
    "CROSS_ENTROPY",
    "ENTROPY",
    "KL",
    "MDP",
    "OWN_LOSS",
    "REVERSE_CROSS_ENTROPY",
    "REVERSE_KL",
    "REWARD",
    "TABLE",
    "Claim",
    "Diagram",
    "Field",
    "Finding",
    "FunctionField",
    "Inventory",
    "Orbit",
    "Outcome",
    "Picture",
    "Policy",
    "Report",
    "RestPoint",
    "Rule",
    "Student",
    "Trajectory",
    "VectorField",
    "Verdict",
    "basins",
    "certified_rest_points",
    "check",
    "choose",
    "curl",
    "curl_fact",
    "curl_of_all",
    "cycles",
    "diagram",
    "discrete_outcome",
    "ensemble",
    "evaluation",
    "exact_field",
    "explorer",
    "families",
    "flow",
    "formula",
    "generic",
    "generic_json",
    "hopf_points",
    "in_chart",
    "io",
    "iterate",
    "load",
    "moments",
    "outcome",
    "portrait",
    "prove_cycle",
    "prove_orbit",
    "random",
    "rest_point",
    "rest_points",
    "save",
    "shoot",
    "side",
    "side_by_side",
    "softmax",
    "solve",
    "strategies",
    "structural_potential",
    "student",
    "to_certificate",
    "verify",
    "write_certificate",
    "zoo",
]
