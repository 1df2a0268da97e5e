"""The command `reproduce`: rows kept as they come, resumed after kill -9, answers, mistakes in a line."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dynamics.experiments import fig2
from vorticity.commands import reproduce
from vorticity.commands.main import main
from vorticity.runs import store, workers

Capture = pytest.CaptureFixture[str]
SHORT = [
    {"experiment": "fig2", "rule": rule, "expectation": "exact", "members": 1, "steps": steps, "seed": 0}
    for rule in ("on-policy", "n-distill")
    for steps in (40, 50)
]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Figure 2 cut down to four short cases."""
    monkeypatch.setattr(fig2, "cases", lambda full: SHORT[: 4 if full else 3])
    return SHORT


def test_rows_table_and_figure_and_resuming(short: list[dict[str, Any]], tmp_path: Path, capsys: Capture) -> None:
    run = ["reproduce", "fig2", "--out", str(tmp_path), "--jobs", "1"]
    assert main(run) == 0
    shown = capsys.readouterr().out
    assert "fig2: undecided. " in shown or "fig2: does not hold. " in shown
    assert shown.splitlines()[0].startswith("fig2: the cycle and its corrections; 3 cases, 3 rows")
    assert (tmp_path / "fig2.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "fig2.md").read_text(encoding="utf-8")
    assert page.startswith("# `vorticity reproduce fig2`\n") and "![the cycle and its corrections](fig2.png)" in page
    assert "| on-policy + R | exact |" in page and "| fig2 | on-policy distillation + R cycles" in page

    assert main(run) == 2  # what is there is not mixed with a new run unasked
    assert "holds 3 finished cases of fig2; go on with --resume, or give another --out" in capsys.readouterr().err

    (tmp_path / "fig2.png").unlink()
    assert main([*run, "--full", "--resume", "--json", "--no-pictures"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (figure,) = answer["figures"]
    assert (figure["figure"], figure["cases"], figure["rows"], figure["picture"]) == ("fig2", 4, 4, None)
    assert figure["claim"].startswith("Claim: on-policy distillation + R cycles")
    assert not (tmp_path / "fig2.png").exists()
    with store.opened(tmp_path / "results.sqlite") as kept:
        assert store.rows(kept, "fig2", short) == [row for case in short for row in fig2.run(case)]
        assert kept.connection.execute("SELECT count(*) FROM rows").fetchone() == (4,)


def test_what_is_there_so_far_is_shown(short: list[dict[str, Any]], tmp_path: Path, capsys: Capture) -> None:
    show = ["reproduce", "fig2", "--out", str(tmp_path), "--show", "--json", "--no-pictures"]
    assert main(show) == 2 and not (tmp_path / "results.sqlite").exists()  # whoever only looks makes none
    assert "results.sqlite: is not there" in capsys.readouterr().err
    with store.opened(tmp_path / "results.sqlite"):
        pass
    assert main(show) == 2
    assert "holds no finished case of fig2 of this size yet" in capsys.readouterr().err
    with store.opened(tmp_path / "results.sqlite") as kept:
        store.add(kept, "fig2", short[1], fig2.run(short[1]), 0.0)
    assert main(show) == 0
    shown = capsys.readouterr()
    assert "fig2: 1 of 3 cases are finished" in shown.err
    (part,) = json.loads(shown.out)["figures"]
    assert (part["cases"], part["of"], part["complete"], part["holds"]) == (1, 3, False, None)
    assert "| incomplete, 1 of 3 cases; so far: " in (tmp_path / "fig2.md").read_text(encoding="utf-8")
    with store.opened(tmp_path / "results.sqlite") as kept:
        assert len(store.finished(kept, "fig2")) == 1  # nothing was run


def test_a_failing_case_is_named_and_the_others_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = SHORT[0] | {"rule": "no-such-rule"}
    told: list[tuple[str, int, int]] = []
    with store.opened(tmp_path / "a.sqlite") as kept:
        with pytest.raises(ValueError, match=r"fig2, case .*no-such-rule.*: rule: .*no-such-rule"):
            reproduce.run_cases(kept, {"fig2": [SHORT[0], bad]}, 1, lambda *args: told.append(args))
        assert store.finished(kept, "fig2") == {store.case_key(SHORT[0])}
    assert told == [("fig2", 0, 2), ("fig2", 1, 2)]


def test_one_thread_each_and_the_environment_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with workers.one_thread():
        assert {os.environ[name] for name in workers.THREADS} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_every_experiment_named_is_there_and_says_what_it_claims() -> None:
    for name in [*reproduce.PAPER, *reproduce.OURS]:
        module = reproduce._module(name)
        assert {"cases", "run", "summary"} <= set(dir(module))
        assert "Claim" in module.__doc__


@pytest.mark.parametrize(
    ("args", "law"),
    [
        (["fig7"], "FIGURE: unknown 'fig7'; the nearest is"),
        (["fig2", "--jobs", "0"], "0 is not in the range 1<=x<=1024"),
        ([], "Missing argument 'FIGURE'"),
    ],
)
def test_mistakes_are_one_line(args: list[str], law: str, capsys: Capture) -> None:
    assert main(["reproduce", *args]) == 2
    said = capsys.readouterr().err
    assert law in said and len(said.splitlines()) == 1


def test_notes_tell_the_time_left_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    clock = [0.0]
    monkeypatch.setattr(reproduce.time, "monotonic", lambda: clock[0])
    tell = reproduce._notes({"fig1": [{}] * 10, "fig2": [{}] * 20})
    tell("fig1", 4, 10)  # four were there already
    tell("fig2", 0, 20)
    clock[0] = 40.0
    tell("fig1", 6, 10)
    assert "fig1: 6 of 10 cases; 6 of 30 in all, about 480 s left" in capsys.readouterr().err
    clock[0] = 41.0
    tell("fig1", 7, 10)
    assert capsys.readouterr().err == ""


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def contents(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as read:
        found = read.execute("SELECT figure, case_key, position, row_json FROM rows ORDER BY 1, 2, 3").fetchall()
    read.close()
    return found


def finished(path: Path) -> int:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as read:
            (count,) = read.execute("SELECT count(*) FROM cases").fetchone()
        read.close()
        return int(count)
    except sqlite3.OperationalError:  # not made yet
        return 0


def children(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if int(line.split()[1]) == pid]


def alive(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(listed) and not listed.startswith("Z")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_kill_9_in_the_middle_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """`reproduce fig3`, killed twice and resumed, holds the rows of a run that nobody disturbed, each once."""
    command = [
        sys.executable,
        "-m",
        "vorticity",
        "reproduce",
        "fig3",
        "--no-pictures",
        "--json",
        "--jobs",
        "2",
        "--out",
    ]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for wanted in (3, 9):
        resume = ["--resume"] if wanted > 3 else []
        running = subprocess.Popen([*command, str(killed), *resume], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 500
        while finished(killed / "results.sqlite") < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
            assert running.poll() is None, "it ended before it could be killed"
        workers = children(running.pid)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        assert wanted <= finished(killed / "results.sqlite") < 30
        assert len(workers) >= 2
        while any(map(alive, workers)) and time.monotonic() < deadline:  # nobody works on for a process that is gone
            time.sleep(0.05)
        assert not any(map(alive, workers))
    kept = contents(killed / "results.sqlite")
    answers = [
        json.loads(subprocess.run([*command, str(place), *more], capture_output=True, text=True, check=True).stdout)
        for place, more in ((killed, ["--resume"]), (whole, []))
    ]
    rows = contents(killed / "results.sqlite")
    assert set(kept) <= set(rows)
    assert rows == contents(whole / "results.sqlite") and len(rows) == 120
    assert answers[0]["figures"][0]["table"] == answers[1]["figures"][0]["table"]
