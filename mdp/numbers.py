"""Numbers as written: every number of a model is read as the decimal or fraction its author wrote.

"0.1", 0.1 and "1/10" are all the rational 1/10: a float stands for the shortest decimal that prints it, which is what
whoever typed it meant. Numbers that come in bulk (float arrays, sparse matrices) keep their floats, and their
fractions are worked out when somebody asks.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbers", "Rows", "rational", "rationals", "rows", "show", "tolerance"]

FloatArray = NDArray[np.float64]
ObjectArray = NDArray[np.object_]
Place = Callable[[tuple[int, ...]], str]
AnyArray = TypeVar("AnyArray", bound=NDArray[Any])

LARGEST = Fraction(10) ** 100
# Nothing positive may become 0.0 as a float. The smallest double prints as 5e-324; the room below it is for dividing
# a row by a sum just above 1.
SMALLEST = Fraction("4e-324")
LONGEST = 1_000  # characters
# A row is divided by its sum over the common denominator: 480 digits keep every quotient within LONGEST characters.
DENOMINATOR = 10**480
EPS = float(np.finfo(np.float64).eps)

_NUMBER = "must be a finite number: an integer, a decimal or a fraction such as '99/100'"
_SIZE = "must be 0 or of magnitude 4e-324 to 1e100, in at most 1,000 characters"
_DECIMAL = re.compile(r"[+-]?(?P<digits>[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]+))?")
_FRACTION = re.compile(r"(?P<above>[+-]?[0-9]+)/(?P<below>[0-9]+)")


def show(value: object, longest: int = 60) -> str:
    """Return `value` as one short line for an error message (text quoted, long values cut, containers counted).

    >>> show(Fraction(6, 5)), show("left"), show([1, 2]), show(10**5000)
    ('1.2', "'left'", 'a list of length 2', 'an integer of 16610 bits')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple, dict)):
        return f"{'a mapping' if isinstance(value, dict) else f'a {type(value).__name__}'} of length {len(value)}"
    if isinstance(value, int) and value.bit_length() > 3_000:  # Python refuses to print integers of 4,300 digits
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > 3_000:
            return "a fraction of more than 900 digits"
        close = repr(float(value)) if abs(value) <= LARGEST else ""
        value = Decimal(close) if close and Fraction(close) == value else value
    text = str(value) if isinstance(value, (Fraction, Decimal)) else " ".join(repr(value).split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def rational(x: object, where: str) -> Fraction:
    """Return the rational number that `x` is written as.

    Integers, fractions and Decimals are themselves; a float (of Python or numpy) is the shortest decimal that prints
    it; text is a decimal ("-1.5e-3") or a fraction ("99/100").

    Raises ValueError, naming `where`, the value and the law, for anything else (booleans, None, complex numbers, NaN,
    infinities, other text, zero denominators) and for absurd sizes: a number is 0 or has a magnitude from 4e-324
    (what a double can hold) to 1e100, in at most 1,000 characters. Sizes are checked before any large number is built.

    >>> rational(0.1, "x"), rational("99/100", "x"), rational("-1.5e-3", "x")
    (Fraction(1, 10), Fraction(99, 100), Fraction(-3, 2000))
    >>> rational("1e999999999", "discount")
    Traceback (most recent call last):
    ValueError: discount is '1e999999999'; must be 0 or of magnitude 4e-324 to 1e100, in at most 1,000 characters
    """
    value: object = x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else x
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{where} is {value}; {_NUMBER}")
    if isinstance(value, str):
        return _from_text(str(value), where)
    if isinstance(value, Decimal):
        return _from_decimal(value, where)
    if isinstance(value, numbers.Rational):  # int, Fraction, numpy integers
        above, below = int(value.numerator), int(value.denominator)
        if above.bit_length() + below.bit_length() > 3_000:
            digits = (above.bit_length() + below.bit_length()) * math.log10(2)
            if digits > LONGEST + 10 or len(f"{above}/{below}") > LONGEST:
                raise ValueError(f"{where} is {show(x)}; {_SIZE}")
        return _sized(Fraction(above, below), x, where)
    if isinstance(value, float):
        if not abs(value) <= 1e100:
            raise ValueError(f"{where} is {show(value)}; {_SIZE if math.isfinite(value) else _NUMBER}")
        return _shortest(value)
    if isinstance(value, np.floating):  # other precisions than double: str is their own shortest decimal
        if not np.isfinite(value):
            raise ValueError(f"{where} is {show(float(value))}; {_NUMBER}")
        return _from_text(str(value), where)
    raise ValueError(f"{where} is {show(value)}; {_NUMBER}")


def _shortest(value: float) -> Fraction:
    """The shortest decimal that prints a double (through Decimal: Fraction's own parser takes five times as long)."""
    return Fraction(*Decimal(float.__repr__(value)).as_integer_ratio())


def _from_text(text: str, where: str) -> Fraction:
    if len(text) > LONGEST:
        raise ValueError(f"{where} is {show(text)}; {_SIZE}")
    stripped = text.strip()
    if parts := _FRACTION.fullmatch(stripped):
        if not parts["below"].strip("0"):
            raise ValueError(f"{where} is {show(text)}; the denominator of a fraction must not be 0")
        return _sized(Fraction(int(parts["above"]), int(parts["below"])), text, where)
    found = _DECIMAL.fullmatch(stripped)
    if found is None:
        raise ValueError(f"{where} is {show(text)}; {_NUMBER}")
    if not found["digits"].strip("0."):
        return Fraction(0)
    # At most 1,000 digits stand before the exponent, so beyond 2,000 the number is out of range whatever they are.
    exponent = (found["exponent"] or "0").lstrip("+-").lstrip("0")
    if len(exponent) > 4 or int(exponent or "0") > 2 * LONGEST:
        raise ValueError(f"{where} is {show(text)}; {_SIZE}")
    return _sized(Fraction(stripped), text, where)


def _from_decimal(value: Decimal, where: str) -> Fraction:
    if not value.is_finite():
        raise ValueError(f"{where} is {show(value)}; {_NUMBER}")
    if not value:
        return Fraction(0)
    if abs(value.adjusted()) > 400 or len(value.as_tuple().digits) > LONGEST:
        raise ValueError(f"{where} is {show(value)}; {_SIZE}")
    return _sized(Fraction(value), value, where)


def _sized(value: Fraction, given: object, where: str) -> Fraction:
    if value and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError(f"{where} is {show(given)}; {_SIZE}")
    return value


@dataclass(frozen=True, eq=False)
class Numbers:
    """An array of numbers: their floats, and their fractions when they were given exactly (None: as the floats print).

    >>> Numbers(np.array([0.1, 0.5]), None).fractions
    array([Fraction(1, 10), Fraction(1, 2)], dtype=object)
    """

    floats: FloatArray
    exact: ObjectArray | None
    eps: float = EPS

    @cached_property
    def fractions(self) -> ObjectArray:
        """The numbers as an object array of Fractions, of the shape of `floats`."""
        if self.exact is not None:
            return self.exact
        distinct, inverse = np.unique(self.floats, return_inverse=True)  # few distinct numbers in most models
        table = _objects(_shortest(x) for x in distinct.tolist())
        return _frozen(table[inverse.reshape(self.floats.shape)])

    @property
    def given(self) -> FloatArray | ObjectArray:
        """What `rationals` would read back as the same numbers."""
        return self.floats if self.exact is None else self.exact

    def reshaped(self, *shape: int) -> Numbers:
        """The same numbers in another shape."""
        exact = None if self.exact is None else self.exact.reshape(shape)
        return Numbers(self.floats.reshape(shape), exact, self.eps)


def _objects(items: Iterable[object]) -> ObjectArray:
    listed = list(items)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def _frozen(array: AnyArray) -> AnyArray:
    array.flags.writeable = False
    return array


def exactly(fractions: ObjectArray, eps: float = EPS) -> Numbers:
    """Return the `Numbers` of an object array of Fractions (the array is made read-only)."""
    floats = np.array([float(x) for x in fractions.ravel().tolist()], dtype=np.float64).reshape(fractions.shape)
    return Numbers(_frozen(floats), _frozen(fractions), eps)


def rationals(values: object, where: str, ndim: int, place: Place | None = None) -> Numbers:
    """Read nested lists or an array with `ndim` axes.

    Lists, and arrays of objects or text, are read exactly, number by number. Arrays of doubles (and of integers below
    2^53) are copied, and their fractions are left for later. Arrays of other floats (float32) are read as the
    decimals they print, and remember how coarse they are in `eps`.

    `place(index)` names the entry or row at `index` in messages; by default `where[i, j]`.
    Raises ValueError for ragged or empty lists, a wrong number of axes, and whatever `rational` refuses.

    >>> rationals([["1/3", 0.5], [2, "1e-1"]], "R", 2).floats[1]
    array([2. , 0.1])
    >>> rationals([[1, 2], [3]], "R", 2)
    Traceback (most recent call last):
    ValueError: R[1] has length 1; must have length 2, as R[0] has
    """

    def default(index: tuple[int, ...]) -> str:
        return f"{where}[{', '.join(map(str, index))}]" if index else where

    place = place or default
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{where} is a masked array; must be a plain array or nested lists")
    if not isinstance(values, (list, tuple, str)) and hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray):
        if values.ndim != ndim or 0 in values.shape:
            raise ValueError(f"{where} has shape {values.shape}; must have {ndim} axes, none of them empty")
        if values.dtype.kind in "fiu":
            found = _from_array(values, place)
            if found is not None:
                return found
        if values.dtype.kind in "OU":
            values = values.tolist()
    eps = EPS
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        eps = max(EPS, float(np.finfo(values.dtype).eps))
    shape, flat = _flattened(values, ndim, place)
    known: dict[tuple[type, object], Fraction] = {}  # equal numbers share one Fraction
    read = []
    for k, x in enumerate(flat):
        key = (type(x), x) if type(x) in (float, int, str) else None
        fraction = known.get(key) if key else None
        if fraction is None:
            try:
                fraction = rational(x, "")
            except ValueError:  # only now is the place worth working out
                rational(x, place(_index(k, shape)))
                raise
            if key:
                known[key] = fraction
        read.append(fraction)
    return exactly(_objects(read).reshape(shape), eps)


def _from_array(values: NDArray[Any], place: Place) -> Numbers | None:
    """Doubles and small integers as they are; None for what a double cannot hold as it was printed."""
    if values.dtype.kind == "f" and values.dtype.itemsize != 8:
        return None
    if values.dtype.kind in "iu" and max(abs(int(values.max())), abs(int(values.min()))) >= 2**53:
        return None
    floats = values.astype(np.float64, order="C") + 0.0  # a copy, with -0.0 as 0.0
    bad = ~(np.abs(floats) <= float(LARGEST))
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        rational(float(floats[index]), place(index))
    return Numbers(_frozen(floats), None)


def _index(k: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(k, shape)) if shape else ()


def _flattened(values: object, ndim: int, place: Place) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists and their entries, level by level; refuses ragged ones by their place."""
    shape: tuple[int, ...] = ()
    items: list[Any] = [values]
    for _ in range(ndim):
        for k, item in enumerate(items):
            if not isinstance(item, (list, tuple)) and (not isinstance(item, np.ndarray) or item.ndim == 0):
                raise ValueError(f"{place(_index(k, shape))} is {show(item)}; must be a list")
            if len(item) == 0:
                raise ValueError(f"{place(_index(k, shape))} is empty; must have at least one entry")
            if len(item) != len(items[0]):
                here, first = place(_index(k, shape)), place(_index(0, shape))
                law = f"must have length {len(items[0])}, as {first} has"
                raise ValueError(f"{here} has length {len(item)}; {law}")
        shape = (*shape, len(items[0]))
        items = [entry for item in items for entry in item]
    return shape, items


def tolerance(n: int, eps: float = EPS) -> float:
    """Return by how much a sum of `n` rounded probabilities may miss 1: max(64, 4 n) eps, 1.4e-14 for doubles.

    Rounding each of n terms and adding them up misses by at most about n eps; 64 eps leaves room for short rows that
    another tool wrote with 15 significant digits.

    >>> tolerance(3) < 1.5e-14, tolerance(5000) < 5e-12
    (True, True)
    """
    return max(64, 4 * n) * eps


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of probabilities, one after the other: row r is `data[starts[r]:starts[r + 1]]`.

    `closed[r]`: the row sums to 1 up to rounding, and is taken to sum to exactly 1.
    `missing[r]` = 1 − the sum of the row, exactly 0 where it is closed.
    """

    data: Numbers
    starts: NDArray[np.int64]
    closed: NDArray[np.bool_]
    missing: FloatArray

    @cached_property
    def fractions(self) -> ObjectArray:
        """The exact probabilities: as written, and in closed rows divided by their exact sum."""
        fractions = self.data.fractions.copy()
        for r in np.flatnonzero(self.closed):
            part = slice(int(self.starts[r]), int(self.starts[r + 1]))
            common, total = _summed(fractions[part], "a row of probabilities")
            if common != total:
                fractions[part] = _objects(
                    Fraction(x.numerator * (common // x.denominator), total) if x else x for x in fractions[part]
                )
        return _frozen(fractions)

    @cached_property
    def exact_missing(self) -> ObjectArray:
        """1 − the exact sum of each row."""
        sums = (_summed(self.fractions[i:j], "") for i, j in zip(self.starts[:-1], self.starts[1:], strict=True))
        return _frozen(_objects(Fraction(common - total, common) for common, total in sums))


def _summed(fractions: ObjectArray, where: str) -> tuple[int, int]:
    """(common denominator, numerator of the sum over it): much faster than adding Fractions one by one."""
    parts = [x for x in fractions.tolist() if x]
    common = 1
    for below in {x.denominator for x in parts}:
        common = math.lcm(common, below)
        if common > DENOMINATOR:
            raise ValueError(f"{where} has a common denominator of more than 480 digits; must have at most 480")
    return common, sum(x.numerator * (common // x.denominator) for x in parts)


def rows(data: Numbers, starts: NDArray[np.int64], width: int, entry: Place, row: Place, *, full: bool) -> Rows:
    """Check rows of probabilities and normalise their rounding.

    Laws: every entry is at least 0, every row sums to at most 1 (to 1 if `full`), up to `tolerance(width)`. A row
    within that tolerance of 1 is *closed*: it is taken to sum to exactly 1, and each exact entry is divided by the
    exact sum. Floats that were given as floats stay as they are, so that reading them back gives the same model.

    >>> def name(index: tuple[int, ...]) -> str:
    ...     return f"P[{index[0]}]"
    >>> rows(rationals([0.5, "1/3"], "P", 1), np.array([0, 2]), 2, name, name, full=False).exact_missing
    array([Fraction(1, 6)], dtype=object)

    `entry((k,))` names the k-th entry of `data`, `row((r,))` the r-th row. Raises ValueError naming them.
    """
    negative = np.flatnonzero(data.floats < 0)
    if negative.size:
        k = int(negative[0])
        raise ValueError(f"{entry((k,))} is {show(data.given[k])}; must be at least 0")
    count = len(starts) - 1
    missing: Any = np.ones(count)
    if data.exact is None:
        occupied = starts[1:] > starts[:-1]
        missing[occupied] -= np.add.reduceat(data.floats, starts[:-1][occupied]) if occupied.any() else 0.0
    else:
        sums = [_summed(data.exact[starts[r] : starts[r + 1]], row((r,))) for r in range(count)]
        missing = _objects(Fraction(common - total, common) for common, total in sums)
    slack = tolerance(width, data.eps)
    closed = np.abs(missing.astype(np.float64)) <= slack
    bad = np.flatnonzero(~closed & ((missing < 0) | full))
    if bad.size:
        r = int(bad[0])
        # 15 digits tell any refused sum from 1; more would show the rounding of the sum itself
        raise ValueError(
            f"{row((r,))} sums to {float(1 - missing[r]):.15g}; must {'sum to' if full else 'be at most'} 1"
        )
    ending = np.where(closed, 0.0, missing.astype(np.float64))
    found = Rows(data, starts, _frozen(closed), _frozen(ending))
    if data.exact is None or not (missing[closed] != 0).any():
        return found
    for small in np.flatnonzero((found.fractions != 0) & (found.fractions < SMALLEST)):
        rational(
            found.fractions[small], entry((int(small),))
        )  # normalised out of range: say so now, not when it is read back
    return Rows(exactly(found.fractions.copy(), data.eps), starts, closed, found.missing)
