"""Lists in a sweep's file, one value read after the other: errors name the key, the value and the law."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vorticity.runs.sweep import Span

MOST_SEED = 10**12


class Problem(ValueError):
    """A mistake in the file, still without the file's name."""


def shown(x: object) -> str:
    """A value as messages show it."""
    from mdp import show

    return show(x)


def refuse_unknown(what: str, held: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError for the first of `held` that is not known, with the nearest that is."""
    from mdp import nearest

    for key in held:
        if key not in known:
            raise Problem(f"{what}: {nearest(key, known)} (known: {', '.join(known)})")


def listed(held: Mapping[str, Any], key: str, default: Any = None, where: str = "") -> list[Any]:
    """The values of a key, one alone as a list of one. Raises ValueError for none."""
    values = held.get(key, default)
    values = values if isinstance(values, list) else [values]
    if not values:
        raise Problem(f"{where}{key} is empty; must hold at least one value")
    return values


def each(key: str, values: list[Any], read_one: Callable[[Any, str], Span]) -> list[Span]:
    """Each value as a span; ValueError where two are the same."""
    spans: list[Span] = []
    known: Known = {}
    for k, value in enumerate(values):
        where = f"{key}[{k}]" if len(values) > 1 else key
        try:
            spans.append(read_one(value, where))
        except Problem:
            raise
        except (ValueError, ArithmeticError) as error:
            raise Problem(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
        except OSError as error:
            raise Problem(f"{where}: {error.filename}: {error.strerror}") from None
        j = held_before(known, spans[-1], k)
        if j is not None:
            raise Problem(f"{where} is {shown(value)}, which {key}[{j}] holds already; must differ")
    return spans


Known = dict[str, list[tuple[range, int]]]  # what was there so far: its seeds, and its number


def held_before(known: Known, span: Span, k: int) -> int | None:
    """The number of a span that holds part of this one already; else None, and this one, number k, is known."""
    seeds = span.seeds or range(1)
    there = known.setdefault(json.dumps(span.what, sort_keys=True), [])
    for other, j in there:
        if seeds.start < other.stop and other.start < seeds.stop:
            return j
    there.append((seeds, k))
    return None


def text_of(x: Any, where: str) -> str:
    """A value that must be text."""
    if not isinstance(x, str) or not x.strip():
        raise Problem(f"{where} is {shown(x)}; must be text")
    return x


def seeds_of(x: Any, where: str) -> range:
    """`N` seeds from 0 (a whole number), or "SEED" or "FIRST..LAST", the last one included."""
    if isinstance(x, int) and not isinstance(x, bool) and 1 <= x <= MOST_SEED:
        return range(x)
    found = seed_range(x) if isinstance(x, str) else None
    if found is not None:
        return found
    law = 'a count of at least 1, or text: "SEED" or "FIRST..LAST", first to last'
    raise Problem(f"{where} is {shown(x)}; must be {law}, at most {MOST_SEED:.0e}")


def seed_range(text: str) -> range | None:
    """The seeds of "SEED" or "FIRST..LAST"; None where the text is neither."""
    first, dots, last = text.partition("..")
    ends = [first, last if dots else first]
    if not all(end.isascii() and end.isdigit() and len(end) <= 13 for end in ends):
        return None
    low, high = map(int, ends)
    return range(low, high + 1) if low <= high <= MOST_SEED else None
