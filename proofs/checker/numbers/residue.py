"""Random points of a prime field, and the bounds that say what a zero there is worth.

A rational function f over QQ in indeterminates (policies, logarithms, for a generic field the MDP too) is evaluated by
the same code twice: in `Sizes`, which gives a degree D and a height of H bits of *some* numerator N and denominator of
f (not reduced: the ones that the operations produce), and in `Residues`, at a random point modulo a random prime M.

`Sizes` is right by construction. Write |f| for the sum of the absolute values of a polynomial's coefficients; then
|f g| <= |f| |g| and |f + g| <= |f| + |g|, so for numerators and denominators of degree <= d and |.| <= 2^h:
a/b + c/d = (ad + cb)/(bd): (d1 + d2, h1 + h2 + 1); products and quotients: (d1 + d2, h1 + h2); a linear system: its
rows are cleared of their denominators (d_i = Σ_j d_ij over matrix and right side, h_i likewise), and Cramer's rule
gives two determinants of degree Σ d_i and |.| <= n! 2^(Σ h_i). A logarithm is a new indeterminate: (1, 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import SystemRandom

from proofs.checker.numbers.arithmetic import Number, Vanishing, eliminate

_RANDOM = SystemRandom()


@dataclass(frozen=True, slots=True)
class Residue:
    """An integer modulo a prime.

    >>> Residue(3, 7) / Residue(5, 7)
    Residue(value=2, prime=7)
    """

    value: int
    prime: int

    def __add__(self, other: Residue) -> Residue:
        return Residue((self.value + other.value) % self.prime, self.prime)

    def __sub__(self, other: Residue) -> Residue:
        return Residue((self.value - other.value) % self.prime, self.prime)

    def __neg__(self) -> Residue:
        return Residue(-self.value % self.prime, self.prime)

    def __mul__(self, other: Residue) -> Residue:
        return Residue(self.value * other.value % self.prime, self.prime)

    def __truediv__(self, other: Residue) -> Residue:
        if not other.value:
            raise Vanishing("a denominator is 0 at the point drawn")
        return Residue(self.value * pow(other.value, -1, self.prime) % self.prime, self.prime)


@dataclass(frozen=True)
class Residues:
    """The field of `prime` elements; each logarithm is a random element of its own, remembered by its argument."""

    prime: int
    logs: dict[int, Residue] = field(default_factory=dict)

    def unknown(self) -> Residue:
        """A value drawn for an indeterminate, uniform and independent of all others."""
        return Residue(_RANDOM.randrange(self.prime), self.prime)

    def number(self, x: Fraction) -> Residue:
        return Residue(x.numerator % self.prime, self.prime) / Residue(x.denominator % self.prime, self.prime)

    def log(self, x: Number) -> Residue:
        if not x.value:
            raise Vanishing("a logarithm of 0 at the point drawn")
        if x.value == 1:
            return Residue(0, self.prime)
        return self.logs.setdefault(x.value, self.unknown())

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        return eliminate(matrix, right, lambda x: float(x.value != 0), lambda x: x.value == 0)


@dataclass(frozen=True, slots=True)
class Size:
    """A bound for a numerator and for a denominator: total degree <= degree, Σ |coefficient| <= 2^bits.

    >>> Size(1, 3) * Size(2, 4) + Size(1, 1)
    Size(degree=4, bits=9)
    """

    degree: int
    bits: int

    def __add__(self, other: Size) -> Size:
        return Size(self.degree + other.degree, self.bits + other.bits + 1)

    __sub__ = __add__

    def __neg__(self) -> Size:
        return self

    def __mul__(self, other: Size) -> Size:
        return Size(self.degree + other.degree, self.bits + other.bits)

    __truediv__ = __mul__


@dataclass
class Sizes:
    """The arithmetic of `Size`; it also counts logarithms and keeps the largest of their arguments."""

    logs: int = 0
    argument: Size = Size(0, 1)

    def unknown(self) -> Size:
        return Size(1, 0)

    def number(self, x: Fraction) -> Size:
        return Size(0, max(abs(x.numerator).bit_length(), x.denominator.bit_length()))

    def log(self, x: Number) -> Size:
        self.logs += 1
        self.argument = Size(max(self.argument.degree, x.degree), max(self.argument.bits, x.bits))
        return Size(1, 0)

    def solve(self, matrix: Sequence[Sequence[Number]], right: Sequence[Sequence[Number]]) -> list[list[Number]]:
        n, width = len(matrix), len(right[0])
        fixed = _sum(x for row in matrix for x in row)
        columns = []
        for c in range(width):
            column = _sum(row[c] for row in right)
            bits = fixed.bits + column.bits + math.factorial(n).bit_length()
            columns.append(Size(fixed.degree + column.degree, bits))
        return [columns for _ in range(n)]


def _sum(sizes: object) -> Size:
    degree = bits = 0
    for size in sizes:  # type: ignore[attr-defined]
        degree, bits = degree + size.degree, bits + size.bits
    return Size(degree, bits)


def random_prime(bits: int) -> int:
    """A uniformly drawn prime with exactly that many bits; composite with probability below 2^-120.

    Miller and Rabin's test lets a composite pass one random base with probability at most 1/4.

    >>> random_prime(64).bit_length()
    64
    """
    while True:
        n = _RANDOM.getrandbits(bits) | (1 << (bits - 1)) | 1
        if math.gcd(n, _SMALL) == 1 and all(_passes(n) for _ in range(64)):
            return n


_SMALL = math.prod(p for p in range(3, 400) if all(p % q for q in range(2, p)))


def _passes(n: int) -> bool:
    base, odd, twos = _RANDOM.randrange(2, n - 1), n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    x = pow(base, odd, n)
    if x in (1, n - 1):
        return True
    for _ in range(twos - 1):
        x = x * x % n
        if x == n - 1:
            return True
    return False
