"""Results of experiments in one SQLite file, each case's rows committed together with the mark that it is done.

A case is finished when it stands in the table `cases`; its rows are in `rows` from the same moment. A process that is
killed at any time therefore loses the cases in work and no others, and no row is ever there twice.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vorticity import __version__
from vorticity.text import render

Row = dict[str, Any]

FORMAT = "1"
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cases (
    figure TEXT NOT NULL, case_key TEXT NOT NULL, seconds REAL NOT NULL, done TEXT NOT NULL DEFAULT (datetime('now')),
    PRIMARY KEY (figure, case_key)
) WITHOUT ROWID;
CREATE TABLE rows (
    figure TEXT NOT NULL, case_key TEXT NOT NULL, position INTEGER NOT NULL, row_json TEXT NOT NULL,
    PRIMARY KEY (figure, case_key, position),
    FOREIGN KEY (figure, case_key) REFERENCES cases (figure, case_key)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, eq=False)
class Store:
    """An open file of results; `path` for messages. Made by `opened`."""

    path: Path
    connection: sqlite3.Connection


def case_key(case: Mapping[str, Any]) -> str:
    """A case as text: the same for the same parameters in any order.

    >>> case_key({"b": 1, "a": 0.5})
    '{"a": 0.5, "b": 1}'
    """
    return json.dumps(case, sort_keys=True, allow_nan=False)


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The store in this file, made if it is not there; closed at the end.

    In WAL mode a commit is on the disk's way before it returns, and readers do not disturb the writer.
    Raises ValueError when the file is no store of ours or damaged, OSError where it cannot be written; what SQLite
    raises inside of the `with` block leaves it as one of these too.

    >>> import tempfile
    >>> with opened(Path(tempfile.mkdtemp()) / "results.sqlite") as store:
    ...     add(store, "fig1", {"seed": 0}, [{"x": 1.0}, {"x": 2.0}], 0.1)
    ...     rows(store, "fig1", [{"seed": 0}, {"seed": 1}]), finished(store, "fig1")
    ([{'x': 1.0}, {'x': 2.0}], {'{"seed": 0}'})
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
    new = not path.exists() or path.stat().st_size == 0
    if new:
        path.touch()  # so that what forbids writing is an OSError that names the path
    # One process writes and nobody else; a minute is for a reader that holds the file for a moment.
    connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
    try:
        _prepare(connection, path, new)
        yield Store(path, connection)
    except sqlite3.OperationalError as error:  # read-only, full, locked
        raise OSError(errno.EIO, str(error), str(path)) from None
    except sqlite3.DatabaseError as error:  # no database, or a damaged one
        raise ValueError(f"{path}: holds no results: {error}") from None
    finally:
        connection.close()


def must_hold(path: Path) -> None:
    """Raise ValueError where there is no file of results: whoever only looks makes none."""
    if not path.is_file():
        raise ValueError(f"{path}: is not there; --show tells what a run has left")


def begin(store: Store, figures: Iterable[str], resume: bool, *, named: bool = False) -> None:
    """Before a run of these figures: says where another version began the file, and with `named` which figure is there.

    Raises ValueError where their results would be mixed with a new run unasked.
    """
    for figure in figures:
        old = count(store, figure)
        if old and not resume:
            cases = f"{old} finished cases{f' of {figure}' * named}"
            raise ValueError(f"{store.path}: holds {cases}; go on with --resume, or give another --out")
    made_by = remember(store, "version", __version__)
    if made_by != __version__:
        render.note(f"{store.path}: begun by version {made_by}, this is {__version__}; its rows are taken as they are")


def _prepare(connection: sqlite3.Connection, path: Path, new: bool) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    tables = _tables(connection)
    if new or not tables:  # a file that was killed before its first commit is empty
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute("INSERT INTO facts VALUES ('format', ?)", (FORMAT,))
    elif "facts" not in tables:
        raise ValueError(f"{path}: holds no results: a database without the table 'facts'")
    connection.execute("COMMIT")
    found = connection.execute("SELECT value FROM facts WHERE name = 'format'").fetchone()
    if found is None or found[0] != FORMAT:
        raise ValueError(f"{path}: results of format {found and found[0]}; must be {FORMAT}")


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def add(store: Store, figure: str, case: Mapping[str, Any], found: Sequence[Row], seconds: float) -> None:
    """Keep a finished case: its rows and the mark that it is done, all or nothing; on the disk when this returns.

    A case that is there already is left as it is. Raises ValueError when a row holds a number that is not finite.
    """
    key = case_key(case)
    try:
        texts = [json.dumps(row, allow_nan=False) for row in found]
    except ValueError:
        raise ValueError(f"{figure}, case {key}: a row holds a number that is not finite") from None
    db = store.connection
    try:
        db.execute("BEGIN IMMEDIATE")
        new = "INSERT OR IGNORE INTO cases (figure, case_key, seconds) VALUES (?, ?, ?)"
        if db.execute(new, (figure, key, seconds)).rowcount:
            listed = [(figure, key, position, text) for position, text in enumerate(texts)]
            db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", listed)
        db.execute("COMMIT")
    except BaseException:  # full, locked, interrupted: what was kept before stays
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def finished(store: Store, figure: str) -> set[str]:
    """The keys of the cases of a figure that are done."""
    return {key for (key,) in store.connection.execute("SELECT case_key FROM cases WHERE figure = ?", (figure,))}


def is_finished(store: Store, figure: str, case: Mapping[str, Any]) -> bool:
    """Whether this case is done: one look into an index, whatever the store holds."""
    query = "SELECT 1 FROM cases WHERE figure = ? AND case_key = ?"
    return store.connection.execute(query, (figure, case_key(case))).fetchone() is not None


def count(store: Store, figure: str) -> int:
    """How many cases of a figure are done."""
    return int(store.connection.execute("SELECT count(*) FROM cases WHERE figure = ?", (figure,)).fetchone()[0])


def stream(store: Store, figure: str) -> Iterator[Row]:
    """Every row of a figure, one at a time, in the order of the cases' keys: the same in whatever order they came."""
    query = "SELECT row_json FROM rows WHERE figure = ? ORDER BY case_key, position"
    for (text,) in store.connection.execute(query, (figure,)):
        yield json.loads(text)


def rows(store: Store, figure: str, cases: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of these cases, in the order of the cases and not in that in which they were finished."""
    db, found = store.connection, []
    query = "SELECT row_json FROM rows WHERE figure = ? AND case_key = ? ORDER BY position"
    for case in cases:
        found += [json.loads(text) for (text,) in db.execute(query, (figure, case_key(case)))]
    return found


def seconds(store: Store, figure: str, cases: Iterable[Mapping[str, Any]]) -> float:
    """The time that these cases took together, in seconds of one core."""
    query = "SELECT seconds FROM cases WHERE figure = ? AND case_key = ?"
    taken = (store.connection.execute(query, (figure, case_key(case))).fetchone() for case in cases)
    return float(sum(one[0] for one in taken if one is not None))


def remember(store: Store, name: str, value: str) -> str:
    """Note a fact about the file unless it is there; returns what the file says."""
    db = store.connection
    db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
    return str(db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])


def note(store: Store, name: str, value: str) -> str | None:
    """Note a fact about the file in place of what it says; returns what it said, None where it said nothing."""
    db = store.connection
    old = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
    return None if old is None else str(old[0])
