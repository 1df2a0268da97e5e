"""Read and write MDP files, JSON and NPZ, without losing a digit.

One file is one model: an object (JSON) or archive (NPZ) with the keys `P`, `R`, `initial` (required), `discount`,
`observation`, `states`, `actions`, `teacher`, `loss`. Numbers are decimals or fractions, as numbers or as text, and
are read as written. A sparse P is `{"sparse": [[s, a, s', p], ...]}` in JSON; in NPZ it is the arrays `P_data`,
`P_indices`, `P_indptr` and `P_shape` of a CSR matrix of shape (S*A, S). Every error is a ValueError of one line that
begins with the file's path.
"""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import scipy.sparse as sp

from mdp.model import MDP, to_dict
from mdp.numbers import LONGEST, show
from mdp.reading import nearest

__all__ = ["from_dict", "parse_json", "read", "to_dict", "write"]

_REQUIRED = ("P", "R", "initial")
_KEYS = (*_REQUIRED, "discount", "observation", "states", "actions", "teacher", "loss")
_SPARSE = ("P_data", "P_indices", "P_indptr", "P_shape")


def from_dict(content: Mapping[str, Any], name: str = "") -> MDP:
    """Return the model that the content of an MDP file describes (keys as in the file; see the module).

    Raises ValueError for content that is no mapping, for missing and unknown keys, and for every law of `MDP`.

    >>> from_dict({"P": [[["1/2"]]], "R": [[0.1]], "initial": [1], "discount": "99/100"}).exact.R[0, 0]
    Fraction(1, 10)
    >>> from_dict({"P": [[[0]]], "R": [[0]], "initial": [1], "discont": 1})
    Traceback (most recent call last):
    ValueError: unknown 'discont'; the nearest is 'discount'
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"the content is {show(content)}; must be an object with the keys P, R, initial, ..")
    for key in content:
        if key not in _KEYS:
            raise ValueError(nearest(key, _KEYS))
    for key in _REQUIRED:
        if key not in content:
            raise ValueError(f"{key} is missing; P, R and initial are required")
    return MDP(**content, name=name)


def read(path: str | os.PathLike[str]) -> MDP:
    """Return the model in an MDP file; the suffix, .json or .npz, says how it is written.

    Decimals are read as written: 0.1 in a JSON file is 1/10. The model's `name` is the file's name without suffix.

    Raises ValueError, in one line that begins with the path, for files that cannot be opened or parsed, for keys
    given twice, NaN and infinities, and for every law of `MDP`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(MDP(P=[[[0.5]]], R=[["1/3"]], initial=[1]), Path(folder, "coin.json"))
    ...     read(Path(folder, "coin.json"))
    MDP('coin': 1 state, 1 action, 1 observation, discount 1)
    """
    target = Path(path)
    parse = _by_suffix(target, {".json": parse_json, ".npz": _from_npz})
    try:
        return from_dict(parse(target.read_bytes()), name=target.stem)
    except OSError as error:
        raise _failed(target, f"cannot be read ({error.strerror or error})") from None
    except RecursionError:
        raise _failed(target, "is too deeply nested") from None
    except MemoryError:
        raise _failed(target, "is too large for the memory") from None
    except ValueError as error:
        raise _failed(target, str(error)) from None


def write(mdp: MDP, path: str | os.PathLike[str]) -> None:
    """Write the model to a .json or .npz file such that `read(path) == mdp`.

    The file appears complete or not at all. NPZ keeps the floats of models that were given as float arrays, and the
    exact numbers as text otherwise.

    Raises ValueError, in one line that begins with the path, for another suffix and for places that cannot be written.

    >>> write(MDP(P=[[[0.5]]], R=[[1]], initial=[1]), "coin.yaml")
    Traceback (most recent call last):
    ValueError: coin.yaml: has the suffix '.yaml'; must be .json or .npz
    """
    target = Path(path)
    content = _by_suffix(target, {".json": _to_json, ".npz": _to_npz})(mdp)
    try:
        real = Path(os.path.realpath(target))  # through a symbolic link, not over it
        temporary = real.with_name(f".{secrets.token_hex(8)}.tmp")
        if real.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, real)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _failed(target, f"cannot be written ({getattr(error, 'strerror', None) or error})") from None


def _failed(path: Path, why: str) -> ValueError:
    where = str(path)
    where = where if where.isprintable() else repr(where)
    return ValueError(f"{where}: {' '.join(why.split())}")


def _by_suffix(path: Path, choices: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    if path.suffix.lower() not in choices:
        raise _failed(path, f"has the suffix {path.suffix!r}; must be .json or .npz")
    return choices[path.suffix.lower()]


# JSON


def parse_json(data: bytes) -> Any:
    """The value of a JSON text, its decimals as written (`Decimal`).

    Raises ValueError for what is no JSON or no UTF-8, for a key given twice, NaN and infinities.

    >>> parse_json(b'{"theta": [0.1]}')
    {'theta': [Decimal('0.1')]}
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from None
    try:
        return json.loads(
            text,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refused,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)  # exact, and cheap whatever the exponent; `rational` judges its size
    except InvalidOperation:
        raise ValueError(f"the number {text[:40]} is too large to be read") from None


def _integer(text: str) -> int:
    if len(text) > LONGEST:
        raise ValueError(f"an integer of {len(text)} characters; must be at most {LONGEST}")
    return int(text)


def _refused(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number; all numbers must be finite")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {show(counts.most_common(1)[0][0])} is given twice")
    return found


def _to_json(mdp: MDP) -> bytes:
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in to_dict(mdp).items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


# NPZ


def _from_npz(data: bytes) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive = np.load(BytesIO(data), allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            if len(set(archive.files)) < len(archive.files):
                raise ValueError("the same key twice")
            for key in archive.files:
                if key not in _KEYS + _SPARSE:
                    break
                arrays[key] = archive[key]
    # Damaged archives fail in zipfile, zlib, tokenize or numpy, with all kinds of errors; none of them is ours.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"is not a readable NPZ archive ({show(reason, 100)})") from None
    return _from_arrays(arrays, archive.files)


def _from_arrays(arrays: dict[str, Any], files: list[str]) -> dict[str, Any]:
    for key in files:
        if key not in arrays:
            raise ValueError(nearest(key, _KEYS + _SPARSE))
    sparse = {key: arrays.pop(key) for key in _SPARSE if key in arrays}
    for key in ("states", "actions", "observation"):
        if key in arrays and arrays[key].ndim != 1:
            raise ValueError(f"{key} has shape {arrays[key].shape}; must have one axis")
    if sparse and "P" in arrays:
        raise ValueError(f"P and {next(iter(sparse))} are both given; must be one or the other")
    if sparse:
        arrays["P"] = _csr(sparse, arrays.get("R"))
    return arrays


def _csr(parts: dict[str, Any], R: Any) -> Any:
    """The sparse P of an archive, for the constructor; laws of its indices are checked here."""
    for key in _SPARSE:
        if key not in parts:
            raise ValueError(f"{key} is missing; a sparse P needs {', '.join(_SPARSE)}")
        if parts[key].ndim != 1 or (key != "P_data" and parts[key].dtype.kind not in "iu"):
            raise ValueError(f"{key} has {parts[key].ndim} axes of {parts[key].dtype}; must be a list of integers")
    data, columns, starts, shape = (parts[key] for key in _SPARSE)
    if R is None or R.ndim != 2:
        raise ValueError("R must be an (S, A) array")
    S, A = R.shape
    if shape.tolist() != [S * A, S]:
        raise ValueError(f"P_shape is {shape[:3].tolist()}; must be [S*A, S] = {[S * A, S]}, as R has shape {R.shape}")
    starts = starts.astype(np.int64)
    if len(starts) != S * A + 1 or starts[0] != 0 or starts[-1] != len(data) or (np.diff(starts) < 0).any():
        raise ValueError(f"P_indptr must rise from 0 to {len(data)} in {S * A} steps")
    if len(columns) != len(data) or (len(data) and not 0 <= int(columns.min()) <= int(columns.max()) < S):
        raise ValueError(f"P_indices must be {len(data)} integers from 0 to {S - 1}")
    if data.dtype.kind == "f":
        return sp.csr_array((data, columns.astype(np.int64), starts), shape=(S * A, S))
    row = np.repeat(np.arange(S * A), np.diff(starts)).tolist()
    return {"sparse": [(*divmod(r, A), t, p) for r, t, p in zip(row, columns.tolist(), data.tolist(), strict=True)]}


def _to_npz(mdp: MDP) -> bytes:
    given = {key: value for key, value in mdp._given().items() if key != "name" and value is not None}
    if mdp.is_sparse:
        rows = mdp._transitions.rows
        given.pop("P")
        given |= {"P_data": rows.data.given, "P_indices": mdp.P.indices, "P_indptr": mdp.P.indptr}
        given["P_shape"] = np.array(mdp.P.shape)
    buffer = BytesIO()
    np.savez_compressed(buffer, **{key: _array(value) for key, value in given.items()})
    return buffer.getvalue()


def _array(value: Any) -> Any:
    array = np.array(str(value)) if isinstance(value, Fraction) else np.asarray(value)
    if array.dtype != object:
        return array
    return np.array([str(x) for x in array.ravel().tolist()], dtype=np.str_).reshape(array.shape)
