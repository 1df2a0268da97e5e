"""Closed intervals of floats, every operation rounded outward: rigorous, and fast enough for many thousand boxes.

The basic operations of IEEE 754 are correctly rounded, so that the float next to a computed end is beyond the true
one. exp and log are summed in integers, with a bound on all that is cut off. No interval reaches 1e300: `Wide`.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import inf, ldexp, nextafter
from math import log as math_log

Interval = tuple[float, float]

ZERO: Interval = (0.0, 0.0)
ONE: Interval = (1.0, 1.0)
LARGEST = 1e300
_MOST_EXPONENT = 600.0  # beyond it exp would leave the floats' range


class Wide(ArithmeticError):
    """An interval that reaches beyond ±1e300, a divisor or a logarithm's argument that may be 0: no bounds."""


def enclose(x: Fraction) -> Interval:
    """The narrowest interval of floats around a rational.

    >>> enclose(Fraction(1, 4)), enclose(Fraction(1, 10))
    ((0.25, 0.25), (0.09999999999999999, 0.1))
    """
    try:
        near = float(x)
    except OverflowError:
        raise Wide("a number beyond the floats") from None
    exact = Fraction(near)
    if exact == x:
        return near, near
    return (near, nextafter(near, inf)) if exact < x else (nextafter(near, -inf), near)


def add(x: Interval, y: Interval) -> Interval:
    """x + y."""
    if x is ZERO:
        return y
    if y is ZERO:
        return x
    return nextafter(x[0] + y[0], -inf), nextafter(x[1] + y[1], inf)


def negative(x: Interval) -> Interval:
    """−x."""
    return x if x is ZERO else (-x[1], -x[0])


def subtract(x: Interval, y: Interval) -> Interval:
    """x − y."""
    if y is ZERO:
        return x
    return nextafter(x[0] - y[1], -inf), nextafter(x[1] - y[0], inf)


def multiply(x: Interval, y: Interval) -> Interval:
    """x y.

    >>> multiply((-1.0, 2.0), (3.0, 4.0))
    (-4.000000000000001, 8.000000000000002)
    """
    if x is ZERO or y is ZERO:
        return ZERO
    a, b = x
    c, d = y
    if a >= 0:
        lo, hi = (a if c >= 0 else b) * c, (a if d <= 0 else b) * d
    elif b <= 0:
        lo, hi = (b if d <= 0 else a) * d, (b if c >= 0 else a) * c
    elif c >= 0:
        lo, hi = a * d, b * d
    elif d <= 0:
        lo, hi = b * c, a * c
    else:
        lo, hi = min(a * d, b * c), max(a * c, b * d)
    if not -LARGEST < lo <= hi < LARGEST:  # false for what is no number, too
        raise Wide("a product beyond the floats")
    return nextafter(lo, -inf), nextafter(hi, inf)


def inverse(x: Interval) -> Interval:
    """1/x. Raises Wide where x may be 0."""
    lo, hi = x
    if not (lo > 0 or hi < 0):
        raise Wide("a divisor that may be 0")
    lo, hi = 1.0 / hi, 1.0 / lo
    if not -LARGEST < lo <= hi < LARGEST:
        raise Wide("a quotient beyond the floats")
    return nextafter(lo, -inf), nextafter(hi, inf)


def divide(x: Interval, y: Interval) -> Interval:
    """x / y. Raises Wide where y may be 0."""
    a, b = x
    c, d = y
    if c > 0:
        lo, hi = a / (d if a >= 0 else c), b / (c if b >= 0 else d)
    elif d < 0:
        lo, hi = b / (d if b >= 0 else c), a / (c if a >= 0 else d)
    else:
        raise Wide("a divisor that may be 0")
    if not -LARGEST < lo <= hi < LARGEST:
        raise Wide("a quotient beyond the floats")
    return nextafter(lo, -inf), nextafter(hi, inf)


def join(x: Interval, y: Interval) -> Interval:
    """The least interval around both."""
    return min(x[0], y[0]), max(x[1], y[1])


def size(x: Interval) -> float:
    """The largest |x|."""
    return max(-x[0], x[1])


def exp(x: Interval) -> Interval:
    """e^x.

    >>> low, high = exp((0.0, 1.0))
    >>> low <= 1.0, high - 2.718281828459045 < 1e-14
    (True, True)
    """
    if not (x[0] > -_MOST_EXPONENT and x[1] < _MOST_EXPONENT):
        raise Wide("an exponential beyond the floats")
    return _exp(x[0])[0], _exp(x[1])[1]


def log(x: Interval) -> Interval:
    """log x. Raises Wide where x may be 0 or negative."""
    if not x[0] > 0:
        raise Wide("the logarithm of a number that may be 0")
    return _log(x[0])[0], _log(x[1])[1]


_BITS = 96  # of the fixed point in which exp and log are worked out
_ONE = 1 << _BITS
_LN2 = 693147180559945309417232121458176568075500134360255254120680 * _ONE // 10**60


@lru_cache(maxsize=200_000)
def _exp(x: float) -> Interval:
    """e^x for a float."""
    return ONE if x == 0 else _floats(*_exp_fixed(x))


def _exp_fixed(x: float) -> tuple[int, int, int]:
    """(y, error, k) with |e^x − y 2^(k − 96)| <= error 2^(k − 96).

    With x = k log 2 + r the series of e^r is summed in integers. What is cut off: less than 1 unit of 2^−96 of x, as
    much for each of the |k| <= 900 times log 2, all of which e^r, r < 1, carries over less than threefold; less than 3
    units in each of the 26 terms; and r^27/27! e, less than 1 unit.
    """
    fixed = _fixed(x)
    k = (fixed + _LN2 // 2) // _LN2
    r = fixed - k * _LN2
    term = whole = _ONE
    for i in range(1, 27):
        term = (term * r >> _BITS) // i
        whole += term
    return whole, 3 * (abs(k) + 1) + 100, k


def _fixed(x: float) -> int:
    """The largest integer that is at most x 2^96."""
    above, below = x.as_integer_ratio()
    return above * _ONE // below


@lru_cache(maxsize=200_000)
def _log(x: float) -> Interval:
    """log x for a float: near what `math.log` says, which is not trusted but corrected by log(x e^−near).

    log(1 + h) is within h² of h for |h| <= 1/2.
    """
    if x == 1:
        return ZERO
    near = math_log(x)
    y, error, k = _exp_fixed(-near)
    above, below = x.as_integer_ratio()
    product = _shifted(y * above, k) // below - _ONE
    error = _shifted(error * above, k) // below + 4
    if abs(product) + error > _ONE >> 20:
        raise Wide("a logarithm that is not found")
    return _floats(_fixed(near) + product, error + (product * product >> _BITS) + 3, 0)


def _shifted(x: int, k: int) -> int:
    return x << k if k >= 0 else x >> -k


def _floats(middle: int, error: int, k: int) -> Interval:
    """Floats around (middle ± error) 2^(k − 96)."""
    low, high = ldexp(float(middle - error), k - _BITS), ldexp(float(middle + error), k - _BITS)
    return nextafter(low, -inf), nextafter(high, inf)
