"""The command: every subcommand answers, its JSON parses, and every mistake is one line and exit code 2."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynamics.fields import Field
from dynamics.rules import TABLE
from mdp import zoo
from vorticity import __version__
from vorticity.commands.main import cli, main

Capture = pytest.CaptureFixture[str]

SWIRL: dict[str, Any] = {
    "P": [[["0.992", "0.008"], ["0.316", "0.684"]], [[1, 0], [0, 1]]],
    "R": [[2.35, 15.38], [-4.63, 10.2]],
    "initial": [0.01, 0.99],
    "discount": "0.97",
    "teacher": [[0.9, 0.1], [0.8, 0.2]],
}


@lru_cache
def certificates() -> dict[str, str]:
    """Two certificates, as `verify` writes them."""
    from proofs.claims import CLAIMS
    from proofs.claims.verification import to_certificate, verify

    return {name: json.dumps(to_certificate(verify(CLAIMS[name]))) for name in ("T1", "E1")}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own that holds the files of the examples."""
    monkeypatch.chdir(tmp_path)
    Path("mine.json").write_text(json.dumps(SWIRL), "utf-8")
    Path("theta.json").write_text("[[0.5, -0.5], [1, 2]]", "utf-8")
    Path("certificates").mkdir()
    Path("docs").symlink_to(Path(__file__).resolve().parent.parent / "docs")
    for name, content in certificates().items():
        Path("certificates", f"{name}.json").write_text(content, "utf-8")
    return tmp_path


def strict(text: str) -> dict[str, Any]:
    """Exactly one JSON object, without the NaN and Infinity that Python alone would accept."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert text.count("\n") == 1
    answer = json.loads(text, parse_constant=refuse)
    assert isinstance(answer, dict)
    return answer


def run_json(capsys: Capture, *args: str) -> dict[str, Any]:
    assert main([*args, "--json"]) == 0
    return strict(capsys.readouterr().out)


# --- answers ----------------------------------------------------------------------------------------------------------


def examples() -> list[str]:
    """The examples in the help of every command."""
    texts = [cli.help or "", *(command.help or "" for command in cli.commands.values())]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip().startswith("vorticity ")]


def test_every_command_has_help_with_examples(capsys: Capture) -> None:
    for name in cli.commands:
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert len(re.findall(rf"^ +vorticity {name}\b", shown, re.M)) >= 2


def long_ones(lines: list[str]) -> list[object]:
    """The lines as parameters of a test; tours and searches over alpha take their time."""
    slow = re.compile(
        r"vorticity (tour|verify$|cycles|bifurcation|reproduce|choose (swirl|chain)|sweep (?!.*--count)"
        r"|compare (?!.*--no-alphas))"
        r"|flow .*--steps|--basins|--prove"
    )
    return [pytest.param(line, marks=pytest.mark.slow) if slow.search(line) else line for line in lines]


@pytest.mark.parametrize("line", long_ones(examples()))
def test_examples_in_the_help_run(line: str, capsys: Capture) -> None:
    assert main(shlex.split(line.split(">")[0])[1:]) == 0
    assert capsys.readouterr().out.strip()


def test_without_a_command_it_shows_its_help(capsys: Capture) -> None:
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == alone


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vorticity {__version__}\n"


def test_rules_json_holds_the_table(capsys: Capture) -> None:
    rules = run_json(capsys, "rules")["rules"]
    assert [rule["id"] for rule in rules] == list(TABLE)
    assert all(rule["agrees"] for rule in rules)
    assert {rule["id"] for rule in rules if rule["teacher_rests"]} >= {
        "teacher",
        "on-policy",
        "n-distill-kl",
        "reverse-kl",
    }


def test_rules_depend_on_the_control(capsys: Capture) -> None:
    own, fixed = run_json(capsys, "rules")["rules"], run_json(capsys, "rules", "--control", "teacher")["rules"]
    symmetric = [{rule["id"]: rule["symmetric"] for rule in rules} for rules in (own, fixed)]
    assert [answer["on-policy"] for answer in symmetric] == [False, True]
    assert [answer["n-distill"] for answer in symmetric] == [True, False]


def test_zoo_json_lists_every_entry(capsys: Capture) -> None:
    entries = run_json(capsys, "zoo")["zoo"]
    assert [entry["name"] for entry in entries] == zoo.names()
    assert all(entry["summary"] and entry["source"] and entry["states"] >= 1 for entry in entries)


@pytest.mark.parametrize("name", [*zoo.names(), "corridor:3"])
def test_show(name: str, capsys: Capture) -> None:
    assert main(["show", name]) == 0
    shown = capsys.readouterr().out
    assert all(state in shown for state in zoo.load(name).states)


@pytest.mark.parametrize("name", zoo.names())
def test_show_json_is_the_mdp_as_a_file(name: str, capsys: Capture) -> None:
    from mdp import io

    assert main(["show", name, "--json"]) == 0
    Path("copy.json").write_text(capsys.readouterr().out, "utf-8")
    strict(Path("copy.json").read_text("utf-8"))
    assert io.read(Path("copy.json")) == zoo.load(name)


@pytest.mark.parametrize("rule", list(TABLE))
def test_field_json_is_the_field(rule: str, capsys: Capture) -> None:
    args = ["field", "mine.json", "--rule", rule, "--at", "theta.json", "--reward", "--alpha", "1/2", "--jacobian"]
    answer = run_json(capsys, *args)
    keys = {"mdp", "rule", "control", "reward", "alpha", "theta", "field", "policy", "jacobian", "asymmetry"}
    assert set(answer) == keys
    mdp = zoo.load("swirl").replace(teacher=SWIRL["teacher"])
    field, theta = Field(mdp, rule, reward=True, alpha="1/2"), np.array([[0.5, -0.5], [1, 2]])
    assert np.allclose(answer["field"], field(theta), rtol=1e-12)
    assert np.allclose(answer["jacobian"], field.jacobian(theta), rtol=1e-12, atol=1e-12)
    assert np.allclose(np.sum(answer["policy"], axis=1), 1)
    assert (answer["rule"], answer["reward"], answer["alpha"]) == (rule, True, 0.5)
    assert answer["control"] == TABLE[rule].control
    assert answer["theta"] == theta.tolist()


def test_field_without_options(capsys: Capture) -> None:
    answer = run_json(capsys, "field", "fig2", "--rule", "n-distill")
    assert answer["jacobian"] is None
    assert answer["theta"] == [[0, 0], [0, 0]]  # two observations
    assert main(["field", "fig2", "--rule", "n-distill", "--jacobian"]) == 0
    assert "asymmetry" in capsys.readouterr().out


def test_field_takes_both_forms_of_parameters_and_fractions(capsys: Capture) -> None:
    Path("object.json").write_text('{"theta": [["1/2", "-0.5"], [1, 2]]}', "utf-8")
    answers = [run_json(capsys, "field", "swirl", "--rule", "er", "--at", f) for f in ("theta.json", "object.json")]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "options",
    [
        ["--control", "uniform"],
        ["--control", "mix:1/3"],
        ["--teacher", "uniform"],
        ["--teacher", "softmax:10"],
        ["--teacher", "epsilon:0.1"],
        ["--teacher", "table.json"],
        ["--alpha", "0"],
        ["--alpha", "1e3"],
        ["--reward"],
    ],
)
def test_every_option_changes_the_field(options: list[str], capsys: Capture) -> None:
    Path("table.json").write_text('[["1/3", "2/3"], [0.25, 0.75]]', "utf-8")
    args = ["field", "swirl", "--rule", "on-policy", "--at", "theta.json"]
    assert run_json(capsys, *args)["field"] != run_json(capsys, *args, *options)["field"]


def test_defaults_are_what_the_help_says(capsys: Capture) -> None:
    args = ["field", "swirl", "--rule", "on-policy"]
    said = ["--no-reward", "--alpha", "1", "--control", "student"]
    assert run_json(capsys, *args) == run_json(capsys, *args, *said)


@pytest.mark.parametrize(("rule", "gradient"), [("n-distill", True), ("on-policy", False), ("reverse-kl", False)])
def test_curl(rule: str, gradient: bool, capsys: Capture) -> None:
    answer = run_json(capsys, "curl", "swirl", "--rule", rule)
    assert {"verdict", "potential", "witness", "holds_for", "error_bound", "seconds", "asymmetry"} <= set(answer)
    assert answer["verdict"] in (["gradient", "undecided"] if gradient else ["not-gradient", "undecided"])
    assert (answer["asymmetry"] < 1e-10) == gradient
    assert main(["curl", "swirl", "--rule", rule]) == 0
    printed = capsys.readouterr()
    assert answer["verdict"] in printed.out
    assert ("does not mean that it cycles" in printed.out + printed.err) == (not gradient)


@pytest.mark.slow
def test_tour(capsys: Capture, tmp_path: Path) -> None:
    """The main job: each rule cycles, its correction does not; the table fits; numbers and pictures are written."""
    answer = run_json(capsys, "tour", "--out", str(tmp_path / "new" / "folder"), "--no-pictures")
    rows = answer["rows"]
    assert {(row["mdp"], row["rule"]) for row in rows} == {
        (name, rule) for name in ("swirl", "fig2", "corridor-cycle", "aliased-cycle") for rule in TABLE
    }
    assert [row for row in rows if row["refused"] or row["agrees"] is False] == []
    assert [one["as_said"] for one in answer["stories"]] == [True] * 4
    kept = strict((tmp_path / "new" / "folder" / "numbers.json").read_text())
    assert kept["stories"] == answer["stories"]
    folder = tmp_path / "new" / "folder"
    assert all(claim["verdict"] == "proved" for claim in answer["claims"]) and len(answer["claims"]) >= 12
    certificates = [claim["certificate"] for claim in answer["claims"]]
    assert answer["written"] == [*certificates, str(folder / "numbers.json")]
    assert all(Path(path).parent == folder / "certificates" for path in certificates)


@pytest.mark.slow
def test_tour_draws_and_prints(capsys: Capture, tmp_path: Path) -> None:
    assert main(["tour", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "said to be gradients are symmetric" in shown and "period 6.4889442" in shown
    assert "16 of 16 certificates valid, re-checked independently" in shown
    for name in ("swirl", "aliased-cycle", "corridor-cycle", "fig2"):
        assert (tmp_path / f"{name}.svg").read_text().rstrip().endswith("</svg>")


def test_seeds_repeat_and_differ(capsys: Capture) -> None:
    first, again, other = (run_json(capsys, "rules", "--seed", seed) for seed in ("0", "0", "1"))
    assert first == again
    assert first["rules"] != other["rules"]


def test_notes_go_to_standard_error_one_line_each(capsys: Capture) -> None:
    assert main(["field", "fig2", "--rule", "on-policy", "--json"]) == 0
    printed = capsys.readouterr()
    strict(printed.out)
    assert "own state loss" in printed.err
    assert all(line.startswith("vorticity: note: ") for line in printed.err.splitlines())


def test_piped_tables_are_plain_and_whole(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert main(["zoo"]) == 0
    shown = capsys.readouterr().out
    assert all(entry.source in shown and entry.summary in shown for entry in zoo.entries())
    assert "\x1b" not in shown and "…" not in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


@pytest.mark.parametrize("args", [["rules"], ["zoo"]])
def test_tables_on_a_narrow_terminal_are_folded_not_cut(
    args: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(args) == 0
    shown = capsys.readouterr().out
    assert "─" in shown and "…" not in shown
    assert all(name in shown for name in (zoo.names() if args == ["zoo"] else TABLE))


# --- mistakes ---------------------------------------------------------------------------------------------------------


def mistake(capsys: Capture, *args: str) -> str:
    """The one line on standard error; nothing on standard output, exit code 2."""
    code = main(list(args))
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, ""), printed
    assert printed.err.count("\n") == 1 and printed.err.endswith("\n"), printed.err
    assert printed.err.startswith("vorticity: error: ")
    assert "Traceback" not in printed.err
    return printed.err


FIELD = ("field", "swirl", "--rule", "er")
CURL = ("curl", "swirl", "--rule", "er")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["crul"], "'curl'"),
        (["flwo"], "'flwo'"),
        (["--jsn"], "--jsn"),
        (["zoo", "--jsn"], "'--json'"),
        (["zoo", "extra"], "extra"),
        (["show"], "MDP"),
        (["show", "swril"], "'swirl'"),
        (["show", "corridor:x"], "x"),
        (["show", "corridor:-1"], "-1"),
        (["show", ""], "unknown"),
        (["show", "nowhere.json"], "No such file"),
        (["show", "no/where"], "no/where"),
        (["show", "."], "."),
        (["curl", "swirl"], "--rule"),
        (["curl", "swirl", "--rule"], "--rule"),
        (["curl", "swirl", "--rule", "onpolicy"], "'on-policy'"),
        ([*FIELD, "--alpha", "nan"], "--alpha"),
        ([*FIELD, "--alpha", "inf"], "--alpha"),
        ([*FIELD, "--alpha", "1e999"], "--alpha"),
        ([*FIELD, "--alpha", "-1"], "--alpha"),
        ([*FIELD, "--alpha", "1/0"], "--alpha"),
        ([*FIELD, "--alpha", ""], "--alpha"),
        ([*FIELD, "--alpha", "one"], "--alpha"),
        ([*CURL, "--control", "mix:2"], "mix:2"),
        ([*CURL, "--control", "mix:-0.1"], "mix:-0.1"),
        ([*CURL, "--control", "mix:nan"], "mix:W"),
        ([*CURL, "--control", "mix:"], "mix:W"),
        ([*CURL, "--control", "mix"], "mix"),
        ([*CURL, "--control", "techer"], "'teacher'"),
        ([*CURL, "--control", ""], "control"),
        ([*CURL, "--teacher", "none"], "'none'"),
        ([*CURL, "--teacher", "optmal"], "optimal"),
        ([*CURL, "--teacher", "softmax"], "softmax"),
        ([*CURL, "--teacher", "softmax:-1"], "-1"),
        ([*CURL, "--teacher", "softmax:nan"], "nan"),
        ([*CURL, "--teacher", "epsilon:2"], "2"),
        ([*CURL, "--teacher", "nowhere.json"], "No such file"),
        ([*CURL, "--teacher", "optimal"], "is 0"),  # ER takes the teacher's logarithm
        ([*FIELD, "--at", "nowhere.json"], "No such file"),
        ([*FIELD, "--at", "."], "."),
        (["rules", "--seed", "-1"], "--seed"),
        (["rules", "--seed", "x"], "--seed"),
        (["rules", "--on", "swril"], "'swirl'"),
        (["rules", "--control", "nobody"], "nobody"),
        (["tour", "--teacher", "none"], "'none'"),
        (["flow", "swirl", "--rule", "er", "--time", "1e99"], "must be at most 1e+06"),
        (["check", "."], "Is a directory"),
        (["tour", "--alpha", "nan"], "--alpha"),
    ],
)
def test_mistakes_are_one_line(args: list[str], said: str, capsys: Capture) -> None:
    assert said in mistake(capsys, *args)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[1, 2]]", "shape (1, 2); must be (2, 2)"),
        ("[1, 2]", "theta[0]"),
        ("[[[1], [2]], [[1], [2]]]", "theta[0, 0]"),
        ("[[1, 2], [3]]", "theta[1]"),
        ("[[1, 2], [3, NaN]]", "NaN is not a number"),
        ("[[1, 2], [3, Infinity]]", "Infinity is not a number"),
        ("[[1, 2], [3, 1e999]]", "theta[1, 1]"),
        ("[[1, 2], [3, true]]", "theta[1, 1] is True"),
        ("[[1, 2], [3, null]]", "theta[1, 1] is None"),
        ('[[1, 2], [3, "x"]]', "theta[1, 1] is 'x'"),
        ("[]", "theta"),
        ("{}", "theta"),
        ('{"theta": 1}', "theta is 1"),
        ('{"thetas": [[1, 2], [3, 4]]}', "'thetas'"),
        ('{"theta": [[1, 2], [3, 4]], "more": 1}', "'more'"),
        ("7", "theta is 7"),
        ('"text"', "theta is 'text'"),
        ("", "not JSON"),
        ("[[1, 2], [3, 4]", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"theta": [[1, 2], [3, 4]], "theta": [[0, 0], [0, 0]]}', "the key 'theta' is given twice"),
        ("[[" + "1" * 5000 + ", 2], [3, 4]]", "at.json"),
    ],
)
def test_bad_parameters_are_one_line(text: str, said: str, capsys: Capture) -> None:
    Path("at.json").write_text(text, "utf-8")
    line = mistake(capsys, *FIELD, "--at", "at.json")
    assert said in line and "at.json: " in line


def test_parameters_in_another_encoding(capsys: Capture) -> None:
    Path("at.json").write_bytes(b"\xff\xfe[\x00")
    assert "at.json: is not UTF-8 text" in mistake(capsys, *FIELD, "--at", "at.json")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([[0.5, 0.5]], "shape (1, 2); must be (2, 2)"),
        ([[0.5, 0.6], [0.5, 0.5]], "1.1"),
        ([[1.5, -0.5], [0.5, 0.5]], "-0.5"),
        ([[0.5, 0.5], [0.5, None]], "None"),
    ],
)
def test_bad_teacher_files_are_one_line(table: Any, said: str, capsys: Capture) -> None:
    Path("t.json").write_text(json.dumps(table), "utf-8")
    line = mistake(capsys, *CURL, "--teacher", "t.json")
    assert said in line and "t.json: " in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"P": [[[0.6, 0.6], [0, 1]], [[1, 0], [0, 1]]]}, "sums to 1.2; must be at most 1"),
        ({"P": [[[1.5, 0], [0, 1]], [[1, 0], [0, 1]]]}, "1.5"),
        ({"P": [[[-0.5, 0], [0, 1]], [[1, 0], [0, 1]]]}, "-0.5"),
        ({"P": [[1, 0], [0, 1]]}, "P"),
        ({"P": None}, "P"),
        ({"R": [[1, 2, 3], [4, 5, 6]]}, "R"),
        ({"R": [[1, "nan"], [4, 5]]}, "R["),
        ({"R": [[1, float("nan")], [4, 5]]}, "NaN"),
        ({"R": [[1, float("inf")], [4, 5]]}, "Infinity"),
        ({"initial": [0.5, 0.4]}, "initial"),
        ({"discount": 1.5}, "discount"),
        ({"discount": 0}, "discount"),
        ({"discount": 1}, "end"),  # no action sequence ends the episode
        ({"observation": [0, 2]}, "observation"),
        ({"teacher": [[0.5, 0.6], [1, 0]]}, "teacher"),
        ({"colour": "red"}, "colour"),
        ({"states": ["s0", "s0"]}, "s0"),
        ({"loss": {"s9": {"a0": 1}}}, "s9"),
    ],
)
def test_bad_mdp_files_are_one_line(change: dict[str, Any], said: str, capsys: Capture) -> None:
    Path("bad.json").write_text(json.dumps(SWIRL | change), "utf-8")
    assert said in mistake(capsys, "show", "bad.json")


def test_a_teacher_file_is_read_as_written(capsys: Capture) -> None:
    digits = "0.1234567890123456789012345"
    Path("t.json").write_text(f"[[{digits}, 0.8765432109876543210987655], [0.5, 0.5]]", "utf-8")
    assert main(["show", "swirl", "--teacher", "t.json", "--json"]) == 0
    assert Fraction(json.loads(capsys.readouterr().out)["teacher"][0][0]) == Fraction(digits)


def test_formulas_of_ones_own_that_fail_are_one_line(capsys: Capture) -> None:
    lines = ["from dynamics.rules.formula import log, p, t, total", "from dynamics.rules.table import Rule"]
    lines += ["y = Rule('y', '', 'student', loss=1 / total(p - t))"]
    lines += [r"x = Rule('n\x1b[31m', '', 'student', loss=total(p * t))"]
    Path("own.py").write_text("\n".join(lines), "utf-8")
    for mdp in ("swirl", "all:2x2"):
        assert "divide by 0 at every policy" in mistake(capsys, "curl", mdp, "--rule", "own.py:y")
    assert main(["flow", "swirl", "--rule", "own.py:x"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_missing_teacher_is_one_line(capsys: Capture) -> None:
    Path("none.json").write_text(json.dumps({key: SWIRL[key] for key in SWIRL if key != "teacher"}), "utf-8")
    for command in ("field", "curl"):
        assert "teacher" in mistake(capsys, command, "none.json", "--rule", "on-policy")
    assert main(["field", "none.json", "--rule", "on-policy", "--teacher", "uniform"]) == 0
    assert main(["field", "none.json", "--rule", "reward"]) == 0


def test_control_characters_in_names_are_shown_not_obeyed(capsys: Capture) -> None:
    assert "\\x1b[2J" in mistake(capsys, "show", "\x1b[2J\n")


# --- a process of its own: streams, signals ---------------------------------------------------------------------------


def command(*args: str, **options: Any) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)} | options.pop("env", {})
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-m", "vorticity", *args], env=environment, **options)


def test_the_module_is_the_command() -> None:
    process = command("zoo", "--json", stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert strict(out)["zoo"]


def test_a_closed_pipe_is_quiet() -> None:
    process = command("rules", "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("args", [["zoo"], ["--help"], ["zoo", "--json"]])
def test_an_unwritable_output_is_one_line(args: list[str]) -> None:
    with open("/dev/full", "w") as full:
        process = command(*args, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 1 and err.startswith("vorticity: error: standard output: No space")


def hear_interrupts() -> None:
    """A shell starts background jobs with SIGINT ignored, and so would their children be."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_is_one_line(folder: Path) -> None:
    os.mkfifo(folder / "wait.json")  # reading it waits for a writer that never comes
    process = command(*FIELD, "--at", "wait.json", preexec_fn=hear_interrupts)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=3)  # by now it waits in the command
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "vorticity: error: interrupted\n")


def test_an_ascii_terminal_is_served() -> None:
    process = command("rules", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "on-policy" in out
