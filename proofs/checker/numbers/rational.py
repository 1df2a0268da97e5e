"""Exact numbers in a certificate: rationals written as text, and balls of four integers. Nothing here rounds."""

from __future__ import annotations

import re
from fractions import Fraction

MOST_DIGITS = 100_000  # of one number; what is longer is refused, not read
MOST_EXPONENT = 100_000  # of a ball's power of two
_CHUNK = 4000  # Python's int() refuses texts longer than 4300 digits, so long ones are read piece by piece
_RATIONAL = re.compile(r"(-?)([0-9]+)(?:/([0-9]+)|\.([0-9]+))?", re.ASCII)


class Refused(ValueError):
    """A step of a certificate that is false, or that cannot be read: one line that says where and why."""


def rational(value: object, where: str) -> Fraction:
    """The number that a text "p", "p/q" or "1.25" states, exactly.

    Raises Refused when it is no text, not of that form, longer than `MOST_DIGITS`, or divides by zero.

    >>> rational("-0.10", "alpha"), rational("3/7", "alpha")
    (Fraction(-1, 10), Fraction(3, 7))
    >>> rational("1e5", "alpha")
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: alpha: '1e5' is no rational; write "p", "p/q" or a plain decimal, as text
    """
    if not isinstance(value, str):
        raise Refused(f'{where}: {show(value)} is no rational; write "p", "p/q" or a plain decimal, as text')
    if len(value) > MOST_DIGITS:
        raise Refused(f"{where}: a number of {len(value)} characters; at most {MOST_DIGITS} are read")
    match = _RATIONAL.fullmatch(value)
    if match is None:
        raise Refused(f'{where}: {show(value)} is no rational; write "p", "p/q" or a plain decimal, as text')
    sign, head, below, decimals = match.groups()
    if decimals is not None:
        number = Fraction(_whole(head + decimals), 10 ** len(decimals))
    elif below is not None:
        denominator = _whole(below)
        if denominator == 0:
            raise Refused(f"{where}: {show(value)} divides by zero")
        number = Fraction(_whole(head), denominator)
    else:
        number = Fraction(_whole(head))
    return -number if sign else number


def ball(value: object, where: str) -> tuple[Fraction, Fraction]:
    """The two ends of `{"mid": [m, e], "rad": [m, e]}`, each m · 2^e: mid − rad and mid + rad.

    >>> ball({"mid": [3, -1], "rad": [1, -2]}, "ball")
    (Fraction(5, 4), Fraction(7, 4))
    """
    if not isinstance(value, dict) or set(value) != {"mid", "rad"}:
        raise Refused(f'{where}: {show(value)} is no ball; write {{"mid": [m, e], "rad": [m, e]}}')
    middle, radius = (_dyadic(value[key], f"{where}.{key}") for key in ("mid", "rad"))
    if radius < 0:
        raise Refused(f"{where}.rad: {show(radius)}; a radius is not negative")
    return middle - radius, middle + radius


def show(value: object) -> str:
    """A short text of any value for a message, on one line: long ones are cut, long fractions said in size.

    >>> show(Fraction(1, 3)), show("x" * 100)
    ('1/3', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    """
    if isinstance(value, Fraction):
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        return str(value) if bits < 150 else _roughly(value, bits)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 150:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 42 else text[:39] + "..."


def _roughly(value: Fraction, bits: int) -> str:
    """A fraction too long to print, to three digits where a float can hold it."""
    try:
        return f"about {float(value):.3g} (a fraction of {bits} bits)"
    except OverflowError:
        return f"a fraction of {bits} bits"


def _dyadic(value: object, where: str) -> Fraction:
    if not isinstance(value, list) or len(value) != 2 or any(type(x) is not int for x in value):
        raise Refused(f"{where}: {show(value)} is not two integers [m, e]")
    mantissa, exponent = value
    if abs(exponent) > MOST_EXPONENT:
        raise Refused(f"{where}: the exponent {show(exponent)} is beyond ±{MOST_EXPONENT}")
    return Fraction(mantissa) * (Fraction(2**exponent) if exponent >= 0 else Fraction(1, 2**-exponent))


def _whole(digits: str) -> int:
    """int(digits) for any length: halves are joined, so that the cost stays that of a few products."""
    if len(digits) <= _CHUNK:
        return int(digits)
    low = len(digits) // 2
    return _whole(digits[:-low]) * int(10**low) + _whole(digits[-low:])
