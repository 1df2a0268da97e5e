"""Proofs about rest points and periodic orbits: that they exist, are all, or are none; Hopf points.

`rest_points`, `planar` (trapping boxes), `annulus` and `polygons` (trapping rings), `absence` (Dulac functions),
`krawczyk` and `floquet` (any dimension), `hopf`, `normal_form` and `hopf_fact`, `existence` (every method that
applies).
"""

from proofs.cycles.absence import settles
from proofs.cycles.annulus import Annulus
from proofs.cycles.existence import Absence, CycleProof, prove_absence, prove_cycle
from proofs.cycles.krawczyk import OrbitProof, prove_orbit
from proofs.cycles.planar import TrappingBox, find_box, trapping_box
from proofs.cycles.rest_points import RestProof, certified_rest_points

__all__ = [
    "Absence",
    "Annulus",
    "CycleProof",
    "OrbitProof",
    "RestProof",
    "TrappingBox",
    "certified_rest_points",
    "find_box",
    "prove_absence",
    "prove_cycle",
    "prove_orbit",
    "settles",
    "trapping_box",
]
