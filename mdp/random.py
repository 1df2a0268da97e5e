"""Random families of MDPs, with small exact fractions so that what is found stays readable.

Every function takes a numpy `Generator` or an integer seed first, and the same seed gives the same MDP. Except for
grid worlds, which are floats, every model has a start and a teacher of full support and rewards in tenths, −2 to 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import scipy.sparse as sp

from mdp.model import MDP
from mdp.numbers import rational
from mdp.policies import Array
from mdp.sight import observations

Number = str | int | float | Fraction
Seed = int | np.random.Generator

# What a cell of a grid world becomes: the first of these that its draw hits, in this order (None: a wall). At 20 x 20
# some 35 walls, 4 cells of +10 and 4 of -10, 7 of +5 and 7 of -5, and 17 of -1 are to be expected.
CELLS: tuple[tuple[float | None, bool, float], ...] = (
    (None, False, 0.0875),  # (reward, terminal, probability)
    (10.0, True, 0.01),
    (-10.0, True, 0.01),
    (5.0, True, 0.02),
    (-5.0, True, 0.02),
    (-1.0, False, 0.05),
)
LARGEST_DENSE = 100  # states; larger models keep P sparse
_MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}


def generator(seed: Seed) -> np.random.Generator:
    """The generator itself, or a new one for an integer seed (0 is a seed like any other).

    Raises ValueError for anything else, None included: an MDP drawn without a seed cannot be drawn again.

    >>> int(generator(0).integers(10)) == int(generator(0).integers(10))
    True
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed {seed!r}; must be an integer of at least 0 or a numpy Generator")
    return np.random.default_rng(int(seed))


def episodic(
    rng: Seed, states: int = 4, actions: int = 3, *, discount: Number = 1, observations: int | None = None
) -> MDP:
    """A dense MDP: from every (s, a) every state, and the end of the episode, has positive probability.

    `P[s, a, ·]` and the ending probability are weights 1..9 over their sum. `observations` is the number O of distinct
    observations, spread over the states at random (default: every state its own).
    Raises ValueError when a size is below 1 or O is not from 1 to S.

    >>> m = episodic(0, states=2, actions=2)
    >>> bool((m.P > 0).all() and (m.P.sum(-1) < 1).all())
    True
    """
    rng = generator(rng)
    _sizes(states=states, actions=actions)
    P = [[_simplex(rng, states + 1)[:-1] for _ in range(actions)] for _ in range(states)]
    return _finish(rng, "episodic", P, discount, observations)


def acyclic(
    rng: Seed, states: int = 4, actions: int = 3, *, discount: Number = 1, observations: int | None = None
) -> MDP:
    """An MDP without loops: `P[s, a, s'] > 0` for every s' > s, and the end of the episode; 0 otherwise.

    An episode has at most S steps, so that all its trajectories can be enumerated (a token tree is a special case).
    Weights, observations and errors as in `episodic`.

    >>> acyclic(0, states=3, actions=1).P[2]
    array([[0., 0., 0.]])
    """
    rng = generator(rng)
    _sizes(states=states, actions=actions)
    zero = Fraction(0)
    P = [[[zero] * (s + 1) + _simplex(rng, states - s)[:-1] for _ in range(actions)] for s in range(states)]
    return _finish(rng, "acyclic", P, discount, observations)


def deterministic_graph(
    rng: Seed, states: int = 3, actions: int = 2, *, discount: Number = 1, observations: int | None = None
) -> MDP:
    """A deterministic MDP: each (s, a) leads to one of the S states or ends, all S + 1 equally likely.

    With discount 1 structures in which some state reaches no end are drawn again (among 10,000 draws one is found for
    every sensible size). Raises ValueError as `episodic` does.

    >>> sorted(set(deterministic_graph(0).P.ravel().tolist()))
    [0.0, 1.0]
    """
    rng = generator(rng)
    _sizes(states=states, actions=actions)
    endless = rational(discount, "discount") == 1
    for _ in range(10_000):
        targets = rng.integers(0, states + 1, size=(states, actions))
        if not endless or _proper(targets):
            break
    else:
        raise ValueError(f"no proper graph of {states} states, {actions} actions in 10,000 draws; use discount < 1")
    P = [[[Fraction(int(t == target)) for t in range(states)] for target in row] for row in targets]
    return _finish(rng, "deterministic-graph", P, discount, observations)


def garnet(
    rng: Seed,
    states: int = 5,
    actions: int = 3,
    branching: int = 2,
    discount: Number = "19/20",
    ending: Number = 0,
    *,
    observations: int | None = None,
) -> MDP:
    """A Garnet: each (s, a) leads to `branching` distinct states drawn at random, and ends with probability `ending`.

    `P[s, a, s'] = (1 − ending) w(s') / Σ w` with weights w of 1..9 on the chosen states.
    Raises ValueError when `branching` is not from 1 to S, `ending` is not from 0 to 1, or `ending` is 0 with discount 1
    (no episode would end), and as `episodic` does.
    Source: Archibald, McKinnon and Thomas, "On the generation of Markov decision processes", JORS 1995.

    >>> (garnet(0, states=6, branching=2).P > 0).sum(-1).tolist()[0]
    [2, 2, 2]
    """
    rng = generator(rng)
    _sizes(states=states, actions=actions)
    stays = 1 - rational(ending, "ending")
    if not 1 <= branching <= states:
        raise ValueError(f"branching is {branching}; must be from 1 to the number of states, {states}")
    if not 0 <= stays <= 1:
        raise ValueError(f"ending is {ending}; must be from 0 to 1")
    if stays == 1 and rational(discount, "discount") == 1:
        raise ValueError("ending is 0; with discount 1 it must be positive, or no episode would end")

    def row() -> dict[int, Fraction]:
        chosen = rng.choice(states, size=branching, replace=False)
        return {t: stays * w for t, w in zip(chosen.tolist(), _simplex(rng, branching), strict=True)}

    return _finish(rng, "garnet", [[row() for _ in range(actions)] for _ in range(states)], discount, observations)


def grid_world(
    rng: Seed,
    size: int = 20,
    *,
    slip: Number = "0.1",
    ending: Number = "0.01",
    discount: Number = 1,
    sight: int | None = None,
) -> MDP:
    """A random grid world of size × size cells, with sparse P and no teacher (see `mdp.solve` for those).

    Each cell in raster order becomes the first of `CELLS` that its draw hits: a wall (probability 0.0875), a terminal
    cell of +10 or −10 (0.01 each), one of +5 or −5 (0.02 each), an ordinary cell of −1 (0.05); else a plain cell of 0.
    The centre, `(size//2, size//2)`, is always plain, and the start. Walls and terminal cells are no states.

    Actions up, right, down, left: the intended move with probability 1 − slip, plus slip/4 for each of the four. A move
    into a wall or off the grid stays. `R[s, a]` is the expected reward of the cell the move leads to (staying counts);
    a terminal cell then ends the episode, and so does every action with probability `ending`. A state is named
    "row,column". P and R are floats. The paper's own probabilities of the cells are not known here.

    `sight`: how far the student sees. At r it sees the kinds of the cells at most r rows and columns away, and states
    that see the same share an observation (`mdp.sight.observations`); None: every state has its own. It changes no
    draw: one seed is one grid at every sight.
    Raises ValueError when size is below 1, slip or ending is not from 0 to 1, or sight is no integer of at least 0.
    Source: the paper, appendix (experimental details); the window of sight is this project's.

    >>> m = grid_world(0, size=5, slip=0)
    >>> m.states[int(m.initial.argmax())], m.n_actions, float(m.P.max())
    ('2,2', 4, 0.99)
    >>> [grid_world(0, size=5, sight=r).n_observations for r in (0, 1, 2)], m.n_observations
    ([2, 19, 22], 22)
    """
    rng = generator(rng)
    _sizes(size=size)
    noise, death = rational(slip, "slip"), rational(ending, "ending")
    for label, value in (("slip", noise), ("ending", death)):
        if not 0 <= value <= 1:
            raise ValueError(f"{label} is {value}; must be from 0 to 1")
    kind = _cells(rng, size)
    reward = np.array([cell[0] or 0.0 for cell in CELLS] + [0.0])[kind]
    wall = np.array([cell[0] is None for cell in CELLS] + [False])[kind]
    terminal = np.array([cell[1] for cell in CELLS] + [False])[kind]
    state = np.full(size * size, -1)
    cells = np.flatnonzero(~wall & ~terminal)
    state[cells] = np.arange(len(cells))
    after = _destinations(size, wall)[cells]  # (S, 4): the cell each move leads to
    expected = reward[after]
    R = float(1 - noise) * expected + float(noise) * expected.mean(axis=1, keepdims=True)
    centre = (size // 2) * size + size // 2
    return MDP(
        P=_slippery(state[after], noise, death),
        R=R,
        initial=[int(cell == centre) for cell in cells],
        discount=discount,
        observation=None if sight is None else observations(kind.reshape(size, size), cells, sight).tolist(),
        states=[f"{cell // size},{cell % size}" for cell in cells.tolist()],
        actions=list(_MOVES),
        name="grid-world",
    )


def _cells(rng: np.random.Generator, size: int) -> Array:
    """The kind of every cell in raster order: an index into CELLS, or len(CELLS) for a plain one."""
    hits = rng.random((size * size, len(CELLS))) < np.array([cell[2] for cell in CELLS])
    kind = np.where(hits.any(axis=1), hits.argmax(axis=1), len(CELLS))
    kind[(size // 2) * size + size // 2] = len(CELLS)
    return kind


def _destinations(size: int, wall: Array) -> Array:
    """The cell that each of the four moves leads to from each cell, (size², 4); into walls and off the grid: stay."""
    row, column = np.divmod(np.arange(size * size), size)
    columns = []
    for down, right in _MOVES.values():
        r, c = row + down, column + right
        inside = (r >= 0) & (r < size) & (c >= 0) & (c < size)
        target = np.where(inside, r * size + c, 0)
        columns.append(np.where(inside & ~wall[target], target, row * size + column))
    return np.stack(columns, axis=1)


def _slippery(target: Array, slip: Fraction, ending: Fraction) -> sp.csr_array:
    """P as (S·4, S) from the state each move leads to, (S, 4), −1 for an end.

    Each move counts once for the slip and, if intended, four times more: the counts are added up as integers and each
    total looked up, so that every probability is the float nearest its fraction.
    """
    n_states, n_moves = target.shape
    intended = 8  # more than four, so that (intended or not, number of slips) can be read off the sum
    codes = np.where(np.eye(n_moves, dtype=bool), intended + 1, 1)
    rows = np.repeat(np.arange(n_states * n_moves), n_moves)
    columns = np.repeat(target[:, None, :], n_moves, axis=1).ravel()
    data = np.tile(codes.ravel(), n_states)
    kept = columns >= 0
    counts = sp.csr_array((data[kept], (rows[kept], columns[kept])), shape=(n_states * n_moves, n_states))
    counts.sum_duplicates()
    table = [float((1 - ending) * ((1 - slip) * (c // intended) + slip * (c % intended) / 4)) for c in range(16)]
    P = sp.csr_array((np.array(table)[counts.data], counts.indices, counts.indptr), shape=counts.shape)
    P.eliminate_zeros()
    return P


def _sizes(**sizes: int) -> None:
    for label, value in sizes.items():
        if value < 1:
            raise ValueError(f"{label} is {value}; must be at least 1")


def _simplex(rng: np.random.Generator, n: int) -> list[Fraction]:
    """n positive probabilities: weights 1..9 over their sum."""
    weights = rng.integers(1, 10, size=n).tolist()
    return [Fraction(w, sum(weights)) for w in weights]


def _proper(targets: Array) -> bool:
    """Whether every state can reach the end, which is the target S of the (S, A) targets."""
    n_states = len(targets)
    ends = np.append(np.zeros(n_states, dtype=bool), True)
    for _ in range(n_states):
        ends[:n_states] |= ends[targets].any(axis=1)
    return bool(ends.all())


def _finish(
    rng: np.random.Generator,
    name: str,
    rows: Sequence[Sequence[Sequence[Fraction] | Mapping[int, Fraction]]],
    discount: Number,
    observations: int | None,
) -> MDP:
    """Draw what every family has in common: rewards, start, teacher, observations. P is sparse in large models."""
    n_states, n_actions = len(rows), len(rows[0])
    filled = [[row if isinstance(row, Mapping) else dict(enumerate(row)) for row in block] for block in rows]
    P: object
    if n_states > LARGEST_DENSE:
        cells = ((s, a, row) for s, block in enumerate(filled) for a, row in enumerate(block))
        P = {"sparse": [[s, a, t, w] for s, a, row in cells for t, w in row.items() if w]}
    else:
        P = [[[row.get(t, Fraction(0)) for t in range(n_states)] for row in block] for block in filled]
    observation = None
    if observations is not None:
        if not 1 <= observations <= n_states:
            raise ValueError(f"observations is {observations}; must be from 1 to the number of states, {n_states}")
        spare = rng.integers(0, observations, size=n_states - observations)
        observation = rng.permutation(np.append(np.arange(observations), spare)).astype(int).tolist()
    return MDP(
        P=P,
        R=[[Fraction(k, 10) for k in rng.integers(-20, 21, size=n_actions).tolist()] for _ in range(n_states)],
        initial=_simplex(rng, n_states),
        discount=discount,
        observation=observation,
        teacher=[_simplex(rng, n_actions) for _ in range(n_states)],
        name=name,
    )
