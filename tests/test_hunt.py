"""The hunt: batches against one field at a time, rest points that rest, cycles known and refused, resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dynamics.fields import Field, Fields, differences, logits, reduced, slope, velocity
from dynamics.fields.batch import worlds
from dynamics.hunt import GOALS, Hunt, run_draw
from dynamics.hunt.candidates import Draw, draw, growth, model, newton, repulsion, rested, resting, wandering
from dynamics.hunt.climbing import climb, value
from dynamics.hunt.simplify import arrays, bits, numbers, simpler, simplified, to_mdp
from dynamics.orbits import outcome
from dynamics.rules import TABLE, expected_gradient, get
from mdp import io, random, zoo
from vorticity.commands import hunt as hunt_command
from vorticity.commands.main import main

SMOOTH = [name for name in TABLE if name != "value-gate"]


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", [None, "teacher", "uniform", "mix:0.3"])
@pytest.mark.parametrize("observation", [[0, 1, 2], [0, 1, 0]])
def test_a_batch_is_its_members_one_by_one(control: str | None, observation: list[int]) -> None:
    """Every rule, with different discounts: field and Jacobian of each member, to rounding."""
    rng = np.random.default_rng(3)
    mdps = [random.episodic(rng, 3, 2, discount=g).replace(observation=observation) for g in ("0.9", "0.99", "1")]
    for rule in TABLE:
        fields = [Field(mdp, rule, reward=True, control=control) for mdp in mdps]
        together = Fields(fields[0], worlds(mdps))
        theta = rng.standard_normal((3, *fields[0].shape))
        F, J = together(theta), together.jacobian(theta)
        for k, field in enumerate(fields):
            room = 1e-11 * (1 + float(np.abs(field.jacobian(theta[k])).max()))
            assert np.abs(F[k] - field(theta[k])).max() < room
            assert np.abs(J[k] - field.jacobian(theta[k])).max() < room


def test_differences_are_the_reduced_chart() -> None:
    mdp = random.episodic(5, 2, 3, discount="0.9")
    field = Field(mdp, "on-policy", reward=True)
    x = np.random.default_rng(0).standard_normal((1, 4))
    together = Fields(field, worlds([mdp]))
    seen = reduced(field)
    assert np.allclose(velocity(together, x)[0], seen(x[0].reshape(seen.shape)).ravel(), rtol=1e-12)
    assert np.allclose(slope(together, x)[0], seen.jacobian(x[0].reshape(seen.shape)), rtol=1e-11)
    assert np.array_equal(differences(logits(x, field.shape)), x)


def test_a_batch_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="needs a teacher, dense P and no own loss"):
        worlds([zoo.load("fig2")])
    with pytest.raises(ValueError, match="needs a teacher"):
        worlds([zoo.load("swirl").replace(teacher=None)])


# --- candidates -------------------------------------------------------------------------------------------------------


def test_draws_do_not_depend_on_the_order() -> None:
    hunt = Hunt(get("on-policy"), 3, 2, seed=5)
    later, earlier = draw(hunt, 2, 20), draw(hunt, 1, 20)
    assert np.array_equal(draw(hunt, 2, 20).fields.worlds.P, later.fields.worlds.P)
    assert not np.array_equal(earlier.x, later.x)
    assert not np.array_equal(draw(Hunt(get("on-policy"), 3, 2, seed=6), 2, 20).x, later.x)


@pytest.mark.parametrize("family", ["random", "graph"])
def test_draws_are_worlds(family: str) -> None:
    w = draw(Hunt(get("on-policy"), 3, 2, family=family), 0, 200).fields.worlds
    assert (w.P >= 0).all() and (w.P.sum(-1) <= 1 + 1e-12).all()
    assert np.allclose(w.initial.sum(-1), 1) and np.allclose(w.teacher.sum(-1), 1)
    assert (set(np.unique(w.P)) == {0.0, 1.0}) is (family == "graph")


@pytest.mark.parametrize(
    ("rule", "shape", "observation"),
    [("on-policy", (2, 2), None), ("reverse-kl", (2, 3), None), ("entropy-bonus", (1, 3), None),
     ("on-policy", (3, 2), (0, 1, 0)), ("eer-no-reward", (3, 2), None)],
)  # fmt: skip
def test_rewards_in_closed_form_make_the_policy_rest(
    rule: str, shape: tuple[int, int], observation: tuple[int, ...] | None
) -> None:
    """Asked of each member's own `Field`, at the MDP that would be saved."""
    hunt = Hunt(get(rule), *shape, observation=observation)
    found = rested(draw(hunt, 0, 40))
    assert len(found) > 25
    for k in range(0, len(found), 8):
        field = Field(model(found.fields, k), rule, reward=True)
        theta = logits(found.x[k], field.shape)
        assert np.abs(field(theta)).max() < 1e-7 * max(1.0, float(np.abs(field.jacobian(theta)).max()))
        moved = np.abs(field(theta + 0.3 * np.eye(*field.shape))).max()
        assert moved > 10 * np.abs(field(theta)).max()


def test_without_rewards_rest_points_are_searched_for() -> None:
    hunt = Hunt(get("on-policy"), 3, 2, reward=False, observation=(0, 1, 0))
    assert (
        not hunt.solvable and not Hunt(get("student-critic"), 2, 2).solvable and Hunt(get("on-policy"), 2, 2).solvable
    )
    found = resting(hunt, draw(hunt, 0, 50))
    assert len(found) > 30 and np.abs(velocity(found.fields, found.x)).max() < 1e-6


def test_growth_of_known_rest_points() -> None:
    """swirl's source at the documented place; its corrected rule rests there by a negative growth."""
    swirl = zoo.load("swirl")
    for rule, x, sign in (("reverse-kl", [2.79304, 1.136], 1), ("reverse-kl-corrected", [3.315655, 1.909093], -1)):
        there = newton(Draw(Fields(Field(swirl, rule, reward=True), worlds([swirl])), np.array([x])))
        assert len(there) == 1 and np.abs(there.x[0] - x).max() < 1e-5
        assert np.sign(growth(there)[0]) == sign


def test_repulsion_is_a_verdict_of_eigenvalues() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    three = np.zeros((3, 3, 3))
    three[:, :2, :2] = turn + np.array([0.2, -0.2, 0.0])[:, None, None] * np.eye(2)
    three[:, 2, 2] = [-1, 5, -1]
    assert repulsion(three).round(2).tolist() == [0.2, -0.2, 0.0]
    singular = np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[np.nan, 1.0], [0.0, 1.0]]])
    assert repulsion(singular).tolist() == [-1, -1, -1]


def test_c3_no_source_in_two_states() -> None:
    """On-policy + R, 2 states x 2 actions: none of 20,000 rest points repels; reverse KL, drawn alike, shows some."""
    tally = {}
    for rule in ("on-policy", "reverse-kl"):
        hunt = Hunt(get(rule), 2, 2)
        found = rested(draw(hunt, 0, 20_000))
        tally[rule] = len(found), int((growth(found) > 0).sum())
    assert tally["on-policy"][0] > 19_000 and tally["on-policy"][1] == 0
    assert tally["reverse-kl"][1] > 50


def test_bootstrap_has_no_false_rest_points() -> None:
    """Tabular bootstrapping rests inside the simplex only where two actions are equally good: never in a draw."""
    hunt = Hunt(get("bootstrap"), 2, 2)
    assert not hunt.solvable and len(resting(hunt, draw(hunt, 0, 500))) == 0


def test_wandering_tells_cycles_from_rest() -> None:
    for name, rule, x, expected in (
        ("aliased-mild", "on-policy", [-1.684747, 0.398156], True),
        ("swirl", "reverse-kl-corrected", [3.315655, 1.909093], False),
        ("corridor-adversarial:2", "reward", [0.0, 0.0], False),  # runs to the boundary
    ):
        mdp = zoo.load(name)
        there = Draw(Fields(Field(mdp, rule, reward=True), worlds([mdp])), np.array([x]))
        assert wandering(there).tolist() == [expected], name


# --- climbing and simplifying -----------------------------------------------------------------------------------------


def test_goals_prefer_what_they_say() -> None:
    hunt = Hunt(get("reverse-kl"), 2, 2)
    some = rested(draw(hunt, 0, 50))
    share = np.full(len(some), 0.1)
    w = some.fields.worlds
    soft = np.abs(w.teacher - 0.5).max((-1, -2)).argmin()
    assert value("rewards", some, share).argmax() == np.abs(w.R).max((-1, -2)).argmin()
    assert value("teacher", some, share)[soft] > np.median(value("teacher", some, share))
    assert (value("cycle", some, share) > value("cycle", some, share - 0.2)).all()
    with pytest.raises(ValueError, match="goal is 'nice'; must be one of cycle, mild"):
        value("nice", some, share)


@pytest.mark.parametrize("family", ["random", "graph"])
def test_climbing_stays_in_its_family(family: str) -> None:
    hunt = Hunt(get("reverse-kl"), 2, 2, family=family)
    best, _ = climb(hunt, draw(hunt, 0, 60), "mild", np.random.default_rng(0), rounds=3, keep=4, children=4, look=99)
    w = best.fields.worlds
    assert len(best) == 4 and (w.P >= 0).all() and (w.P.sum(-1) <= 1 + 1e-9).all() and (w.R[..., -1] == 0).all()
    assert (w.discount > 0).all() and (w.discount < 1).all()
    assert (set(np.unique(w.P)) <= {0.0, 1.0}) is (family == "graph")
    assert np.abs(velocity(best.fields, best.x)).max() < 1e-6
    assert "mild" in GOALS


def test_numbers_become_small_and_stay_lawful() -> None:
    mdp = zoo.load("aliased-mild")
    hunt = Hunt(get("on-policy"), 3, 2, observation=(0, 1, 0), discount=Fraction(24, 25))
    rough = np.array([[-1.684747, 0.398156]])
    w = worlds([mdp])
    w.R[0, 0, 0] = -0.9873  # spoilt, so that there is something to simplify
    there = newton(Draw(Fields(hunt.template, w), rough))
    held = numbers(there.fields, 0)
    versions = simplified(hunt, there, 0)
    assert versions and bits(versions[0][0]) < bits(held)
    for numbers_now, x in versions[:3]:
        made = to_mdp(hunt, numbers_now)
        assert made.exact.teacher is not None and all(sum(row) == 1 for row in made.exact.teacher.tolist())
        field = Field(made, "on-policy", reward=True)
        assert np.abs(field(logits(x, field.shape))).max() < 1e-6
    assert np.allclose(arrays(hunt, [held]).worlds.P[0], mdp.P, atol=1e-3)
    assert all(bits(held | {key: row}) < bits(held) for key, row in simpler(held))


@pytest.mark.slow
def test_a_search_is_reproducible_and_its_find_cycles() -> None:
    """One small draw: the same report twice, and the saved MDP cycles when asked afresh."""
    hunt = Hunt(get("reverse-kl"), 2, 2, seed=1)
    report = run_draw(hunt, 0, size=3000)
    assert report.to_json() == run_draw(hunt, 0, size=3000).to_json()
    assert report.drawn == 3000 and report.rest_points > 2900 and report.repel > 0
    assert report.find is not None
    again = Field(io.from_dict(io.to_dict(report.find.mdp)), "reverse-kl", reward=True)
    found = outcome(again, logits(np.array(report.find.x) + np.array([0.05, -0.05]), again.shape))
    assert found.kind == "cycle" and found.isolated
    assert found.period == pytest.approx(report.find.period, rel=1e-6)


# --- which rules never cycle ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", SMOOTH)
def test_gradient_rows_are_said_never_to_cycle(rule: str) -> None:
    never = Hunt(get(rule), 2, 2).never()
    if expected_gradient(get(rule)):
        assert never is not None and "gradient" in never
    elif rule == "bootstrap":
        assert never is not None and "own policy" in never
    else:
        assert never is None


def test_what_else_cannot_cycle() -> None:
    assert "own policy" in (Hunt(get("on-policy"), 2, 2, reward=False).never() or "")
    assert Hunt(get("on-policy"), 3, 2, reward=False, observation=(0, 1, 0)).never() is None
    assert "one coordinate" in (Hunt(get("on-policy"), 1, 2).never() or "")
    assert Hunt(get("bootstrap"), 3, 2, observation=(0, 1, 0)).never() is None
    assert Hunt(get("n-distill"), 2, 2, control="teacher").never() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": 0}, "states is 0; must be at least 1"),
        ({"actions": 1}, "actions is 1; must be at least 2"),
        ({"states": 20, "actions": 9}, "at most 64"),
        ({"family": "tree"}, "must be one of random, graph"),
        ({"discount": Fraction(1)}, "must lie between 0 and 1"),
        ({"observation": (0,)}, "must be one for each of 2 states"),
        ({"observation": (0, 2)}, "must be from 0 to 1"),
        ({"rule": get("value-gate")}, "jumps at its gate"),
        ({"control": "nobody"}, "control"),
    ],
)
def test_bad_hunts_are_refused_in_one_line(options: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"rule": get("on-policy"), "states": 2, "actions": 2} | options
    with pytest.raises(ValueError, match=message) as caught:
        Hunt(**given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# --- the command ------------------------------------------------------------------------------------------------------

BASE = ["hunt", "--states", "2", "--actions", "2", "--reward", "--goal", "none", "--jobs", "1"]


def test_the_command_resumes_and_keeps_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--rule", "on-policy", "--out", str(tmp_path), "--json"]
    assert main([*BASE, *where, "--count", "4000"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["draws"] == 2 and first["drawn"] == 4000 and first["repel"] == 0 and first["finds"] == []
    log = tmp_path / "hunt.jsonl"
    log.write_text(log.read_text() + '{"draw": 2, "dra')  # killed in the middle of a line
    assert main([*BASE, *where, "--count", "6000"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["draws"] == 3 and again["drawn"] == 6000
    assert len(log.read_text().splitlines()) == 4  # what is hunted, and three draws, each once
    whole = tmp_path / "whole"
    assert main([*BASE, "--rule", "on-policy", "--out", str(whole), "--json", "--count", "6000"]) == 0
    assert json.loads(capsys.readouterr().out) == again


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_half_line_is_cut_off_and_the_rest_is_not_written_again(
    end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [b'{"hunt": {}}', b'{"draw": 0}', b'{"draw": 1}']
    whole = b"".join(line + end for line in lines)
    (tmp_path / "hunt.jsonl").write_bytes(whole + b'{"draw": 2, "dra')

    def killed(path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"")  # as a process that is killed between emptying the file and filling it
        raise RuntimeError

    monkeypatch.setattr(Path, "write_text", killed)
    assert sorted(hunt_command._opened(tmp_path, {})) == [0, 1]
    assert (tmp_path / "hunt.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "on-polcy"], "on-policy"),
        (["--rule", "value-gate"], "jumps at its gate"),
        (["--rule", "on-policy", "--goal", "milf"], "mild"),
        (["--rule", "on-policy", "--family", "tree"], "random, graph"),
        (["--rule", "on-policy", "--discount", "1"], "between 0 and 1"),
        (["--rule", "on-policy", "--observations", "0;1"], "whole number"),
        (["--rule", "on-policy", "--observations", "0,1,2"], "one for each"),
        (["--rule", "on-policy", "--minutes", "-1"], "above 0"),
        (["--rule", "on-policy", "--states", "0"], "states"),
        (["--rule", "on-policy", "--out", "/dev/null/x"], "/dev/null"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*BASE, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_processes_give_what_one_process_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also after the rule's formulas were compiled here, into what no process can be sent."""
    hunt = Hunt(get("on-policy"), 2, 2)
    resting(hunt, draw(hunt, 0, 5))
    answers = []
    for jobs in ("1", "2"):
        arguments = ["--rule", "on-policy", "--count", "6000", "--out", str(tmp_path / jobs), "--json"]
        assert main([*BASE, *arguments, "--jobs", jobs]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1] and answers[0]["draws"] == 3


def test_another_hunt_does_not_enter_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BASE, "--rule", "on-policy", "--count", "2000", "--out", str(tmp_path)]) == 0
    assert main([*BASE, "--rule", "on-policy", "--count", "2000", "--out", str(tmp_path), "--seed", "1"]) == 2
    assert "holds a hunt with seed 0, not 1" in capsys.readouterr().err
    (tmp_path / "hunt.jsonl").write_text("nonsense\n")
    assert main([*BASE, "--rule", "on-policy", "--count", "2000", "--out", str(tmp_path)]) == 2
    assert "not the log of a hunt" in capsys.readouterr().err


def test_a_rule_that_cannot_cycle_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BASE, "--rule", "n-distill", "--out", str(tmp_path / "x")]) == 0
    assert "no MDP cycles: a gradient" in capsys.readouterr().out
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_it_finds_what_an_undisturbed_hunt_finds(stop: signal.Signals, tmp_path: Path) -> None:
    """Two processes; the first run is stopped after some draws, the second goes on; no worker is left behind."""
    root = Path(__file__).resolve().parent.parent
    rest = ["--states", "2", "--actions", "2", "--rule", "reverse-kl", "--reward", "--goal", "none", "--json"]
    command = [sys.executable, "-m", "vorticity", "hunt", *rest, "--count", "12000", "--jobs", "2"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    log = tmp_path / "a" / "hunt.jsonl"
    first = subprocess.Popen(
        [*command, "--out", str(tmp_path / "a")], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 120
    while time.monotonic() < end and not (log.exists() and len(log.read_text().splitlines()) >= 2):
        time.sleep(0.05)
    first.send_signal(stop)
    out, _ = first.communicate(timeout=60)
    if stop == signal.SIGINT:
        assert first.returncode == 0 and json.loads(out)["draws"] >= 1
    held = {path.name: path.read_bytes() for path in (tmp_path / "a").glob("*.json")}
    for place in ("a", "b"):
        done = subprocess.run(
            [*command, "--out", str(tmp_path / place)], env=environment, capture_output=True, check=True, timeout=300
        )
        answer = json.loads(done.stdout)
        assert answer["draws"] == 6
        (tmp_path / f"{place}.answer").write_text(json.dumps(answer))
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").glob("*.json")}
    assert held.items() <= files.items()
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").glob("*.json")}
    assert (tmp_path / "a.answer").read_text() == (tmp_path / "b.answer").read_text()
