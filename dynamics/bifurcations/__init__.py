"""Bifurcations: rest points and periodic orbits followed along one parameter; Hopf points and folds; the diagram.

`continuation` (rest points), `hopf` (Hopf points, first Lyapunov coefficient), `cycle_branches` (periodic orbits),
`curves` (a diagram as data), `diagrams` (the search that fills one).
"""

from dynamics.bifurcations.continuation import Branch
from dynamics.bifurcations.curves import CycleCurve, Diagram, flat, flat_orbit, moving
from dynamics.bifurcations.diagrams import diagram
from dynamics.bifurcations.hopf import STEP, TRIFLING, HopfPoint, hopf_points, second_derivative, third_derivative

__all__ = [
    "STEP",
    "TRIFLING",
    "Branch",
    "CycleCurve",
    "Diagram",
    "HopfPoint",
    "diagram",
    "flat",
    "flat_orbit",
    "hopf_points",
    "moving",
    "second_derivative",
    "third_derivative",
]
