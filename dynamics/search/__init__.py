"""The search for MDPs that cycle.

`candidates` (random worlds with a rest point in closed form), `climbing` (to milder ones), `simplify` (to readable
numbers), `draws` (one draw, from candidates to finds that the flow confirms).
"""

from dynamics.search.candidates import Hunt
from dynamics.search.climbing import GOALS
from dynamics.search.draws import SIZE, Report, search

__all__ = [
    "GOALS",
    "SIZE",
    "Hunt",
    "Report",
    "search",
]
