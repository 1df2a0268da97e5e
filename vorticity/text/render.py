"""What the command prints: plain tables, numbers, and JSON that any reader accepts.

On a terminal, tables are drawn by rich; anywhere else (a pipe, a file) they are plain text, never cut or wrapped, so
that `grep`, `cut` and a reader a year later see all of it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

SHORT = 22  # a column of texts up to this long is never folded on a terminal


def clean(text: str) -> str:
    r"""One printable line: white space is collapsed, and control characters are shown, not obeyed.

    >>> clean("two\nlines and a bell\x07")
    'two lines and a bell\\x07'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))


def say(text: str) -> None:
    """Print one line, whatever names from a file it holds."""
    print(clean(text))


def number(x: float | None, digits: int = 4) -> str:
    """A number for people: few digits, and "-" for one that is not there.

    >>> number(0.12345678), number(3e-17), number(None), number(float("nan"))
    ('0.1235', '3e-17', '-', 'nan')
    """
    return "-" if x is None else f"{x:.{digits}g}"


def cell(x: str | float | None) -> str:
    """What a table shows: text as it is, a number short, "-" for nothing.

    >>> cell("swirl"), cell(11), cell(1.0), cell(None)
    ('swirl', '11', '1', '-')
    """
    return x if isinstance(x, str) else number(x, 6)


def plain_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns two blanks apart, as wide as they need to be, no trailing blanks.

    >>> print(plain_table(["rule", "gradient?"], [["er", "yes"], ["on-policy", "no"]]))
    rule       gradient?
    er         yes
    on-policy  no
    """
    cells = [[clean(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table: drawn by rich on a terminal, plain anywhere else."""
    if not sys.stdout.isatty():
        print(*([title] if title else []), plain_table(headers, rows), sep="\n")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    cells = [[clean(text) for text in row] for row in rows]
    drawn = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for header, column in zip(headers, zip(*cells, strict=True), strict=True):
        short = all(len(text) <= SHORT for text in column)  # long texts are folded, never cut
        drawn.add_column(header, no_wrap=short, overflow="fold")
    for row in cells:
        drawn.add_row(*row)
    console = Console(markup=False, emoji=False, highlight=False)
    if console.measure(drawn).minimum > console.width:  # too narrow even when folded: let the terminal wrap it
        print(*([title] if title else []), plain_table(headers, cells), sep="\n")
    else:
        console.print(drawn)


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None] | None]:
    """A progress bar on standard error, where that is a terminal; yields what takes the share that is done."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def matrix(values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """A labelled table of numbers.

    >>> print(matrix([[0.5, -1.0]], ["s0"], ["left", "right"]))
        left  right
    s0  0.5   -1
    """
    body = ([label, *(number(x, 6) for x in row)] for label, row in zip(rows, values, strict=True))
    return plain_table(["", *columns], body)


def jsonable(x: Any) -> Any:
    """`x` in JSON's types. Numbers that are not finite become null, complex ones [re, im], fractions their text.

    >>> import numpy as np
    >>> jsonable({"a": np.array([1.0, np.nan]), "b": Fraction(1, 3), "c": 1 + 2j, "d": (np.int64(3), np.True_, None)})
    {'a': [1.0, None], 'b': '1/3', 'c': [1.0, 2.0], 'd': [3, True, None]}
    """
    if x is None or isinstance(x, (bool, str)):
        return x
    if isinstance(x, Fraction):
        return str(x)
    if isinstance(x, Mapping):
        return {str(key): jsonable(value) for key, value in x.items()}
    if hasattr(x, "tolist"):  # an array, or a scalar of numpy's
        return jsonable(x.tolist())
    if isinstance(x, complex):
        return [jsonable(x.real), jsonable(x.imag)]
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    return x if isinstance(x, int) else [jsonable(item) for item in x]


def print_json(answer: Mapping[str, Any]) -> None:
    """Exactly one JSON object on standard output, on one line."""
    print(json_text(answer))


def json_text(answer: Mapping[str, Any]) -> str:
    """One JSON object as a line of text; what is not a finite number is null."""
    return json.dumps(jsonable(answer), allow_nan=False)


def notes(texts: Iterable[str]) -> None:
    """Remarks, each once."""
    for text in dict.fromkeys(texts):
        note(text)


def note(text: str) -> None:
    """A remark, on standard error: it never mixes with an answer."""
    print(f"vorticity: note: {clean(text)}", file=sys.stderr)
