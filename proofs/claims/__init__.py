"""The claims of the theory: one module a family of claims, and their verification."""

from proofs.claims.claim import Claim, Finding
from proofs.claims.verification import CLAIMS, chosen, to_certificate, to_json, verify, verify_all

__all__ = [
    "CLAIMS",
    "Claim",
    "Finding",
    "chosen",
    "to_certificate",
    "to_json",
    "verify",
    "verify_all",
]
