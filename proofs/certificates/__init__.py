"""Certificates as data: facts with everything needed to check them again, and the file that holds them."""

from proofs.certificates.facts import Refusal, box_json, field_of, point_json, where
from proofs.certificates.format import (
    Json,
    certificate,
    curl_fact,
    field_json,
    generic_fact,
    generic_json,
    identity_fact,
    identity_holds,
    mdp_json,
    table,
    term,
    value_json,
    write,
)

__all__ = [
    "Json",
    "Refusal",
    "box_json",
    "certificate",
    "curl_fact",
    "field_json",
    "field_of",
    "generic_fact",
    "generic_json",
    "identity_fact",
    "identity_holds",
    "mdp_json",
    "point_json",
    "table",
    "term",
    "value_json",
    "where",
    "write",
]
