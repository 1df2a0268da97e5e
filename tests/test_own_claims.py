"""The tutorial docs/own-claims.md runs as it stands, and prints what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from vorticity.commands.main import main

PAGE = Path(__file__).parent.parent / "docs" / "own-claims.md"


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert [language for language, _ in blocks].count("python") >= 6
    Path("mine.py").write_text(blocks[0][1], "utf-8")
    names: dict[str, object] = {"__name__": "tutorial"}
    for k, (language, block) in enumerate(blocks):
        if language == "sh":
            for line in block.splitlines():
                assert main(shlex.split(line)[1:]) == 0, line
            assert capsys.readouterr().out.strip()
            continue
        exec(compile(block, f"{PAGE.name}, block {k}", "exec"), names)
        said = re.findall(r"^# (.*)$", block, re.M)
        assert capsys.readouterr().out.splitlines() == said, f"block {k}"
    assert Path("J1.json").exists() and Path("corrected.json").exists()
