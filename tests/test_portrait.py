"""Phase portraits: what is drawn is true, files are the same bytes every time, and every mistake is one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from dynamics.drawing import portraits as pictures
from dynamics.fields import Field, FunctionField
from dynamics.motion import flow
from dynamics.portraits import Geometry, plane, view
from dynamics.portraits import arrays as shapes
from dynamics.portraits import curves as orbits
from dynamics.portraits.compose import LAYERS, geometry, slice_of
from mdp import Array, random, student, zoo
from vorticity.commands.main import main

Capture = pytest.CaptureFixture[str]
CENTRE = FunctionField(lambda x: np.stack([x[..., 1], -x[..., 0]], -1), (2,), vectorised=True)
PENDULUM = FunctionField(
    lambda x: np.stack([x[..., 1], -np.sin(x[..., 0]) - 0.2 * x[..., 1]], -1), (2,), vectorised=True
)


def swirl(rule: str = "reverse-kl") -> Field:
    return Field(zoo.load("swirl"), rule, reward=True)


@pytest.fixture(scope="module")
def drawn() -> Geometry:
    return geometry(swirl(), layers=LAYERS, theta0=[[0, 2], [0, 1]], time=20.0, series=True)


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Nothing may change matplotlib's settings."""
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before


# --- what is drawn is true --------------------------------------------------------------------------------------------


def test_swirl(drawn: Geometry) -> None:
    """C4: the focus, the period and the amplitudes of the cycle."""
    assert drawn.rest_types == ("unstable focus",)
    np.testing.assert_allclose(drawn.rest_at, [[2.79304, 1.13600]], atol=5e-6)
    assert drawn.periods == pytest.approx([6.48894425], abs=5e-8)
    np.testing.assert_allclose(np.ptp(drawn.cycles[0], axis=0), [0.96443, 2.04973], atol=2e-4)
    assert drawn.xlim[0] < 2.1 < 3.2 < drawn.xlim[1]
    assert drawn.labels == ("log-odds of a1 at s0", "log-odds of a1 at s1")


def test_arrows_are_the_field(drawn: Geometry) -> None:
    field = swirl()
    velocity = field(np.stack([np.zeros_like(drawn.arrows_at), drawn.arrows_at], -1))
    np.testing.assert_allclose(drawn.arrows, velocity[..., 1] - velocity[..., 0], atol=1e-12)


def test_nullclines_are_where_a_component_vanishes(drawn: Geometry) -> None:
    """Within a cell of the grid the component changes sign across the line."""
    seen = view(swirl())
    for k, paths in enumerate(drawn.nullclines):
        assert paths
        points = np.concatenate(paths)
        unit = 0.02 * np.array([drawn.xlim[1] - drawn.xlim[0], drawn.ylim[1] - drawn.ylim[0]])
        around = (
            points[:, None] + unit * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)]).T
        )
        values = seen.velocity(around)[..., k]
        assert ((values.min(-1) < 0) & (values.max(-1) > 0)).all()


def test_orbits_are_orbits(drawn: Geometry) -> None:
    """Each traced curve stays on the flow's own trajectory from its start, and runs in the direction of time."""
    field = swirl()
    for path in drawn.orbits[:4]:
        middle = path[len(path) // 4 : 3 * len(path) // 4]
        run = flow(field, np.stack([-middle[0] / 2, middle[0] / 2], -1), 40.0, samples=40_001)
        x = run.theta[:, :, 1] - run.theta[:, :, 0]
        gaps = np.array([np.linalg.norm(x - point, axis=-1).min() for point in middle[:200:10]])
        assert gaps.max() < 2e-2 * np.ptp(path)  # the samples' own spacing
        velocity = view(field).velocity(middle[:-1])
        assert (np.diff(middle, axis=0) * velocity).sum(-1).min() > 0


def test_closed_orbits_stay_closed() -> None:
    """A centre's orbits keep their radius: streamline plotters draw spirals here."""
    found = geometry(CENTRE, (-2, 2), (-2, 2), ["orbits"])
    assert len(found.orbits) >= 4
    for path in found.orbits:
        radius = np.hypot(*path.T)
        assert np.ptp(radius) < 1e-6 * radius[0]


def test_fig2_keeps_its_constant() -> None:
    """C1: 2 cosh th1 + 2 cosh th2 is conserved, so no cycle is isolated and none is drawn as one."""
    found = geometry(Field(zoo.load("fig2"), "on-policy", reward=True))
    assert found.periods == ()
    assert found.rest_types == ("centre (linear)",)
    assert len(found.orbits) >= 3
    for path in found.orbits:
        assert np.ptp(2 * np.cosh(path).sum(-1)) < 1e-5


def test_separatrices_leave_and_reach_the_saddle() -> None:
    found = geometry(PENDULUM, (1, 5), (-2, 2), ["separatrices", "rest"])
    assert found.rest_types == ("saddle",)
    assert len(found.separatrices) == 4
    ends = np.array([[path[0], path[-1]] for path in found.separatrices])
    gaps = np.linalg.norm(ends - [np.pi, 0], axis=-1)
    assert (gaps[:2, 0] < 1e-3).all()  # two leave
    assert (gaps[2:, 1] < 1e-3).all()  # two arrive


def test_no_cycle_in_an_unstable_node_or_a_slow_spiral() -> None:
    spiral = FunctionField(lambda x: np.stack([x[..., 1] - 1e-3 * x[..., 0], -x[..., 0]], -1), (2,), vectorised=True)
    node = FunctionField(lambda x: x * np.array([1.0, 2.0]), (2,), vectorised=True)
    assert geometry(spiral, (-2, 2), (-2, 2), layers=["cycle"], theta0=[1.0, 0.0], time=1.0).periods == ()
    assert geometry(node, layers=["cycle"]).periods == ()


def test_a_larger_system_is_a_slice_and_a_projection() -> None:
    field = Field(zoo.load("corridor-cycle"), "on-policy", reward=True)
    found = geometry(field)
    assert found.periods == pytest.approx([18.21568], abs=5e-6)  # C2
    assert found.pick == (1, 2)  # the two that move most
    np.testing.assert_allclose(np.ptp(found.cycles[0], axis=0), [0.96748, 2.16456], atol=2e-3)
    assert found.note.startswith("log-odds of right at s0 = −0.43")
    held = [[0.0, 0.5], [0.0, 0.0], [0.0, 0.0]]
    one = geometry(field, (-1, 1), (-1, 1), ["quiver"], "s1,s2", held=held)
    theta = np.zeros((*one.arrows_at.shape[:-1], 3, 2))
    theta[..., 0, 1], theta[..., 1:, 1] = 0.5, one.arrows_at
    velocity = field(theta)
    np.testing.assert_allclose(one.arrows, (velocity[..., 1] - velocity[..., 0])[..., 1:], atol=1e-12)


def test_probabilities_move_as_the_chain_rule_says() -> None:
    field = swirl()
    found = geometry(field, layers=["quiver", "nullclines", "rest"], chart="probabilities")
    p = found.arrows_at
    x = np.log(p / (1 - p))
    velocity = field(np.stack([np.zeros_like(x), x], -1))
    np.testing.assert_allclose(found.arrows, p * (1 - p) * (velocity[..., 1] - velocity[..., 0]), rtol=1e-9)
    np.testing.assert_allclose(found.rest_at[0], 1 / (1 + np.exp([-2.79304, -1.13600])), atol=1e-5)
    assert (found.xlim, found.ylim) == ((0, 1), (0, 1))
    assert found.labels[0] == "probability of a1 at s0"


def test_a_row_of_three_is_a_triangle() -> None:
    found = geometry(Field(zoo.load("bandit"), "on-policy", reward=True), chart="probabilities", layers=LAYERS)
    outside = found.arrows_at.sum(-1) > 1 + 1e-9
    assert np.isnan(found.arrows[outside]).all()
    assert np.isfinite(found.arrows[found.arrows_at.sum(-1) < 1 - 1e-9]).all()
    assert found.edge.tolist() == [[0, 1], [1, 0]]
    assert all((path.sum(-1) < 1 + 1e-9).all() for path in found.orbits)


def test_curl_is_the_jacobians(drawn: Geometry) -> None:
    x = np.array([drawn.curl_x[5], drawn.curl_y[7]])
    J = swirl().jacobian(np.stack([np.zeros(2), x], -1))
    assert drawn.curl[7, 5] == pytest.approx((J[1, 3] - J[3, 1]) / np.linalg.norm(J), rel=1e-12)
    gradient = geometry(swirl("reverse-kl-corrected"), (0, 1), (0, 1), ["curl"])
    assert np.abs(gradient.curl).max() < 1e-10


def test_the_orbit_asked_for_and_its_series(drawn: Geometry) -> None:
    assert drawn.track[0].tolist() == [2, 1]
    assert drawn.series_t[-1] == 20
    np.testing.assert_allclose(drawn.series, drawn.track)
    assert drawn.series_names == drawn.labels


def test_a_sigmoid_student_has_log_odds() -> None:
    world = zoo.load("swirl")
    field = Field(world, "reverse-kl", reward=True, student=student.sigmoid(world.observation))
    found = geometry(field, layers=["rest", "cycle"])
    assert found.labels == ("log-odds of a1 at s0", "log-odds of a1 at s1")
    assert found.periods == pytest.approx([2 * 6.48894425], abs=1e-6)


def test_trace_in_one_call_per_stage() -> None:
    """The grid is evaluated in one call of the field."""
    calls = []

    def counted(x: Array) -> Array:
        calls.append(x.shape)
        return -x

    slice_of(view(FunctionField(counted, (2,), vectorised=True)), ((-1, 1), (-1, 1)), 30)
    assert len(calls) == 1


def test_spread_prefers_what_is_far() -> None:
    lines = [np.array([[0.0, y], [1.0, y]]) for y in (0.5, 0.55, 0.0, 1.0)]
    assert set(orbits.spread(lines, np.array([line[0] for line in lines]))) == {0, 2, 3}


def test_limits_are_honoured() -> None:
    found = geometry(swirl(), (-1, 7), (0, 3), ["quiver", "orbits", "rest"])
    assert (found.xlim, found.ylim) == ((-1, 7), (0, 3))
    assert found.arrows_at.min() > -1
    assert found.arrows_at[:, 0].max() < 7
    picture = pictures.portrait(swirl(), geometry=found)
    assert picture.ax.get_xlim() == (-1, 7)
    assert picture.ax.get_ylim() == (0, 3)
    assert geometry(swirl(), (100, 101), (0, 1)).rest_types == ()


# --- artists and files ------------------------------------------------------------------------------------------------


def test_every_layer_returns_its_artists(drawn: Geometry) -> None:
    ax = Figure().add_subplot()
    picture = pictures.portrait(swirl(), ax, drawn)
    assert picture.ax is ax
    for name in LAYERS:
        assert bool(picture.artists[name]) == (name != "separatrices"), name  # swirl has no saddle
    assert set(picture.artists) == {*LAYERS, "track"}
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "cycle, period 6.4889 (numerical)" in names
    assert "unstable focus: λ = 0.371 ± 0.657i" in names
    assert ax.get_xlabel() == "log-odds of a1 at s0 (nats)"
    assert ax.get_title() == "swirl: reverse-kl + R"


def test_side_by_side_shares_the_axes() -> None:
    left, right = pictures.side_by_side(swirl(), swirl("reverse-kl-corrected"), ["quiver", "rest"])
    assert left.figure is right.figure
    assert left.ax.get_xlim() == right.ax.get_xlim()
    assert left.ax.get_ylim() == right.ax.get_ylim()
    assert left.geometry.rest_types + right.geometry.rest_types == ("unstable focus", "stable node")
    with pytest.raises(ValueError, match=r"^the fields have shapes \(2, 2\) and \(2,\); must be the same$"):
        pictures.side_by_side(swirl(), CENTRE)


def test_nothing_lies_outside_of_the_figure_or_over_the_axes(drawn: Geometry) -> None:
    made = pictures.portrait(swirl(), geometry=drawn)
    pictures.rendered(made.figure, ".png")
    page = made.figure.bbox
    assert made.series_ax is not None
    for ax in (made.ax, made.series_ax):
        legend, square = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert legend.y1 < square.y0
        assert legend.y0 > page.y0
        assert legend.x0 > page.x0
        assert legend.x1 < page.x1


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_bytes_every_time(suffix: str, drawn: Geometry, tmp_path: Path) -> None:
    places = [tmp_path / f"{k}{suffix}" for k in (0, 1)]
    for place in places:
        pictures.save(pictures.portrait(swirl(), geometry=drawn).figure, place)
    assert places[0].read_bytes() == places[1].read_bytes()
    assert len(places[0].read_bytes()) > 10_000


def test_the_same_geometry_in_another_process(tmp_path: Path) -> None:
    code = (
        "from dynamics.portraits import geometry; from dynamics.fields import Field; from mdp import zoo\n"
        "import sys\n"
        "geometry(Field(zoo.load('swirl'), 'reverse-kl-corrected', reward=True)).save(sys.argv[1])"
    )
    places = [tmp_path / "a.npz", tmp_path / "b.npz"]
    subprocess.run([sys.executable, "-c", code, str(places[0])], check=True)
    geometry(swirl("reverse-kl-corrected")).save(places[1])
    assert places[0].read_bytes() == places[1].read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_geometry_round_trip(suffix: str, drawn: Geometry, tmp_path: Path) -> None:
    for name, one in {
        "all": drawn,
        "few": geometry(Field(zoo.load("fig2"), "n-distill", reward=True), layers=["quiver"]),
        "triangle": geometry(Field(zoo.load("bandit"), "on-policy"), layers=["curl"], chart="probabilities"),
    }.items():
        path = tmp_path / f"{name}{suffix}"
        one.save(path)
        again = shapes.load(path)
        assert json.dumps(again.to_json()) == json.dumps(one.to_json())
        for key, value in vars(one).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(again, key), value)
                assert getattr(again, key).dtype == value.dtype
            else:
                assert type(getattr(again, key)) is type(value)
        pictures.portrait(swirl(), geometry=again)


def test_redraw_moves_arrows_and_nullclines() -> None:
    base = geometry(swirl(), (1, 4), (-1, 3), ["quiver", "nullclines", "rest"], arrows=30)
    picture = pictures.portrait(swirl(), geometry=base)
    arrows, lines = picture.artists["quiver"][0], picture.artists["nullclines"]
    moved = pictures.redraw(picture, swirl("reverse-kl-corrected"))
    fresh = geometry(swirl("reverse-kl-corrected"), (1, 4), (-1, 3), ["quiver", "nullclines"], arrows=30)
    np.testing.assert_array_equal(moved.geometry.arrows, fresh.arrows)
    assert moved.artists["quiver"] == [arrows]
    assert moved.artists["nullclines"] == lines
    assert moved.geometry.rest_types == ()
    assert moved.ax.get_title() == "swirl: reverse-kl-corrected + R"
    with pytest.raises(ValueError, match=r"^the field has 3 coordinates; the picture's has 2$"):
        pictures.redraw(moved, Field(zoo.load("corridor-cycle"), "on-policy"))


def test_dollars_in_names_are_letters() -> None:
    world = zoo.load("swirl").replace(states=["$a", "b$"])
    picture = pictures.portrait(Field(world, "reverse-kl"), layers=["quiver"])
    pictures.rendered(picture.figure, ".png")
    assert "at \\$a" in picture.ax.get_xlabel()


# --- names and mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coords", "pick"),
    [
        ("s0,s2", (0, 2)),
        ("s2, s1:right", (2, 1)),
        ("0:1,2:1", (0, 2)),
        ("1,0", (1, 0)),
        ([(0, 0), (2, 0)], (0, 2)),
        ([0, 1], (0, 1)),
    ],
)
def test_names_of_coordinates(coords: Any, pick: tuple[int, int]) -> None:
    assert view(Field(zoo.load("corridor-cycle"), "on-policy"), coords=coords).pick == pick


def test_names_may_hold_commas_and_share_observations() -> None:
    world = zoo.load("swirl").replace(states=["(0, 0)", "(0, 1)"])
    assert view(Field(world, "on-policy"), coords="(0, 1),(0, 0)").pick == (1, 0)
    aliased = view(Field(zoo.load("aliased-cycle"), "on-policy"), coords="s1,s2")
    assert aliased.labels == ("log-odds of a1 at s1", "log-odds of a1 at s0, s2")
    three = view(Field(random.episodic(0, 2, 3), "on-policy"), coords="0:2,1:1")
    assert three.pick == (1, 2)
    assert three.labels[0].startswith("log-odds of a2 over a0 at")


ONE = FunctionField(lambda x: -x, (1,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["quivver"]}, "layers: unknown 'quivver'; the nearest is 'quiver'"),
        ({"xlim": (1, 1)}, "xlim is (1, 1); must be two finite numbers, the smaller first"),
        ({"coords": "s0"}, "coords is 's0'; must name two different coordinates, as in A,B"),
        ({"coords": "s0,s0"}, "coords is 's0,s0'; must name two different coordinates"),
        ({"coords": "s0,s7"}, "coords: unknown 's7'; the nearest is"),
        ({"coords": "s0,s1:a0"}, "coords: 'a0' is the action that the others are compared with; name another"),
        ({"coords": "0:1,9:1"}, "coords: observation '9'; must be a number from 0 to 1"),
        ({"coords": [(0, 0), (2, 0)]}, "coords: (2, 0) is outside of (2, 1)"),
        ({"chart": "odds"}, "chart: unknown 'odds'"),
        ({"theta0": [1.0]}, "theta0 has shape (1,); must be (2, 2), and finite"),
        ({"held": [[np.nan, 0], [0, 0]]}, "held has shape (2, 2); must be (2, 2), and finite"),
        ({"arrows": 1}, "1 arrows a side; must be at least 2"),
        ({"field": ONE}, "the field has one coordinate; a phase portrait needs two"),
        (
            {"field": CENTRE, "chart": "probabilities"},
            "chart 'probabilities' needs rows of logits; this field has none",
        ),
        ({"field": CENTRE, "coords": "0,2"}, "coords: coordinate '2'; must be a number from 0 to 1"),
    ],
)
def test_mistakes_are_one_line(options: dict[str, Any], message: str) -> None:
    field = options.pop("field", swirl())
    with pytest.raises(ValueError) as error:
        geometry(field, **options)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_files_of_another_kind(tmp_path: Path, drawn: Geometry) -> None:
    with pytest.raises(ValueError, match=r"x\.txt: has the suffix '\.txt'; must be \.npz or \.json$"):
        drawn.save(tmp_path / "x.txt")
    with pytest.raises(
        ValueError, match=r"x\.jpg: has the suffix '\.jpg'; a figure is saved as \.png, \.svg or \.pdf$"
    ):
        pictures.save(Figure(), tmp_path / "x.jpg")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bad\.json: holds no geometry of a portrait"):
        shapes.load(tmp_path / "bad.json")


def test_what_a_picture_is_called() -> None:
    assert plane.name_of(Field(zoo.load("swirl"), "reward", reward=True)) == "swirl: reward"
    field = Field(zoo.load("chain"), "on-policy", control="teacher", alpha="1/4")
    assert plane.name_of(field) == "chain: on-policy, alpha 0.25, control teacher"
    assert plane.name_of(CENTRE) == ""


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["portrait", "swirl", "--rule", "reverse-kl", "--reward", "--with", "reverse-kl-corrected", "-o", "a.svg"]
    line += ["--layers", "nullclines,cycle,rest"]
    assert main([*line, "--data", "a.json", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["files"] == ["a.svg", "a.json", "a-2.json"]
    assert [side["rest_points"][0]["type"] for side in answer["portraits"]] == ["unstable focus", "stable node"]
    assert answer["portraits"][0]["cycles"][0]["period"] == pytest.approx(6.48894425, abs=5e-8)
    assert shapes.load("a-2.json").rest_types == ("stable node",)
    assert main([*line[:5], "-o", "b.png", "--layers", "quiver", "--xlim", "-1,3", "--series", "--theta0", "zero"]) == 0
    assert "written: b.png" in capsys.readouterr().out
    assert Path("b.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-o", "x.jpg"], "x.jpg: has the suffix '.jpg'; must be .png, .svg, .pdf"),
        (["-o", "none/x.png"], "none/x.png: there is no folder 'none' to write it to"),
        (["-o", "folder.png", "--layers", "quiver"], "folder.png: Is a directory"),
        (["-o", "x.png", "--data", "x.csv"], "x.csv: has the suffix '.csv'; must be .npz, .json"),
        (["-o", "x.png", "--xlim", "3,1"], "--xlim is '3,1'; the first number must be the smaller"),
        (["-o", "x.png", "--ylim", "3"], "--ylim is '3'; must be two numbers, as in -3,3"),
        (["-o", "x.png", "--layers", "rost"], "layers: unknown 'rost'; the nearest is 'rest'"),
        (["-o", "x.png", "--coords", "s0,t1"], "coords: unknown 't1'; the nearest is 's1'"),
        (["-o", "x.png", "--with", "reverse"], "unknown"),
        ([], "Missing option '-o'"),
    ],
)
def test_the_commands_mistakes(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    assert main(["portrait", "swirl", "--rule", "reverse-kl", *args]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("\n") == 1
