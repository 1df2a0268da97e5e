"""The checker's facts about boxes of differences of logits: true ones pass, and each falls with one changed number.

Where the zeros are is known from elsewhere: matching pennies rests at 0, the corrected reverse KL at the teacher, the
others from docs (`swirl`); fields are held against the checker's other evaluation of eq. (1) and against differences.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from test_check import certificate, field, loop

from mdp import random, zoo
from proofs.checker import check
from proofs.checker.boxes import crossing, dulac, planar, polygons, reduced
from proofs.checker.boxes import zeros as boxes
from proofs.checker.boxes.plan import plan
from proofs.checker.identities.numerical import flow_of
from proofs.checker.identities.update import concrete, control, visits
from proofs.checker.numbers import intervals, jets, spectrum
from proofs.checker.numbers.dual import Duals
from proofs.checker.numbers.floats import Floats
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.field import read_field
from proofs.checker.reading.rules import TABLE

SWIRL = field(zoo.load("swirl"), "reverse-kl", reward=True)
CORRECTED = field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
PENNIES = field(zoo.load("fig2"), "on-policy", reward=True)
POINT = [["2.7930", "2.7931"], ["1.1359", "1.1361"]]
WIDE = [["-12", "12"], ["-12", "12"]]
TRAP = [["-1/2", "4"], ["-3/2", "20"]]


def ellipse(middle: tuple[float, float], J: Any, radius: float, n: int = 24) -> list[list[str]]:
    """A polygon in the level x^T M x = radius², J^T M + M J = 1, which the flow of a source leaves."""
    a, b, c, d = np.asarray(J).ravel()
    system = [[2 * a, 2 * c, 0], [b, a + d, c], [0, 2 * b, 2 * d]]
    m, k, n_ = np.linalg.solve(system, [1, 0, 1])
    root = np.linalg.inv(np.linalg.cholesky(np.array([[m, k], [k, n_]])).T)
    turns = (2 * math.pi * i / n for i in range(n))
    points = [np.asarray(middle) + radius * root @ [math.cos(t), math.sin(t)] for t in turns]
    return [[str(Fraction(float(x))) for x in point] for point in points]


def jacobian(stated: dict[str, Any], at: tuple[float, float]) -> Any:
    """∂Z/∂z by differences."""
    F = flow_of(read_field(stated, "field"))

    def Z(x: float, y: float) -> Any:
        f = F([0, x, 0, y])
        return np.array([f[1] - f[0], f[3] - f[2]])

    (x, y), h = at, 1e-5
    return np.column_stack([Z(x + h, y) - Z(x - h, y), Z(x, y + h) - Z(x, y - h)]) / (2 * h)


INNER = ellipse((2.79304, 1.13600), jacobian(SWIRL, (2.79304, 1.13600)), 0.02, 160)
OUTER = [["-1/2", "-3/2"], ["4", "-3/2"], ["4", "20"], ["-1/2", "20"]]
TEACHER = [["0.69", "0.70"], ["1.09", "1.10"]]  # log 2 and log 3

REST = {"kind": "rest-points", "field": SWIRL, "box": WIDE, "points": [{"box": POINT, "type": "source"}]}
BOX = {"kind": "trapping-box", "field": SWIRL, "box": TRAP, "rest_point": POINT}
RING = {"kind": "annulus", "field": SWIRL, "outer": OUTER, "inner": INNER, "crossing": "inward"}
NONE = {
    "kind": "no-cycle-box",
    "field": field(zoo.load("fig2"), "n-distill", reward=True),
    "box": [["-2", "2"], ["-2", "2"]],
    "dulac": {"exp": ["-1", "1/16"], "bump": ["-7/8", "-1"], "det": "-1", "visits": ["-1", "1", "-1"]},
    "sign": "-",
}
BANDIT = {
    "kind": "settles",
    "field": field(loop(3), "reverse-kl-corrected"),
    "box": [["1/5", "6/5"], ["3/5", "8/5"]],
    "points": [{"box": TEACHER, "type": "sink"}],
}
FACTS = {fact["kind"]: fact for fact in (REST, BOX, RING, NONE, BANDIT)}


def reason(fact: Any) -> str | None:
    """Why the fact is refused, None where it is not; one line that names it."""
    found = check(certificate(fact)).reason
    assert found is None or (found.startswith("fact 1 (") and "\n" not in found)
    return found


@pytest.mark.parametrize("kind", FACTS)
def test_what_is_true_passes(kind: str) -> None:
    assert reason(FACTS[kind]) is None


def moved(polygon: list[list[str]], by: float) -> list[list[str]]:
    return [[str(Fraction(x) + Fraction(by)), y] for x, y in polygon]


def dented(polygon: list[list[str]]) -> list[list[str]]:
    """The second vertex carried across to the other side."""
    return [polygon[0], polygon[len(polygon) // 2], polygon[1], *polygon[2:]]


TYPED = {"box": POINT, "type": "sink"}
ASIDE = [["2.7931", "2.7932"], ["1.1359", "1.1361"]]
LOOP = {"exp": ["0", "0"], "bump": ["-1", "-1"], "det": "1", "visits": ["-1", "-1"]}
FALSE = [
    ("rest-points", {"points": []}, "another cannot be excluded near (2.79304, 1.136)"),
    ("rest-points", {"points": [TYPED]}, "the checker finds source"),
    ("rest-points", {"points": [TYPED | {"type": "saddle"}]}, "the checker finds source"),
    (
        "rest-points",
        {"points": [TYPED | {"box": ASIDE}]},
        "points[0]: the zero near it, (2.79304, 1.136), is not in it",
    ),
    ("rest-points", {"points": [REST["points"][0], TYPED | {"box": [["5", "6"], ["5", "6"]]}]}, "points[1]:"),  # type: ignore[index]
    ("rest-points", {"points": [REST["points"][0], TYPED | {"box": ASIDE}]}, "points[1]: meets points[0]"),  # type: ignore[index]
    ("rest-points", {"box": [["-12", "2.79305"], ["-12", "12"]]}, "points[0]: not inside the box"),
    ("rest-points", {"field": CORRECTED}, "points[0]: no zero is found in it"),
    ("trapping-box", {"box": [["-12", "4"], ["-3/2", "20"]]}, "box[1][1]: Z is not seen to point inward"),
    ("trapping-box", {"box": [["-1/2", "3"], ["-3/2", "20"]]}, "box[0][1]: Z points outward on that face"),
    ("trapping-box", {"rest_point": ASIDE}, "is not in it"),
    ("trapping-box", {"rest_point": [["2.79", "4"], ["1.1359", "1.1361"]]}, "not in the interior"),
    ("trapping-box", {"field": CORRECTED, "rest_point": [["3.3", "3.4"], ["1.9", "2"]]}, "trace and determinant"),
    ("annulus", {"crossing": "outward"}, "outer[0]: Z crosses the edge from that vertex the other way"),
    ("annulus", {"outer": OUTER[::-1]}, "outer: clockwise"),
    ("annulus", {"inner": INNER[::-1]}, "inner: clockwise"),
    ("annulus", {"inner": dented(INNER)}, "inner: the edges from vertices"),
    ("annulus", {"inner": moved(INNER, 3.0)}, "inner: not inside of outer"),
    ("annulus", {"inner": moved(INNER, 1.2)}, "meets that of outer"),
    ("annulus", {"inner": moved(INNER, 0.02)}, "the other way"),
    ("annulus", {"inner": [OUTER[0], *OUTER]}, "inner[0]: an edge of length 0"),
    ("annulus", {"outer": [["0", "0"], ["2", "0"], ["1", "0"]]}, "turns back on itself"),
    ("annulus", {"outer": OUTER[:2]}, "outer: 2 vertices"),
    ("annulus", {"inner": OUTER}, "meets that of outer"),
    ("annulus", {"field": CORRECTED, "inner": moved(INNER, -2.0)}, "inner["),
    ("no-cycle-box", {"sign": "+"}, "sign: the divergence has the other sign"),
    ("no-cycle-box", {"field": SWIRL, "box": TRAP, "dulac": LOOP}, "sign: the divergence"),
    (
        "no-cycle-box",
        {"field": SWIRL, "box": TRAP, "dulac": LOOP, "sign": "+"},
        "sign: the divergence has the other sign",
    ),
    ("settles", {"points": []}, "another cannot be excluded"),
    ("settles", {"points": [{"box": TEACHER, "type": "source"}]}, "the checker finds sink"),
    ("settles", {"box": [["-2", "3"], ["-2", "3"]]}, "Z points outward on that face"),
    ("settles", {"field": field(loop(3), "reverse-kl")}, "∂F_i/∂theta_j"),
]


@pytest.mark.parametrize(("kind", "change", "said"), FALSE)
def test_what_is_false_is_refused(kind: str, change: dict[str, Any], said: str) -> None:
    found = reason(FACTS[kind] | change)
    assert found is not None and said in found


def test_a_zero_in_the_ring_is_found() -> None:
    """However the polygons are crossed: here the inner one lies beside the zero."""
    on, beside = boxes.system(read_field(SWIRL, "field")), [["0", "5"], ["0.1", "5"], ["0", "5.1"]]
    outer, inner = polygons.polygons([[[Fraction(x) for x in v] for v in polygon] for polygon in (OUTER, beside)])
    with pytest.raises(Refused, match=r"a zero in the ring cannot be excluded near \(2.79304, 1.136\)"):
        crossing.check_ring(on, outer, inner)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("rest-points", {"box": [["-12", "12"]]}, "box: 1 entries; must be 2"),
        ("rest-points", {"box": [["12", "-12"], ["0", "1"]]}, "box[0]: from 12 to -12; must rise"),
        ("rest-points", {"box": [["1", "1"], ["0", "1"]]}, "must rise"),
        ("rest-points", {"box": [["-1", "251"], ["0", "1"]]}, "reaches beyond ±250"),
        ("rest-points", {"box": [[1, 2], ["0", "1"]]}, "box[0][0]: 1 is no rational"),
        ("rest-points", {"points": {}}, "is no list"),
        ("rest-points", {"points": [{"box": POINT}]}, "the key 'type' is missing"),
        ("rest-points", {"points": [{"box": POINT, "type": "focus"}]}, "must be one of source"),
        ("rest-points", {"points": [{"box": POINT, "type": "sink", "more": 1}]}, "the key 'more' is unknown"),
        ("rest-points", {"points": [{"box": POINT, "type": "sink"}] * 101}, "points: 101; at most 100"),
        ("rest-points", {"field": field(zoo.load("swirl"), "value-gate")}, "the rule has a gate"),
        ("rest-points", {"field": {"generic": {"states": 2, "actions": 2}}}, "missing"),
        ("trapping-box", {"field": field(loop(2), "on-policy")}, "1 differences of logits; must be 2"),
        ("annulus", {"crossing": "in"}, "must be inward or outward"),
        ("annulus", {"outer": [["0"], ["1"], ["2"]]}, "outer[0]: 1 entries; must be 2"),
        ("annulus", {"outer": [["0", "1" * 500], ["1", "1"], ["2", "0"]]}, "at most 400"),
        ("no-cycle-box", {"sign": "-1"}, 'must be "+" or "-"'),
        ("no-cycle-box", {"dulac": {"exp": ["0", "0"]}}, "the key 'bump' is missing"),
        ("no-cycle-box", {"dulac": LOOP}, "dulac.visits: 2 entries; must be 3"),
        ("no-cycle-box", {"field": field(loop(3), "on-policy")}, "must have two actions"),
        ("settles", {"extra": 1}, "the key 'extra' is unknown"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line(kind: str, change: dict[str, Any], said: str) -> None:
    found = reason(FACTS[kind] | change)
    assert found is not None and said in found


def test_a_state_that_is_never_visited() -> None:
    """Its parameters never move, so no zero is isolated; and no power of its visits makes a Dulac function."""
    model = copy.deepcopy(SWIRL)
    model["mdp"]["P"][0] = [["1", "0"], ["1", "0"]]
    model["mdp"]["initial"] = ["1", "0"]
    assert "no state with observation 1 is ever visited" in str(reason(REST | {"field": model}))


def test_types_where_the_answer_is_known() -> None:
    """Matching pennies has a centre at 0, which is none of the types; the bandit's sink at the teacher is no source."""
    centre = {"box": [["-1/8", "1/8"]] * 2, "type": "undecided"}
    fact = {"kind": "rest-points", "field": PENNIES, "box": [["-4", "4"]] * 2, "points": [centre]}
    assert reason(fact) is None
    assert "the checker finds undecided" in str(reason(fact | {"points": [centre | {"type": "source"}]}))


def test_a_box_in_one_dimension_settles() -> None:
    """One state, two actions, the teacher 1/3, 2/3: reverse KL with its correction rests there, z = log 2."""
    point = {"box": [["0.693", "0.694"]], "type": "sink"}
    fact = {"kind": "settles", "field": field(loop(2), "reverse-kl-corrected"), "box": [["0", "1"]], "points": [point]}
    assert reason(fact) is None
    assert reason(fact | {"box": [["0.7", "1"]], "points": []}) is not None


def test_every_number_matters() -> None:
    """Each end of each range, moved past what it encloses, makes the fact false, and is caught."""
    for axis in (0, 1):
        for end in (0, 1):
            shifted = copy.deepcopy(REST)
            shifted["points"][0]["box"][axis][end] = shifted["points"][0]["box"][axis][1 - end]  # type: ignore[index]
            assert "is not in it" in str(reason(shifted))
    model = copy.deepcopy(REST)
    model["field"]["mdp"]["R"][0][0] = "3"  # type: ignore[index]
    assert "points[0]: no zero is found in it" in str(reason(model))


# --- the parts ----------------------------------------------------------------------------------------------------


def cases() -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Fields over models with aliasing and three actions, every rule without a gate, and coordinates."""
    generator = np.random.default_rng(5)
    for k, observations in enumerate((3, 2)):
        model = random.episodic(k, 3, 2 + k, discount="9/10", observations=observations)
        for at, rule in enumerate(rule for rule in TABLE if rule != "value-gate"):
            about = ("student", "mix:1/3", "uniform", "teacher")[(at + k) % 4], bool(at % 2)
            stated = field(model, rule, *about, "3/2")
            yield stated, list(generator.uniform(-1.5, 1.5, observations * (1 + k)))


def test_z_in_differences_is_eq_1() -> None:
    """In floats against the checker's F; and the enclosure over a box holds the values at its corners and within."""
    generator = np.random.default_rng(6)
    for stated, z in cases():
        made = read_field(stated, "field")
        flow, n = flow_of(made), made.n_actions

        def Z(at: Any, made: Any = made, flow: Any = flow, n: int = n) -> list[float]:
            theta = [x for o in range(made.n_observations) for x in (0.0, *at[o * (n - 1) : (o + 1) * (n - 1)])]
            F = flow(theta)
            return [F[o * n + a] - F[o * n] for o in range(made.n_observations) for a in range(1, n)]

        exact, floats = Z(z), plan(made, Floats())
        rows = [[1.0, *(math.exp(x) for x in z[o * (n - 1) : (o + 1) * (n - 1)])] for o in range(made.n_observations)]
        found = reduced.flow(floats, [[x / sum(row) for x in row] for row in rows], near=[1.0, -2.0, 3.0], full=True)
        assert pytest.approx(exact, rel=1e-9, abs=1e-11) == found.Z
        on = boxes.system(made)
        box = tuple((x - 0.1, x + 0.07) for x in z)
        rows_of_jets = boxes.by_observation(on, jets.variables(box))
        over = reduced.flow(on.jets, rows_of_jets, boxes.near_values(on, rows_of_jets), full=True).Z or []
        for _ in range(4):
            inside = [
                low + (high - low) * u for (low, high), u in zip(box, generator.uniform(0, 1, len(z)), strict=True)
            ]
            for x, jet in zip(Z(inside), over, strict=True):
                assert jet.range[0] - 1e-9 <= x <= jet.range[1] + 1e-9


@pytest.mark.parametrize("name", ["swirl", "aliased-cycle"])
def test_the_divergence_against_differences(name: str) -> None:
    """div(D Z)/D by differences of floats, log D from the checker's own visits; and on a box it is enclosed."""
    stated = field(zoo.load(name), "reverse-kl", reward=True)
    made = read_field(stated, "field")
    on, flow, n = boxes.system(made), flow_of(made), made.n_states
    weight = dulac.Weight(
        (Fraction(1, 2), Fraction(-1)),
        (Fraction(2), Fraction(-1, 3)),
        Fraction(3),
        tuple(map(Fraction, range(2, 2 + n))),
    )
    numbers = Floats()
    world = concrete(made, numbers)

    def policy(z: Any) -> list[list[float]]:
        p = [1 / (1 + math.exp(-x)) for x in z]
        return [[1 - p[o], p[o]] for o in made.observation]

    def log_weight(z: Any) -> float:
        q = control(made, numbers, world, policy(z))
        P = np.array([[sum(q[s][a] * world.P[s][a].get(t, 0.0) for a in (0, 1)) for t in range(n)] for s in range(n)])
        p = [1 / (1 + math.exp(-x)) for x in z]
        found = sum(float(a) * x for a, x in zip(weight.exp, z, strict=True))
        found += sum(float(k) * math.log(x * (1 - x)) for k, x in zip(weight.bump, p, strict=True))
        found += float(weight.det) * math.log(np.linalg.det(np.eye(n) - float(world.discount) * P))
        d = visits(numbers, world, q)
        return found + sum(float(j) * math.log(x) for j, x in zip(weight.visits, d, strict=True))

    def Z(z: Any) -> list[float]:
        F = flow([0.0, z[0], 0.0, z[1]])
        return [F[1] - F[0], F[3] - F[2]]

    z, h = [0.4, -0.7], 1e-5
    expected = 0.0
    for i in range(2):
        up, down = ([x + s * h * (k == i) for k, x in enumerate(z)] for s in (1, -1))
        expected += (Z(up)[i] - Z(down)[i]) / (2 * h) + Z(z)[i] * (log_weight(up) - log_weight(down)) / (2 * h)
    moving = plan(made, Duals(jets.Jets()))
    found = dulac.divergence(on, moving, tuple((x, x) for x in z), weight)
    single = all(len(states) == 1 for states in moving.visited)
    factor = 2 * visits(numbers, world, policy(z))[moving.visited[0][0]] if single else 1.0
    assert factor * found.middle[0] == pytest.approx(expected, rel=1e-6)
    wide = dulac.divergence(on, moving, tuple((x - 0.01, x + 0.02) for x in z), weight)
    assert wide.range[0] < found.middle[0] < wide.range[1]


def test_intervals_hold_exact_results() -> None:
    generator = np.random.default_rng(2)
    operations = [intervals.add, intervals.subtract, intervals.multiply, intervals.divide]
    exact = [lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y]
    for _ in range(500):
        ends = generator.normal(size=4) * 10.0 ** generator.integers(-9, 9, 4)
        x, y = tuple(sorted(ends[:2])), tuple(sorted(ends[2:]))
        for k in range(4):
            if k == 3 and y[0] <= 0 <= y[1]:
                with pytest.raises(intervals.Wide):
                    intervals.divide(x, y)  # type: ignore[arg-type]
                continue
            low, high = operations[k](x, y)  # type: ignore[arg-type]
            all_ends = [exact[k](Fraction(float(u)), Fraction(float(v))) for u in x for v in y]
            assert low <= min(all_ends) and max(all_ends) <= high
            assert high - low <= float(max(all_ends) - min(all_ends)) * (1 + 1e-9) + 1e-12 * float(
                max(map(abs, all_ends))
            )


def test_exp_and_log_hold_the_truth() -> None:
    generator = np.random.default_rng(3)
    with mpmath.workprec(200):
        for x in [
            *generator.uniform(-590, 590, 200),
            *generator.normal(size=200),
            *10.0 ** generator.uniform(-20, 0, 50),
        ]:
            low, high = intervals.exp((float(x), float(x)))
            assert low <= mpmath.exp(mpmath.mpf(float(x))) <= high <= low * (1 + 1e-15)
            for y in (abs(float(x)), 1 + float(x) * 1e-9 if abs(x) < 1 else 2.0):
                low, high = intervals.log((y, y))
                assert low <= mpmath.log(mpmath.mpf(y)) <= high and high - low <= 1e-15 * abs(high) + 1e-26


def test_nothing_passes_that_is_no_number() -> None:
    for x, y in (((1e200, 1e200), (1e200, 1e200)), ((0.0, math.inf), (0.0, 1.0)), ((math.nan, 1.0), (1.0, 2.0))):
        with pytest.raises(intervals.Wide):
            intervals.multiply(x, y)
    with pytest.raises(intervals.Wide):
        intervals.exp((0.0, 700.0))
    with pytest.raises(intervals.Wide):
        intervals.log((0.0, 1.0))


def test_spectra_against_numpy() -> None:
    generator = np.random.default_rng(4)
    for _ in range(100):
        n = int(generator.integers(1, 6))
        A = generator.normal(size=(n, n))
        found = spectrum.to_the_right([[(float(x), float(x)) for x in row] for row in A])
        assert found == int((np.linalg.eigvals(A).real > 0).sum())
    assert spectrum.to_the_right([[(0.0, 0.0), (1.0, 1.0)], [(-1.0, -1.0), (0.0, 0.0)]]) is None


def test_polygons_that_are_not_simple() -> None:
    square = [(0, 0), (4, 0), (4, 4), (0, 4)]
    polygons.check_simple(polygons.Polygon(tuple(square), 1), "outer")
    wrong = [
        [(0, 0), (4, 4), (4, 0), (0, 4)],  # a bow tie
        [(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)],  # a vertex on another edge
        [(0, 0), (4, 0), (2, 2), (4, 4), (0, 4), (2, 2)],  # a vertex twice
        [(0, 0), (4, 0), (4, 4), (4, 2), (0, 4)],  # an edge that turns back
        [(0, 0), (0, 0), (4, 0), (4, 4)],
        square[::-1],
    ]
    for points in wrong:
        with pytest.raises(Refused):
            polygons.check_simple(polygons.Polygon(tuple(points), 1), "outer")


def test_boxes_and_their_ends() -> None:
    """A rational end that is no double is rounded outward: nothing at the edge of a box is lost."""
    ((low, high),) = boxes.outward(((Fraction(1, 10), Fraction(1, 3)),))
    assert Fraction(low) <= Fraction(1, 10) and Fraction(high) >= Fraction(1, 3)
    assert not boxes.within(((low, high),), ((Fraction(1, 10), Fraction(1, 3)),))
    with pytest.raises(Refused, match="must rise"):
        planar.read_box([["0", "0"]], "box", 1)


def test_the_budget_ends_every_search() -> None:
    on = boxes.system(read_field(SWIRL, "field"))
    on.budget.left = 10 * on.budget.price
    with pytest.raises(Refused, match="too many boxes"):
        boxes.only_zeros(on, ((Fraction(-12), Fraction(12)),) * 2, [], "points")
