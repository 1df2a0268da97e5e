"""Learners, which take steps: the iteration theta + eta F and what it does, optimisers, critics, sampled steps.

`iteration` and `discrete` (verdicts), `periodic_points` and `invariant_curves` (where an iteration can stay),
`step_size` (the largest stable one), `optimisers`, `critic` (actor and critic), `sampled` (steps from trajectories),
`curves` (learning curves).
"""

from dynamics.learners.critic import METHODS, exact_critic, joint, joint_point, learn_with_critic, shaped
from dynamics.learners.curves import PER, learn, measure
from dynamics.learners.discrete import discrete_outcome
from dynamics.learners.optimisers import OPTIMISERS, normalised, optimise, spread_of_advantages
from dynamics.learners.sampled import stochastic, stochastic_outcome

__all__ = [
    "METHODS",
    "OPTIMISERS",
    "PER",
    "discrete_outcome",
    "exact_critic",
    "joint",
    "joint_point",
    "learn",
    "learn_with_critic",
    "measure",
    "normalised",
    "optimise",
    "shaped",
    "spread_of_advantages",
    "stochastic",
    "stochastic_outcome",
]
