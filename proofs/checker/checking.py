"""A certificate checked: every fact re-derived; the statement, the argument and the verdict's wording are not judged.

What is checked, and how: docs/certificates.md and the rooms of `proofs.checker`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs.checker.kinds import KINDS, decide, name_of
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.document import Unreadable, canonical_hash, facts, load

__all__ = ["Report", "Unreadable", "canonical_hash", "check", "main"]


@dataclass(frozen=True)
class Report:
    """What a check found: valid, or the first reason why not; `error_bound` is 0 where nothing was left to chance.

    The error bound is the largest, over the facts, of the probabilities with which a false one would have passed.
    """

    valid: bool
    claim: str
    n_facts: int
    reason: str | None
    seconds: float
    error_bound: float


def check(certificate: str | Path | Mapping[str, Any]) -> Report:
    """Check a certificate, given as a file's path or as the object that such a file holds.

    Whatever is wrong with the certificate is the `reason` of an invalid report, never an exception. Raises Unreadable
    (a ValueError) where a path names no file that can be read as JSON.

    >>> fact = {"kind": "identity", "generators": ["x"], "derivations": {}}
    >>> fact |= {"left": ["*", "x", "2"], "right": ["+", "x", "x"]}
    >>> paper = {"format": "vorticity certificate 1", "claim": "2x", "statement": "2x is x + x", "verdict": "proved"}
    >>> paper |= {"argument": None, "facts": [fact], "made": {}}
    >>> check(paper | {"hash": canonical_hash(paper)}).valid
    True
    >>> check(paper | {"hash": "sha256:0"}).reason[:22]
    "hash: 'sha256:0' is no"
    """
    began = time.perf_counter()
    value = load(certificate) if isinstance(certificate, (str, Path)) else certificate
    claim, n_facts, bound, reason = "", 0, 0.0, None
    try:
        if isinstance(value, dict):
            claim = value["claim"] if isinstance(value.get("claim"), str) else ""
        listed = facts(value)
        n_facts = len(listed)
        bound = _check_facts(listed, value["verdict"])
    except Refused as e:
        reason = _line(str(e))
    except (RecursionError, TypeError, ValueError) as e:  # only an object made in Python can be such: no JSON is
        reason = _line(f"the certificate is no JSON object: {e}")
    return Report(reason is None, claim, n_facts, reason, time.perf_counter() - began, bound if reason is None else 0.0)


def _check_facts(listed: list[Any], verdict: str) -> float:
    """The largest error bound of the facts, which all hold. Raises Refused, naming the first that does not."""
    bound = 0.0
    for k, fact in enumerate(listed, start=1):
        try:
            bound = max(bound, decide(fact))
        except Refused as e:
            raise Refused(f"fact {k} ({name_of(fact)}): {e}") from None
    if verdict != "supported" and all(KINDS[fact["kind"]].numerical for fact in listed):
        raise Refused(f"verdict: {verdict!r}, but every fact is numerical; must be 'supported'")
    return bound


def _line(text: str) -> str:
    """One printable line."""
    return "".join(c if c.isprintable() else "?" for c in text)[:1000]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check files, one line each; 0 where all are valid, 1 where one is not, 2 where one cannot be read."""
    paths = sys.argv[1:] if arguments is None else list(arguments)
    if not paths:
        print("usage: python -m proofs.checker FILE...", file=sys.stderr)
        return 2
    statuses = []
    for path in paths:
        status, text = _verdict(path)
        statuses.append(status)
        encoding = sys.stdout.encoding or "utf-8"
        print(_line(f"{path}: {text}").encode(encoding, "backslashreplace").decode(encoding), flush=True)
    return max(statuses)


def _verdict(path: str) -> tuple[int, str]:
    """The exit status of one file, and what is said about it."""
    try:
        report = check(path)
    except Unreadable as e:
        return 2, f"unreadable: {e}"
    if not report.valid:
        return 1, f"invalid: {report.reason}"
    count = f"{report.n_facts} fact{'s' if report.n_facts != 1 else ''}"
    return 0, f"valid: {report.claim}, {count}, {report.seconds:.1f} s"
