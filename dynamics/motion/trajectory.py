"""A trajectory: times and parameters, as a file and back. How it is drawn is not its business."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdp import Array


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Times `t` (n,) and parameters `theta` (n, *shape), or (n, members, *shape) from an ensemble.

    `kind` is "ode" (t in the time of F) or "discrete" (t counts steps of size `step`). `complete` is False when the
    run ended before its time, and `note` says why.
    """

    t: Array
    theta: Array
    kind: str = "ode"
    step: float | None = None
    complete: bool = True
    note: str = ""

    def save(self, path: str | Path) -> None:
        """Write as NPZ, CSV (one row a time, one column a parameter) or JSON, by the file's suffix.

        Floats are written so that `load` reads the same bits. Raises ValueError for another suffix, OSError when the
        place cannot be written.
        """
        path = Path(path)
        facts = {"kind": self.kind, "step": self.step, "complete": self.complete, "note": self.note}
        if path.suffix == ".npz":
            with path.open("wb") as file:
                np.savez_compressed(file, t=self.t, theta=self.theta, facts=json.dumps(facts))
        elif path.suffix == ".json":
            path.write_text(json.dumps({**facts, "t": self.t.tolist(), "theta": self.theta.tolist()}))
        elif path.suffix == ".csv":
            shape = self.theta.shape[1:]
            names = ["t", *("theta" + "".join(f"[{i}]" for i in index) for index in np.ndindex(*shape))]
            with path.open("w", newline="") as file:
                file.write(f"# {json.dumps({**facts, 'shape': shape})}\n")
                rows = csv.writer(file)
                rows.writerow(names)
                flat = self.theta.reshape(len(self.t), -1)
                rows.writerows([repr(float(t)), *map(repr, row)] for t, row in zip(self.t, flat.tolist(), strict=True))
        else:
            raise ValueError(f"{path}: suffix {path.suffix!r}; a trajectory is saved as .npz, .csv or .json")


def load(path: str | Path) -> Trajectory:
    """Read a trajectory that `Trajectory.save` wrote.

    Raises ValueError, naming the file, when it holds no trajectory.

    >>> import tempfile, os
    >>> place = os.path.join(tempfile.mkdtemp(), "x.csv")
    >>> Trajectory(np.array([0.0, 0.1]), np.array([[1.0], [0.9]])).save(place)
    >>> load(place).theta.tolist()
    [[1.0], [0.9]]
    """
    path = Path(path)
    try:
        t, theta, facts = _READ[path.suffix](path)
        return Trajectory(t, theta, facts["kind"], facts["step"], facts["complete"], facts["note"])
    except KeyError as error:
        raise ValueError(f"{path}: holds no trajectory: {error} is missing") from None
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: holds no trajectory: {error}") from None


def _read_npz(path: Path) -> tuple[Array, Array, dict[str, Any]]:
    with np.load(path, allow_pickle=False) as held:
        return held["t"], held["theta"], json.loads(str(held["facts"]))


def _read_json(path: Path) -> tuple[Array, Array, dict[str, Any]]:
    held = json.loads(path.read_text())
    return np.array(held["t"], dtype=float), np.array(held["theta"], dtype=float), held


def _read_csv(path: Path) -> tuple[Array, Array, dict[str, Any]]:
    with path.open(newline="") as file:
        facts = json.loads(file.readline().removeprefix("#"))
        rows = np.array([[float(x) for x in row] for row in list(csv.reader(file))[1:]])
    return rows[:, 0], rows[:, 1:].reshape(len(rows), *facts["shape"]), facts


_READ = {".npz": _read_npz, ".json": _read_json, ".csv": _read_csv}
