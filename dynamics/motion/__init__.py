"""Initial value problems: the flow of a field, its discrete iteration, ensembles of starts; trajectories and files."""

from dynamics.motion.flows import Progress, ensemble, flow, iterate, pass_on_interrupt, start_of, stepped, steps
from dynamics.motion.trajectory import Trajectory

__all__ = [
    "Progress",
    "Trajectory",
    "ensemble",
    "flow",
    "iterate",
    "pass_on_interrupt",
    "start_of",
    "stepped",
    "steps",
]
