"""The hunt: a search of random MDPs for limit cycles.

`candidates` (random worlds with a rest point in closed form), `climbing` (to milder ones), `simplify` (to readable
numbers), `draws` (one draw, from candidates to finds that the flow confirms).
"""

from dynamics.hunt.candidates import Hunt
from dynamics.hunt.climbing import GOALS
from dynamics.hunt.draws import SIZE, Report, run_draw

__all__ = [
    "GOALS",
    "SIZE",
    "Hunt",
    "Report",
    "run_draw",
]
