"""Arithmetics of the checker: rationals, logarithms as symbols, residues, intervals, jets, series, linear algebra."""
