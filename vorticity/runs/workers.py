"""Processes that share out the cores: one BLAS thread each, and none outlives the process that started it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def one_thread() -> Iterator[None]:
    """For processes started meanwhile: one BLAS thread each. The caller's own environment is as it was afterwards.

    >>> before = dict(os.environ)
    >>> with one_thread():
    ...     os.environ["OMP_NUM_THREADS"]
    '1'
    >>> os.environ == before
    True
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def begin(on_interrupt: Any = signal.SIG_IGN) -> None:
    """What a worker does first: Ctrl-C is handled as `on_interrupt` (default: it is the parent's to handle), and the
    end of the parent, however it ended, is its own."""
    signal.signal(signal.SIGINT, on_interrupt)
    parent = parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
