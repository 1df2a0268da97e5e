"""Enclosures: fields over boxes and along time steps, rounded outward.

`intervals`, `jets` (centred forms), `chains` (solves), `reduced` (eq. (1) over boxes), `systems`, `recentred` and
`steps` (validated Taylor steps), `parametric` (systems in a parameter).
"""

from proofs.enclosures.intervals import Interval, concatenate, of, of_fractions, product, stack
from proofs.enclosures.jets import variables
from proofs.enclosures.parametric import Ball, Derivatives, Parametric, derivatives, taylor
from proofs.enclosures.recentred import RationalSystem, local, rational_system, velocity
from proofs.enclosures.reduced import policy
from proofs.enclosures.steps import Balls, Step, step
from proofs.enclosures.systems import System, along_segments, field_and_jacobian, scaled, system

__all__ = [
    "Ball",
    "Balls",
    "Derivatives",
    "Interval",
    "Parametric",
    "RationalSystem",
    "Step",
    "System",
    "along_segments",
    "concatenate",
    "derivatives",
    "field_and_jacobian",
    "local",
    "of",
    "of_fractions",
    "policy",
    "product",
    "rational_system",
    "scaled",
    "stack",
    "step",
    "system",
    "taylor",
    "variables",
    "velocity",
]
