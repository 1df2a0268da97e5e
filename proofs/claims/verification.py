"""All claims, and how they are verified: each is checked, gets a verdict, and its facts become a certificate."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dynamics.rules import TABLE
from mdp import nearest
from proofs.certificates import certificate, write
from proofs.claims.aliasing import O1, O2, O3
from proofs.claims.claim import Claim, Finding, Json, Ledger, Table, verdict_of
from proofs.claims.convergence import P1, P2, P3, P4, RUNAWAY
from proofs.claims.cycles import C2, C4, C5, C6, C7
from proofs.claims.cycling import A1, C1, C3
from proofs.claims.gradients import E1, G1, T1, T2

CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in (T1, T2, G1, E1, RUNAWAY, P1, P2, P3, P4, C1, C2, C3, C4, C5, C6, C7, A1, O1, O2, O3)
}


def chosen(names: Iterable[str]) -> list[Claim]:
    """The claims of these names, in any case; all of them for none. Raises ValueError that suggests the nearest name.

    >>> [claim.id for claim in chosen(["t1", "RUNAWAY"])]
    ['T1', 'runaway']
    """
    names = list(dict.fromkeys(names))
    if not names:
        return list(CLAIMS.values())
    known = {name.lower(): claim for name, claim in CLAIMS.items()}
    for name in names:
        if name.lower() not in known:
            raise ValueError(f"claim: {nearest(name, CLAIMS)} (known: {', '.join(CLAIMS)})")
    return [known[name.lower()] for name in names]


def verify(claim: Claim | str, *, table: Table = TABLE, seed: int = 0) -> Finding:
    """Check one claim (or the one of that name) on the rows of `table`: a broken row or formula makes claims fall.

    A check that cannot be carried out to its end (its rows have no such field) leaves the claim undecided, unless a
    step has failed before. Source: each claim's.

    >>> verify("E1").verdict
    'proved'
    """
    if isinstance(claim, str):
        (claim,) = chosen([claim])
    started = time.perf_counter()
    ledger = Ledger(table, seed)
    try:
        claim.check(ledger)
    except (ValueError, ArithmeticError) as error:
        ledger.note(f"the check stopped: {error}", None)
    return Finding(
        claim, verdict_of(ledger.steps), tuple(ledger.steps), tuple(ledger.facts), time.perf_counter() - started
    )


def verify_all(
    claims: Iterable[Claim], *, table: Table = TABLE, seed: int = 0, directory: Path | None = None
) -> Iterator[tuple[Finding, Path | None]]:
    """Check claims one after the other, writing each certificate as soon as it is there."""
    for claim in claims:
        finding = verify(claim, table=table, seed=seed)
        yield finding, None if directory is None else save(finding, directory)


def to_certificate(finding: Finding) -> Json | None:
    """The certificate of a finding; None for an undecided or refuted claim, which has nothing to certify."""
    if finding.verdict not in ("proved", "supported"):
        return None
    claim = finding.claim
    return certificate(claim.id, claim.statement, finding.verdict, finding.facts, claim.argument, claim.how)


def save(finding: Finding, directory: Path) -> Path | None:
    """Write the finding's certificate into a folder, as ID.json."""
    content = to_certificate(finding)
    if content is None:
        return None
    path = directory / f"{finding.claim.id}.json"
    write(content, path)
    return path


def to_json(finding: Finding, path: Path | None) -> Json:
    """A finding as the command's JSON has it."""
    return {
        "id": finding.claim.id,
        "verdict": finding.verdict,
        "expected": finding.claim.expected,
        "evidence": finding.evidence(),
        "seconds": finding.seconds,
        "certificate": None if path is None else str(path),
    }
