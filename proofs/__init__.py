"""Exact fields, enclosures, proofs about cycles, claims, certificates, and an independent checker.

Rooms, each building on those before: `exact`, `enclosures`, `certificates`, `cycles`, `claims`; `checker` stands alone.
"""
