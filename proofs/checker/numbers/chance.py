"""Polynomial identity testing: is a list of rational functions zero, for all values of the indeterminates?

The test evaluates them at a random point modulo a random prime M of 256 bits. If one of them, f, is not zero, all pass
only if

1. M divides every coefficient of f's numerator N. A non-zero coefficient of at most H bits has at most H/255 prime
   factors of 256 bits, and there are more than 2^245 such primes (pi(2x) − pi(x) > x / (3 log 2x), x = 2^255), so
   this has probability at most H / (255 · 2^245);
2. or N is not zero modulo M but zero at the point: at most D / 2^255 (Schwartz and Zippel), D its degree;
3. or two different arguments among k logarithms (or one of them and 1) agree at the point, so that their logarithms
   are confused: less than k^2 such pairs, each as in 1 and 2 with the degree and height of a difference;
4. or M is not prime: below 2^-120.

The sum is the error bound that is reported; it is multiplied by the number of draws allowed where a denominator
vanishes at a point. Because the prime is drawn after the certificate was written, no certificate can be made for it,
and the bounds on degree and height need not be sharp: they only have to be far below 2^180. Logarithms are independent
indeterminates: what is zero in them is zero for the true values, whatever relations these have. (Not the other way
round: an identity that needs log 4 = 2 log 2 is refused.) "For all values" means: wherever everything is defined.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from proofs.checker.numbers.arithmetic import Number, Vanishing
from proofs.checker.numbers.rational import Refused
from proofs.checker.numbers.residue import Residues, Sizes, random_prime

Field = Residues | Sizes  # the two arithmetics in which a claim is evaluated; both have `unknown()`
Claim = Callable[[Field], list[tuple[str, Number]]]  # what is to be zero, each with its name

PRIME_BITS = 256
_PRIMES = 2.0**245  # there are more primes of PRIME_BITS bits than this
_DRAWS = 5
_PRIMALITY = 2.0**-120
_MOST = 2**-64


def vanishes(claim: Claim) -> float:
    """Nothing but the error bound, if everything that `claim` lists is zero; Refused, with the first that is not.

    Raises Refused as well where a denominator vanishes at every point drawn, or the bound would not be small.

    >>> def square(f):
    ...     x, y, two = f.unknown(), f.unknown(), f.number(Fraction(2))
    ...     return [("(x + y)^2 - x^2 - 2xy - y^2", (x + y) * (x + y) - x * x - two * x * y - y * y)]
    >>> vanishes(square) < 1e-30
    True
    >>> vanishes(lambda f: [("x^2 - x", (x := f.unknown()) * x - x)])
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: x^2 - x is not 0 for all parameters
    """
    bound = error_bound(claim)
    for _ in range(_DRAWS):
        try:
            values = claim(Residues(random_prime(PRIME_BITS)))
        except Vanishing:
            continue
        for name, value in values:
            if value.value:
                raise Refused(f"{name} is not 0 for all parameters")
        return bound
    raise Refused(f"a denominator is 0 at each of {_DRAWS} random points: what is said is defined nowhere")


def error_bound(claim: Claim) -> float:
    """The probability with which a false claim passes, at most (see the head of this module)."""
    sizes = Sizes()
    bounds = [value for _, value in claim(sizes)]
    degree = max([x.degree for x in bounds], default=0)
    bits = max([x.bits for x in bounds], default=0)
    pairs = (sizes.logs + 1) ** 2 if sizes.logs else 0
    difference = sizes.argument + sizes.argument
    try:
        slip = _one(degree, bits) + pairs * _one(difference.degree, difference.bits)
        bound = _DRAWS * (slip + _PRIMALITY)
    except OverflowError:
        bound = 1.0
    if bound > _MOST:
        raise Refused("the expressions are too large to be tested with a small error")
    return bound


def _one(degree: int, bits: int) -> float:
    return float(Fraction(bits, 255)) / _PRIMES + degree / 2.0**255


def distribution(numbers: Field, n: int) -> list[Number]:
    """n indeterminates whose sum is 1; with n = 1 that is the number 1.

    >>> from proofs.checker.numbers.residue import Residues
    >>> sum(x.value for x in distribution(Residues(101), 3)) % 101
    1
    """
    free: list[Number] = [numbers.unknown() for _ in range(n - 1)]
    last = numbers.number(Fraction(1))
    for x in free:
        last = last - x
    return [*free, last]
