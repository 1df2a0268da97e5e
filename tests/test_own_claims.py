"""The tutorial docs/own-claims.md runs as it stands, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "own-claims.md"


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) >= 6
    names: dict[str, object] = {"__name__": "tutorial"}
    for k, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, block {k}", "exec"), names)
        said = re.findall(r"^# (.*)$", block, re.M)
        assert capsys.readouterr().out.splitlines() == said, f"block {k}"
    assert (tmp_path / "S1.json").exists()
