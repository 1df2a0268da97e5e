"""What pictures show, as plain arrays: planes, curves, a portrait's geometry, basins of attraction. Draws nothing.

`plane` (two coordinates), `curves` (orbits traced by length), `survey` (what there is to show), `compose` (a portrait's
`geometry`), `attraction` (basins).
"""

from dynamics.portraits.arrays import Geometry, eigenvalue_text, heads, only, shafts
from dynamics.portraits.attraction import UNDECIDED, Basins, basins
from dynamics.portraits.compose import geometry
from dynamics.portraits.plane import Coords, coordinate, coordinate_name, name_of, view

__all__ = [
    "UNDECIDED",
    "Basins",
    "Coords",
    "Geometry",
    "basins",
    "coordinate",
    "coordinate_name",
    "eigenvalue_text",
    "geometry",
    "heads",
    "name_of",
    "only",
    "shafts",
    "view",
]
