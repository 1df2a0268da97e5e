"""Pictures made by hand: well-formed, deterministic, escaped, and they show what is there."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics.drawing import mdp_html, trajectory_html
from dynamics.drawing.graphs import LARGEST, MANY, mdp_svg
from dynamics.drawing.svg import Drawing, extent, overlap
from dynamics.drawing.trajectories import limits, log_odds, ticks
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
    """The image's root; well-formed, no reference to anything outside, no script."""
    assert not re.search(r"<script|href|<style|<image|\bid=", svg)
    return ET.fromstring(svg)


def words(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def tooltips(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}title")]


# --- the graph of an MDP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_every_entry_of_the_zoo_is_drawn(name: str) -> None:
    mdp = zoo.load(name)
    root = parsed(mdp_svg(mdp))
    assert mdp_svg(zoo.load(name)) == mdp_svg(mdp) == mdp_html(mdp)
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == mdp.n_states
    assert set(mdp.states) <= set(words(root))
    heads = [circle.find(f"{SVG}title").text for circle in circles]  # type: ignore[union-attr]
    assert [head.split(":")[0] for head in heads if head] == list(mdp.states)


@pytest.mark.parametrize("name", SMALL)
def test_every_transition_has_its_arrow(name: str) -> None:
    """Every (state, action, target) stands in exactly one tooltip of an arrow, with its probability and reward."""
    mdp = zoo.load(name)
    found = [line for tip in tooltips(parsed(mdp_svg(mdp))) for line in tip.split("; ") if "→" in line]
    wanted = []
    for s, a in np.ndindex(mdp.n_states, mdp.n_actions):
        outcomes = {mdp.states[t]: float(p) for t, p in mdp.exact.rows[s][a].items()}
        if mdp.ending[s, a] > 0:
            outcomes["the end"] = float(mdp.ending[s, a])
        start = f"{mdp.states[s]}, {mdp.actions[a]} → "
        for target, p in outcomes.items():
            wanted.append(
                f"{start}{target}: probability {p:.6g}, reward {mdp.R[s, a]:.6g}, teacher {mdp.teacher[s, a]:.4g}"
            )
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("name", SMALL)
def test_states_and_words_keep_off_each_other(name: str) -> None:
    """No two circles overlap, no words of arrows lie on a circle or on other words."""
    root = parsed(mdp_svg(zoo.load(name)))
    centres = np.array([[float(c.get("cx", 0)), float(c.get("cy", 0))] for c in root.iter(f"{SVG}circle")])
    gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e9 * np.eye(len(centres))
    assert gaps.min() > 2 * 24 + 20
    boxes = []
    for element in root.iter(f"{SVG}text"):
        size = int(element.get("font-size", 12))
        x, y = float(element.get("x", 0)), float(element.get("y", 0)) - 0.35 * size
        boxes.append(extent(x, y, element.text or "", element.get("text-anchor", ""), size))
    left, top, wide, high = map(float, root.get("viewBox", "").split())
    for k, box in enumerate(boxes):
        assert left <= box[0][0] and box[1][0] <= left + wide and top <= box[0][1] and box[1][1] <= top + high
        assert all(overlap(box, other) < 1 for other in boxes[:k]), (words(root)[k], name)


def test_what_the_labels_say() -> None:
    swirl = words(parsed(mdp_svg(zoo.load("swirl"))))
    assert {"a0 0.992, r 2.35", "a1 0.684, r 15.38", "a0, r −4.63", "start 0.01", "start 0.99"} <= set(swirl)
    assert any("every step also ends with probability 0.03" in line for line in swirl)
    fig2 = words(parsed(mdp_svg(zoo.load("fig2"))))
    assert fig2.count("seen 1") == 2 and "own loss −4 π(R|s_R)" in fig2 and "start" in fig2


def test_states_seen_alike_share_a_colour() -> None:
    circles = list(parsed(mdp_svg(zoo.load("aliased-cycle"))).iter(f"{SVG}circle"))
    fills = [circle.get("fill") for circle in circles]
    assert fills[0] == fills[2] != "white" and fills[1] == "white"


def test_many_actions_and_many_arrows_are_merged() -> None:
    assert "40 actions" in words(parsed(mdp_svg(zoo.load("bandit:40"))))
    dense = MDP(P=np.full((12, 2, 12), 1 / 16), R=np.zeros((12, 2)), initial=np.full(12, 1 / 12))
    root = parsed(mdp_svg(dense))
    assert MANY < 12 * 13
    assert len([tip for tip in tooltips(root) if "→" in tip]) == 12 * 13
    assert any("many arrows" in line for line in words(root))
    assert any("starts in any of 12 states" in line for line in words(root))


def test_large_mdps_become_a_table() -> None:
    for mdp in (zoo.load(f"corridor:{LARGEST + 1}"), zoo.load("corridor:5000"), random.grid_world(0)):
        with pytest.raises(ValueError, match=f"must have at most {LARGEST}"):
            mdp_svg(mdp)
        table = ET.fromstring(mdp_html(mdp))
        cells = dict(zip([e.text for e in table.iter("th")], [e.text for e in table.iter("td")], strict=True))
        assert cells["states"] == str(mdp.n_states)
    assert mdp_html(zoo.load("corridor:30")).startswith("<svg")


def test_names_are_escaped_and_cut() -> None:
    strange = ["<script>alert(1)</script>", "a\"b&c'", "\x07\x1b[2J", "ünï→", "x" * 500]
    mdp = MDP(np.zeros((5, 5, 5)), np.ones((5, 5)), [1, 0, 0, 0, 0], states=strange, actions=strange, name="<&>")
    svg = mdp_svg(mdp)
    root = parsed(svg)
    assert "<script" not in svg and "<script>alert(1)</script>: start 1, observation 0" in tooltips(root)
    assert svg.encode("utf-8")
    assert max(map(len, words(root))) < 60
    ET.fromstring(mdp_html(zoo.load("corridor:40").replace(name="<&>\x07")))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 6), st.sampled_from(["episodic", "acyclic", "graph"]))
def test_random_mdps_are_drawn(seed: int, n_states: int, n_actions: int, family: str) -> None:
    n_states, n_actions = max(n_states, 2), max(n_actions, 2)
    make = {"episodic": random.episodic, "acyclic": random.acyclic, "graph": random.deterministic_graph}[family]
    mdp = make(seed, n_states, n_actions)
    root = parsed(mdp_svg(mdp))
    assert len(list(root.iter(f"{SVG}circle"))) == mdp.n_states
    numbers = [float(x) for x in re.findall(r' (?:x|y|cx|cy|width|height)="([^"%]+)"', mdp_svg(mdp))]
    assert np.isfinite(numbers).all()


# --- trajectories -----------------------------------------------------------------------------------------------------


def images(html: str) -> list[ET.Element]:
    ET.fromstring(html)
    return [parsed(svg) for svg in re.findall(r"<svg.*?</svg>", html)]


def test_a_planar_trajectory_shows_time_and_orbit() -> None:
    field = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    run = flow(field, np.zeros((2, 2)), 20)
    html = trajectory_html(run)
    assert html == trajectory_html(flow(field, np.zeros((2, 2)), 20))
    series, orbit = images(html)
    assert {"o0", "o1", "time of F"} <= set(words(series)) and {"o0", "o1"} <= set(words(orbit))
    assert len(list(orbit.iter(f"{SVG}circle"))) == 2  # where it starts and where it ends


def test_the_line_is_the_data() -> None:
    """The polyline's points, mapped back by the axes' own ticks, are the log-odds."""
    t = np.linspace(0, 10, 11)
    theta = np.zeros((11, 1, 2))
    theta[:, 0, 1] = t**2 / 10
    (series,) = images(trajectory_html(Trajectory(t, theta)))
    lines = [line for line in series.iter(f"{SVG}polyline") if line.get("stroke") == "#0072B2"]
    drawn = np.array([[float(x) for x in point.split(",")] for point in lines[0].get("points", "").split()])
    across = np.interp(drawn[:, 0], *_scale(series, "x"))
    up = np.interp(-drawn[:, 1], *_scale(series, "y"))
    assert np.allclose(across, t, atol=0.02) and np.allclose(up, t**2 / 10, atol=0.05)


def _scale(root: ET.Element, axis: str) -> tuple[list[float], list[float]]:
    """Pixels (upwards) and numbers of the ticks of an axis."""
    found = []
    for e in root.iter(f"{SVG}text"):
        if e.get("font-size") == "10" and (e.get("text-anchor") == "end") == (axis == "y"):
            pixel = float(e.get("x", 0)) if axis == "x" else 3.5 - float(e.get("y", 0))
            found.append((pixel, float((e.text or "").replace("−", "-"))))
    pixels, numbers = zip(*sorted(found), strict=True)
    slope = (numbers[-1] - numbers[0]) / (pixels[-1] - pixels[0])
    ends = (pixels[0] - 100, pixels[-1] + 100)
    return list(ends), [numbers[0] - 100 * slope, numbers[-1] + 100 * slope]


def test_many_coordinates_members_and_points_are_cut_and_said() -> None:
    wide = Trajectory(np.arange(5000.0), np.random.default_rng(0).normal(size=(5000, 20, 3)))
    html = trajectory_html(wide)
    assert "40 coordinates, the first 8 shown" in html and len(html) < 150_000
    assert len(images(html)) == 1
    field = Field(zoo.load("swirl"), "on-policy")
    many = ensemble(field, np.random.default_rng(0).normal(size=(40, 2, 2)), 5.0)
    assert "40 members, the first 30 shown" in trajectory_html(many)
    assert len(images(trajectory_html(many))) == 2


def test_discrete_blown_up_and_empty_trajectories() -> None:
    steps = iterate(Field(zoo.load("swirl"), "er"), np.zeros((2, 2)), 0.05, 20)
    assert "steps of 0.05" in trajectory_html(steps)
    blown = flow(FunctionField(lambda x: x * x, (1,)), [1.0], 2.0)
    assert not blown.complete and "stopped at t" in trajectory_html(blown)
    images(trajectory_html(blown))
    images(trajectory_html(Trajectory(np.array([0.0, 1.0]), np.array([[1e308, -1e308], [np.inf, 0]]))))
    assert "empty" in trajectory_html(Trajectory(np.empty(0), np.empty((0, 2, 2)), note="<x>"))
    images(trajectory_html(Trajectory(np.array([0.0]), np.zeros((1, 2, 2)))))
    assert "&lt;x&gt;" in trajectory_html(Trajectory(np.empty(0), np.empty((0, 2, 2)), note="<x>"))


def test_log_odds_of_every_shape() -> None:
    theta = np.arange(24.0).reshape(2, 2, 2, 3) ** 2
    names, x = log_odds(theta)
    assert names == ["o0:a1", "o0:a2", "o1:a1", "o1:a2"] and x.shape == (2, 2, 4)
    assert np.array_equal(x[1, 1].reshape(2, 2), theta[1, 1, :, 1:] - theta[1, 1, :, :1])
    assert log_odds(theta[:, 0])[1].shape == (2, 1, 4)
    assert log_odds(np.zeros((4, 3)))[0] == ["θ0", "θ1", "θ2"]
    assert log_odds(np.zeros((4, 3, 1)))[0] == ["o0", "o1", "o2"]  # one action: as they are


@given(st.floats(-1e90, 1e90), st.floats(-1e90, 1e90))
def test_ticks_are_few_round_and_inside(a: float, b: float) -> None:
    low, high = limits(np.array([a, b]))
    assert low < min(a, b) <= max(a, b) < high or low < high
    found = ticks(low, high)
    assert 3 <= len(found) <= 12
    slack = 1e-9 * (high - low)
    assert all(low - slack <= x <= high + slack for x in found)


def test_words_move_to_a_free_spot() -> None:
    """The negative control of the test that words keep off each other: without a choice they do not."""
    drawing = Drawing()
    for _ in range(2):
        drawing.place([(0, 0, "middle"), (0, 40, "middle")], "words", "black")
    drawing.place([(0, 0, "middle"), (1, 41, "middle")], "words", "black")
    boxes = drawing.taken
    assert overlap(boxes[0], boxes[1]) == 0
    assert max(overlap(boxes[2], box) for box in boxes[:2]) > 1
