"""The store: all of a case or nothing, nothing twice, in the order asked for, and readable after any death."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vorticity.runs import store

CASES = [{"seed": k, "x": 0.1 * k} for k in range(4)]


def test_rows_come_back_as_they_were_in_the_order_asked_for(tmp_path: Path) -> None:
    rows = [{"x": 0.1 + 0.2, "none": None, "list": [1.5, 2.0], "text": "é", "yes": True}, {"x": 1e-300}]
    with store.opened(tmp_path / "a.sqlite") as kept:
        store.add(kept, "fig1", CASES[1], rows, 0.5)
        store.add(kept, "fig1", CASES[0], [{"first": 1}], 0.25)
        store.add(kept, "fig2", CASES[0], [], 0.0)
    with store.opened(tmp_path / "a.sqlite") as kept:
        assert store.rows(kept, "fig1", CASES) == [{"first": 1}, *rows]
        assert store.finished(kept, "fig1") == {store.case_key(case) for case in CASES[:2]}
        assert store.finished(kept, "fig2") == {store.case_key(CASES[0])} and store.rows(kept, "fig2", CASES) == []
        assert store.seconds(kept, "fig1", CASES) == 0.75
        reordered = {"x": CASES[1]["x"], "seed": 1}
        assert store.rows(kept, "fig1", [reordered]) == rows


def test_a_case_is_kept_once(tmp_path: Path) -> None:
    with store.opened(tmp_path / "a.sqlite") as kept:
        store.add(kept, "fig1", CASES[0], [{"x": 1}], 1.0)
        store.add(kept, "fig1", CASES[0], [{"x": 2}, {"x": 3}], 1.0)
        assert store.rows(kept, "fig1", CASES) == [{"x": 1}]


def test_a_case_that_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    with store.opened(tmp_path / "a.sqlite") as kept:
        with pytest.raises(ValueError, match=r"fig1, case .* a row holds a number that is not finite"):
            store.add(kept, "fig1", CASES[0], [{"x": 1.0}, {"x": float("nan")}], 1.0)
        kept.connection.execute("INSERT INTO cases (figure, case_key, seconds) VALUES ('fig1', 'k', 0)")
        kept.connection.execute("INSERT INTO rows VALUES ('fig1', 'k', 1, '{}')")
        kept.connection.execute("DELETE FROM rows")
        kept.connection.execute("DELETE FROM cases")
        kept.connection.execute(  # the second row of any case now fails, after the first and the mark were written
            "CREATE TRIGGER bad BEFORE INSERT ON rows WHEN NEW.position = 1 BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        with pytest.raises(sqlite3.IntegrityError, match="full"):
            store.add(kept, "fig1", CASES[0], [{"x": 1.0}, {"x": 2.0}], 1.0)
        assert store.finished(kept, "fig1") == set()
        assert kept.connection.execute("SELECT count(*) FROM rows").fetchone() == (0,)
        store.add(kept, "fig1", CASES[1], [{"x": 1.0}], 1.0)  # and the store goes on
        assert len(store.finished(kept, "fig1")) == 1


def test_rows_without_their_case_are_refused(tmp_path: Path) -> None:
    with store.opened(tmp_path / "a.sqlite") as kept, pytest.raises(sqlite3.IntegrityError):
        kept.connection.execute("INSERT INTO rows VALUES ('fig1', 'nobody', 0, '{}')")


@pytest.mark.parametrize("content", [b"not a database at all, but longer than a header" * 9, b"\x00" * 200])
def test_other_files_are_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.sqlite: holds no results: "), store.opened(path):
        pass
    assert path.read_bytes() == content


def test_a_database_of_others_and_a_later_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE mine (x)")
    theirs.close()
    with pytest.raises(ValueError, match="holds no results"), store.opened(path):
        pass
    with store.opened(tmp_path / "b.sqlite") as kept:
        kept.connection.execute("UPDATE facts SET value = '9'")
    with pytest.raises(ValueError, match="results of format 9; must be 1"), store.opened(tmp_path / "b.sqlite"):
        pass
    with pytest.raises(IsADirectoryError), store.opened(tmp_path):
        pass


def test_a_damaged_file_is_one_line_wherever_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with store.opened(path) as kept:
        for case in CASES:
            store.add(kept, "fig1", case, [{"pad": "x" * 3000}] * 4, 0.0)
    held = bytearray(path.read_bytes())
    held[8192:] = b"\xff" * (len(held) - 8192)
    path.write_bytes(held)
    with pytest.raises(ValueError, match=r"a\.sqlite: holds no results: "), store.opened(path) as kept:
        list(store.stream(kept, "fig1"))
        store.rows(kept, "fig1", CASES)


def test_a_run_is_not_mixed_with_another_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.opened(tmp_path / "a.sqlite") as kept:
        store.begin(kept, ["fig1"], resume=False)
        store.add(kept, "fig1", CASES[0], [], 0.0)
        store.begin(kept, ["fig2"], resume=False)  # of which nothing is there
        with pytest.raises(ValueError, match=r"sqlite: holds 1 finished cases; go on with --resume, or give another"):
            store.begin(kept, ["fig2", "fig1"], resume=False)
        with pytest.raises(ValueError, match=r"holds 1 finished cases of fig1; go on"):
            store.begin(kept, ["fig1"], resume=False, named=True)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(store, "__version__", "99")
        store.begin(kept, ["fig1"], resume=True)
    assert "a.sqlite: begun by version " in (said := capsys.readouterr().err) and "this is 99; its rows" in said


def test_what_sqlite_cannot_do_is_an_oserror_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with pytest.raises(OSError, match="no such table") as failure, store.opened(path) as kept:
        kept.connection.execute("SELECT * FROM elsewhere")
    assert failure.value.filename == str(path)


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """What is left of a process that was killed between making the file and its first commit."""
    (tmp_path / "a.sqlite").touch()
    with store.opened(tmp_path / "a.sqlite") as kept:
        assert store.finished(kept, "fig1") == set()


WRITER = """
import sys
from pathlib import Path
from vorticity.runs import store
with store.opened(Path(sys.argv[1])) as kept:
    for k in range(100_000):
        store.add(kept, "fig1", {"seed": k}, [{"k": k, "i": i, "pad": "x" * 2000} for i in range(5)], 0.0)
        print(k, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
@pytest.mark.parametrize("upto", [1, 7, 20])
def test_kill_9_loses_no_case_that_was_reported_and_halves_none(tmp_path: Path, upto: int) -> None:
    path = tmp_path / "a.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    reported = [int(next(writer.stdout)) for _ in range(upto)]
    time.sleep(0.003 * upto)  # somewhere within a later case
    writer.send_signal(signal.SIGKILL)
    reported += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    with store.opened(path) as kept:
        done = len(store.finished(kept, "fig1"))
        assert done in (len(reported), len(reported) + 1)  # the last may be kept and not yet reported
        found = store.rows(kept, "fig1", [{"seed": k} for k in range(done + 5)])
        assert [(row["k"], row["i"]) for row in found] == [(k, i) for k in range(done) for i in range(5)]
        assert kept.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with store.opened(tmp_path / "a.sqlite"):
        pass
    (tmp_path / "a.sqlite").chmod(0o444)
    with pytest.raises(OSError, match="readonly"), store.opened(tmp_path / "a.sqlite"):
        pass


def test_a_full_disk_is_said_and_what_was_kept_stays(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full") as caught, store.opened(tmp_path / "a.sqlite") as kept:
        store.add(kept, "fig1", CASES[0], [{"x": 1}], 0.0)
        (pages,) = kept.connection.execute("PRAGMA page_count").fetchone()
        kept.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        store.add(kept, "fig1", CASES[1], [{"x": "y" * 100_000}], 0.0)
    assert caught.value.filename == str(tmp_path / "a.sqlite")
    with store.opened(tmp_path / "a.sqlite") as kept:
        assert store.rows(kept, "fig1", CASES) == [{"x": 1}] and len(store.finished(kept, "fig1")) == 1


def test_facts_are_noted_once(tmp_path: Path) -> None:
    with store.opened(tmp_path / "a.sqlite") as kept:
        assert store.remember(kept, "version", "1") == "1"
        assert store.remember(kept, "version", "2") == "1"
