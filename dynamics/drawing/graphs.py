"""An MDP as a graph, drawn by hand as one SVG string: states are circles, actions arrows, the end a square.

Deterministic, self-contained (no ids, scripts or style sheets), readable without colour: every action has its own
colour (Okabe and Ito's, safe for the colour-blind), its own dashes and its name. Plain strings; no plotting library.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy.sparse as sp

from dynamics.drawing.svg import COLOURS, DASHES, GREY, INKS, Drawing, Point, bezier, number, text
from mdp import MDP

LARGEST = 30  # states; beyond these a graph is a tangle
FILLS = ("#FFF1C2", "#D9ECF8", "#DDF1E8", "#F6E2EE", "#E6E6E6")  # of states that look alike
RADIUS = 24.0
END = -1  # the target of an arrow that ends the episode
MANY = 60  # arrows beyond which names are left to the tooltips
STARTS = 6  # start states beyond which they get no arrow of their own


def mdp_html(mdp: MDP) -> str:
    """What a notebook shows for an MDP: its graph, or above `LARGEST` states a table of its sizes.

    >>> from mdp import zoo
    >>> mdp_html(zoo.load("chain"))[:4], mdp_html(zoo.load("corridor:50"))[:6]
    ('<svg', '<table')
    """
    if mdp.n_states <= LARGEST:
        return mdp_svg(mdp)
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
    rows = "".join(f"<tr><th>{text(key)}</th><td>{text(value)}</td></tr>" for key, value in facts.items())
    return f"<table><caption>more than {LARGEST} states: not drawn</caption>{rows}</table>"


def mdp_svg(mdp: MDP) -> str:
    """The MDP as an SVG image: circles for states, one arrow for each action and outcome, a square for the end.

    An arrow says the action, its probability unless 1, and the reward R[s, a] unless 0. States that share an
    observation share a colour. The start distribution enters by short arrows. Tooltips hold all numbers. The states of
    a corridor stand in a row, those of an acyclic MDP in layers, any others on a circle. With more than four actions,
    arrows with one origin and one target are drawn as one.
    Raises ValueError above `LARGEST` states (see `mdp_html`).

    >>> from mdp import zoo
    >>> mdp_svg(zoo.load("swirl")).count("<circle")
    2
    """
    if mdp.n_states > LARGEST:
        raise ValueError(f"MDP {mdp.name!r} has {mdp.n_states} states; must have at most {LARGEST} to be drawn")
    edges = _edges(mdp, mdp.n_actions > len(COLOURS))
    if len(edges) > MANY:
        edges = _edges(mdp, True)
    labelled = len(edges) <= MANY
    arrows = [(s, t) for s, t, _ in edges]
    longest = max((len(label.words) for s, t, label in edges if s != t), default=0) if labelled else 0
    layout = _layout(mdp.n_states, arrows, min(96 + 6.3 * longest, 260.0))
    drawing = Drawing()
    said = []
    for (s, t), group in _grouped(edges):
        back = any(pair == (t, s) for pair in arrows)
        for k, label in enumerate(group):
            said.append((_draw(drawing, layout, s, t, _bend(k, len(group), back), k, label), label))
    for s in range(mdp.n_states):
        _draw_state(drawing, layout, mdp, s)
    for spots, label in said if labelled else ():
        drawing.place(spots, label.words, GREY if label.look is None else INKS[label.look])
    return drawing.svg(_caption(mdp, labelled), mdp.name or "MDP")


def _caption(mdp: MDP, labelled: bool) -> list[str]:
    lines = []
    if mdp.discount < 1:
        lines.append(f"every step also ends with probability {1 - mdp.discount:.4g}")
    if mdp.loss is not None:
        terms = [f"{c:.4g} π({mdp.actions[a]}|{mdp.states[s]})" for (s, a), c in np.ndenumerate(mdp.loss) if c]
        terms = [term.replace("-", "−", term.startswith("-")) for term in terms]
        lines.append(f"own loss {', '.join(terms[:2])}{', …' * (len(terms) > 2)}")
    if not labelled:
        lines.append("many arrows: one for each pair of states, numbers in its tooltip")
    if (mdp.initial > 0).sum() > STARTS:
        lines.append(f"starts in any of {int((mdp.initial > 0).sum())} states")
    return lines


# --- what is drawn ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """An arrow's words, its tooltip, and the number of its look (None for a merged arrow)."""

    words: str
    tooltip: str
    look: int | None


def _edges(mdp: MDP, merged: bool) -> list[tuple[int, int, Label]]:
    """Every arrow (s, t or END, label), in the order of s, target, action; `merged`: one for each (s, t)."""
    found: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    moves = sp.csr_array(mdp.P.reshape(-1, mdp.n_states)).toarray().reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    for s, a in product(range(mdp.n_states), range(mdp.n_actions)):
        for t in map(int, np.flatnonzero(moves[s, a])):
            found[s, t].append((a, float(moves[s, a, t])))
        if mdp.ending[s, a] > 0:
            found[s, END].append((a, float(mdp.ending[s, a])))
    edges = []
    for (s, t), outcomes in sorted(found.items()):
        labels = [_label(mdp, s, t, a, p) for a, p in outcomes]
        if merged and (len(labels) > 1 or mdp.n_actions <= len(COLOURS)):
            labels = [
                Label(
                    f"{len(labels)} actions" if len(labels) > 1 else labels[0].words,
                    "; ".join(label.tooltip for label in labels),
                    None,
                )
            ]
        edges += [(s, t, label) for label in labels]
    return edges


def _label(mdp: MDP, s: int, t: int, a: int, p: float) -> Label:
    words, reward = clipped(mdp.actions[a], 10), float(mdp.R[s, a])
    words += "" if p == 1 else f" {p:.3g}"
    words += "" if reward == 0 else f", r {reward:.4g}".replace("-", "−")
    target = "the end" if t == END else mdp.states[t]
    tooltip = f"{mdp.states[s]}, {mdp.actions[a]} → {target}: probability {p:.6g}, reward {reward:.6g}"
    if mdp.teacher is not None:
        tooltip += f", teacher {mdp.teacher[s, a]:.4g}"
    return Label(words, tooltip, a if mdp.n_actions <= len(COLOURS) else None)


def clipped(words: str, length: int) -> str:
    """At most `length` characters.

    >>> clipped("short", 8), clipped("much too long", 8)
    ('short', 'much to…')
    """
    return words if len(words) <= length else words[: length - 1] + "…"


def _grouped(edges: Sequence[tuple[int, int, Label]]) -> Iterator[tuple[tuple[int, int], list[Label]]]:
    groups: dict[tuple[int, int], list[Label]] = defaultdict(list)
    for s, t, label in edges:
        groups[s, t].append(label)
    yield from groups.items()


def _bend(k: int, count: int, back: bool) -> float:
    """How far the k-th of `count` arrows leaves the straight line: to its left, where others come back."""
    return 15.0 + 27.0 * k if back else 27.0 * ((count - 1) / 2 - k)


# --- where it stands --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Centres of the states, and for each state the directions (degrees, clockwise from east) of what hangs on it."""

    centres: tuple[Point, ...]
    loops: tuple[tuple[float, ...], ...]
    end: tuple[float, ...]
    start: tuple[float, ...]
    spacing: float


def _layout(n: int, arrows: Sequence[tuple[int, int]], spacing: float) -> Layout:
    """A row where arrows only join neighbours, layers where nothing returns, else a circle."""
    moves = sorted({(s, t) for s, t in arrows if END not in (s, t) and s != t})
    ends = {s for s, t in arrows if t == END}
    if all(abs(s - t) == 1 for s, t in moves) and n - 1 <= len({(min(m), max(m)) for m in moves}):
        outer = [0.0 if s == n - 1 else 180.0 if s == 0 else 70.0 for s in range(n)]
        start = [110.0 if s in ends and outer[s] == 70.0 else 90.0 for s in range(n)]
        row = tuple((spacing * s, 0.0) for s in range(n))
        free = {0: 180.0, n - 1: 0.0} if n > 1 else {}
        loops = tuple((-90.0, free[s]) if s in free and s not in ends else (-90.0,) for s in range(n))
        return Layout(row, loops, tuple(outer), tuple(start), spacing)
    depths = _depths(n, moves)
    if depths is not None and (len(moves) or n <= 2):
        lanes = _lanes(n, moves, depths)
        centres = tuple((spacing * d, 96.0 * lane) for d, lane in zip(depths, lanes, strict=True))
        last = [s not in {origin for origin, _ in moves} for s in range(n)]
        return Layout(
            centres,
            ((-90.0,),) * n,
            tuple(0.0 if leaf else 70.0 for leaf in last),
            tuple(180.0 if depth == 0 else -120.0 for depth in depths),
            spacing,
        )
    size = max(spacing * n / (2 * math.pi), 0.62 * spacing)
    out = [-90.0 + 360.0 * s / n for s in range(n)]
    hung = [[kind for kind in ("loop", "end", "start") if _hangs(kind, s, arrows)] for s in range(n)]
    turn = {1: (0.0,), 2: (-38.0, 38.0), 3: (-62.0, 0.0, 62.0)}
    spots = [dict(zip(kinds, (a + out[s] for a in turn[len(kinds)]), strict=True)) for s, kinds in enumerate(hung)]
    centres = tuple((size * math.cos(math.radians(a)), size * math.sin(math.radians(a))) for a in out)
    loop, end, start = ([spot.get(kind, 0.0) for spot in spots] for kind in ("loop", "end", "start"))
    return Layout(centres, tuple((a,) for a in loop), tuple(end), tuple(start), spacing)


def _hangs(kind: str, s: int, arrows: Sequence[tuple[int, int]]) -> bool:
    return kind == "start" or (s, s if kind == "loop" else END) in arrows


def _depths(n: int, moves: Sequence[tuple[int, int]]) -> list[int] | None:
    """The longest way to each state, or None where a way returns."""
    depth = [0] * n
    for _ in range(n):
        deeper = [max([depth[s] + 1 for s, t in moves if t == state], default=0) for state in range(n)]
        if deeper == depth:
            return depth
        depth = deeper
    return None


def _lanes(n: int, moves: Sequence[tuple[int, int]], depths: Sequence[int]) -> list[float]:
    """Vertical places of an acyclic graph, drawn as the tree of first arrivals: a parent is amid its children."""
    parent = {t: s for s, t in sorted(moves, reverse=True) if depths[t] == depths[s] + 1}
    children = [[t for t in range(n) if parent.get(t) == s] for s in range(n)]
    lanes, used = [0.0] * n, 0

    def place(s: int) -> None:
        nonlocal used
        for t in children[s]:
            place(t)
        if children[s]:
            lanes[s] = (lanes[children[s][0]] + lanes[children[s][-1]]) / 2
        else:
            lanes[s], used = float(used), used + 1

    for s in range(n):
        if s not in parent:
            place(s)
    return lanes


# --- drawing ----------------------------------------------------------------------------------------------------------


def towards(centre: Point, degrees: float, distance: float) -> Point:
    """The point at a distance from the centre in a direction (degrees, clockwise from east)."""
    angle = math.radians(degrees)
    return centre[0] + distance * math.cos(angle), centre[1] + distance * math.sin(angle)


def _draw(
    drawing: Drawing, layout: Layout, s: int, t: int, bend: float, k: int, label: Label
) -> list[tuple[float, float, str]]:
    """One arrow: a loop, a way to the end, or a way to another state; returns where its words may stand, best first."""
    centre = layout.centres[s]
    if s == t:
        turn, k = divmod(k, len(layout.loops[s]))
        out, reach, half = layout.loops[s][k], RADIUS + 42 + 46 * turn, 24.0 + 7 * turn
        rim = [towards(centre, out + side * half, RADIUS + gap) for side, gap in ((-1, 0.0), (1, 2.0))]
        wide = [towards(centre, out + side * 1.1 * half, reach) for side in (-1, 1)]
        drawing.arrow([rim[0], *wide, rim[1]], *_look(label))
        anchor = _anchor(math.cos(math.radians(out)))
        return [(*towards(centre, out, RADIUS + 0.75 * (reach - RADIUS) + away), anchor) for away in (10, 24, 38)]
    target = towards(centre, layout.end[s], 0.78 * layout.spacing) if t == END else layout.centres[t]
    if t == END:
        _draw_end(drawing, target)
    dx, dy = target[0] - centre[0], target[1] - centre[1]
    length = math.hypot(dx, dy)
    normal = dy / length, -dx / length
    middle = (centre[0] + target[0]) / 2 + 2 * bend * normal[0], (centre[1] + target[1]) / 2 + 2 * bend * normal[1]
    first = towards(centre, _angle(centre, middle), RADIUS)
    tip = towards(target, _angle(target, middle), (8.0 if t == END else RADIUS) + 2)
    points = [first, middle, tip]
    drawing.arrow(points, *_look(label))
    side = -1.0 if bend < 0 or (bend == 0 and normal[1] > 0.3) else 1.0
    spots = []
    for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74):
        x, y = bezier(points, share)
        spots.append((x + side * 11 * normal[0], y + side * 11 * normal[1], _anchor(side * normal[0])))
    return spots


def _look(label: Label) -> tuple[str, str, str]:
    """Colour, dashes and tooltip of an arrow."""
    if label.look is None:
        return GREY, "", label.tooltip
    return COLOURS[label.look], DASHES[label.look], label.tooltip


def _anchor(across: float) -> str:
    return "start" if across > 0.35 else "end" if across < -0.35 else "middle"


def _angle(origin: Point, target: Point) -> float:
    return math.degrees(math.atan2(target[1] - origin[1], target[0] - origin[0]))


def _draw_end(drawing: Drawing, centre: Point) -> None:
    x, y = centre
    drawing.take(x - 8, y - 8, x + 8, y + 8)
    corner = f'x="{number(x - 7)}" y="{number(y - 7)}"'
    square = f'<rect {corner} width="14" height="14" fill="{GREY}"><title>the end</title></rect>'
    if square not in drawing.shapes:
        drawing.shapes.append(square)


def _draw_state(drawing: Drawing, layout: Layout, mdp: MDP, s: int) -> None:
    """A state's circle and name, the observation it shares, and the start distribution's arrow into it."""
    x, y = layout.centres[s]
    seen = int(mdp.observation[s])
    shared = int((mdp.observation == seen).sum()) > 1
    fill = FILLS[seen % len(FILLS)] if shared else "white"
    facts = f"{mdp.states[s]}: start {mdp.initial[s]:.4g}, observation {seen}"
    drawing.shapes.append(
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(RADIUS)}" fill="{fill}" '
        f'stroke="#222222" stroke-width="1.8"><title>{text(facts)}</title></circle>'
    )
    drawing.take(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)
    name = clipped(mdp.states[s], 8)
    drawing.write(x, y - 5 * shared, name, ink="#111111", size=13 if len(name) <= 5 else 10, bare=True)
    if shared:
        drawing.write(x, y + 10, f"seen {seen}", size=9, bare=True)
    if mdp.initial[s] > 0 and (mdp.initial > 0).sum() <= STARTS:
        out = layout.start[s]
        tail, rim = (towards((x, y), out, RADIUS + d) for d in (34, 2))
        drawing.arrow([tail, bezier([tail, rim], 0.5), rim], GREY, "", f"start {mdp.initial[s]:.6g}")
        words = "start" if mdp.initial[s] == 1 else f"start {mdp.initial[s]:.3g}"
        spot = towards((x, y), out, RADIUS + 44)
        drawing.write(*spot, words, _anchor(math.cos(math.radians(out))))
