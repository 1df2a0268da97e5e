"""Limit sets of a flow: equilibria (rest points), periodic orbits, Floquet multipliers; verdicts on trajectories.

`equilibria`, `shooting` and `periodic` (periodic orbits by Newton's method), `limit_sets` (what a field holds),
`outcomes` (what a trajectory did), `lyapunov` and `annuli` (regions that trap), `worth` (return and KL of where a flow
ends).
"""

from dynamics.orbits.annulus import Annulus, annuli, distance
from dynamics.orbits.equilibria import (
    BOUND,
    Limits,
    RestPoint,
    checked_limits,
    rest_point,
    rest_points,
    rest_points_in_plane,
)
from dynamics.orbits.limit_sets import WINDOW, Inventory, inventory
from dynamics.orbits.lyapunov import AttractingEllipsoid, attracting_ellipsoid
from dynamics.orbits.outcomes import (
    BLOWN_UP,
    ESCAPED,
    EXTINCT,
    FARTHEST,
    KINDS,
    SETTLED,
    Found,
    Outcome,
    Run,
    assemble,
    boundary,
    ellipsoid,
    first_found,
    newton,
    outcome,
)
from dynamics.orbits.periodic import Orbit, first_return, peak_to_peak, shoot
from dynamics.orbits.worth import (
    LEAST_KL,
    SHARE,
    divergences,
    first_reach,
    first_times,
    halfway,
    mean_return,
    where_it_ends,
)

__all__ = [
    "BLOWN_UP",
    "BOUND",
    "ESCAPED",
    "EXTINCT",
    "FARTHEST",
    "KINDS",
    "LEAST_KL",
    "SETTLED",
    "SHARE",
    "WINDOW",
    "Annulus",
    "AttractingEllipsoid",
    "Found",
    "Inventory",
    "Limits",
    "Orbit",
    "Outcome",
    "RestPoint",
    "Run",
    "annuli",
    "assemble",
    "attracting_ellipsoid",
    "boundary",
    "checked_limits",
    "distance",
    "divergences",
    "ellipsoid",
    "first_found",
    "first_reach",
    "first_return",
    "first_times",
    "halfway",
    "inventory",
    "mean_return",
    "newton",
    "outcome",
    "peak_to_peak",
    "rest_point",
    "rest_points",
    "rest_points_in_plane",
    "shoot",
    "where_it_ends",
]
