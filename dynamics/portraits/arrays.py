"""What a phase portrait draws, as plain arrays: saved as NPZ or JSON, drawn by `dynamics.drawing.portraits`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dynamics.orbits import Limits
from mdp import Array

Paths = tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Geometry:
    """Everything a portrait draws. Points are (x, y) on the axes; paths are tuples of arrays (k, 2).

    `arrows_at`, `arrows` (m, 2): places and velocities. `nullclines`: paths of the first and of the second coordinate.
    `rest_at` (r, 2), `rest_types`, `rest_eigenvalues` (r, n), `rest_inside` (r,): rest points, and whether they lie in
    the plane drawn (else they are projections). `orbits`, `separatrices`, and `cycles` with `periods`, whether they are
    `stable`, and their `status` ("numerical" or "proved"): in the order of time. `regions`: closed paths round what a
    proof of existence encloses. `track`: the orbit from the start that was asked for. `edge` (k, 2): the edge of
    the simplex, where it crosses the plane. `curl` (b, a) over `curl_x` (a,), `curl_y` (b,). `series` (k, n) at
    `series_t`, named by `series_names`.
    `pick` are the two coordinates drawn, `held` (n,) where the others are, and `note` says that of a slice in words.
    """

    xlim: Limits
    ylim: Limits
    labels: tuple[str, str]
    chart: str
    layers: tuple[str, ...]
    note: str
    pick: tuple[int, int]
    held: Array
    arrows_at: Array
    arrows: Array
    nullclines: tuple[Paths, Paths]
    rest_at: Array
    rest_types: tuple[str, ...]
    rest_eigenvalues: Array
    rest_inside: Array
    orbits: Paths
    separatrices: Paths
    cycles: Paths
    periods: tuple[float, ...]
    track: Array
    edge: Array
    curl_x: Array
    curl_y: Array
    curl: Array
    series_t: Array
    series: Array
    series_names: tuple[str, ...]
    stable: tuple[bool, ...] = ()
    status: tuple[str, ...] = ()
    regions: Paths = ()

    def to_json(self) -> dict[str, Any]:
        """Plain lists and texts; complex numbers are [re, im], what is not a number is null."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def save(self, path: str | Path) -> None:
        """Write as NPZ or JSON, by the suffix; the same bytes every time.

        In NPZ each field is an array; paths are stacked, a row of NaN after each; what is not an array is in `facts`.
        Raises ValueError for another suffix, OSError where the place cannot be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".json":
            path.write_text(json.dumps(self.to_json(), allow_nan=False) + "\n", encoding="utf-8")
        elif suffix == ".npz":
            facts: dict[str, Any] = {}
            arrays: dict[str, Array] = {}
            for name, value in vars(self).items():
                if name == "nullclines":
                    arrays |= {f"nullclines_{k}": _stacked(paths) for k, paths in enumerate(value)}
                elif name in _PATHS:
                    arrays[name] = _stacked(value)
                elif isinstance(value, np.ndarray):
                    arrays[name] = value
                else:
                    facts[name] = value
            arrays["facts"] = np.array(json.dumps(facts))
            with path.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
        else:
            raise ValueError(f"{path}: has the suffix {path.suffix!r}; must be .npz or .json")


_PATHS = ("orbits", "separatrices", "cycles", "regions")
_TEXTS = ("labels", "layers", "rest_types", "series_names")


def load(path: str | Path) -> Geometry:
    """Read what `Geometry.save` wrote. Raises ValueError, naming the file, when it holds no geometry."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
            held |= json.loads(str(held.pop("facts")))
            held["nullclines"] = tuple(_unstacked(held.pop(f"nullclines_{k}")) for k in (0, 1))
            held |= {name: _unstacked(held[name]) if name in held else () for name in _PATHS}
        else:
            held = json.loads(path.read_text(encoding="utf-8"))
            held["nullclines"] = tuple(_arrays(paths) for paths in held["nullclines"])
            held |= {name: _arrays(held.get(name, ())) for name in _PATHS}
            values = np.array(held["rest_eigenvalues"], dtype=float).reshape(len(held["rest_at"]), len(held["held"]), 2)
            held["rest_eigenvalues"] = values[..., 0] + 1j * values[..., 1]
            held["rest_inside"] = np.array(held["rest_inside"], dtype=bool)
            for name in ("arrows_at", "arrows", "rest_at", "track", "edge"):
                held[name] = np.array(held[name], dtype=float).reshape(-1, 2)
            for name in ("held", "curl_x", "curl_y", "series_t"):
                held[name] = np.array(held[name], dtype=float)
            held["curl"] = np.array(held["curl"], dtype=float).reshape(len(held["curl_y"]), len(held["curl_x"]))
            held["series"] = np.array(held["series"], dtype=float).reshape(
                len(held["series_t"]), len(held["series_names"])
            )
        held |= {name: tuple(held[name]) for name in (*_TEXTS, "xlim", "ylim", "periods", "pick")}
        for name, usual in (("stable", True), ("status", "numerical")):  # files from before they were told
            held[name] = tuple(held.get(name, (usual,) * len(held["periods"])))
        return Geometry(**held)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: holds no geometry of a portrait: {error}") from None


def only(drawn: Geometry, layers: Sequence[str]) -> Geometry:
    """The same with everything that belongs to other layers left out."""
    parts: dict[str, dict[str, Any]] = {
        "quiver": {"arrows_at": np.empty((0, 2)), "arrows": np.empty((0, 2))},
        "nullclines": {"nullclines": ((), ())},
        "orbits": {"orbits": (), "track": np.empty((0, 2))},
        "separatrices": {"separatrices": ()},
        "cycle": {"cycles": (), "periods": (), "stable": (), "status": (), "regions": ()},
        "rest": {
            "rest_at": np.empty((0, 2)),
            "rest_types": (),
            "rest_eigenvalues": np.empty((0, len(drawn.held))),
            "rest_inside": np.empty(0, dtype=bool),
        },
        "curl": {"curl_x": np.empty(0), "curl_y": np.empty(0), "curl": np.empty((0, 0))},
    }
    kept = tuple(name for name in drawn.layers if name in layers)
    gone = {key: value for name, part in parts.items() if name not in kept for key, value in part.items()}
    return dataclasses.replace(drawn, layers=kept, **gone)


def shafts(drawn: Geometry) -> tuple[Array, Array]:
    """Arrows (m,), (m,) in the direction of the field, of length (speed on the page / its largest)^0.3, at least 0.3.

    Slow regions still show; masked where there is no field, 0 where it vanishes.
    """
    width, height = drawn.xlim[1] - drawn.xlim[0], drawn.ylim[1] - drawn.ylim[0]
    u, v = drawn.arrows.T
    seen, size = np.hypot(u / width, v / height), np.hypot(u, v)
    top = np.max(seen, initial=0.0, where=np.isfinite(seen))
    length = np.clip((seen / (top or 1.0)) ** 0.3, 0.3, 1.0)
    factor = np.divide(length, size, out=np.zeros_like(size), where=size > 0)
    masked = np.ma.masked_invalid(np.stack([u * factor, v * factor]))
    return masked[0], masked[1]


def heads(drawn: Geometry, paths: Sequence[Array], clear_of: Sequence[Array] = ()) -> tuple[Array, Array]:
    """Places (m, 2) and directions (m, 2), of length 1, of arrow heads on paths: one to three each, by length.

    None within 0.03 of the window of a path in `clear_of`, nor of the head before.
    """
    low = np.array([drawn.xlim[0], drawn.ylim[0]])
    span = np.array([drawn.xlim[1], drawn.ylim[1]]) - low
    taken = [(path - low) / span for path in clear_of]
    at, along = [], []
    for path in paths:
        on_page = (path - low) / span
        seen = np.flatnonzero(((on_page > 0.01) & (on_page < 0.99)).all(-1))
        seen = seen[(seen > 0) & (seen < len(path) - 1)]
        if len(seen) < 2:
            continue
        moves = np.linalg.norm(np.diff(on_page[seen], axis=0), axis=-1)
        reached = np.concatenate([[0.0], np.cumsum(np.where(moves < 0.1, moves, 0.0))])
        if reached[-1] < 0.08:
            continue
        count = int(np.clip(round(reached[-1] / 0.6), 1, 3))
        for share in (np.arange(count) + 0.5) / count:
            k = int(seen[np.searchsorted(reached, share * reached[-1])])
            way = path[k + 1] - path[k - 1]
            near = any(np.linalg.norm(other - on_page[k], axis=-1).min() < 0.03 for other in taken)
            if np.hypot(*way) > 0 and not near:
                at.append(path[k])
                along.append(way / np.hypot(*way))
                taken.append(on_page[k][None])
    return np.array(at).reshape(-1, 2), np.array(along).reshape(-1, 2)


def eigenvalue_text(values: Array) -> str:
    """Eigenvalues in few digits, conjugate pairs once; at most three.

    >>> eigenvalue_text(np.array([0.1 + 1j, 0.1 - 1j, -2])), eigenvalue_text(np.array([1j, -1j]))
    ('0.1 ± 1i, −2', '±1i')
    """
    told = []
    for value in values[values.imag >= 0]:
        real, imaginary = f"{value.real:.3g}".replace("-", "−"), f"{abs(value.imag):.3g}i"
        if abs(value.imag) <= 1e-9 * abs(value):
            told.append(real)
        else:
            told.append(f"±{imaginary}" if abs(value.real) <= 1e-9 * abs(value) else f"{real} ± {imaginary}")
    return ", ".join(told[:3]) + (", …" if len(told) > 3 else "")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and np.iscomplexobj(value):
        return np.stack([value.real, value.imag], -1).tolist()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _stacked(paths: Paths) -> Array:
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for path in paths for part in (path, gap)]) if paths else np.empty((0, 2))


def _unstacked(rows: Array) -> Paths:
    ends = np.flatnonzero(np.isnan(rows[:, 0]))
    return tuple(rows[start:end] for start, end in zip([0, *(ends + 1)], ends, strict=False))


def _arrays(paths: Any) -> Paths:
    return tuple(np.array(path, dtype=float).reshape(-1, 2) for path in paths)
