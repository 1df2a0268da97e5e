"""A command as a child process: what it prints, its wall time and core-seconds, and the peak memory of every process.

Used by `sweep.py` and `reproduce.py` beside it. Peaks are VmHWM of /proc, looked at ten times a second (Linux).
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Output, seconds on the clock and of cores; peaks in MB, of the process and of the largest of its children."""

    out: str
    wall: float
    cores: float
    parent: float
    child: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end. Raises CalledProcessError when it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    peaks: dict[int, float] = {}
    with tempfile.TemporaryFile("w+") as out:
        running = subprocess.Popen(command, stdout=out, env=dict(environment or os.environ))
        while running.poll() is None:
            for pid in (running.pid, *children(running.pid)):
                peaks[pid] = max(peaks.get(pid, 0.0), peak(pid))
            time.sleep(0.1)
        wall = time.perf_counter() - start
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)
        out.seek(0)
        text = out.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(text, wall, cores, peaks.pop(running.pid, 0.0), max(peaks.values(), default=0.0))


def children(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def peak(pid: int) -> float:
    """The most memory that a process has held so far, MB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)
