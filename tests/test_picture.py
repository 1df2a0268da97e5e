"""What notebooks show: well-formed, deterministic, escaped; everything is there, and no words cover others."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from dynamics.drawing import mdp_figure, mdp_html, trajectory_figure, trajectory_html
from dynamics.drawing.graphs import COLOURS, LARGEST, MANY, Board, free_direction
from dynamics.drawing.trajectories import log_odds
from dynamics.fields import Field, FunctionField
from dynamics.motion import Trajectory, ensemble, flow, iterate
from mdp import MDP, random, zoo

SVG = "{http://www.w3.org/2000/svg}"
SMALL = [
    *(name for name in zoo.names()),
    "corridor:1",
    "corridor:30",
    "bandit:2",
    "bandit:4",
    "bandit:40",
    "token-tree:4",
]


def parsed(svg: str) -> ET.Element:
    """The image's root; well-formed, no reference to anything outside, no script, no style for the whole page."""
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert not re.search(r'<script|<style|<image|href="[^#]', svg)
    return ET.fromstring(svg)


def words(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every visible text and the pixels it takes, by the renderer."""
    if not hasattr(figure.canvas, "get_renderer"):
        FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    shown = [axis for ax in figure.axes if ax.axison for axis in (ax.xaxis, ax.yaxis)]
    found: list[Any] = [text for ax in figure.axes for text in ax.texts]
    found += [tick.label1 for axis in shown for tick in axis._update_ticks()]  # those within the axes
    found += [text for axis in shown for text in (axis.label, axis.get_offset_text())]
    for other in [*(ax.title for ax in figure.axes), *(ax.get_legend() for ax in figure.axes), figure._supxlabel]:
        found += other.findobj(Text) if other is not None else []
    return [(text.get_text(), text.get_window_extent()) for text in found if text.get_text() and text.get_visible()]


def overlap(a: Bbox, b: Bbox) -> float:
    both = Bbox.intersection(a, b)
    return 0.0 if both is None else both.width * both.height


def trouble(figure: Figure) -> list[str]:
    """The words of a figure that cover others, or that the figure cuts."""
    found = texts(figure)
    cut = [said for said, box in found if overlap(box, figure.bbox) < 0.999 * box.width * box.height]
    return cut + [f"{a} / {b}" for (a, p), (b, q) in combinations(found, 2) if overlap(p, q) > 1]


def patches(figure: Figure, kind: type) -> list[Any]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, kind)]


# --- the graph of an MDP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_every_entry_of_the_zoo_is_drawn(name: str) -> None:
    mdp = zoo.load(name)
    html = mdp_html(mdp)
    assert mdp_html(zoo.load(name)) == html
    figure = mdp_figure(mdp)
    assert len(patches(figure, Circle)) == mdp.n_states
    assert len(patches(figure, Rectangle)) == (mdp.ending > 0).any(1).sum()
    said = words(parsed(html))
    assert set(mdp.states) <= set(said)
    assert sorted(said) == sorted(found for found, _ in texts(figure))
    if mdp.n_actions <= len(COLOURS):
        assert all(action in " ".join(said) for action in mdp.actions)


@pytest.mark.parametrize("name", SMALL)
def test_every_transition_has_its_arrow(name: str) -> None:
    """Every (state, action, target) has an arrow and words of its own, with its probability and reward."""
    mdp = zoo.load(name)
    figure = mdp_figure(mdp)
    said = Counter(found for found, _ in texts(figure))
    wanted: Counter[str] = Counter()
    for s, a in np.ndindex(mdp.n_states, mdp.n_actions):
        chances = list(mdp.exact.rows[s][a].values())
        for p in [*chances, 1 - sum(chances)] if sum(chances) < 1 else chances:
            reward = f", r {mdp.R[s, a]:.4g}".replace("-", "−") if mdp.R[s, a] else ""
            wanted[mdp.actions[a] + (f" {float(p):.3g}" if p < 1 else "") + reward] += 1
    starts = int((mdp.initial > 0).sum())
    if name == "bandit:40":
        assert said["40 actions"] == 1 and len(patches(figure, FancyArrowPatch)) == 1 + starts
        return
    names = Counter(mdp.states)  # a state of token-tree is called as an action is
    assert all(said[found] - names[found] == count for found, count in wanted.items())
    assert len(patches(figure, FancyArrowPatch)) == wanted.total() + starts


@pytest.mark.parametrize("name", SMALL)
def test_states_and_words_keep_off_each_other(name: str) -> None:
    """No two circles overlap, no words lie on other words or are cut, and none but a state's own on a circle."""
    mdp = zoo.load(name)
    figure = mdp_figure(mdp)
    assert trouble(figure) == []
    circles = [circle.get_window_extent() for circle in patches(figure, Circle)]
    assert all(overlap(a, b) == 0 for a, b in combinations(circles, 2))
    own = {*mdp.states, *(f"seen {seen}" for seen in mdp.observation)}
    for said, box in texts(figure):
        covered = [circle for circle in circles if overlap(box, circle) > 1]
        assert not covered or (said in own and len(covered) == 1), said


def test_words_that_cover_others_or_are_cut_are_found() -> None:
    """The negative control of the test above."""
    figure = mdp_figure(zoo.load("swirl"))
    first, second = figure.axes[0].texts[:2]
    second.set_position(first.get_position())
    assert trouble(figure) == [f"{first.get_text()} / {second.get_text()}"]
    second.set_position((1e4, 0))
    assert trouble(figure) == [second.get_text()]


def test_words_move_to_a_free_spot() -> None:
    figure = Figure(figsize=(10, 10), dpi=72)
    board = Board(figure.add_axes((0, 0, 1, 1), xlim=(0, 720), ylim=(0, 720)))
    for _ in range(2):
        board.write("words", [(100 + 100j, 0j), (100 + 140j, 0j)], "black")
    assert board.covered == 0
    assert [text.get_position() for text in board.ax.texts] == [(100, 100), (100, 140)]
    board.write("words", [(100 + 100j, 0j), (101 + 141j, 0j)], "black")
    assert board.covered > 1


@given(st.lists(st.floats(-10, 10), max_size=4), st.floats(-10, 10))
def test_free_directions_are_free(used: list[float], wish: float) -> None:
    angle = free_direction(used, wish)
    assert all(np.cos(angle - other) < np.cos(0.4) for other in used)


def test_what_the_labels_say() -> None:
    swirl = words(parsed(mdp_html(zoo.load("swirl"))))
    assert {"a0 0.992, r 2.35", "a1 0.684, r 15.38", "a0, r −4.63", "start 0.01", "start 0.99"} <= set(swirl)
    assert "every step also ends with probability 0.03" in swirl
    fig2 = words(parsed(mdp_html(zoo.load("fig2"))))
    assert fig2.count("seen 1") == 2 and "own loss −4 π(R|s_R)" in fig2 and "start" in fig2


def test_states_seen_alike_share_a_colour() -> None:
    circles = patches(mdp_figure(zoo.load("aliased-cycle")), Circle)
    fills = [circle.get_facecolor() for circle in circles]
    assert fills[0] == fills[2] != (1, 1, 1, 1) and fills[1] == (1, 1, 1, 1)


def test_arrows_are_the_wider_the_likelier_the_teacher_takes_them() -> None:
    mdp = zoo.load("chain")
    plain, stop, go = (
        [arrow.get_linewidth() for arrow in patches(mdp_figure(mdp.replace(teacher=teacher)), FancyArrowPatch)]
        for teacher in (None, ((1, 0), (1, 0)), ((0, 1), (1, 0)))
    )
    assert len(set(plain)) == 2  # the start, and all others
    assert sorted(stop) == sorted(go) and stop != go and max(stop) > max(plain)
    assert "likelier" not in mdp_html(mdp.replace(teacher=None)) and "likelier" in mdp_html(mdp)


def test_many_actions_and_many_arrows_are_merged() -> None:
    dense = MDP(P=np.full((12, 2, 12), 1 / 16), R=np.zeros((12, 2)), initial=np.full(12, 1 / 12))
    figure = mdp_figure(dense)
    assert MANY < 12 * 13 == len(patches(figure, FancyArrowPatch))
    assert trouble(figure) == []
    said = [found for found, _ in texts(figure)]
    assert any("many arrows" in line for line in said)
    assert any("starts in any of 12 states" in line for line in said)


def test_large_mdps_become_a_table() -> None:
    for mdp in (zoo.load(f"corridor:{LARGEST + 1}"), zoo.load("corridor:5000"), random.grid_world(0)):
        with pytest.raises(ValueError, match=f"must have at most {LARGEST}"):
            mdp_figure(mdp)
        table = ET.fromstring(mdp_html(mdp))
        cells = dict(zip([e.text for e in table.iter("th")], [e.text for e in table.iter("td")], strict=True))
        assert cells["states"] == str(mdp.n_states)
    assert mdp_html(zoo.load("corridor:30")).startswith("<svg")


def test_names_are_escaped_and_cut() -> None:
    strange = ["<script>alert(1)</script>", "a\"b&c'", "\x07\x1b[2J", "$x^$", "ünï→", "x" * 500]
    mdp = MDP(np.zeros((6, 6, 6)), np.ones((6, 6)), [1, 0, 0, 0, 0, 0], states=strange, actions=strange, name="<&>")
    html = mdp_html(mdp)
    said = words(parsed(html))
    wanted = {"<script…", "a\"b&c'", "\N{REPLACEMENT CHARACTER}" * 2 + "[2J", "$x^$", "ünï→", "xxxxxxx…"}
    assert wanted <= set(said)
    assert html.encode("utf-8") and max(map(len, said)) < 60
    assert trouble(mdp_figure(mdp)) == []
    ET.fromstring(mdp_html(zoo.load("corridor:40").replace(name="<&>\x07")))


def test_numbers_in_words_are_kept() -> None:
    """Coordinates are shortened, words are not."""
    mdp = MDP([[["123/1000"]]], [[0]], [1], states=["0.98765"], actions=["1.23456"])
    assert {"0.98765", "1.23456 0.123", "1.23456 0.877"} <= set(words(parsed(mdp_html(mdp))))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(2, 6), st.sampled_from(["episodic", "acyclic", "graph"]))
def test_random_mdps_are_drawn(seed: int, n_states: int, n_actions: int, family: str) -> None:
    make = {"episodic": random.episodic, "acyclic": random.acyclic, "graph": random.deterministic_graph}[family]
    mdp = make(seed, n_states, n_actions)
    figure = mdp_figure(mdp)
    circles = [circle.get_window_extent() for circle in patches(figure, Circle)]
    assert len(circles) == mdp.n_states
    assert all(overlap(a, b) == 0 for a, b in combinations(circles, 2))
    found = texts(figure)
    assert all(np.isfinite(box.extents).all() for _, box in found)
    assert set(mdp.states) <= {said for said, _ in found}


# --- trajectories -----------------------------------------------------------------------------------------------------


def test_a_planar_trajectory_shows_time_and_orbit() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    run = flow(field, np.zeros((2, 2)), 20)
    html = trajectory_html(run)
    assert html == trajectory_html(flow(field, np.zeros((2, 2)), 20))
    said = words(parsed(html))
    assert said.count("o0") == said.count("o1") == 2 and "time of F" in said
    figure = trajectory_figure(run)
    series, orbit = figure.axes
    assert series.get_xlabel() == "time of F" and (orbit.get_xlabel(), orbit.get_ylabel()) == ("o0", "o1")
    _, ring, dot = orbit.lines
    _, x = log_odds(run.theta)
    assert np.array_equal(ring.get_xydata(), x[0]) and np.array_equal(dot.get_xydata(), x[-1])
    assert ring.get_markerfacecolor() != dot.get_markerfacecolor()
    assert len(orbit.texts) == 3  # the arrows on the way
    assert trouble(figure) == []


def test_the_line_is_the_data() -> None:
    """The line's points are the log-odds, and the path in the SVG is that line, mapped affinely."""
    t = np.linspace(0, 10, 11)
    theta = np.zeros((11, 1, 2))
    theta[:, 0, 1] = t**2 / 10
    (line,) = trajectory_figure(Trajectory(t, theta)).axes[0].lines
    assert np.array_equal(line.get_xydata(), np.stack([t, t**2 / 10], 1))
    root = parsed(trajectory_html(Trajectory(t, theta)))
    drawn = [e.get("d", "") for e in root.iter(f"{SVG}path") if "#0072b2" in e.get("style", "")]
    points = np.array([[float(x) for x in point] for point in re.findall(r"[ML] (\S+) (\S+)", drawn[0])])
    assert len(points) == 11
    for pixels, numbers, sign in zip(points.T, (t, t**2 / 10), (1, -1), strict=True):
        assert sign * np.corrcoef(pixels, numbers)[0, 1] > 1 - 1e-6


def test_many_coordinates_members_and_points_are_cut_and_said() -> None:
    wide = Trajectory(np.arange(5000.0), np.random.default_rng(0).normal(size=(5000, 20, 3)))
    html = trajectory_html(wide)
    assert "40 coordinates, the first 8 shown" in " ".join(words(parsed(html))) and len(html) < 150_000
    figure = trajectory_figure(wide)
    assert len(figure.axes) == 1 and len(figure.axes[0].lines) == 8 and trouble(figure) == []
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 8
    field = Field(zoo.load("swirl"), "on-policy")
    many = ensemble(field, np.random.default_rng(0).normal(size=(40, 2, 2)), 5.0)
    assert "40 members, the first 30 shown" in " ".join(words(parsed(trajectory_html(many))))
    figure = trajectory_figure(many)
    series, orbit = figure.axes
    assert len(series.lines) == 60 and len(orbit.lines) == 32 and trouble(figure) == []


def test_discrete_blown_up_and_empty_trajectories() -> None:
    steps = iterate(Field(zoo.load("swirl"), "er"), np.zeros((2, 2)), 0.05, 20)
    assert "steps of 0.05" in words(parsed(trajectory_html(steps)))
    blown = flow(FunctionField(lambda x: x * x, (1,)), [1.0], 2.0)
    assert not blown.complete and "stopped at t" in trajectory_html(blown)
    huge = Trajectory(np.array([0.0, 1.0]), np.array([[1e308, -1e308], [np.inf, 0]]))
    single = Trajectory(np.array([0.0]), np.zeros((1, 2, 2)), note="a <&> $x^$ \x07")
    for run in (blown, huge, single):
        parsed(trajectory_html(run))
        assert trouble(trajectory_figure(run)) == []
    assert "a <&> $x^$ \N{REPLACEMENT CHARACTER}" in " ".join(words(parsed(trajectory_html(single))))
    empty = Trajectory(np.empty(0), np.empty((0, 2, 2)), note="<x>")
    assert trajectory_html(empty) == "<p>an empty trajectory: &lt;x&gt;</p>"
    assert "empty" in trajectory_html(Trajectory(np.arange(2.0), np.full((2, 1, 2), np.nan)))
    with pytest.raises(ValueError, match="trajectory is empty; must have finite parameters"):
        trajectory_figure(empty)


def test_log_odds_of_every_shape() -> None:
    theta = np.arange(24.0).reshape(2, 2, 2, 3) ** 2
    names, x = log_odds(theta)
    assert names == ["o0:a1", "o0:a2", "o1:a1", "o1:a2"] and x.shape == (2, 2, 4)
    assert np.array_equal(x[1, 1].reshape(2, 2), theta[1, 1, :, 1:] - theta[1, 1, :, :1])
    assert log_odds(theta[:, 0])[1].shape == (2, 1, 4)
    assert log_odds(np.zeros((4, 3)))[0] == ["θ0", "θ1", "θ2"]
    assert log_odds(np.zeros((4, 3, 1)))[0] == ["o0", "o1", "o2"]  # one action: as they are


@settings(max_examples=15, deadline=None)
@given(st.floats(-1e90, 1e90), st.floats(-1e90, 1e90))
def test_the_axes_hold_the_data(a: float, b: float) -> None:
    figure = trajectory_figure(Trajectory(np.array([0.0, 1.0]), np.array([[a], [b]])))
    low, high = figure.axes[0].get_ylim()
    assert low <= min(a, b) <= max(a, b) <= high and low < high
    assert len(figure.axes[0].get_yticks()) >= 3


def test_nothing_is_left_behind() -> None:
    """No figure is registered with pyplot, and matplotlib's settings stay as they were."""
    before, backend = _settings(), mpl.get_backend(auto_select=False)
    mdp_html(zoo.load("swirl"))
    trajectory_html(Trajectory(np.array([0.0, 1.0]), np.zeros((2, 2, 2))))
    assert _settings() == before and mpl.get_backend(auto_select=False) == backend
    assert not hasattr(mdp_figure(zoo.load("swirl")), "number")


def _settings() -> dict[str, Any]:
    """All but the backend, which matplotlib chooses when it is looked at."""
    return {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}
