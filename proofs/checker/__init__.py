"""The independent checker of certificates: `check(path)`, or `python -m proofs.checker FILE ...`.

It derives everything from the theory again and imports nothing of this project's other code (a test holds that); its
only libraries are mpmath and, for proved periodic orbits, python-flint. Rooms, in the order in which they build on one
another: `numbers` (arithmetics), `reading` (what a certificate may say), `identities` (eq. (1) and facts for all
parameters), `boxes` (zeros and signs over boxes), `orbits`, `hopf`; `kinds` lists the facts, `checking` judges a file.
"""

from proofs.checker.checking import Report, Unreadable, canonical_hash, check, main

__all__ = ["Report", "Unreadable", "canonical_hash", "check", "main"]
