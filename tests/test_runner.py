"""The runner: a bounded window, lazily taken tasks, what is finished before what failed, processes that die."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count, islice
from typing import Any

import pytest

from vorticity.runs import runner


def inverse(x: float) -> float:
    return 1 / x


def die_at_3(x: int) -> int:
    if x == 3:
        time.sleep(0.3)  # so that what is before it has been reported
        os._exit(9)
    return x


def broken(x: int) -> int:
    raise KeyError(x)


class Backend:
    """Futures that are finished by hand, the oldest first, and a record of how many were open at once."""

    def __init__(self) -> None:
        self.open: list[Future[int]] = []
        self.most = 0

    def submit(self, x: int) -> Future[int]:
        future: Future[int] = Future()
        self.open.append(future)
        self.most = max(self.most, len(self.open))
        return future

    def finish(self) -> None:
        self.open.pop(0).set_result(1)


def test_never_more_in_flight_than_the_window_and_none_taken_ahead_of_it() -> None:
    backend, taken = Backend(), 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    found = runner.windowed(backend.submit, tasks(), lambda: 4, watch=backend.finish, every=0.0)
    assert [task for task, _ in islice(found, 50)] == list(range(1, 51))
    assert backend.most == 4
    assert taken == 53  # of infinitely many: 50 finished, and the three that fly beside them


def test_a_window_that_grows_is_used() -> None:
    backend, sizes = Backend(), iter([1, 1, 1, *[6] * 50])
    found = runner.windowed(backend.submit, range(20), lambda: next(sizes), watch=backend.finish, every=0.0)
    assert len(list(found)) == 20 and backend.most == 6


def test_what_finished_comes_before_what_failed() -> None:
    futures: dict[int, Future[int]] = {}

    def submit(x: int) -> Future[int]:
        futures[x] = Future()
        if x == 2:  # all three are finished when the loop first looks
            futures[0].set_exception(ValueError("too large"))
            futures[1].set_result(1)
            futures[2].set_result(2)
        return futures[x]

    found = runner.windowed(submit, range(3), lambda: 3, name=lambda x: f"task {x}")
    assert {next(found), next(found)} == {(1, 1), (2, 2)}
    with pytest.raises(runner.Failed, match=r"^task 0: too large$"):
        next(found)


@pytest.mark.skipif(os.name != "posix", reason="a process that exits like that is POSIX")
def test_a_process_that_dies_is_said_and_what_finished_is_kept() -> None:
    found: list[int] = []
    with pytest.raises(ValueError, match=r"^somebody died$"):
        for task, _ in runner.processes(die_at_3, iter([0, 1, 2, 3, 4]), 1, died="somebody died"):
            found.append(task)
    assert sorted(found) == [0, 1, 2]  # the runner promises no order


@pytest.mark.parametrize(("work", "task", "error"), [(inverse, 0.0, runner.Failed), (broken, 1, KeyError)])
def test_users_mistakes_are_named_and_ours_are_raised_as_they_are(work: Any, task: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        list(runner.processes(work, [task], 1, name=lambda x: f"number {x}"))
    assert (str(caught.value) == "number 0.0: float division by zero") == (error is runner.Failed)


def test_the_time_left_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(runner.time, "monotonic", lambda: clock[0])
    left = runner.pace()
    assert left(1, 9) is None  # too early
    clock[0] = 40.0
    assert left(0, 10) is None  # nothing to tell it from
    assert left(2, 24) == 480.0
    clock[0] = 69.0
    assert left(3, 23) is None
    clock[0] = 70.0
    assert left(7, 19) == 190.0


def test_whoever_stops_early_leaves_no_process() -> None:
    found = runner.processes(time.sleep, (0.0 if k == 0 else 60.0 for k in count()), 2)
    assert next(found)[0] == 0.0
    start = time.monotonic()
    found.close()
    assert time.monotonic() - start < 30  # and not the minute that the others sleep
    assert not multiprocessing.active_children()


def test_what_finished_beside_a_failure_is_yielded_first() -> None:
    """One failed, one is yielded, and while the caller has it a third is finished."""
    futures: dict[int, Future[int]] = {}

    def submit(x: int) -> Future[int]:
        futures[x] = Future()
        if x == 1:
            futures[0].set_exception(ValueError("no"))
            futures[1].set_result(1)
        return futures[x]

    found = runner.windowed(submit, range(3), lambda: 3)
    assert next(found) == (1, 1)
    futures[2].set_result(2)
    assert next(found) == (2, 2)
    with pytest.raises(runner.Failed, match="0: no"):
        next(found)
