"""The command `sweep`: the file and its laws, cases as arithmetic, rows, tables against a second count, resuming."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from dynamics.choice import side
from dynamics.experiments import ALL_KINDS, Tally, nothing
from dynamics.experiments.tallies import Median
from dynamics.fields import Field
from mdp import io, random, solve, zoo
from tests.test_reproduce import contents, finished
from vorticity.commands.main import main
from vorticity.runs import store, sweep, sweep_file

Capture = pytest.CaptureFixture[str]
DOCS = Path(__file__).resolve().parent.parent / "docs"
SMALL = """
title = "small"
mdps = ["chain", "mine.json"]
rules = ["er", "own.py:mine"]
teachers = ["own", "optimal"]
time = 20
limit = 40

[[family]]
kind = "episodic"
states = 2
actions = 2
seeds = 2
"""
OWN = """
from dynamics.rules import CROSS_ENTROPY, REVERSE_KL, Rule
mine = Rule("mine", "half and half", "student", loss=(CROSS_ENTROPY + REVERSE_KL) / 2)
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A sweep of 16 cases with an MDP file and a rule file beside it."""
    (tmp_path / "own.py").write_text(OWN)
    io.write(zoo.load("fig2").replace(loss=None, teacher=[["1/4", "3/4"]] * 3), tmp_path / "mine.json")
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path / "small.toml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return path


# --- cases are arithmetic ---------------------------------------------------------------------------------------------


def test_cases_are_the_product_in_order_and_numbered(small: Path) -> None:
    asked = sweep_file.read(small)
    cases = list(asked.cases())
    assert len(cases) == asked.size == 16
    assert [asked.place(case)[0] for case in cases] == list(range(16))  # type: ignore[index]
    assert len({store.case_key(case) for case in cases}) == 16
    assert [case["mdp"] for case in cases[::4]] == ["chain", "mine.json", "episodic", "episodic"]
    assert [(case["teacher"], case["rule"]) for case in cases[:4]] == [
        (teacher, rule) for teacher in ("own", "optimal") for rule in ("er", "own.py:mine")
    ]


HUGE = """
rules = ["er", "reverse-kl", "on-policy"]
reward = [false, true]
alpha = [0.1, "1/3", 2]
starts = ["zero", "random:3..1000000000"]
[[family]]
kind = "garnet"
states = [3, 4, 5]
seeds = [1000000000, "2000000000..2000000009"]
"""


@given(st.integers(0, 10**22))
def test_a_huge_sweep_is_numbered_both_ways(k: int) -> None:
    asked = HELD
    k %= asked.size
    found = asked.place(asked.case(k))
    assert found is not None and found[0] == k


HELD = sweep_file._sweep(sweep_file._parsed(HUGE.encode()), Path())


def test_a_huge_sweep_is_counted_at_once(tmp_path: Path, capsys: Capture) -> None:
    assert HELD.size == 3 * (10**9 + 10) * 3 * 2 * 3 * (1 + 10**9 - 2)
    assert main(["sweep", str(written(tmp_path, HUGE)), "--count"]) == 0
    shown = capsys.readouterr().out
    assert f"{HELD.size} cases" in shown and "garnet states=3 (seeds 2000000000 to 2000000009)" in shown
    assert list(tmp_path.iterdir()) == [tmp_path / "a.toml"]
    assert HELD.place(HELD.case(0) | {"alpha": "1/4"}) is None and HELD.place(HELD.case(0) | {"seed": -1}) is None
    assert HELD.place(HELD.case(0) | {"limit": 1.0}) is None


def test_a_file_is_known_by_what_it_says(small: Path) -> None:
    keys = [store.case_key(case) for case in sweep_file.read(small).cases()]
    (small.parent / "own.py").write_text("# the same rule\n" + OWN)
    table = json.loads((small.parent / "mine.json").read_text())
    (small.parent / "mine.json").write_text(json.dumps(table, indent=3))
    assert [store.case_key(case) for case in sweep_file.read(small).cases()] == keys
    (small.parent / "own.py").write_text(OWN.replace("/ 2", "/ 3"))
    (small.parent / "mine.json").write_text(json.dumps(table | {"discount": "98/100"}))
    now = [store.case_key(case) for case in sweep_file.read(small).cases()]
    changed = [a != b for a, b in zip(keys, now, strict=True)]
    assert changed == ["own.py" in key or "mine.json" in key for key in keys]


# --- the laws of the file ---------------------------------------------------------------------------------------------

FAMILY = 'rules = "er"\n[[family]]\nkind = "garnet"\n'


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("rules = [", "is not TOML: "),
        ('rules = ["er"]\nmdps = ["swirl"]\nalphas = 1', "key: unknown 'alphas'; the nearest is 'alpha'"),
        ('mdps = "swirl"', "rules is missing"),
        ('rules = "er"', "there is no MDP"),
        ('rules = []\nmdps = "swirl"', "rules is empty; must hold at least one value"),
        ('rules = "reverse_kl"\nmdps = "swirl"', "rules: rule: unknown 'reverse_kl'; the nearest is 'reverse-kl'"),
        ('rules = ["er", "er"]\nmdps = "swirl"', "rules[1] is 'er', which rules[0] holds already; must differ"),
        ('rules = "er"\nmdps = ["swirl", "swrl"]', "mdps[1]: zoo: unknown 'swrl'; the nearest is 'swirl'"),
        ('rules = "er"\nmdps = "no.json"', "mdps: "),
        ('rules = "no.py:x"\nmdps = "swirl"', "no.py cannot be read"),
        ('rules = "er"\nmdps = "swirl"\nalpha = [0.5, "1/2"]', "alpha[1] is '1/2', which alpha[0] holds already"),
        ('rules = "er"\nmdps = "swirl"\nalpha = -1', "alpha is -1; must be at least 0"),
        ('rules = "er"\nmdps = "swirl"\nalpha = nan', "alpha is "),
        ('rules = "er"\nmdps = "swirl"\nalpha = true', "alpha is True; must be a finite number"),
        ('rules = "er"\nmdps = "swirl"\nreward = "yes"', "reward is 'yes'; must be true or false"),
        ('rules = "er"\nmdps = "swirl"\ncontrol = ["own", "mix:2"]', "control[1]: control 'mix:2': "),
        ('rules = "er"\nmdps = "swirl"\nteachers = "softmx:1"', "teachers: teacher: unknown 'softmx'; the nearest"),
        ('rules = "er"\nmdps = "swirl"\nstarts = "random:5..3"', "starts is 'random:5..3'; must be zero, random:SEED"),
        ('rules = "er"\nmdps = "swirl"\nstarts = ["random:0..5", "random:5"]', "starts[0] holds already"),
        ('rules = "er"\nmdps = "swirl"\nstarts = "zer"', "starts: unknown 'zer'; the nearest is 'zero'"),
        ('rules = "er"\nmdps = "swirl"\ntime = 0', "time is 0; must be above 0 and at most 1e+06"),
        ('rules = "er"\nmdps = "swirl"\ntime = 300\nlimit = 100', "time is 300; must be at most limit, 100"),
        ('rules = "er"\nmdps = "swirl"\nlimit = "long"', "limit is 'long'; must be a finite number"),
        ('rules = "er"\nmdps = 3', "mdps is 3; must be text"),
        ('rules = "er"\nmdps = "swirl"\ntitle = 1', "title is 1; must be text"),
        ('rules = "er"\nfamily = 3', "family is 3; must be tables"),
        (FAMILY, "family[0].seeds is missing"),
        (FAMILY + "seeds = 0", "family[0].seeds is 0; must be a count of at least 1"),
        (FAMILY + "seeds = 10000000000000", "at most 1e+12"),
        (FAMILY + 'seeds = [3, "2..4"]', "family[0].seeds[1] is '2..4', which family[0].seeds[0] holds already"),
        (FAMILY + "seeds = 1\nstates = [2, 0]", "family[0].states[1] is 0; must be a whole number from 1 to 1000"),
        (FAMILY + "seeds = 1\nsize = 3", "family[0] (garnet): unknown 'size'"),
        (FAMILY + "seeds = 1\nbranching = 9\nstates = 3", "no MDP of it can be built: branching is 9"),
        (FAMILY.replace("garnet", "acyclic") + "seeds = 1\nstates = 999\nactions = 9", "P of 8982009 entries; must be"),
        (FAMILY + "seeds = 1\ndiscount = 0", "family[0].discount is 0; must be above 0 to 1"),
        (FAMILY + "seeds = 2\n[[family]]\nkind = 'garnet'\nseeds = '1..5'", "family[1] (garnet): holds MDPs that"),
        ('rules = "er"\n[[family]]\nkind = "gnaret"\nseeds = 1', "unknown 'gnaret'; the nearest is 'garnet'"),
    ],
)
def test_mistakes_are_one_line_that_names_the_file(text: str, law: str, tmp_path: Path, capsys: Capture) -> None:
    path = written(tmp_path, text)
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert law in said and f"error: {path}: " in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_other_mistakes(tmp_path: Path, capsys: Capture) -> None:
    assert main(["sweep", str(tmp_path / "no.toml")]) == 2
    assert "no.toml: No such file" in capsys.readouterr().err
    path = written(tmp_path, 'rules = "er"\nmdps = "swirl"')
    assert main(["sweep", str(path), "--jobs", "2", "--scheduler", "tcp://a:1"]) == 2
    assert "--jobs counts processes of this machine" in capsys.readouterr().err
    assert main(["sweep", str(path), "--show", "--out", str(tmp_path / "none")]) == 2
    assert "none/results.sqlite: is not there" in capsys.readouterr().err and not (tmp_path / "none").exists()
    assert main(["sweep", str(path), "--show", "--count"]) == 2
    assert "--show and --count both run nothing" in capsys.readouterr().err
    with store.opened(tmp_path / "results.sqlite"):
        pass
    assert main(["sweep", str(path), "--show", "--out", str(tmp_path)]) == 2
    assert f"holds no finished case of {path} yet" in capsys.readouterr().err
    path.write_bytes(b"\xff\xfe")
    assert main(["sweep", str(path)]) == 2
    assert "is not UTF-8 text" in capsys.readouterr().err
    if os.geteuid():
        (tmp_path / "shut").mkdir(mode=0o500)
        assert main(["sweep", str(path), "--out", str(tmp_path / "shut")]) == 2


# --- a run ------------------------------------------------------------------------------------------------------------


def test_rows_are_what_side_says_and_refusals_say_why(small: Path, capsys: Capture) -> None:
    out = small.parent / "out"
    run = ["sweep", str(small), "--out", str(out), "--jobs", "1"]
    assert main(run) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("small: 16 of 16 cases\nMDP")
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    with (out / "results.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["case"]))
    assert [int(row["case"]) for row in rows] == list(range(16))
    for row in rows:
        if row["teacher"] == "optimal" and row["rule"] in ("er", "own.py:mine"):
            assert row["outcome"] == "refused" and "every probability must be positive" in row["reason"]
    fig2 = zoo.load("fig2").replace(loss=None, teacher=[["1/4", "3/4"]] * 3)
    drawn = random.episodic(1, states=2, actions=2)
    for k, model, rule in ((4, fig2, "er"), (12, drawn, "er")):
        expected = side(Field(model, rule), np.zeros(Field(model, rule).shape), time=20, limit=40)
        assert rows[k]["outcome"] == expected.outcome.kind
        assert float(rows[k]["return"]) == expected.expected_return
        assert float(rows[k]["kl_student_states"]) == expected.kl_student_states
    assert rows[12]["states"] == "2" and rows[12]["seed"] == "1" and rows[12]["discount"] == ""

    (out / "results.csv.new").mkdir()  # what another process has in work, were its name the same
    assert main([*run, "--show", "--no-pictures"]) == 0 and "small: 16 of 16 cases" in capsys.readouterr().out
    assert not list(out.glob("results.csv.*.new"))
    assert main(run) == 2
    assert "holds 16 finished cases; go on with --resume" in capsys.readouterr().err

    small.write_text(SMALL.replace('"er", ', '"reverse-kl", ').replace("seeds = 2", "seeds = 1"))
    assert main([*run, "--resume", "--json", "--no-pictures"]) == 0
    again = capsys.readouterr()
    assert "begun with another file; 6 of its 16 finished cases are in this one" in again.err
    answer = json.loads(again.out)
    assert (answer["cases"], answer["rows"], answer["picture"]) == (12, 12, None)
    assert sum(line["cases"] for line in answer["table"]) == 12
    assert {line["rule"] for line in answer["table"]} == {"reverse-kl", "own.py:mine"}
    assert finished(out / "results.sqlite") == 22
    assert main([*run, "--show", "--json", "--no-pictures"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_work_is_told_everything_by_its_parcel(small: Path) -> None:
    """A machine that has none of the files gives the same rows."""
    asked = sweep_file.read(small)
    parcels = [json.loads(json.dumps(asked.parcel(asked.case(k)))) for k in (4, 5)]
    rows = [sweep.work((case, held))[0] for case, held in parcels]
    for path in small.parent.iterdir():
        path.unlink()
    assert [sweep.work((case, held))[0] for case, held in parcels] == rows
    assert {row["outcome"] for row in rows} <= set(ALL_KINDS) - {"refused", "failed"}


def test_teachers_in_files_fit_or_are_refused(tmp_path: Path) -> None:
    (tmp_path / "teacher.json").write_text('{"teacher": [["1/3", "2/3"], [0.5, 0.5]]}')
    text = 'mdps = ["swirl", "corridor:3"]\nrules = "on-policy"\nteachers = "teacher.json"\ntime = 20\nlimit = 20'
    asked = sweep_file.read(written(tmp_path, text))
    one, other = (sweep.work(asked.parcel(case))[0] for case in asked.cases())
    field = Field(zoo.load("swirl").replace(teacher=[["1/3", "2/3"], [0.5, 0.5]]), "on-policy")
    assert one["return"] == side(field, np.zeros((2, 2)), time=20, limit=20).expected_return
    assert other["outcome"] == "refused" and "teacher" in other["reason"]


def test_named_teachers_and_random_starts(tmp_path: Path) -> None:
    text = """rules = "reverse-kl"
    starts = "random:7"
    reward = true
    alpha = 0.3
    teachers = ["own", "softmax:1"]
    control = "mix:1/2"
    time = 5
    limit = 5
    [[family]]
    kind = "grid-world"
    size = 2
    seeds = "3"
    """
    asked = sweep_file.read(written(tmp_path, text))
    refused, found = (sweep.work(asked.parcel(case))[0] for case in asked.cases())
    assert refused["outcome"] == "refused" and "the MDP has none" in refused["reason"]
    world = random.grid_world(3, size=2)
    field = Field(
        world.replace(teacher=solve.teacher(world, "softmax:1")),
        "reverse-kl",
        alpha="3/10",
        reward=True,
        control="mix:1/2",
    )
    expected = side(field, np.random.default_rng(7).standard_normal(field.shape), time=5, limit=5)
    assert (found["outcome"], found["return"]) == (expected.outcome.kind, expected.expected_return)


# --- the table --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(ALL_KINDS), st.floats(-5, 5)), max_size=30))
def test_a_tally_counts_worlds_as_a_second_count_does(drawn: list[tuple[int, str, float]]) -> None:
    drawn = sorted(drawn, key=lambda one: one[0])
    tally = Tally()
    by_world: dict[int, list[tuple[str, float]]] = {}
    for world, kind, value in drawn:
        ran = kind not in ("refused", "failed")
        tally.add(nothing(kind, None) | {"return": value if ran else None, "settled_by": 3.0}, world)
        by_world.setdefault(world, [])
        if ran:
            by_world[world].append((kind, value))
    line = tally.line()
    worlds = [some for some in by_world.values() if some]
    cycling = sum(any(kind == "cycle" for kind, _ in some) for some in worlds)
    assert (line["cases"], line["worlds"], line["cycling"]) == (len(drawn), len(worlds), cycling)
    assert all(line[kind] == sum(one[1] == kind for one in drawn) for kind in ALL_KINDS)
    if worlds:
        exact = binomtest(cycling, len(worlds)).proportion_ci(0.95, "exact")
        assert (line["share_low"], line["share_high"]) == pytest.approx((exact.low, exact.high))
        means = np.array([np.mean([value for _, value in some]) for some in worlds])
        assert line["return"] == pytest.approx(means.mean(), abs=1e-12)
        if len(means) > 1 and means.std() > 1e-6:
            low, high = t.interval(0.95, len(means) - 1, means.mean(), means.std(ddof=1) / np.sqrt(len(means)))
            assert (line["return_low"], line["return_high"]) == pytest.approx((low, high), rel=1e-6, abs=1e-9)
    else:
        assert line["share"] is line["share_low"] is line["return"] is None


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=50))
def test_the_running_median_is_the_median_to_a_thousandth(values: list[float]) -> None:
    median = Median()
    for x in values:
        median.add(x)
    assert median.value() == pytest.approx(sorted(values)[(len(values) - 1) // 2], rel=1.1e-3)
    assert len(median.bins) <= len(values) and Median().value() is None
    for _ in range(2 * len(values)):
        median.add(0.0)
    assert median.value() == 0.0


def test_starts_on_one_world_are_no_independent_draws() -> None:
    """The negative control: a hundred starts on one MDP are one world, whose interval says next to nothing."""
    tally = Tally()
    for _ in range(100):
        tally.add(nothing("cycle", None) | {"return": 1.0}, "one")
    line = tally.line()
    assert line["cases"] == 100 and line["worlds"] == 1 and line["share_low"] == pytest.approx(0.025)
    assert line["return_low"] is None


def lines(axes: dict[str, list[str]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{}]
    for axis, labels in axes.items():
        found = [one | {axis: label} for one in found for label in labels]
    counts = dict.fromkeys(ALL_KINDS, 1) | {"cases": len(ALL_KINDS), "worlds": 5, "cycling": 1, "share": 0.2}
    return [one | counts for one in found]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({}, ["all"]),
        ({"rule": ["er", "eer"], "reward": ["no", "yes"]}, ["er, no R", "er, + R", "eer, no R", "eer, + R"]),
    ],
)
def test_bars_are_named_and_add_up(axes: dict[str, list[str]], expected: list[str]) -> None:
    from dynamics.drawing import draw_sweep

    (ax,) = draw_sweep(lines(axes), list(axes), "title").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == expected
    widths = [sum(bars[k].get_width() for bars in ax.containers) for k in range(len(expected))]
    assert widths == pytest.approx([1.0] * len(expected)) and len(ax.containers) == len(ALL_KINDS)


def test_many_lines_are_summed_or_mapped_and_that_is_said() -> None:
    from dynamics.drawing import draw_sweep
    from dynamics.drawing.sweeps import MOST_BARS

    axes = {"rule": list("abcdef"), "alpha": list("1234"), "reward": ["no", "yes"], "start": ["zero", "random"]}
    (ax,) = draw_sweep(lines(axes), list(axes), "title").axes
    assert len(ax.get_yticklabels()) == 48 <= MOST_BARS and ax.get_title().endswith("summed over start")
    wide = {"alpha": [str(k) for k in range(12)], "teacher": [str(k) for k in range(9)], "reward": ["no", "yes"]}
    ax, _ = draw_sweep(lines(wide), list(wide), "title").axes
    assert ax.images[0].get_array().shape == (9, 12) and ax.get_title().endswith("summed over reward added")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("alpha", "teacher")


# --- the documentation ------------------------------------------------------------------------------------------------

BLOCKS = [block.split("```")[0] for block in (DOCS / "sweeps.md").read_text("utf-8").split("```toml\n")[1:]]


@pytest.mark.parametrize("k", range(len(BLOCKS)))
def test_the_documentation_is_read(k: int, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    io.write(zoo.load("chain"), tmp_path / "mine.json")
    (tmp_path / "teacher.json").write_text("[[0.5, 0.5]]")
    assert sweep_file.read(written(tmp_path, BLOCKS[k])).size > 1


@pytest.mark.parametrize("path", sorted((DOCS / "sweeps").glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_run(path: Path) -> None:
    asked = sweep_file.read(path)
    assert asked.title and 20 < asked.size < 1000
    rows = [sweep.work(asked.parcel(asked.case(k)))[0] for k in (0, 1)]
    assert all(row["outcome"] in ALL_KINDS and row["reason"] is None for row in rows)


# --- stopped ----------------------------------------------------------------------------------------------------------

MANY = """
rules = ["on-policy", "n-distill", "er"]
reward = [false, true]
limit = 1000
[[family]]
kind = "episodic"
states = [2, 3]
actions = 2
seeds = 10
"""


def until(path: Path, wanted: int, running: subprocess.Popen[Any], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while finished(path) < wanted and time.monotonic() < deadline:
        time.sleep(0.02)
        assert running.poll() is None, "it ended before it could be stopped"
    assert finished(path) >= wanted


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_killed_twice_and_interrupted_once_it_holds_the_rows_of_an_undisturbed_run(tmp_path: Path) -> None:
    path, whole, killed = written(tmp_path, MANY), tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "vorticity", "sweep", str(path), "--json", "--no-pictures", "--jobs", "2", "--out"]
    answer = subprocess.run([*command, str(whole)], capture_output=True, text=True, check=True).stdout
    resume: list[str] = []
    for wanted, stop in ((15, signal.SIGKILL), (40, signal.SIGINT), (70, signal.SIGKILL)):
        running = subprocess.Popen(
            [*command, str(killed), *resume], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        until(killed / "results.sqlite", wanted, running)
        running.send_signal(stop)
        _, said = running.communicate(timeout=60)
        assert running.returncode == (130 if stop == signal.SIGINT else -signal.SIGKILL)
        assert ("are kept; --resume goes on" in said) == (stop == signal.SIGINT)
        assert wanted <= finished(killed / "results.sqlite") < 120
        resume = ["--resume"]
    kept = contents(killed / "results.sqlite")
    again = subprocess.run([*command, str(killed), "--resume"], capture_output=True, text=True, check=True).stdout
    rows = contents(killed / "results.sqlite")
    assert set(kept) <= set(rows) and len(rows) == 120
    assert rows == contents(whole / "results.sqlite")
    assert json.loads(again)["table"] == json.loads(answer)["table"]
    assert (killed / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
