"""MDP files: lossless both ways, and every bad file refused in one line that begins with its path."""

from __future__ import annotations

import io
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp import MDP, from_dict, to_dict
from mdp.io import read, write

FILE = """{
  "P": [[[0, 0.1], ["1/3", 1e-1]], [[0, 0], [0, 0]]],
  "R": [[0, -0.25], ["1/7", 3]], "initial": [1, 0], "discount": "99/100", "observation": [0, 0],
  "states": ["top", "läuft"], "actions": ["L", "R"], "teacher": [[0.2, 0.8], [1, 0]], "loss": {"läuft": {"R": -4}}
}"""


def refusal(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError) as caught:
        read(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_numbers_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_text(FILE, encoding="utf-8")
    mdp = read(path)
    assert mdp.exact.P[0, 1].tolist() == [Fraction(1, 3), Fraction(1, 10)]
    assert mdp.exact.discount == Fraction(99, 100) and mdp.exact.R[1, 0] == Fraction(1, 7)
    assert mdp.loss is not None and mdp.loss[1, 1] == -4 and mdp.states == ("top", "läuft") and mdp.name == "small"
    path.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    assert read(str(path)) == mdp
    long = "0." + "3" * 40
    path.write_text(FILE.replace("-0.25", long))
    assert read(path).exact.R[0, 1] == Fraction(long)


numbers = st.one_of(
    st.floats(-1e100, 1e100),
    st.integers(-(10**90), 10**90),
    st.fractions(max_denominator=10**40),
    st.sampled_from(["0.1", "1/3", "-1.5e-30", 5e-324]),
)


@st.composite
def models(draw: st.DrawFn) -> MDP:
    S, A = draw(st.integers(1, 4)), draw(st.integers(1, 3))

    def rows(n: int, width: int) -> Any:
        weights = [draw(st.lists(st.integers(0, 99), min_size=width, max_size=width)) for _ in range(n)]
        weights = [w if any(w) else [1] * width for w in weights]
        if draw(st.booleans()):
            return [[Fraction(x, sum(w)) for x in w] for w in weights]
        return np.array(weights) / np.array(weights).sum(axis=1, keepdims=True)

    P = rows(S * A, S)
    if draw(st.booleans()):
        P = np.array(P) / 2 if isinstance(P, np.ndarray) else [[x / 2 for x in row] for row in P]
    if draw(st.booleans()):
        entries = [[*divmod(r, A), t, p] for r, row in enumerate(P) for t, p in enumerate(row)]
        P = sp.csr_array(P) if isinstance(P, np.ndarray) else {"sparse": entries}
    elif isinstance(P, np.ndarray):
        P = P.reshape(S, A, S)
    else:
        P = [P[s * A : (s + 1) * A] for s in range(S)]

    def table() -> Any:
        return [[draw(numbers) for _ in range(A)] for _ in range(S)]

    name = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=5)
    return MDP(
        P,
        table(),
        rows(1, S)[0],
        draw(st.sampled_from([0.5, "99/100", "1/3"])),
        observation=draw(st.sampled_from([None, [0] * S])),
        teacher=draw(st.sampled_from([None, rows(S, A)])),
        loss=draw(st.sampled_from([None, table(), {}])),
        states=draw(st.none() | st.lists(name, min_size=S, max_size=S, unique=True)),
        actions=draw(st.none() | st.lists(name, min_size=A, max_size=A, unique=True)),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(models(), st.sampled_from(["model.json", "model.npz", "model.JSON"]))
def test_files_lose_nothing(tmp_path: Path, mdp: MDP, file: str) -> None:
    write(mdp, tmp_path / file)
    again = read(tmp_path / file)
    assert again == mdp and hash(again) == hash(mdp) and again.is_sparse == mdp.is_sparse
    assert (again.loss is None, again.teacher is None) == (mdp.loss is None, mdp.teacher is None)
    assert from_dict(json.loads(json.dumps(to_dict(mdp)))) == mdp
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_npz_keeps_floats_as_floats(tmp_path: Path) -> None:
    P = np.random.default_rng(0).dirichlet(np.ones(3), size=(3, 2))
    mdp = MDP(P, np.ones((3, 2)), np.full(3, 1 / 3), 0.9)
    write(mdp, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["P"].dtype == np.float64 and np.array_equal(archive["P"], P)
    write(mdp.replace(P=[[["1/3"] * 3] * 2] * 3), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["P"].dtype.kind == "U" and archive["P"][0, 0, 0] == "1/3"


def test_large_sparse_models_round_trip(tmp_path: Path) -> None:
    S = 3_000
    P = sp.csr_array((np.full(S, 0.9), (np.arange(S), (np.arange(S) + 1) % S)), shape=(S, S))
    mdp = MDP(P, np.zeros((S, 1)), np.full(S, 1 / S))
    for file in ("a.json", "a.npz"):
        write(mdp, tmp_path / file)
        assert read(tmp_path / file) == mdp


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON: Expecting value (line 1, column 1)"),
        (b"\xff\xfe{}", "is not UTF-8 text (byte 0)"),
        ("[1]", "the content is a list of length 1; must be an object"),
        ("null", "the content is None; must be an object"),
        ("[" * 100_000, "is too deeply nested"),
        ('{"P": [[[NaN]]], "R": [[0]], "initial": [1]}', "NaN is not a number"),
        ('{"P": [[[-Infinity]]], "R": [[0]], "initial": [1]}', "-Infinity is not a number"),
        ('{"P": [[[0]]], "P": [[[0]]], "R": [[0]], "initial": [1]}', "the key 'P' is given twice"),
        ('{"P": [[[0]]], "R": [[0]], "initial": [1], "discont": 1}', "unknown 'discont'; the nearest is 'discount'"),
        ('{"P": [[[0]]], "R": [[0]]}', "initial is missing; P, R and initial are required"),
        (
            '{"P": [[[0]]], "R": [[1e999999999]], "initial": [1]}',
            "R[s=0, a=0] is 1E+999999999; must be 0 or of magnitude",
        ),
        (
            '{"P": [[[0]]], "R": [[1e99999999999999999999]], "initial": [1]}',
            "the number 1e99999999999999999999 is too large",
        ),
        (
            '{"P": [[[0]]], "R": [[%s]], "initial": [1]}' % ("9" * 5000),
            "an integer of 5000 characters; must be at most 1000",
        ),
        ('{"P": [[[0]]], "R": [[true]], "initial": [1]}', "R[s=0, a=0] is True; must be a finite number"),
        ('{"P": [[[0]]], "R": [[0]], "initial": [1], "states": [0.5]}', "states[0] is 0.5; must be non-empty text"),
        (
            '{"P": [[[0]]], "R": [[0]], "initial": [1], "observation": [0.0]}',
            "observation[s=0] is 0.0; must be an integer",
        ),
        (
            '{"P": [[[0]]], "R": [[0]], "initial": [1], "loss": {"s0": {"a1": 1}}}',
            "loss[s=0] names an action: unknown 'a1'",
        ),
        (
            '{"P": [[[0]]], "R": [[0]], "initial": [1], "loss": {"s0": {"a0": 1, "a0": 2}}}',
            "the key 'a0' is given twice",
        ),
    ],
)
def test_bad_json_is_refused_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert refusal(tmp_path / "bad.json", content).startswith(message)


def test_places_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    mdp = MDP([[[0]]], [[0]], [1])
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "plain").write_text("x")
    for path in (
        tmp_path / "folder.json",
        tmp_path / "none" / "a.json",
        tmp_path / "plain" / "a.json",
        tmp_path / "a\0.json",
    ):
        for act in (lambda p: read(p), lambda p: write(mdp, p)):
            with pytest.raises(ValueError, match=r"cannot be (read|written) \(|embedded null") as caught:
                act(path)
            assert len(str(caught.value).splitlines()) == 1
    for act in (lambda p: read(p), lambda p: write(mdp, p)):
        with pytest.raises(ValueError, match=r"has the suffix '.txt'; must be .json or .npz"):
            act(tmp_path / "a.txt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.json", "plain"]


def test_writing_is_atomic_and_follows_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mdp = MDP([[[0]]], [[0]], [1])
    write(mdp, tmp_path / "a.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "a.json")
    write(mdp.replace(R=[[2]]), tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink() and read(tmp_path / "a.json").R[0, 0] == 2

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ValueError, match=r"a.json: cannot be written \(No space left on device\)"):
        write(mdp, tmp_path / "a.json")
    assert read(tmp_path / "a.json").R[0, 0] == 2 and len(list(tmp_path.iterdir())) == 2


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a readable NPZ archive"),
        (b"PK\x03\x04", "is not a readable NPZ archive"),
        (npz(P=np.zeros((1, 1, 1)), R=np.zeros((1, 1)))[:-30], "is not a readable NPZ archive"),
        (
            npz(P=np.array([[[None]]]), R=np.zeros((1, 1)), initial=np.ones(1)),
            "is not a readable NPZ archive ('Object arrays",
        ),
        (npz(P=np.zeros((1, 1, 1)), R=np.zeros((1, 1))), "initial is missing"),
        (npz(P=np.zeros((1, 1, 1)), Q=np.zeros((1, 1))), "unknown 'Q'; the nearest is "),
        (
            npz(P=np.zeros((1, 1, 1)), R=np.zeros((1, 1)), initial=np.ones(1), states=np.array("s")),
            "states has shape ()",
        ),
        (npz(P=np.zeros((1, 1, 1)), P_data=np.zeros(1)), "P and P_data are both given"),
        (npz(P_data=np.zeros(1), R=np.zeros((1, 1))), "P_indices is missing; a sparse P needs"),
        (
            npz(P_data=[1.0], P_indices=[1], P_indptr=[0, 1], P_shape=[1, 1], R=[[0]], initial=[1]),
            "P_indices must be 1 integers from 0 to 0",
        ),
        (
            npz(P_data=[1.0], P_indices=[0], P_indptr=[0, 2], P_shape=[1, 1], R=[[0]], initial=[1]),
            "P_indptr must rise from 0 to 1 in 1 steps",
        ),
    ],
)
def test_bad_npz_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    assert refusal(tmp_path / "bad.npz", content).startswith(message)


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    assert refusal(tmp_path / "bad.npz", buffer.getvalue()) == "is not a readable NPZ archive ('a single array')"
