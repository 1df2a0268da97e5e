"""Many independent tasks on many processes: a window of them in flight, results as they come, memory flat.

Tasks are taken from a lazy iterable one by one, never more at a time than the window, so that nothing here grows with
their number. What a task finished is yielded before any failure of another is raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import Any, TypeVar

from vorticity.runs import workers

T = TypeVar("T")
R = TypeVar("R")

QUIET = 30.0  # seconds between two notes where there is no terminal for a progress bar
AHEAD = 3  # tasks in flight for each worker: one at work, the others on the way


class Failed(ValueError):
    """What a task failed of, with the name of the task before it."""


def pace() -> Callable[[int, int], float | None]:
    """From now on: takes how many tasks this run has done and how many are missing; about how many seconds these take,
    None while nothing is done or QUIET seconds have not passed since it told.

    >>> pace()(1, 5) is None
    True
    """
    start = last = time.monotonic()

    def left(done: int, missing: int) -> float | None:
        nonlocal last
        now = time.monotonic()
        if not done or now - last < QUIET:
            return None
        last = now
        return (now - start) / done * missing

    return left


def own_words(error: BaseException) -> str | None:
    """What a ValueError or ArithmeticError says; None for any other: that is a mistake of ours, to be raised as it is.

    >>> own_words(ValueError("too large")), own_words(KeyError("x"))
    ('too large', None)
    """
    return str(error) if isinstance(error, (ValueError, ArithmeticError)) else None


def processes(
    work: Callable[[T], R],
    tasks: Iterable[T],
    jobs: int,
    *,
    name: Callable[[T], str] = str,
    died: str = "a process died (out of memory?)",
) -> Generator[tuple[T, R], None, None]:
    """Run `work` on each task, on at most `jobs` processes of this machine; yields (task, result) in any order.

    Processes are spawned when there is something for them to do, have one BLAS thread each, ignore Ctrl-C (it is the
    caller's) and die with the caller. `work` and the tasks must be picklable. Whatever ends the generator early also
    ends the processes. Raises `Failed`, a ValueError "{name(task)}: ...", when a task raises ValueError or
    ArithmeticError, ValueError with the text `died` when a process is killed, anything else as it is.

    >>> sorted(processes(abs, iter([-1, 2]), 1))
    [(-1, 1), (2, 2)]
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=workers.begin)

    def submit(task: T) -> Future[R]:
        with workers.one_thread():  # the pool may start a process now
            return pool.submit(work, task)

    try:
        yield from windowed(submit, tasks, lambda: AHEAD * jobs, name=name, died=died)
    except BaseException:
        for process in list((pool._processes or {}).values()):  # nothing that runs is worth waiting for
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def windowed(
    submit: Callable[[T], Future[R]],
    tasks: Iterable[T],
    window: Callable[[], int],
    *,
    name: Callable[[T], str] = str,
    died: str = "a process died",
    explain: Callable[[BaseException], str | None] = own_words,
    watch: Callable[[], None] = lambda: None,
    every: float | None = None,
) -> Generator[tuple[T, R], None, None]:
    """The loop of every backend: at most `window()` tasks submitted and not finished, (task, result) as they come.

    While nothing finishes `watch` is called every `every` seconds; it may raise to end the wait. `explain` gives the
    words of an error that is the task's own, None for one to be raised as it is. Errors as in `processes`.

    >>> def at_once(x):
    ...     done = Future()
    ...     done.set_result(x * x)
    ...     return done
    >>> sorted(windowed(at_once, range(4), lambda: 2))
    [(0, 0), (1, 1), (2, 4), (3, 9)]
    """
    left = iter(tasks)
    flying: dict[Future[R], T] = {}
    more = True
    while True:
        try:
            while more and len(flying) < max(window(), 1):
                task = next(left, _END)
                if task is _END:
                    more = False
                else:
                    flying[submit(task)] = task
        except BrokenExecutor:
            yield from _kept(flying)
            raise ValueError(died) from None
        if not flying:
            return
        finished, _ = wait(flying, timeout=every, return_when=FIRST_COMPLETED)
        if not finished:
            watch()
            continue
        failures: list[tuple[T, BaseException]] = []
        for future in finished:
            task = flying.pop(future)
            error = _error(future)
            if error is None:
                yield task, future.result()
            else:
                failures.append((task, error))
        if failures:
            yield from _kept(flying)
        for task, error in failures:
            if isinstance(error, (BrokenExecutor, CancelledError)):
                raise ValueError(died) from None
            words = explain(error)
            if words is None:
                raise error
            raise Failed(f"{name(task)}: {words}") from error


_END: Any = object()


def _error(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _kept(flying: dict[Future[R], T]) -> Iterator[tuple[T, R]]:
    """What has finished but was not yielded yet."""
    for future, task in flying.items():
        if future.done() and _error(future) is None:
            yield task, future.result()
