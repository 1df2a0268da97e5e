"""Arithmetics in which eq. (1) is evaluated exactly: rational numbers, residues modulo a prime, and balls.

The same rows and the same formulas (`dynamics.fields.update`) run on object arrays of these numbers; only what a number
is, how a matrix is inverted and what a logarithm means differ. In the first two, logarithms are *free generators*:
every different argument gets an arbitrary number of its own. What vanishes for free generators vanishes for the true
logarithms, whatever relations they have; the converse needs balls, where logarithms are true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from mdp import MDP, Algebra, Array, Policy

# The library's precision is global to the process: set it here, never elsewhere.
BITS = 256


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """One kind of exact number: `number` maps a `Fraction` into it, `log` takes logarithms of an array of them."""

    name: str
    number: Callable[[Any], Any]
    log: Callable[[Array], Array]
    algebra: Algebra

    def array(self, values: Array) -> Array:
        """An array of `Fraction`s in this arithmetic; equal numbers are converted once."""
        known: dict[Any, Any] = {}
        flat = [known[x] if x in known else known.setdefault(x, self.number(x)) for x in values.ravel().tolist()]
        return objects(flat, values.shape)

    def policy(self, table: Array) -> Policy:
        """The policy with the exact probabilities `table` (S, A); log 0 is 0 here, for rules that multiply it by 0."""
        p = self.array(table)
        positive = np.array([x > 0 for x in table.ravel()]).reshape(table.shape)
        logs = np.full(table.shape, self.number(Fraction(0)), dtype=object)
        logs[positive] = self.log(p[positive])
        return Policy(p, logs)


@dataclass(frozen=True, eq=False)
class Numbers:
    """An MDP in one arithmetic: what `mdp.evaluation` and `dynamics.fields.update` ask of a world."""

    P: Array
    R: Array
    initial: Array
    ending: Array
    discount: Any
    loss: Array | None
    algebra: Algebra


def objects(flat: list[Any], shape: tuple[int, ...]) -> Array:
    """A list of numbers as an object array of that shape (numpy must not look inside them)."""
    made = np.empty(len(flat), dtype=object)
    made[:] = flat
    return made.reshape(shape)


def world(mdp: MDP, arithmetic: Arithmetic) -> Numbers:
    """The MDP's exact numbers in an arithmetic.

    >>> from mdp import zoo
    >>> world(zoo.load("chain"), rationals()).R[1, 1]
    1
    """
    exact, number = mdp.exact, arithmetic.number
    P = np.full((mdp.n_states, mdp.n_actions, mdp.n_states), number(Fraction(0)), dtype=object)
    for s, row in enumerate(exact.rows):
        for a, moves in enumerate(row):
            for target, chance in moves.items():
                P[s, a, target] = number(chance)
    return Numbers(
        P,
        arithmetic.array(exact.R),
        arithmetic.array(exact.initial),
        arithmetic.array(exact.ending),
        number(exact.discount),
        None if exact.loss is None else arithmetic.array(exact.loss),
        arithmetic.algebra,
    )


def teacher_table(mdp: MDP) -> Array:
    """The teacher's exact probabilities (S, A); the uniform policy, which no formula uses then, where there is none.

    >>> from mdp import zoo
    >>> teacher_table(zoo.load("chain"))[0, 0]
    Fraction(1, 3)
    """
    table = mdp.exact.teacher
    return np.full(mdp.R.shape, Fraction(1, mdp.n_actions)) if table is None else table


def rationals(rng: np.random.Generator | None = None) -> Arithmetic:
    """Rational numbers (FLINT's `fmpq`); a logarithm is a random number below 2^80 for each argument, and log 1 = 0.

    >>> numbers = rationals(np.random.default_rng(0))
    >>> numbers.number(Fraction(1, 3)) + 1
    4/3
    """
    rng = np.random.default_rng(0) if rng is None else rng

    def fresh(_x: Any) -> Any:
        return flint.fmpq(int.from_bytes(rng.bytes(10), "little"))

    return Arithmetic("rational", _fmpq, _memoised(fresh, flint.fmpq(0)), Algebra(_inverse_fmpq, _product_fmpq))


def residues(prime: int, rng: np.random.Generator) -> Arithmetic:
    """Residues modulo a prime below 2^63; a logarithm is a random residue for each argument, and log 1 = 0.

    `number` raises ZeroDivisionError where the prime divides a denominator.
    """

    def number(x: Any) -> Any:
        numerator, denominator = _parts(x)
        return flint.nmod(numerator % prime, prime) / flint.nmod(denominator % prime, prime)

    def fresh(_x: Any) -> Any:
        return flint.nmod(int(rng.integers(prime, dtype=np.uint64)), prime)

    def matrix(x: Array) -> Any:
        flat = [y if isinstance(y, flint.nmod) else flint.nmod(int(y) % prime, prime) for y in x.ravel().tolist()]
        return flint.nmod_mat(x.shape[0], x.shape[1], flat, prime)

    def inverse(x: Array) -> Array:
        return objects(matrix(x).inv().entries(), x.shape)

    def product(x: Array, y: Array) -> Array:
        return objects((matrix(x) * matrix(y)).entries(), (x.shape[0], y.shape[1]))

    return Arithmetic(f"mod {prime}", number, _memoised(fresh, flint.nmod(0, prime)), Algebra(inverse, product))


def balls() -> Arithmetic:
    """Balls (Arb): every number is an interval that holds the true value, logarithms included. Use within `precision`.

    >>> with precision(64):
    ...     bool(balls().log(np.array([flint.arb(2)]))[0] > 0.6931)
    True
    """

    def log(x: Array) -> Array:
        return objects([flint.arb(y).log() for y in x.ravel().tolist()], x.shape)

    def matrix(x: Array) -> Any:
        return flint.arb_mat(x.shape[0], x.shape[1], x.ravel().tolist())

    def inverse(x: Array) -> Array:
        return objects(matrix(x).inv().entries(), x.shape)

    def product(x: Array, y: Array) -> Array:
        return objects((matrix(x) * matrix(y)).entries(), (x.shape[0], y.shape[1]))

    return Arithmetic("ball", lambda x: flint.arb(_fmpq(x)), log, Algebra(inverse, product))


@contextmanager
def precision(bits: int = BITS) -> Iterator[None]:
    """Work with balls of so many bits, and restore the library's precision afterwards."""
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def fraction(y: Any) -> Fraction:
    """The number that an exact ball (radius 0) is.

    >>> fraction(flint.arb(0.375))
    Fraction(3, 8)
    """
    mantissa, exponent = y.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def outward(low: Fraction, high: Fraction, places: int) -> tuple[str, str]:
    """An interval's ends as decimals of so many places, rounded outward; fewer than 0 places round to powers of ten.

    >>> outward(Fraction(1, 3), Fraction(2, 3), 4), outward(Fraction(12345), Fraction(12345), -3)
    (('0.3333', '0.6667'), ('12000', '13000'))
    """
    scale = Fraction(10) ** places
    return _decimal(low * scale // 1, places), _decimal(-(-high * scale // 1), places)


def _decimal(n: int, places: int) -> str:
    """The decimal n · 10^−places."""
    if places <= 0:
        return str(n * 10**-places)
    digits = str(abs(n)).rjust(places + 1, "0")
    return f"{'-' * (n < 0)}{digits[:-places]}.{digits[-places:]}"


def contraction(Y: Any, slopes: Any) -> Any:
    """`I − Y·slopes` of FLINT's matrices of balls: with `−Y G` it makes Krawczyk's operator on an offset.

    >>> contraction(flint.arb_mat([[2]]), flint.arb_mat([[0.25]]))[0, 0]
    0.500000000000000
    """
    n = Y.nrows()
    return flint.arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)]) - Y * slopes


def _parts(x: Any) -> tuple[int, int]:
    return int(x.numerator), int(x.denominator)


def _fmpq(x: Any) -> Any:
    return flint.fmpq(*_parts(x))


def _memoised(fresh: Callable[[Any], Any], zero: Any) -> Callable[[Array], Array]:
    """A logarithm as a free generator: one value for each argument, 0 for 1."""
    known: dict[Any, Any] = {}

    def one(x: Any) -> Any:
        if x == 1:
            return zero
        key = (int(x.p), int(x.q)) if isinstance(x, flint.fmpq) else int(x)
        if key not in known:
            known[key] = fresh(x)
        return known[key]

    return lambda x: objects([one(y) for y in x.ravel().tolist()], x.shape)


def _fmpq_matrix(x: Array) -> Any:
    return flint.fmpq_mat(x.shape[0], x.shape[1], x.ravel().tolist())


def _inverse_fmpq(x: Array) -> Array:
    return objects(_fmpq_matrix(x).inv().entries(), x.shape)


def _product_fmpq(x: Array, y: Array) -> Array:
    return objects((_fmpq_matrix(x) * _fmpq_matrix(y)).entries(), (x.shape[0], y.shape[1]))
