"""The paper's experiments, and ours, as pure computations.

Each module has `cases(full)`, the parameters of its runs as plain dicts; `run(case)`, rows that depend on the case
alone (its seed included); and `summary(rows)`, a `dynamics.experiments.summary.Summary`: a table with 95 % intervals,
the finding in words, and whether the claim that the module states holds. Nothing here reads or writes files.
"""

from dynamics.experiments.summary import Row, Summary, groups, interval, levels, where
from dynamics.experiments.tallies import ALL_KINDS, MEASURED, REFUSED, Tally, measure, nothing, pooled

__all__ = [
    "ALL_KINDS",
    "MEASURED",
    "REFUSED",
    "Row",
    "Summary",
    "Tally",
    "groups",
    "interval",
    "levels",
    "measure",
    "nothing",
    "pooled",
    "where",
]
