"""Sweeps on a real Dask cluster: a scheduler and two worker processes of this machine, some of which are killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.test_reproduce import contents, finished
from tests.test_sweep import MANY, until
from vorticity.commands.main import main
from vorticity.runs import cluster

ROOT = Path(__file__).resolve().parent.parent
needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="the extra 'cluster' is not installed")
posix = pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
ONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address and the processes."""

    address: str
    scheduler: subprocess.Popen[Any]
    workers: list[subprocess.Popen[Any]]


def free(path: Path, start: Callable[[], subprocess.Popen[Any]], seconds: float = 60) -> tuple[Any, str]:
    """A scheduler started, and the address that its log tells."""
    running = start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = re.search(r"Scheduler at:\s+(tcp://\S+)", path.read_text())
        if found:
            return running, found[1]
        time.sleep(0.05)
    running.kill()
    raise AssertionError(path.read_text())


@contextmanager
def started(place: Path, workers: int = 2, **environment: str) -> Iterator[Cluster]:
    """A cluster; no nanny, for it would start a killed worker again."""
    held = os.environ | ONE | {"PYTHONPATH": str(ROOT)} | environment
    place.mkdir()
    log = place / "scheduler.log"

    def begin(name: str, *args: str) -> subprocess.Popen[Any]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *args, "--no-dashboard"]
        with log.open("a") as file:
            return subprocess.Popen(command, env=held, stdout=file, stderr=file, cwd=place)

    scheduler, address = free(log, lambda: begin("scheduler", "--host", "127.0.0.1", "--port", "0"))
    single = ("--nthreads", "1", "--nworkers", "1", "--no-nanny", "--local-directory", str(place))
    running = [begin("worker", address, *single) for _ in range(workers)]
    try:
        yield Cluster(address, scheduler, running)
    finally:
        for process in (*running, scheduler):
            process.kill()
            process.wait()


def tasks(address: str) -> int:
    """How many tasks the scheduler knows."""
    code = (
        "import sys; from distributed import Client\n"
        "with Client(sys.argv[1]) as c: print(c.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))"
    )
    return int(subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, check=True).stdout)


def asked(path: Path, out: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "vorticity", "sweep", str(path), "--json", "--no-pictures", "--out", str(out)]
    return [*command, *more]


@pytest.mark.slow
@needs_dask
@posix
def test_workers_and_the_sweep_itself_are_killed_and_no_row_is_lost_or_there_twice(tmp_path: Path) -> None:
    """Killed -9: the sweep, which leaves no task behind; then, resumed, one of the two workers."""
    path = tmp_path / "many.toml"
    path.write_text(MANY)
    whole, spread = tmp_path / "whole", tmp_path / "spread"
    with started(tmp_path / "cluster") as there:
        command = asked(path, spread, "--scheduler", there.address)
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(spread / "results.sqlite", 10, first)
        first.kill()
        first.wait()
        deadline = time.monotonic() + 30
        while tasks(there.address) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert tasks(there.address) == 0
        kept = finished(spread / "results.sqlite")
        second = subprocess.Popen([*command, "--resume"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(spread / "results.sqlite", kept + 10, second)
        there.workers[0].kill()
        out, said = second.communicate(timeout=300)
        assert second.returncode == 0, said
        assert tasks(there.address) == 0
    answer = json.loads(subprocess.run(asked(path, whole), capture_output=True, text=True, check=True).stdout)
    rows = contents(spread / "results.sqlite")
    assert len(rows) == answer["rows"] == 120
    assert rows == contents(whole / "results.sqlite")
    assert json.loads(out)["table"] == answer["table"]


TRIED = """
import os, sys, time
from vorticity.runs import cluster

def work(x):
    if x == 3:
        time.sleep(0.5)
        os._exit(9)
    if x == 4:
        time.sleep(2)  # so that the others are done
        raise ValueError("four is too much")
    return x

todo = [int(x) for x in sys.argv[2].split(",")]
named = {"name": lambda x: f"task {x}", "note": lambda text: print("note:", text), "patience": 2.0}
try:
    for x, _ in cluster.cluster(work, iter(todo), sys.argv[1], **named):
        print("done", x)
except ValueError as error:
    print("error:", error)
"""


def tried(address: str, todo: str) -> list[str]:
    command = [sys.executable, "-c", TRIED, address, todo]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.slow
@needs_dask
@posix
def test_what_can_go_wrong_is_one_line(tmp_path: Path) -> None:
    with started(tmp_path / "cluster", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as there:
        *before, failed = tried(there.address, "0,1,2,4")
        done = [line for line in before if not line.startswith("note: ")]  # workers may still be on their way
        assert sorted(done) == ["done 0", "done 1", "done 2"] and failed == "error: task 4: four is too much"
        assert tried(there.address, "3")[-1] == "error: task 3: every worker that had it was killed (out of memory?)"
        for worker in there.workers:
            worker.kill()
            worker.wait()
        noted, gone = tried(there.address, "0")
        assert "is left; waiting 2 s for one" in noted and "no worker for 2 s; what is finished is kept" in gone


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "tcp://host", "tcp://a b:1", "foo://host:1"])
@needs_dask
def test_addresses_are_checked(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text('rules = "er"\nmdps = "swirl"')
    monkeypatch.setitem(sys.modules, "distributed", type(sys)("distributed"))
    monkeypatch.setitem(sys.modules, "distributed.scheduler", type(sys)("distributed.scheduler"))
    for module, name in (("distributed", "Client"), ("distributed.scheduler", "KilledWorker")):
        monkeypatch.setattr(sys.modules[module], name, None, raising=False)
    run = ["sweep", str(tmp_path / "a.toml"), "--out", str(tmp_path / "out"), "--scheduler", address]
    assert main(run) == 2
    said = capsys.readouterr().err
    assert f"--scheduler is {address!r}; must be tcp://HOST:PORT" in said and len(said.splitlines()) == 1


def test_without_dask_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text('rules = "er"\nmdps = "swirl"')
    monkeypatch.setitem(sys.modules, "distributed", None)
    run = ["sweep", str(tmp_path / "a.toml"), "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:1"]
    assert main(run) == 2
    assert capsys.readouterr().err == f"vorticity: error: {cluster.INSTALL}\n"


class Told:
    """A client whose workers tell these facts."""

    def __init__(self, facts: Json, threads: int = 1) -> None:
        self.facts, self.status, self.threads = facts, "running", threads

    def run(self, function: Callable[[], Json], on_error: str) -> Json:
        return {"tcp://b:2": self.facts}

    def nthreads(self) -> dict[str, int]:
        return {"tcp://b:2": self.threads}


@pytest.mark.parametrize(
    ("there", "law"),
    [
        ({"vorticity": "0.0.1"}, r"worker tcp://b:2 has vorticity 0\.0\.1; must be "),
        ({"python": "3.9.1"}, r"has python 3\.9\.1; must be 3"),
        (ModuleNotFoundError("No module named 'vorticity'"), "cannot run vorticity: No module named 'vorticity'"),
    ],
)
def test_workers_must_be_alike(there: Any, law: str) -> None:
    told = there if isinstance(there, Exception) else cluster.facts() | there
    with pytest.raises(ValueError, match=law):
        cluster._check(Told(told), "tcp://a:1", print)


def test_what_may_change_last_digits_is_noted() -> None:
    notes: list[str] = []
    cluster._check(Told(cluster.facts() | {"numpy": "1.0", "threads": "any,1"}, threads=4), "tcp://a:1", notes.append)
    assert [note.split(" ")[0:3] for note in notes] == [
        ["workers", "have", "numpy"],
        *[["some", "workers", "do"]],
        ["some", "workers", "have"],
    ]
    notes.clear()
    cluster._check(Told(cluster.facts() | {"threads": "1,1"}), "tcp://a:1", notes.append)
    assert not notes


def test_a_worker_that_came_late_with_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = cluster._Checked(abs)
    assert checked(-2) == 2
    monkeypatch.setattr(cluster, "__version__", "9.9")
    with pytest.raises(ImportError, match=r"it has vorticity 9\.9; must be "):
        checked(-2)


def test_patience_begins_anew_when_a_worker_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, notes, client = [0.0], [], Told({}, threads=0)
    monkeypatch.setattr(cluster.time, "monotonic", lambda: clock[0])
    watch = cluster._watch(client, "tcp://a:1", notes.append, 60.0)
    for now, threads in ((0.0, 0), (50.0, 0), (55.0, 1), (100.0, 0), (150.0, 0)):
        clock[0], client.threads = now, threads
        watch()
    assert len(notes) == 2
    clock[0] = 161.0
    with pytest.raises(ValueError, match="no worker for 60 s"):
        watch()


@pytest.mark.slow
@needs_dask
def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('rules = "er"\nmdps = "swirl"')
    command = asked(tmp_path / "a.toml", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "vorticity: error: --scheduler tcp://127.0.0.1:1: no scheduler answers within 10 s\n"
