"""The fact of a periodic orbit. What decides it uses python-flint, imported only when one is decided."""

from __future__ import annotations

from typing import Any

from proofs.checker.orbits.statement import read_statement


def periodic_orbit(fact: dict[str, Any]) -> float:
    """Exactly one periodic orbit passes the boxes at the times given; its period and multipliers are as stated."""
    said = read_statement(fact)
    from proofs.checker.orbits import shooting

    shooting.decide(said)
    return 0.0
