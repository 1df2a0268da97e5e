"""A certificate as a document: strict JSON, its fingerprint, and the keys around its facts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proofs.checker.numbers.rational import Refused, show
from proofs.checker.reading import strict

FORMAT = "vorticity certificate 1"
MOST_BYTES = 20_000_000
MOST_FACTS = 1000


class Unreadable(ValueError):
    """A file that cannot be read, or is no JSON: nothing in it can be judged."""


def load(path: str | Path) -> Any:
    """The JSON value in a file. Raises Unreadable where there is none; a key given twice, NaN and Infinity are none."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as e:
        raise Unreadable((getattr(e, "strerror", None) or str(e)).splitlines()[0]) from None
    if len(data) > MOST_BYTES:
        raise Unreadable(f"{len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Unreadable("nested too deep") from None
    except ValueError as e:
        raise Unreadable(f"no JSON: {str(e).splitlines()[0]}") from None


def canonical_hash(certificate: Mapping[str, Any]) -> str:
    """ "sha256:" and the SHA-256 of the canonical JSON of all but `hash`: sorted keys, no blanks, ASCII with escapes.

    >>> canonical_hash({"claim": "T1", "hash": "whatever"})
    'sha256:6c70b4ac9b25a723849ec1bd97cdc9cac5af79b694232ca2b9184c8dca94e1c1'
    """
    rest = {key: x for key, x in certificate.items() if key != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def facts(value: object) -> list[Any]:
    """The facts of a certificate whose frame is right: format, hash, claim, texts, verdict, at least one fact.

    Raises Refused with the first thing that is wrong; the hash is compared before anything is believed.
    """
    if not isinstance(value, dict):
        raise Refused(f"certificate: {show(value)} is no object")
    if value.get("format") != FORMAT:
        raise Refused(f"format: {show(value.get('format'))}; must be {FORMAT!r}")
    stated, found = value.get("hash"), canonical_hash(value)
    if stated != found:
        raise Refused(f"hash: {show(stated)} is not that of the content, {found[:20]}...")
    frame = ["format", "claim", "statement", "verdict", "argument", "facts", "made", "hash"]
    strict.record(value, "certificate", frame)
    for key in ("claim", "statement"):
        strict.text(value[key], key)
    if value["argument"] is not None:
        strict.text(value["argument"], "argument")
    if value["verdict"] not in ("proved", "refuted", "supported"):
        raise Refused(f"verdict: {show(value['verdict'])}; must be proved, refuted or supported")
    made = value["made"]
    if not isinstance(made, dict) or not all(isinstance(x, str) for x in made.values()):
        raise Refused(f"made: {show(made)}; must be an object of texts")
    found_facts = strict.items(value["facts"], "facts")
    if not 1 <= len(found_facts) <= MOST_FACTS:
        raise Refused(f"facts: {len(found_facts)}; from 1 to {MOST_FACTS} are checked")
    return found_facts


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, x in pairs:
        if key in result:
            raise ValueError(f"the key {show(key)} stands twice in one object")
        result[key] = x
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
