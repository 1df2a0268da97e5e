"""An MDP as a graph: states are circles, actions arrows, the end of the episode a square.

Every action has its own colour, dashes and name, so that the picture can be read without colour. Lengths are points
(1/72 inch) and the plane is the complex plane.
"""

from __future__ import annotations

import cmath
import io
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from dynamics.drawing.style import BLUE, FORMATS, GREEN, GREY, INK, PURPLE, VERMILLION, style
from mdp import MDP

LARGEST = 30  # states; beyond these a graph is a tangle
MANY = 60  # arrows beyond which there is one for each pair of states, without words
STARTS = 6  # start states beyond which they get no arrow of their own
ROW = 8  # states of a corridor that stand side by side
RADIUS, END = 24.0, -1  # of a state; the target of an arrow that ends the episode
COLOURS, DASHES = (BLUE, VERMILLION, GREEN, PURPLE), ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 2, 1.2, 2)))
LOOKS: dict[int | None, tuple[str, Any]] = {None: (GREY, "-"), **dict(enumerate(zip(COLOURS, DASHES, strict=True)))}
INKS = {None: GREY, 0: "#005488", 1: "#A34700", 2: "#00614A", 3: "#8C4A75"}  # the colours, darker, for words
FILLS = ("#FFF1C2", "#D9ECF8", "#DDF1E8", "#F6E2EE", "#E6E6E6")  # of states that look alike
Group = list[tuple[str, int | None, float]]
Edges = dict[tuple[int, int], Group]


def mdp_html(mdp: MDP) -> str:
    """What a notebook shows for an MDP: its graph as SVG, or above `LARGEST` states a table of its sizes.

    >>> from mdp import zoo
    >>> mdp_html(zoo.load("chain"))[:4], mdp_html(zoo.load("corridor:50"))[:6]
    ('<svg', '<table')
    """
    if mdp.n_states <= LARGEST:
        return inline(mdp_figure(mdp))
    entries = int(sp.csr_array(mdp.P.reshape(-1, mdp.n_states)).count_nonzero())
    facts = {
        "name": mdp.name or "-",
        "states": mdp.n_states,
        "actions": ", ".join(mdp.actions[:8]) + (f", … ({mdp.n_actions})" if mdp.n_actions > 8 else ""),
        "observations": mdp.n_observations,
        "discount": f"{mdp.discount:.6g}",
        "transitions": f"{entries} with positive probability",
        "rewards": f"from {mdp.R.min():.4g} to {mdp.R.max():.4g}",
        "start": f"{int((mdp.initial > 0).sum())} states",
        "teacher": "none" if mdp.teacher is None else "given",
    }
    rows = "".join(f"<tr><th>{key}</th><td>{escape(printable(str(value)))}</td></tr>" for key, value in facts.items())
    return f"<table><caption>more than {LARGEST} states: not drawn</caption>{rows}</table>"


def inline(figure: Figure) -> str:
    """The figure as an `<svg>` element for a page: words stay words, the same bytes every time.

    >>> inline(Figure(figsize=(1, 1)))[:4]
    '<svg'
    """
    held = io.StringIO()
    with style(), mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(held, format="svg", metadata=FORMATS[".svg"])
    svg = held.getvalue()[held.getvalue().index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S)  # a style would rule the page
    svg = svg.replace("<svg ", '<svg style="max-width:100%;height:auto;stroke-linejoin:round" role="img" ', 1)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    svg = re.sub(r"<g id=\"[a-z0-9]+_\d+\">", "<g>", svg)  # nothing refers to these, and two figures share them
    return re.sub("<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg)  # see style.rendered


def printable(words: str) -> str:
    r"""Words without the characters that XML forbids.

    >>> printable("a\x07")
    'a�'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)


def clipped(words: str, length: int) -> str:
    """At most `length` characters.

    >>> clipped("short", 8), clipped("much too long", 8)
    ('short', 'much to…')
    """
    return words if len(words) <= length else words[: length - 1] + "…"


def mdp_figure(mdp: MDP) -> Figure:
    """The graph of an MDP: one arrow for each action and outcome, the end of the episode a square.

    An arrow says the action, its probability unless 1, and the reward R[s, a] unless 0, and is the wider the likelier
    the teacher takes it. States that share an observation share a colour and say it. The start distribution enters by
    short arrows. States of a corridor stand in rows, those of a tree in layers, others on a circle.
    With more than four actions, arrows with one origin and one target are one. Where words cover others, the states
    move apart, up to 2.3 times. Raises ValueError above `LARGEST` states (see `mdp_html`).

    >>> from mdp import zoo
    >>> sorted(text.get_text() for text in mdp_figure(zoo.load("chain")).axes[0].texts)[:-1]
    ['go', 'go, r 1', 's0', 's1', 'start', 'stop', 'stop']
    """
    if mdp.n_states > LARGEST:
        raise ValueError(f"MDP {mdp.name!r} has {mdp.n_states} states; must have at most {LARGEST} to be drawn")
    arrows = edges(mdp, mdp.n_actions > len(COLOURS))
    if many := sum(map(len, arrows.values())) > MANY:
        arrows = {pair: [("", None, 0.0)] for pair in arrows}
    moves = [group for (s, t), group in arrows.items() if t not in (END, s)]
    longest = max((len(words) for group in moves for words, *_ in group), default=0)
    boards = []
    for k in range(7):
        boards.append(_drawn(mdp, arrows, 1.15**k * min(90 + 6.2 * longest, 240.0), caption(mdp, many)))
        if not boards[-1].covered:
            break
    return min(boards, key=lambda board: board.covered).finished()


def caption(mdp: MDP, many: bool) -> list[str]:
    """Lines that say what the graph does not show.

    >>> from mdp import zoo
    >>> caption(zoo.load("fig2"), False)
    ['own loss −4 π(R|s_R)', 'wider arrows: likelier for the teacher']
    """
    lines = [f"every step also ends with probability {1 - mdp.discount:.4g}"] if mdp.discount < 1 else []
    if mdp.loss is not None:
        terms = [(c, f"π({mdp.actions[a]}|{mdp.states[s]})") for (s, a), c in np.ndenumerate(mdp.loss) if c]
        said = ", ".join(f"{c:.4g} ".replace("-", "−") + clipped(policy, 24) for c, policy in terms[:2])
        lines.append(f"own loss {said}{', …' * (len(terms) > 2)}")
    lines += ["many arrows: one for each pair of states"] if many else []
    wide = mdp.teacher is not None and mdp.n_actions <= len(COLOURS) and not many
    lines += ["wider arrows: likelier for the teacher"] if wide else []
    starts = int((mdp.initial > 0).sum())
    return [*lines, f"starts in any of {starts} states"] if starts > STARTS else lines


def edges(mdp: MDP, merged: bool) -> Edges:
    """The arrows of every (s, t or END): words, number of the action's look (None: merged), the teacher's probability.

    >>> from mdp import zoo
    >>> edges(zoo.load("chain"), False)[0, END]
    [('stop', 0, 0.3333333333333333)]
    """
    found: Edges = defaultdict(list)
    teacher = np.full(mdp.R.shape, 0.3) if mdp.teacher is None else mdp.teacher
    for s, a in product(range(mdp.n_states), range(mdp.n_actions)):
        reward = f", r {mdp.R[s, a]:.4g}".replace("-", "−") if mdp.R[s, a] else ""
        ends = {END: mdp.ending[s, a]} if mdp.ending[s, a] > 0 else {}
        for t, p in {**mdp.exact.rows[s][a], **ends}.items():
            chance = "" if p == 1 else f" {float(p):.3g}"
            found[s, t].append(
                (clipped(mdp.actions[a], 10) + chance + reward, None if merged else a, float(teacher[s, a]))
            )
    for pair, group in found.items() if merged else ():
        words = group[0][0] if len(group) == 1 else f"{len(group)} actions"
        found[pair] = [(words, None, 0.0)]
    return found


# --- where it stands --------------------------------------------------------------------------------------------------


def places(n: int, moves: set[tuple[int, int]], spacing: float) -> list[complex]:
    """Centres: rows where only neighbours are joined, layers of trees and sparse acyclic MDPs, or a circle.

    >>> places(3, {(0, 1), (1, 2)}, 100.0)
    [0j, (100+0j), (200+0j)]
    """
    pairs = {(min(move), max(move)) for move in moves}
    if pairs == {(s, s + 1) for s in range(n - 1)}:
        wide = math.ceil(n / math.ceil(n / ROW))
        columns = [s % wide if s // wide % 2 == 0 else wide - 1 - s % wide for s in range(n)]
        return [complex(spacing * columns[s], max(130.0, spacing) * -(s // wide)) for s in range(n)]
    depth = depths(n, moves) or (depths(n, pairs) if len(pairs) == n - 1 else None)
    if depth is None or not moves or len(pairs) > 1.5 * n:
        size = spacing * max(0.19 * n, 0.7)
        return [cmath.rect(size, math.pi / 2 - 2 * math.pi * s / n) for s in range(n)]
    tallest = max(map(depth.count, depth)) * max(96.0, 0.64 * spacing)
    lane = [(depth[:s].count(depth[s]) + 0.5) / depth.count(depth[s]) for s in range(n)]
    return [complex(spacing * depth[s], -tallest * lane[s]) for s in range(n)]


def depths(n: int, moves: set[tuple[int, int]]) -> list[int] | None:
    """The length of the longest way to each state, or None where a way returns.

    >>> depths(3, {(0, 1), (1, 2), (0, 2)}), depths(2, {(0, 1), (1, 0)})
    ([0, 1, 2], None)
    """
    depth = [0] * n
    for _ in range(n):
        depth, before = [max([depth[s] + 1 for s, t in moves if t == state], default=0) for state in range(n)], depth
        if depth == before:
            return depth
    return None


def free_direction(used: Sequence[float], wish: float) -> float:
    """The angle, of 24, that is far from those used, and of those far enough the nearest to the wish.

    >>> round(math.degrees(free_direction([0.0, math.pi], math.pi / 2)))
    90
    """

    def worth(angle: float) -> float:
        gap = min((abs(cmath.phase(cmath.rect(1, angle - other))) for other in used), default=math.pi)
        return min(gap, 1.1) + 0.2 * math.cos(angle - wish)

    return max((math.pi * k / 12 for k in range(24)), key=lambda angle: round(worth(angle), 6))


def curve(points: Sequence[complex], shares: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Points of the Bézier curve with these control points.

    >>> curve([0, 1 + 1j, 2], np.array([0.0, 0.5])).tolist()
    [0j, (1+0.5j)]
    """
    n = len(points) - 1
    terms = [math.comb(n, k) * (1 - shares) ** (n - k) * shares**k * complex(p) for k, p in enumerate(points)]
    return np.asarray(sum(terms), dtype=complex)


# --- drawing ----------------------------------------------------------------------------------------------------------

Spots = list[tuple[complex, complex]]  # where words may touch, best first, and the unit vector to their middle


@dataclass
class Board:
    """Axes in points, boxes (left, low, right, high) that are taken, points on arrows, and how much words cover."""

    ax: Axes
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    inked: list[complex] = field(default_factory=list)
    said: list[tuple[str, Spots, str]] = field(default_factory=list)  # words to be written, their spots and colour
    covered: float = 0.0

    def arrow(self, points: Sequence[complex], colour: str, dashes: Any = "-", width: float = 1.4) -> None:
        """An arrow along a Bézier curve of two to four points."""
        codes = [Path.MOVETO, *[(Path.LINETO, Path.CURVE3, Path.CURVE4)[len(points) - 2]] * (len(points) - 1)]
        path = Path([(p.real, p.imag) for p in points], codes)
        look: Any = {"arrowstyle": "-|>,head_length=0.6,head_width=0.25", "mutation_scale": 11 + width, "zorder": 1}
        self.ax.add_patch(FancyArrowPatch(path=path, color=colour, linestyle=dashes, linewidth=width, **look))
        self.inked += curve(points, np.linspace(0, 1, 41)).tolist()

    def write(self, words: str, spots: Spots, colour: str, size: float = 10.5, inside: bool = False) -> None:
        """Words at the spot where they cover least, boxes before arrows; `inside`: what lies there is their place."""
        if not words:
            return
        look: Any = {"ha": "center", "va": "center", "zorder": 4, "parse_math": False}
        text = self.ax.text(0, 0, printable(words), color=colour, size=size, **look)
        box = text.get_window_extent().transformed(self.ax.transData.inverted())
        half = complex(box.width / 2 + 1.5, box.height / 2 + 1.5)
        inked, taken, tried = np.array(self.inked, dtype=complex), np.array(self.boxes).reshape(-1, 4).T, []
        for rank, (touch, out) in enumerate(spots):
            at = touch + out * (3.0 + abs(out.real) * half.real + abs(out.imag) * half.imag)
            low, high = at - half, at + half
            wide = np.minimum(high.real, taken[2]) - np.maximum(low.real, taken[0])
            tall = np.minimum(high.imag, taken[3]) - np.maximum(low.imag, taken[1])
            area = float((wide.clip(0) * tall.clip(0)).sum())
            hits = (abs(inked.real - at.real) < half.real) & (abs(inked.imag - at.imag) < half.imag)
            tried.append((area + 3.0 * int(hits.sum()) + rank, area, at))
        _, area, at = min(tried, key=lambda found: found[0])
        text.set_position((at.real, at.imag))
        self.box(at, half)
        self.covered += 0.0 if inside else area

    def box(self, at: complex, half: complex) -> None:
        """Take the box around a point."""
        self.boxes.append(((at - half).real, (at - half).imag, (at + half).real, (at + half).imag))

    def bounds(self) -> Bbox:
        """The box that holds everything."""
        inked = [(z.real, z.imag, z.real, z.imag) for z in self.inked]
        corners = np.array(self.boxes + inked)
        return Bbox([corners[:, :2].min(0), corners[:, 2:].max(0)])

    def finished(self) -> Figure:
        """The figure, cut to what stands in it."""
        figure = self.ax.get_figure(root=True)
        assert isinstance(figure, Figure)
        box = self.bounds().padded(8)
        figure.set_size_inches(box.width / 72, box.height / 72)
        self.ax.set(xlim=box.intervalx, ylim=box.intervaly)
        return figure


def _drawn(mdp: MDP, arrows: Edges, spacing: float, lines: list[str]) -> Board:
    """The whole graph with states this far apart."""
    with style():
        figure = Figure(figsize=(10, 10), dpi=144)
        FigureCanvasAgg(figure)
        board = Board(figure.add_axes((0, 0, 1, 1), xlim=(0, 720), ylim=(0, 720)))
        board.ax.set_axis_off()
        centres = places(mdp.n_states, {(s, t) for s, t in arrows if t not in (END, s)}, spacing)
        for centre in centres:
            board.box(centre, RADIUS * (1 + 1j))
        for s, centre in enumerate(centres):
            _hung(board, mdp, arrows, centres, s, spacing)
            _state(board, mdp, s, centre)
        for (s, t), group in arrows.items():
            if t not in (END, s):
                _ways(board, centres, s, t, group, (t, s) in arrows)
        for words, spots, colour in board.said:
            board.write(words, spots, colour)
        box = board.bounds()
        for k, line in enumerate(lines):
            board.write(line, [(complex((box.x0 + box.x1) / 2, box.y0 - 14 - 15 * k), 0j)], GREY, 9.5)
    return board


def _state(board: Board, mdp: MDP, s: int, centre: complex) -> None:
    """A state's circle and name, and the observation it shares."""
    seen = int(mdp.observation[s])
    shared = int((mdp.observation == seen).sum()) > 1
    fill = FILLS[seen % len(FILLS)] if shared else "white"
    circle = Circle((centre.real, centre.imag), RADIUS, facecolor=fill, edgecolor=INK, linewidth=1.3, zorder=2)
    board.ax.add_patch(circle)
    name = clipped(mdp.states[s], 8)
    board.write(name, [(centre + 5j * shared, 0j)], INK, min(12.0, 54 / len(name)), inside=True)
    if shared:
        board.write(f"seen {seen}", [(centre - 10j, 0j)], GREY, 7.5, inside=True)


def _hung(board: Board, mdp: MDP, arrows: Edges, centres: list[complex], s: int, spacing: float) -> None:
    """What hangs on a state, in free directions: where episodes start, where they end, its loops."""
    centre = centres[s]
    used = [cmath.phase(c - centre) for t, c in enumerate(centres) if t != s and ((s, t) in arrows or (t, s) in arrows)]
    away = -sum(cmath.rect(1, angle) for angle in used)
    used += [cmath.phase(c - centre) for c in centres if 0 < abs(c - centre) < 0.9 * spacing]

    def free(wish: complex) -> complex:
        used.append(free_direction(used, cmath.phase(wish + away)))
        return cmath.rect(1, used[-1])

    if mdp.initial[s] > 0 and (mdp.initial > 0).sum() <= STARTS:
        out = free(-1.1)
        tail = centre + (RADIUS + 30) * out
        board.arrow([tail, centre + (RADIUS + 1) * out], GREY)
        board.said.append((f"start {mdp.initial[s]:.3g}".removesuffix(" 1"), _around(tail, out), GREY))
    if (s, END) in arrows:
        out = free(0.5)
        used += [used[-1] - 0.4, used[-1] + 0.4] if len(arrows[s, END]) > 1 else []
        target = centre + (RADIUS + 44 + abs(out.real) * 5.5 * max(len(words) for words, *_ in arrows[s, END])) * out
        board.ax.add_patch(Rectangle((target.real - 6, target.imag - 6), 12, 12, facecolor=GREY, zorder=2))
        board.box(target, 6 + 6j)
        _ways(board, [*centres, target], s, len(centres), arrows[s, END], gap=9.0)
    for words, look, taken in arrows.get((s, s), []):
        out = free(0.8j)
        rim = [centre + cmath.rect(RADIUS + gap, cmath.phase(out) + side) for side, gap in ((0.42, 0), (-0.42, 1))]
        wide = [centre + cmath.rect(RADIUS + 44, cmath.phase(out) + side) for side in (0.5, -0.5)]
        board.arrow([rim[0], *wide, rim[1]], *LOOKS[look], 1.0 + 1.6 * taken)
        board.said.append((words, _around(centre + (RADIUS + 32) * out, out), INKS[look]))


def _ways(
    board: Board, centres: list[complex], s: int, t: int, group: Group, back: bool = False, gap: float = RADIUS
) -> None:
    """The arrows from one place to another, side by side, to the left where others come back, around other states."""
    way = centres[t] - centres[s]
    left = 1j * way / abs(way)
    others = np.array([c for k, c in enumerate(centres) if k not in (s, t)], dtype=complex)
    for k, (words, look, taken) in enumerate(group):
        for detour in (0, 35, -35, 70, -70, 105, -105):
            bend = detour + (14.0 + 27.0 * k if back else 27.0 * ((len(group) - 1) / 2 - k))
            control = (centres[s] + centres[t]) / 2 + 2 * bend * left
            first, last = (control - centres[end] for end in (s, t))
            points = [centres[s] + RADIUS * first / abs(first), control, centres[t] + (gap + 1) * last / abs(last)]
            inked = curve(points, np.linspace(0, 1, 21))
            if (np.abs(inked[:, None] - others) > RADIUS + 6).all():
                break
        board.arrow(points, *LOOKS[look], 1.0 + 1.6 * taken)
        side = left if bend >= 0 else -left
        shares = np.array([0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74])
        spots = [(z, out) for out in (side, -side) for z in curve(points, shares).tolist()]
        board.said.append((words, spots, INKS[look]))


def _around(tip: complex, out: complex) -> Spots:
    """Places for words at the tip of what points outward: beyond it, aside, further away."""
    turns = (0.0, 0.6, -0.6, 1.2, -1.2)
    return [(tip + far * out, out * cmath.rect(1, turn)) for far in (0, 12, 24) for turn in turns]
