"""Mutate valid MDP files at random: each must be refused in one line, or be a model that satisfies the laws below.

    python benchmarks/mutated_files.py [N] [--seed K]

The laws and the reading of numbers are written here a second time, without the code they check. Exit 1 on any other
exception, any warning, any message of several lines and any wrong acceptance.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mdp import MDP, from_dict, to_dict
from mdp.io import read

KEYS = {"P", "R", "initial", "discount", "observation", "states", "actions", "teacher", "loss"}
ROUNDING = Fraction(1, 10**12)
SLACK = {"P": ROUNDING, "R": Fraction(0), "initial": ROUNDING, "teacher": ROUNDING, "loss": Fraction(0)}

FULL: dict[str, Any] = {
    "P": [[[0, 1, 0], [0, 0, 1]], [[0, 0, 0]] * 2, [["1/3", 0, 0.5], [0.1, 0.2, 0.7]]],
    "R": [[0, "1/3"], [-1, -2.5], [0, -3]],
    "initial": [1, 0, 0],
    "discount": "99/100",
    "observation": [0, 1, 1],
    "states": ["top", "left", "right"],
    "actions": ["L", "R"],
    "teacher": [[0.5, 0.5], ["1/3", "2/3"], [0, 1]],
    "loss": {"right": {"R": -4}},
}
SMALL: dict[str, Any] = {"P": [[[0.5, 0.25]], [[0, 1e-3]]], "R": [[1], [2]], "initial": [0.25, 0.75]}
SPARSE: dict[str, Any] = {
    "P": {"sparse": [[0, 0, 1, "1/3"], [1, 1, 0, 0.25], [0, 1, 0, 0.9]]},
    "R": [[1, 0], [0.5, 2]],
    "initial": [1, 0],
    "actions": ["stay", "go"],
}
BASES = (FULL, SMALL, SPARSE)

# Stand-ins for what json.dumps cannot write; put in as raw text afterwards.
RAW = ["1e999999999", "1e-999999999", "-1e309", "NaN", "Infinity", "-Infinity", "1e99999999999999999999"]
RAW += ["01", "1.", "+1", ".5", "0x10", "tru"]
RAW += ["1" + "0" * 400, "9" * 5000, "0." + "3" * 2000, "[" * 100_000]
ODD: list[Any] = ["x", "1/0", "0/1", "1/2/3", "1e999999999", "nan", "inf", "१", "0.5", "1_0"]
ODD += ["", " 1 ", "\ud800", "a\0", "line\nbreak", "9" * 1001, "1/" + "7" * 600]
ODD += [0, 1, 2, -1, 0.5, 1.5, -0.5, 1e100, 1e101, 1e308, 5e-324, 2**70, 0.1 + 1e-13, -0.0, 1 + 1e-15, 1 - 1e-9]
ODD += [None, True, False, [], {}, [1], [[1]], {"a": 1}, [None], [["0"] * 3] * 3]


# Mutations of the content: (rng, content) -> None, in place


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON tree."""
    pairs = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    return [(tree, key) for key, _ in pairs] + [place for _, item in pairs for place in _places(item)]


def _pick(rng: np.random.Generator, items: list[Any]) -> Any:
    return items[int(rng.integers(len(items)))]


def replace_value(rng: np.random.Generator, content: dict[str, Any]) -> None:
    container, key = _pick(rng, _places(content))
    container[key] = json.loads(json.dumps(_pick(rng, ODD)))


def raw_number(rng: np.random.Generator, content: dict[str, Any]) -> None:
    container, key = _pick(rng, _places(content))
    container[key] = f"@@{rng.integers(len(RAW))}@@"


def bend_shape(rng: np.random.Generator, content: dict[str, Any]) -> None:
    lists = [(c, k) for c, k in _places(content) if isinstance(c[k], list) and c[k]]
    container, key = _pick(rng, lists)
    row = container[key]
    how = int(rng.integers(6))
    if how == 0:
        row.pop(int(rng.integers(len(row))))
    elif how == 1:
        row.append(json.loads(json.dumps(row[0])))
    elif how == 2:
        container[key] = [row]
    elif how == 3:
        container[key] = row[0]
    elif how == 4:
        row.reverse()
    else:
        container[key] = []


def change_key(rng: np.random.Generator, content: dict[str, Any]) -> None:
    dicts = [content] + [c[k] for c, k in _places(content) if isinstance(c[k], dict)]
    chosen = _pick(rng, [d for d in dicts if d])
    key = _pick(rng, list(chosen))
    how = int(rng.integers(4))
    if how == 0:
        del chosen[key]
    elif how == 1:
        chosen[_pick(rng, [key.lower(), key + "s", "", "name", key[::-1], "\n"])] = chosen.pop(key)
    elif how == 2:
        chosen[_pick(rng, ["discont", "p", "gamma", "s9", "__class__"])] = 1
    else:
        other = _pick(rng, list(chosen))
        chosen[key], chosen[other] = chosen[other], chosen[key]


def change_number(rng: np.random.Generator, content: dict[str, Any]) -> None:
    def number(x: Any) -> bool:
        return isinstance(x, (int, float)) and not isinstance(x, bool)

    container, key = _pick(rng, [(c, k) for c, k in _places(content) if number(c[k])])
    x = container[key]
    container[key] = _pick(rng, [-x, x + 1, x * 2, x / 2, x * (1 + 2e-16), x + 1e-9, str(x), x * 1e99, f"{x}/3", 1 - x])


CONTENT: list[Callable[[np.random.Generator, dict[str, Any]], None]]
CONTENT = [replace_value, raw_number, bend_shape, change_key, change_number]


# Mutations of the bytes


def truncate(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: int(rng.integers(len(data) + 1))]


def flip(rng: np.random.Generator, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
    return bytes(changed)


def splice(rng: np.random.Generator, data: bytes) -> bytes:
    i, j = sorted(int(k) for k in rng.integers(len(data) + 1, size=2))
    return bytes(_pick(rng, [data[:i] + data[j:], data[:j] + data[i:], data[:i] + rng.bytes(8) + data[i:]]))


def garbage(rng: np.random.Generator, data: bytes) -> bytes:
    others = [b"", rng.bytes(100), b"\xff\xfe", b"\xef\xbb\xbf" + data, b"[1]", b"null", b"PK\x03\x04", data * 2]
    return bytes(_pick(rng, others))


def double_key(rng: np.random.Generator, data: bytes) -> bytes:
    key = _pick(rng, sorted(KEYS))
    return data.replace(b"{", b'{"%s": 1, ' % key.encode(), 1)


BYTES: list[Callable[[np.random.Generator, bytes], bytes]] = [truncate, flip, splice, garbage, double_key]


# Whole files


def json_file(rng: np.random.Generator) -> tuple[str, bytes]:
    """(kind of mutation, bytes of a mutated JSON file)."""
    content = json.loads(json.dumps(_pick(rng, list(BASES))))
    if rng.random() < 0.3:
        change = _pick(rng, BYTES)
        return change.__name__, change(rng, json.dumps(content).encode())
    change = _pick(rng, CONTENT)
    for _ in range(1 + int(rng.random() < 0.2)):
        change(rng, content)
        if not _places(content):
            break
    text = json.dumps(content)
    for i, raw in enumerate(RAW):
        text = text.replace(f'"@@{i}@@"', raw)
    return change.__name__, text.encode()


def _arrays(content: dict[str, Any], exact: bool) -> dict[str, Any]:
    """The arrays of an NPZ file, of floats or of text."""

    def convert(value: Any) -> Any:
        texts = np.array(value, dtype=str)
        return texts if exact else np.array([float(Fraction(x)) for x in texts.ravel()]).reshape(texts.shape)

    found: dict[str, Any] = {
        key: convert(content[key]) for key in ("P", "R", "initial", "discount", "teacher") if key in content
    }
    for key in ("states", "actions", "observation"):
        if key in content:
            found[key] = np.array(content[key])
    if content is SMALL:  # as a sparse matrix
        P = found.pop("P").reshape(2, 2)
        found |= {"P_data": P.ravel()[[0, 1, 3]], "P_indices": np.array([0, 1, 1]), "P_indptr": np.array([0, 2, 3])}
        found["P_shape"] = np.array(P.shape)
    return found


def npz_file(rng: np.random.Generator) -> tuple[str, bytes]:
    """(kind of mutation, bytes of a mutated NPZ file)."""
    arrays = _arrays(_pick(rng, [FULL, SMALL]), exact=bool(rng.integers(2)))
    kind = _pick(rng, ["entry", "cast", "shape", "keys", "bytes", "twice"])
    key = _pick(rng, sorted(arrays))
    array = arrays[key]
    if kind == "entry" and array.size:
        values: list[Any] = [np.nan, np.inf, -1, 2, 0.5, 1e101, 7, 1 + 1e-15]
        if array.dtype.kind == "U":
            array = array.astype("U20")
            values = ["nan", "-1", "1/0", "x", "", "1/3", "1e999999999", "0.5"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NaN put into integers
            array.ravel()[int(rng.integers(array.size))] = np.asarray(_pick(rng, values)).astype(array.dtype)
        arrays[key] = array
    elif kind == "cast":
        kinds = [np.float32, np.float16, np.int64, np.bool_, np.complex128, "S10", "U10", object, "M8[s]"]
        try:
            arrays[key] = array.astype(_pick(rng, kinds))
        except (TypeError, ValueError):  # text that is no number
            arrays[key] = np.array(b"x")
    elif kind == "shape":
        bent = [array[None], array.T, array.ravel(), array.reshape(-1)[:0], np.atleast_1d(array)[..., :1]]
        arrays[key] = _pick(rng, [*bent, np.array(1.0), np.array("1"), np.zeros((0, 3)), np.repeat(array, 2)])
    elif kind == "keys":
        other = _pick(rng, ["Q", "p", "P_data", "P", "loss", "R"])
        arrays[other] = arrays[key] if rng.random() < 0.5 else arrays.pop(key)
    buffer = io.BytesIO()
    (np.savez if rng.random() < 0.5 else np.savez_compressed)(buffer, **arrays)
    data = buffer.getvalue()
    if kind == "bytes":
        data = _pick(rng, [truncate, flip, splice, garbage])(rng, data)
    elif kind == "twice":
        with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr(f"{key}.npy", rng.bytes(50))
        data = buffer.getvalue()
    return f"npz {kind}", data


# The laws, a second time


def _law(holds: Any, what: str) -> None:
    if not bool(holds):
        raise AssertionError(what)


def check_laws(mdp: MDP) -> None:
    """Raise AssertionError unless the model satisfies every law, on exact numbers and by plain loops."""
    S, A = mdp.n_states, mdp.n_actions
    exact: Any = mdp.exact
    pairs: list[tuple[Any, Any]]
    _law(S >= 1 and A >= 1 and exact.P.shape == (S, A, S), "shape of P")
    _law(mdp.R.shape == (S, A) == exact.R.shape and mdp.initial.shape == (S,), "shape of R or initial")
    _law(0 < exact.discount <= 1 and 0 < mdp.discount <= 1, "discount")
    for names, n in ((mdp.states, S), (mdp.actions, A)):
        _law(len(names) == n == len(set(names)) and all(type(x) is str and x for x in names), "names")
    seen = mdp.observation.tolist()
    _law(
        len(seen) == S and set(seen) == set(range(max(seen) + 1)) and mdp.n_observations == max(seen) + 1, "observation"
    )
    sums = [[sum(exact.P[s, a], Fraction(0)) for a in range(A)] for s in range(S)]
    _law(all(p >= 0 for p in exact.P.flat) and all(x <= 1 for row in sums for x in row), "P")
    _law(min(exact.initial) >= 0 and sum(exact.initial) == 1, "initial")
    pairs = [(mdp.R, exact.R), (mdp.initial, exact.initial), (mdp.ending, exact.ending)]
    pairs.append((mdp.P.toarray().reshape(S, A, S) if mdp.is_sparse else mdp.P, exact.P))
    if exact.teacher is not None:
        _law(exact.teacher.shape == (S, A) and min(exact.teacher.flat) >= 0, "teacher")
        _law(all(sum(row) == 1 for row in exact.teacher), "rows of the teacher")
        pairs.append((mdp.teacher, exact.teacher))
    if exact.loss is not None:
        _law(exact.loss.shape == (S, A), "loss")
        pairs.append((mdp.loss, exact.loss))
    for floats, fractions in pairs:
        _law(np.isfinite(floats).all() and not (mdp.is_sparse is False and floats.flags.writeable), "floats")
        scale = [max(Fraction(1), abs(x)) for x in fractions.flat]
        three = zip(floats.flat, fractions.flat, scale, strict=True)
        near = [abs(Fraction(float(f)) - x) <= ROUNDING * m for f, x, m in three]
        _law(all(near), "floats that are not the exact numbers")
    if exact.discount == 1:
        ends = {s for s in range(S) if any(x < 1 for x in sums[s])}
        for _ in range(S):
            ends |= {s for s in range(S) if any(exact.P[s, a, t] for a in range(A) for t in ends)}
        _law(len(ends) == S, "an endless state at discount 1")
    _law(from_dict(to_dict(mdp)) == mdp, "the round trip")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _law(len(dict(pairs)) == len(pairs), "a key given twice")
    return dict(pairs)


def _leaf(x: Any) -> Fraction:
    _law(not isinstance(x, bool) and isinstance(x, (int, str)), f"{x!r} taken for a number")
    return Fraction(x)


def _written_npz(data: bytes) -> dict[str, Any]:
    """The content of an NPZ file with numbers as text and P dense."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {key: archive[key] for key in archive.files}
    _law(len(arrays) == len(archive.files), "a key given twice")
    raw = {key: array.tolist() for key, array in arrays.items()}
    for key in KEYS & set(raw) - {"states", "actions", "observation"}:
        # str of a numpy scalar is the shortest decimal of its own precision
        texts = np.array([str(x) for x in arrays[key].flat], dtype=object)
        raw[key] = texts.reshape(arrays[key].shape).tolist()
    if "P_data" in raw:
        p, columns, starts, (n, S) = (raw.pop(f"P_{part}") for part in ("data", "indices", "indptr", "shape"))
        dense = [[Fraction(0)] * S for _ in range(n)]
        for r in range(n):
            for k in range(starts[r], starts[r + 1]):
                dense[r][columns[k]] += Fraction(str(p[k]))
        raw["P"] = [[[str(x) for x in row] for row in dense[i : i + n // S]] for i in range(0, n, n // S)]
    return raw


def check_faithful(mdp: MDP, data: bytes, suffix: str) -> None:
    """Raise AssertionError unless the exact numbers of the model are those written in the file."""
    if suffix == ".json":
        raw = json.loads(data.decode("utf-8-sig"), parse_float=str, object_pairs_hook=_once)
    else:
        raw = _written_npz(data)
    _law(isinstance(raw, dict) and set(raw) <= KEYS and {"P", "R", "initial"} <= set(raw), "keys")
    S, A = mdp.n_states, mdp.n_actions
    exact: Any = mdp.exact
    if isinstance(raw["P"], dict):
        P = [[[0] * S for _ in range(A)] for _ in range(S)]
        for s, a, t, p in raw["P"]["sparse"]:
            P[s][a][t] = p
        raw["P"] = P
    for key, slack in SLACK.items():
        if raw.get(key) is None or isinstance(raw[key], dict):
            continue
        written, kept = np.array(raw[key], dtype=object), getattr(exact, key)
        _law(written.shape == kept.shape, f"shape of {key} in the file")
        # an array of float32 may be normalised by as much as its own rounding
        slack = slack if suffix == ".json" else 10**9 * slack
        near = [abs(_leaf(x) - y) <= slack for x, y in zip(written.flat, kept.flat, strict=True)]
        _law(all(near), f"{key} is not what is written")
    _law(_leaf(raw.get("discount", 1)) == exact.discount, "discount is not what is written")
    for key in ("states", "actions"):
        _law(raw.get(key) is None or raw[key] == list(getattr(mdp, key)), f"{key} are not what is written")
    _law(raw.get("observation") is None or raw["observation"] == mdp.observation.tolist(), "observation as written")
    loss = raw.get("loss")
    if isinstance(loss, dict):
        _law(all(s in mdp.states and set(row) <= set(mdp.actions) for s, row in loss.items()), "names in loss")
        named = {(s, a): _leaf(c) for s, row in loss.items() for a, c in row.items()}
        places = [(s, a) for s in mdp.states for a in mdp.actions]
        _law(exact.loss is not None and [named.get(p, 0) for p in places] == list(exact.loss.flat), "loss as written")


def outcome(path: Path, data: bytes) -> str:
    """Read a file: "refused", "accepted", or what went wrong."""
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mdp = read(path)
    except ValueError as error:
        message = str(error)
        one_line = message.startswith(f"{path}: ") and len(message.splitlines()) == 1 and len(message) < 600
        return "refused" if one_line and type(error) is ValueError else f"WRONG message: {message!r}"
    except Exception as error:  # whatever it is, it is what we are looking for
        return f"WRONG exception: {type(error).__name__}: {error}"
    try:
        check_laws(mdp)
        check_faithful(mdp, data, path.suffix)
    except Exception as error:
        return f"WRONG acceptance: {type(error).__name__}: {error}"
    return "accepted"


def run(n: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Counts of (kind, outcome) over n mutated files, and what went wrong."""
    rng = np.random.default_rng(seed)
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            make, suffix = (json_file, "json") if rng.random() < 0.7 else (npz_file, "npz")
            kind, data = make(rng)
            result = outcome(Path(folder, f"model.{suffix}"), data)
            counts[kind, result.partition(":")[0]] += 1
            if result.startswith("WRONG"):
                wrong.append(f"file {i} of seed {seed} ({kind}): {result}; content {data[:300]!r}")
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutate MDP files and see that each is refused or valid.")
    parser.add_argument("n", nargs="?", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts, wrong = run(arguments.n, arguments.seed)
    for (kind, result), count in sorted(counts.items()):
        print(f"{kind:16} {result:10} {count:6}")
    for line in wrong[:20]:
        print(line)
    refused = sum(count for (_, result), count in counts.items() if result == "refused")
    accepted = sum(count for (_, result), count in counts.items() if result == "accepted")
    print(
        f"{arguments.n} mutated files: {refused} refused in one line, {accepted} accepted and valid, {len(wrong)} wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
