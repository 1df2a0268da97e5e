"""Named MDPs, one cited entry each. All numbers are exact; `P[s][a][s']`, and a row that sums to less than 1 may end.

The models of the claims (`fig2`, `corridor-cycle`, `swirl`, `aliased-cycle`), those that `vorticity hunt` found
(`entropy-cycle`, `one-state-cycle`, `aliased-mild`, `corridor-sharp`) and the three that cycle without any reward
(`copying-cycle`, `blind-copying-cycle`, `reverse-copying-cycle`) are fixed; the others are the small worlds that
questions are asked about, and take a size: `load("corridor:3")`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import scipy.sparse as sp

from mdp.model import MDP
from mdp.reading import nearest

PAPER = "Czarnecki et al., Distilling Policy Distillation, AISTATS 2019, arXiv 1902.02186"
HUNT = "this project, found by `vorticity hunt`"


@dataclass(frozen=True)
class Entry:
    """A named MDP: what it is for, where it comes from, and `build()`.

    Where `size` is not empty it says what n counts in `build(n)`, for n from `least` to `most`.

    >>> entries()[0].name
    'fig2'
    """

    name: str
    summary: str
    source: str
    build: Callable[..., MDP]
    size: str = ""
    least: int = 1
    most: int = 1


def names() -> list[str]:
    """The names that `load` knows, in the order of `entries`.

    >>> "swirl" in names()
    True
    """
    return [entry.name for entry in _ENTRIES]


def entries() -> tuple[Entry, ...]:
    """Every entry of the zoo.

    >>> [entry.name for entry in entries() if entry.size]
    ['corridor', 'corridor-adversarial', 'bandit', 'token-tree']
    """
    return _ENTRIES


def load(name: str) -> MDP:
    """The MDP of that name; `name:n` builds it at size n, as in `corridor:3`.

    Raises ValueError when the name is unknown (it suggests the nearest one), when the entry has no size, or when the
    size is not an integer within the entry's range.

    >>> load("swirl").n_states, load("corridor:3").n_states
    (2, 3)
    """
    base, colon, size = name.partition(":")
    entry = next((entry for entry in _ENTRIES if entry.name == base), None)
    if entry is None:
        raise ValueError(f"zoo: {nearest(base, names())} (known: {', '.join(names())})")
    if not colon:
        return entry.build()
    if not entry.size:
        raise ValueError(f"MDP {name!r}: {base} takes no size; write {base!r}")
    if not (size.isascii() and size.isdigit() and len(size) <= 9 and entry.least <= int(size) <= entry.most):
        law = f"an integer from {entry.least} to {entry.most}"
        raise ValueError(f"MDP {name!r}: the number of {entry.size} is {size!r}; must be {law}")
    return entry.build(int(size)).replace(name=name)


def fig2() -> MDP:
    """The paper's counter-example: two states that look alike, and a loss at one of them only.

    s0: L goes to s_L, R to s_R; both end. Shared parameter at s_L and s_R, own loss `l(s_R) = −4 pi_theta(R|s_R)`.
    On-policy distillation with reward is then matching pennies in the logits, `th1' = p(1−p)(1−2x)`,
    `th2' = x(1−x)(2p−1)`: closed orbits. The paper needs no teacher here; one that
    likes R at s_R, as the loss does, and nothing elsewhere is given so that every rule runs.
    Source: the paper, Figure 2.

    >>> fig2().observation.tolist()
    [0, 1, 1]
    """
    return MDP(
        P=[[[0, 1, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]],
        R=[[0, 0], [-1, -2], [0, -3]],
        initial=[1, 0, 0],
        discount=1,
        observation=[0, 1, 1],
        teacher=[["1/2", "1/2"], ["1/2", "1/2"], ["1/5", "4/5"]],
        loss={"s_R": {"R": -4}},
        states=["s0", "s_L", "s_R"],
        actions=["L", "R"],
        name="fig2",
    )


def corridor_cycle() -> MDP:
    """Three states in a row, no aliasing, plain cross-entropy: on-policy distillation with reward has a limit cycle.

    s0: left stays, right to s1; s1: left to s0, right to s2; s2: left to s1, right ends. g = 0.99, teacher right with
    probability 0.98, R(left) = (1, −0.5, 0.55), R(right) = 0, start (0.25, 0, 0.75). Period 18.21568 at alpha 1.

    >>> corridor_cycle().R.tolist()
    [[1.0, 0.0], [-0.5, 0.0], [0.55, 0.0]]
    """
    return MDP(
        P=[[[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]],
        R=[["1", "0"], ["-0.5", "0"], ["0.55", "0"]],
        initial=["0.25", "0", "0.75"],
        discount="0.99",
        teacher=[["0.02", "0.98"]] * 3,
        states=["s0", "s1", "s2"],
        actions=["left", "right"],
        name="corridor-cycle",
    )


# The shortest decimals that read back as the floats 1 / (1 + exp(4.328125)) and 1 / (1 + exp(4.953125)): the teacher
# is stated by its log-odds, whose exact probabilities are irrational. They meet those log-odds to 1e-15.
SWIRL_TEACHER = ("0.013020490113842827", "0.007011795381497107")


def swirl() -> MDP:
    """Two states, two actions, no aliasing, reverse KL with reward: one unstable focus inside a limit cycle.

    `P[s, a, 1]` = [[0.008, 0.684], [0, 1]], `P[s, a, 0] = 1 − P[s, a, 1]`, g = 0.97, start (0.01, 0.99),
    R = [[2.35, 15.38], [−4.63, 10.2]], teacher log-odds of action 1 (−4.328125, −4.953125). Period 6.48894425 at
    alpha 1. The teacher's probabilities of action 1 are `SWIRL_TEACHER`, the shortest decimals of the float sigmoid.

    >>> swirl().P[0].tolist()
    [[0.992, 0.008], [0.316, 0.684]]
    """
    return MDP(
        P=[[["0.992", "0.008"], ["0.316", "0.684"]], [["1", "0"], ["0", "1"]]],
        R=[["2.35", "15.38"], ["-4.63", "10.2"]],
        initial=["0.01", "0.99"],
        discount="0.97",
        teacher=[[1 - Fraction(p), Fraction(p)] for p in SWIRL_TEACHER],
        states=["s0", "s1"],
        actions=["a0", "a1"],
        name="swirl",
    )


def aliased_cycle() -> MDP:
    """Three states under two observations, plain cross-entropy: on-policy with reward has a limit cycle in the plane.

    s0: a0 stays, a1 to s1; s1: a0 to s2, a1 ends; s2: a0 to s0, a1 stays; observations [0, 1, 0], g = 0.99, teacher
    P(a0) = (0.2, 0.05, 0.2), start (0.2, 0.8, 0), R(·, a0) = (1.02, −0.42, −0.52), R(·, a1) = 0. Period 10.5755107.

    >>> aliased_cycle().n_observations
    2
    """
    return MDP(
        P=[[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]], [[1, 0, 0], [0, 0, 1]]],
        R=[["1.02", "0"], ["-0.42", "0"], ["-0.52", "0"]],
        initial=["0.2", "0.8", "0"],
        discount="0.99",
        observation=[0, 1, 0],
        teacher=[["0.2", "0.8"], ["0.05", "0.95"], ["0.2", "0.8"]],
        states=["s0", "s1", "s2"],
        actions=["a0", "a1"],
        name="aliased-cycle",
    )


def entropy_cycle() -> MDP:
    """Two states, one reward, and A2C's entropy bonus: a limit cycle. The teacher is uniform.

    s0: a0 ends, a1 stays with probability 9/10 and leads to s1 with 1/10; s1: a0 stays and pays 1/3, a1 leads to s0.
    g = 24/25, start s1. Entropy bonus with reward, and reverse KL with reward, which is the same against a uniform
    teacher: period 22.0769937, peak-to-peak log-odds 2.1119 and 2.8799, from every start tried. On-policy distill + R
    rests at log-odds (0.14768, −0.91740), corrected reverse KL + R at (0.08608, −0.77204).

    >>> entropy_cycle().R.tolist()[0]
    [0.0, 0.0]
    """
    return MDP(
        P=[[[0, 0], ["9/10", "1/10"]], [[0, 1], [1, 0]]],
        R=[[0, 0], ["1/3", 0]],
        initial=[0, 1],
        discount="24/25",
        teacher=[["1/2", "1/2"]] * 2,
        states=["s0", "s1"],
        actions=["a0", "a1"],
        name="entropy-cycle",
    )


def one_state_cycle() -> MDP:
    """One state, three actions, and A2C's entropy bonus: the smallest limit cycle. The teacher is uniform.

    Each action ends the episode or stays: a0 stays with probability 1/10, a1 always, a2 with 0.94; a0 and a1 cost 4.8,
    a2 nothing; g = 0.98. Entropy bonus + R, and reverse KL + R: period 238.211959, peak-to-peak differences of logits
    to a0 0.6671 and 0.6702, from every start tried. Reverse KL + R, corrected, rests at (−5.038028, 0.097841).

    >>> one_state_cycle().P.tolist()
    [[[0.1], [1.0], [0.94]]]
    """
    return MDP(
        P=[[["1/10"], [1], ["0.94"]]],
        R=[["-4.8", "-4.8", 0]],
        initial=[1],
        discount="0.98",
        teacher=[["1/3"] * 3],
        states=["s0"],
        actions=["a0", "a1", "a2"],
        name="one-state-cycle",
    )


def aliased_mild() -> MDP:
    """`aliased-cycle` made mild: rewards −1, 0 and 1, and a teacher that is nearly undecided.

    s0: a0 stays with 4/5, else to s2; a1 to s1, s2 or the end, 1/3 each; s1: a0 ends, a1 to s0; s2: a0 stays, a1 to s1;
    observations [0, 1, 0], start (0, 4/5, 1/5), g = 24/25, teacher P(a0) = (1/3, 1/2, 3/5). On-policy distill + R:
    period 19.4520444, peak-to-peak log-odds 1.2472 and 1.6353; N-distill + R rests at (0.49884, −1.63353).

    >>> aliased_mild().R.tolist()
    [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    return MDP(
        P=[[["4/5", 0, "1/5"], [0, "1/3", "1/3"]], [[0, 0, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 0]]],
        R=[[-1, 0], [0, 0], [1, 0]],
        initial=[0, "4/5", "1/5"],
        discount="24/25",
        observation=[0, 1, 0],
        teacher=[["1/3", "2/3"], ["1/2", "1/2"], ["3/5", "2/5"]],
        states=["s0", "s1", "s2"],
        actions=["a0", "a1"],
        name="aliased-mild",
    )


def corridor_sharp() -> MDP:
    """`corridor-cycle`'s corridor at g = 0.95, with rewards of about 1 and a teacher that is nearly sure.

    Teacher right with probability 0.9999, R(left) = (1.015, 0.9, 0.95), R(right) = 0, start at the left end. On-policy
    distill + R: period 766.545139, peak-to-peak log-odds 0.4031, 1.1313, 1.8680; N-distill + R rests at
    (3.912376, 6.924729, 6.274592).

    >>> corridor_sharp().discount
    0.95
    """
    return MDP(
        P=[[[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]],
        R=[["1.015", 0], ["0.9", 0], ["0.95", 0]],
        initial=[1, 0, 0],
        discount="0.95",
        teacher=[["0.0001", "0.9999"]] * 3,
        states=["s0", "s1", "s2"],
        actions=["left", "right"],
        name="corridor-sharp",
    )


def copying_cycle() -> MDP:
    """No reward at all, two observations: on-policy distillation, which only copies its teacher, has a limit cycle.

    Five states, two actions; s0 and s3, s4 look alike, s1 and s2 look alike. s0: stay to s1, go to s2; s1: stay to s3,
    go ends; s2: stay stays, go ends; s3: stay to s4, go ends; s4: stay stays, go to s3. g = 1, start s0. The teacher
    goes in s0 and s1 and stays in s2, s3 and s4, each with probability 19/20: no student with two observations can.

    With p and x the chances to go under either observation the visits are 1, 1 − p, p/x, (1 − p)(1 − x)/p and
    (1 − p)²(1 − x)/p². A student that goes meets s0, where the teacher goes, more than s3 and s4, so it goes more, and
    meets s2, where the teacher stays, under the other observation; staying there leads to s3 and s4, where the teacher
    stays too, so it stays under the first as well; then it meets s1 rather than s2, and so on. Period 16.2116542,
    peak-to-peak log-odds 2.3508 and 1.5482; N-distill rests at log-odds (3.91299, −0.54065), N-distill with KL at
    (4.94710, −2.93601), teacher distill at (0, −2.89579).

    >>> copying_cycle().observation.tolist(), bool(copying_cycle().R.any())
    ([0, 1, 1, 0, 0], False)
    """
    goes, stays = ["1/20", "19/20"], ["19/20", "1/20"]
    return MDP(
        P=_deterministic([[1, 2], [3, -1], [2, -1], [4, -1], [4, 3]]),
        R=[[0, 0]] * 5,
        initial=[1, 0, 0, 0, 0],
        observation=[0, 1, 1, 0, 0],
        teacher=[goes, goes, stays, stays, stays],
        states=["s0", "s1", "s2", "s3", "s4"],
        actions=["stay", "go"],
        name="copying-cycle",
    )


def blind_copying_cycle() -> MDP:
    """No reward and a student that sees nothing: one observation, three actions, and on-policy distillation cycles.

    Four states. s0: a0 to s2, a1 to s1, a2 ends; s1: a0 to s2, else to s3; s2: a0 to s0, else stays; s3: stays. g =
    0.99, start s2. The teacher takes a2 in s0, s1 and s2 and a1 in s3, with 98/100, the others with 1/100 each. Period
    5.4452774, peak-to-peak differences of logits to a0 1.3316 and 0.9095; N-distill and N-distill with KL come to rest.

    >>> blind_copying_cycle().n_observations
    1
    """
    third, second = ["1/100", "1/100", "98/100"], ["1/100", "98/100", "1/100"]
    return MDP(
        P=_deterministic([[2, 1, -1], [2, 3, 3], [0, 2, 2], [3, 3, 3]]),
        R=[[0, 0, 0]] * 4,
        initial=[0, 0, 1, 0],
        discount="0.99",
        observation=[0, 0, 0, 0],
        teacher=[third, third, third, second],
        states=["s0", "s1", "s2", "s3"],
        actions=["a0", "a1", "a2"],
        name="blind-copying-cycle",
    )


def reverse_copying_cycle() -> MDP:
    """No reward and four states under two observations: reverse KL on the student's own states has a limit cycle.

    The rule is per-token on-policy distillation of language models. s0, s1 look alike, s2, s3 look alike. s0: a0 to
    s3, a1 to s2; s1: a0 to s3, a1 stays; s2: a0 ends, a1 stays; s3: a0 to s1, a1 ends. g = 1, start s0; the teacher
    takes a1 in s1 and s2 and a0 in s0 and s3, each with probability 99/100. The uniform student is the one rest point,
    by symmetry, and repels. Period 10.6395973, peak-to-peak log-odds 5.6907 and 6.2845; on-policy distill rests at the
    same point, corrected reverse KL elsewhere.

    >>> reverse_copying_cycle().teacher[:, 1].tolist()
    [0.01, 0.99, 0.99, 0.01]
    """
    left, right = ["99/100", "1/100"], ["1/100", "99/100"]
    return MDP(
        P=_deterministic([[3, 2], [3, 1], [-1, 2], [1, -1]]),
        R=[[0, 0]] * 4,
        initial=[1, 0, 0, 0],
        observation=[0, 0, 1, 1],
        teacher=[left, right, right, left],
        states=["s0", "s1", "s2", "s3"],
        actions=["a0", "a1"],
        name="reverse-copying-cycle",
    )


def corridor(length: int = 11) -> MDP:
    """A one-dimensional grid: leaving on the right pays +1, leaving on the left −1, and nothing else pays.

    `length` cells are states; left and right move by one without noise, and a move out of either end ends the episode.
    Start in the middle (either of the two middle cells where the length is even), g = 0.99. The teacher goes right
    with probability 0.95: the optimal policy, 0.1-greedy. At the default length the best return is 0.99^5 = 0.951 and
    the worst −0.951, the two ends of the paper's Figure 6 (its own length is not known here).

    >>> corridor(2).P.tolist()
    [[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]]
    """
    moves = [[s - 1, s + 1 if s + 1 < length else -1] for s in range(length)]
    middle = {(length - 1) // 2, length // 2}
    return MDP(
        P=_deterministic(moves),
        R=[[-int(s == 0), int(s == length - 1)] for s in range(length)],
        initial=[Fraction(int(s in middle), len(middle)) for s in range(length)],
        discount="0.99",
        teacher=[["0.05", "0.95"]] * length,
        states=[f"x{s}" for s in range(length)],
        actions=["left", "right"],
        name="corridor",
    )


def corridor_adversarial(length: int = 11) -> MDP:
    """`corridor` with the opposite teacher: left with probability 0.95, towards the penalty.

    >>> corridor_adversarial(1).teacher.tolist()
    [[0.95, 0.05]]
    """
    return corridor(length).replace(teacher=[["0.95", "0.05"]] * length, name="corridor-adversarial")


def bandit(arms: int = 3) -> MDP:
    """One state, one step, K arms paying 0, 1/(K−1), ..., 1; the teacher prefers the poor ones, K : K−1 : ... : 1.

    Here every rule is a gradient: there is no second state for the visits to move to.

    >>> bandit(3).R.tolist()
    [[0.0, 0.5, 1.0]]
    """
    return MDP(
        P=[[[0]] * arms],
        R=[[Fraction(a, arms - 1) for a in range(arms)]],
        initial=[1],
        teacher=[[Fraction(arms - a, arms * (arms + 1) // 2) for a in range(arms)]],
        states=["s0"],
        actions=[f"a{a}" for a in range(arms)],
        name="bandit",
    )


def chain() -> MDP:
    """Two states in a chain, the smallest world in which on-policy distillation is not a gradient.

    s0: stop ends, go to s1; s1: both end, and go pays 1. The update at s1 is proportional to `pi_theta(go|s0)`, while
    the update at s0 does not depend on s1: the curl is theirs. Teacher (1/3, 2/3) at s0 and (1/4, 3/4) at s1.

    >>> chain().P[0].tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    return MDP(
        P=[[[0, 0], [0, 1]], [[0, 0], [0, 0]]],
        R=[[0, 0], [0, 1]],
        initial=[1, 0],
        teacher=[["1/3", "2/3"], ["1/4", "3/4"]],
        states=["s0", "s1"],
        actions=["stop", "go"],
        name="chain",
    )


def token_tree(depth: int = 3) -> MDP:
    """A language model of two tokens, a and b: the state is the prefix, the action the next token.

    A text is `depth` tokens long, so S = 2^depth − 1. Transitions are deterministic and every state is a node of a
    tree. The only reward is 1 for a finished text whose last token is its first one. The teacher writes a with
    probability 3/5 first, then repeats the last token with probability 3/4. A prefix is named by its text, the empty
    one `<s>`.

    >>> token_tree(2).states
    ('<s>', 'a', 'b')
    """
    tokens = "ab"
    prefixes = ["".join(text) for n in range(depth) for text in product(tokens, repeat=n)]
    index = {prefix: s for s, prefix in enumerate(prefixes)}
    moves = [[index.get(prefix + token, -1) for token in tokens] for prefix in prefixes]
    R = [[int(len(prefix) == depth - 1 and (prefix + token)[0] == token) for token in tokens] for prefix in prefixes]
    repeat = {"": ["3/5", "2/5"], "a": ["3/4", "1/4"], "b": ["1/4", "3/4"]}
    return MDP(
        P=_deterministic(moves),
        R=R,
        initial=[int(not prefix) for prefix in prefixes],
        teacher=[repeat[prefix[-1:]] for prefix in prefixes],
        states=[prefix or "<s>" for prefix in prefixes],
        actions=list(tokens),
        name="token-tree",
    )


def _deterministic(moves: list[list[int]]) -> list[list[list[int]]] | sp.csr_array:
    """P of moves[s][a] = the next state, or −1 for an end: nested lists, or sparse (S·A, S) above 100 states."""
    n_states = len(moves)
    if n_states <= 100:
        return [[[int(t == target) for t in range(n_states)] for target in row] for row in moves]
    targets = np.array(moves).ravel()
    rows = np.flatnonzero(targets >= 0)
    return sp.csr_array((np.ones(len(rows)), (rows, targets[rows])), shape=(len(targets), n_states))


_ENTRIES = (
    Entry("fig2", "the paper's cycle: two aliased states, own loss at one", f"{PAPER}, Fig. 2", fig2),
    Entry(
        "corridor-cycle", "a limit cycle without aliasing: on-policy distill + R", "this project, C2", corridor_cycle
    ),
    Entry("swirl", "a limit cycle in two states: reverse KL + R", "this project, C4", swirl),
    Entry("aliased-cycle", "a limit cycle in the plane: on-policy distill + R", "this project, C5", aliased_cycle),
    Entry("entropy-cycle", "a limit cycle of A2C's entropy bonus: two states, one reward", HUNT, entropy_cycle),
    Entry("one-state-cycle", "a limit cycle in one state with three actions: entropy bonus", HUNT, one_state_cycle),
    Entry("aliased-mild", "on-policy distill + R cycles under two observations, mildly", HUNT, aliased_mild),
    Entry("corridor-sharp", "on-policy distill + R cycles at g = 0.95, a teacher nearly sure", HUNT, corridor_sharp),
    Entry("copying-cycle", "on-policy distill cycles with no reward at all", "this project, O2", copying_cycle),
    Entry(
        "blind-copying-cycle", "the same with one observation, three actions", "this project, O2", blind_copying_cycle
    ),
    Entry(
        "reverse-copying-cycle", "reverse KL cycles with no reward at all", "this project, O2", reverse_copying_cycle
    ),
    Entry(
        "corridor", "a row of cells, +1 right, -1 left; good teacher", f"{PAPER}, Fig. 6", corridor, "cells", 1, 10_000
    ),
    Entry(
        "corridor-adversarial",
        "the same row of cells with a teacher that goes for the penalty",
        f"{PAPER}, Fig. 6",
        corridor_adversarial,
        size="cells",
        most=10_000,
    ),
    Entry("bandit", "one state, one step, K arms: everything is a gradient", "this project", bandit, "arms", 2, 10_000),
    Entry("chain", "two states: the smallest world where on-policy distill is no gradient", "this project", chain),
    Entry("token-tree", "a language model of two tokens: state = prefix", "this project", token_tree, "tokens", 1, 12),
)
