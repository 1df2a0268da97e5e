"""The sampled update: trajectories of a policy, one trajectory's estimate of eq. (1), and its exact mean and variance.

`episodes` (trajectories of a policy), `estimator` (their estimates), `exact` (mean and variance on any MDP).
"""

from dynamics.sampling.episodes import trajectories
from dynamics.sampling.estimator import Terms, estimates, sums, terms, update_of
from dynamics.sampling.exact import moments, moments_of, noise

__all__ = [
    "Terms",
    "estimates",
    "moments",
    "moments_of",
    "noise",
    "sums",
    "terms",
    "trajectories",
    "update_of",
]
