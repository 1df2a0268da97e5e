"""The runner's second backend: a Dask cluster, of which this process is a client. Needs the extra `cluster`.

The scheduler does a case again whose worker is killed. Results come back here and nothing is written anywhere else.
A client that ends, however it ends, takes its waiting tasks with it: the scheduler forgets them.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import time
from collections.abc import Callable, Generator, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from vorticity import __version__
from vorticity.runs import runner, workers

T = TypeVar("T")
R = TypeVar("R")

REACH = 10.0  # seconds in which a scheduler must answer
PATIENCE = 60.0  # seconds without any worker until it is given up
LOOK = 1.0  # seconds between two looks at the workers while nothing finishes
INSTALL = "--scheduler needs Dask, which is not installed; install it with: pip install 'vorticity[cluster]'"


def cluster(
    work: Callable[[T], R],
    tasks: Iterable[T],
    address: str,
    *,
    name: Callable[[T], str] = str,
    note: Callable[[str], None] = print,
    patience: float = PATIENCE,
) -> Generator[tuple[T, R], None, None]:
    """As `vorticity.runs.runner.processes`, on the workers of the Dask scheduler at this address, as many as there are.

    Workers may come and go. Raises ValueError in one line: Dask is not installed; the scheduler does not answer within
    REACH seconds; a worker has another Python or vorticity, or none; no worker is left for `patience` seconds; a case
    killed every worker that had it (three by default). BLAS on workers should have one thread each: see the note.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise ValueError(INSTALL) from None
    if not re.fullmatch(r"(?:(?:tcp|tls|ws|wss)://)?[^/\s]+:[0-9]{1,5}", address):
        raise ValueError(f"--scheduler is {address!r}; must be tcp://HOST:PORT")
    silent = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # what matters is said here, in a line
    try:
        try:
            client = Client(address, timeout=REACH, set_as_default=False, name="vorticity")
        except (OSError, ValueError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"no scheduler answers within {REACH:g} s"
            raise ValueError(f"--scheduler {address}: {reason}") from None
        try:
            watch = _watch(client, address, note, patience)
            while not _threads(client):  # all may be on their way
                watch()
                time.sleep(0.2)
            _check(client, address, note)
            executor = client.get_executor(pure=False)
            checked = _Checked(work)

            def explain(error: BaseException) -> str | None:
                if isinstance(error, KilledWorker):
                    return "every worker that had it was killed (out of memory?)"
                return f"a worker cannot run it: {error}" if isinstance(error, ImportError) else runner.own_words(error)

            try:
                yield from runner.windowed(
                    lambda task: executor.submit(checked, task),
                    tasks,
                    _window(client),
                    name=name,
                    died=f"{address}: the scheduler went away; what is finished is kept, --resume goes on",
                    explain=explain,
                    watch=watch,
                    every=LOOK,
                )
            finally:
                executor.shutdown(wait=False)
        finally:
            client.close(timeout=REACH)
    finally:
        logging.disable(silent)


def _threads(client: Any) -> int:
    """The threads of all workers; 0 where the scheduler does not say."""
    try:
        return sum(client.nthreads().values()) if client.status == "running" else 0
    except (OSError, ValueError):
        return 0


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def facts() -> dict[str, str]:
    """What must be alike on all machines, and what should be.

    >>> facts()["vorticity"] == __version__
    True
    """
    found = {"python": platform.python_version(), "vorticity": __version__}
    for package in ("numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found | {"threads": ",".join(os.environ.get(one, "any") for one in workers.THREADS[:2])}


def _check(client: Any, address: str, note: Callable[[str], None]) -> None:
    """Raise ValueError for a worker with another Python or vorticity; note what may change last digits."""
    here = facts()
    told = client.run(facts, on_error="return")
    for worker, there in told.items():
        if isinstance(there, BaseException):
            raise ValueError(f"{address}: worker {worker} cannot run vorticity: {_short(there)}")
        for what in ("vorticity", "python"):
            if there[what] != here[what]:
                raise ValueError(f"{address}: worker {worker} has {what} {there[what]}; must be {here[what]}, as here")
    for what in ("numpy", "scipy"):
        others = sorted({there[what] for there in told.values()} - {here[what]})
        if others:
            note(f"workers have {what} {', '.join(others)}, here it is {here[what]}: last digits may differ")
    if any(there["threads"] != "1,1" for there in told.values()):
        note("some workers do not limit BLAS to one thread (OPENBLAS_NUM_THREADS=1): last digits may differ")
    if any(threads > 1 for threads in client.nthreads().values()):
        note("some workers have several threads; one each (--nthreads 1) is quicker")


class _Checked:
    """`work` for a worker that may have come late: it must have the version of whoever asks."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work, self.made_by = work, __version__

    def __call__(self, task: Any) -> Any:
        if self.made_by != __version__:
            raise ImportError(f"it has vorticity {__version__}; must be {self.made_by}")
        return self.work(task)


def _window(client: Any) -> Callable[[], int]:
    """Tasks in flight: some for each thread that there is, asked anew now and then."""
    last, threads = 0.0, 0

    def window() -> int:
        nonlocal last, threads
        if time.monotonic() - last > LOOK:
            last, threads = time.monotonic(), _threads(client)
        return runner.AHEAD * threads

    return window


def _watch(client: Any, address: str, note: Callable[[str], None], patience: float) -> Callable[[], None]:
    """Says once that no worker is left, and raises ValueError when that lasts."""
    alone: float | None = None

    def watch() -> None:
        nonlocal alone
        if _threads(client):
            alone = None
        elif alone is None:
            alone = time.monotonic()
            note(f"{address}: no worker, or no scheduler, is left; waiting {patience:g} s for one")
        elif time.monotonic() - alone > patience:
            raise ValueError(f"{address}: no worker for {patience:g} s; what is finished is kept, --resume goes on")

    return watch
