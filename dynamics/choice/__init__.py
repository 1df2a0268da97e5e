"""Which rule to use: the paper's decision tree, what is known of each rule, and what is measured on an MDP.

`tree` (the paper's Figure 1), `guarantees` (known beforehand), `comparison` (a rule beside its correction), `evidence`
(every rule measured), `ranks` (ranked for a wish), `tree_checks` (what the tree argues with, asked of the evidence).
"""

from dynamics.choice.comparison import AlphaRange, Side, alpha_range, side
from dynamics.choice.evidence import LIMIT, STARTS, Evidence, Scales, candidates, scales, survey
from dynamics.choice.guarantees import GROUPS
from dynamics.choice.ranked import MEASURE, NEAR, ORDER, SAID, WISHES, Ranking, ranking, speed, wish_of
from dynamics.choice.tree import CAUTION, Advice, Change, Choice, Fact, Question, answers_from, choose, known
from dynamics.choice.tree_checks import Check, checks

__all__ = [
    "CAUTION",
    "GROUPS",
    "LIMIT",
    "MEASURE",
    "NEAR",
    "ORDER",
    "SAID",
    "STARTS",
    "WISHES",
    "Advice",
    "AlphaRange",
    "Change",
    "Check",
    "Choice",
    "Evidence",
    "Fact",
    "Question",
    "Ranking",
    "Scales",
    "Side",
    "alpha_range",
    "answers_from",
    "candidates",
    "checks",
    "choose",
    "known",
    "ranking",
    "scales",
    "side",
    "speed",
    "survey",
    "wish_of",
]
