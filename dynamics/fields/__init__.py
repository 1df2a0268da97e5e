"""Vector fields: a rule on an MDP by eq. (1), any Python callable, the same field in other coordinates.

`update` (eq. (1), once for any arithmetic), `field` (a rule's field), `vector` (any field, and callables), `charts` and
`coordinates` (other coordinates), `families` (fields in one parameter), `batch` (one rule on many MDPs at once).
"""

from dynamics.fields.batch import Fields, Worlds, differences, logits, slope, velocity
from dynamics.fields.charts import ChartField, in_chart
from dynamics.fields.coordinates import gauge_of, reduced, to_parameters, to_reduced
from dynamics.fields.families import Family, to_power
from dynamics.fields.field import Field, build
from dynamics.fields.update import Problem, center
from dynamics.fields.vector import FunctionField, VectorField, complex_step_holds

__all__ = [
    "ChartField",
    "Family",
    "Field",
    "Fields",
    "FunctionField",
    "Problem",
    "VectorField",
    "Worlds",
    "build",
    "center",
    "complex_step_holds",
    "differences",
    "families",
    "gauge_of",
    "in_chart",
    "logits",
    "reduced",
    "slope",
    "to_parameters",
    "to_power",
    "to_reduced",
    "velocity",
]
