"""The symbols and functions of which a rule's loss and reward are made (docs/rules.md).

>>> from vorticity.formula import log_p, log_t, p, total
>>> print(total(p * (log_p - log_t)))
total(p*(log_p - log_t))
"""

from vorticity import check_names

check_names()

from dynamics.rules.formula import (  # noqa: E402  (ours, as we now know)
    Formula,
    after,
    c,
    latex,
    log,
    log_p,
    log_t,
    p,
    r,
    substitute,
    t,
    teacher_better,
    total,
    v,
    v_student,
)

__all__ = [
    "Formula",
    "after",
    "c",
    "latex",
    "log",
    "log_p",
    "log_t",
    "p",
    "r",
    "substitute",
    "t",
    "teacher_better",
    "total",
    "v",
    "v_student",
]
