"""The command `bifurcation` and `portrait --basins`: answers, and mistakes in one line with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vorticity.commands.main import main

Capture = pytest.CaptureFixture[str]
RISING = [
    "bifurcation",
    "chain",
    "--rule",
    "on-policy",
    "--in",
    "sharpness",
    "--from",
    "0.5",
    "--to",
    "1",
    "--starts",
    "1",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_answer_as_json_and_as_a_figure(capsys: Capture) -> None:
    """Without reward the student rests at the teacher (P1), whose log-odds go with its sharpness."""
    assert main([*RISING, "--json", "-o", "chain.svg", "--coords", "1"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["parameter"], answer["interval"]) == ("sharpness of the teacher", [0.5, 1.0])
    assert (answer["complete"], answer["cycles"]) == (True, [])
    (curve,) = answer["rest_points"]
    assert all(curve["stable"])
    for sharpness, theta in zip(curve["parameter"], curve["theta"], strict=True):
        first = curve["theta"][-1]
        assert abs((theta[0][1] - theta[0][0]) - sharpness * (first[0][1] - first[0][0])) < 1e-9
    assert curve["parameter"][-1] == 1.0
    assert Path("chain.svg").read_text("utf-8").startswith("<?xml")


def test_the_tables_say_what_was_searched(capsys: Capture) -> None:
    assert main(RISING) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("chain: on-policy, sharpness of the teacher from 0.5 to 1\n")
    for text in ("rest points from", "no Hopf point found", "no fold found", "no stable cycle found", "not proved"):
        assert text in shown


@pytest.mark.parametrize(
    ("swap", "law"),
    [
        ({"--in": "sharpnes"}, "--in: unknown 'sharpnes'; the nearest is 'sharpness'"),
        ({"--in": "teacher"}, "--in: 'teacher' is no parameter; must be one of alpha, "),
        ({"--in": "teacher:fly"}, "action is 'fly'; must be one of"),
        ({"--in": "reward:s0"}, "must be reward:STATE:ACTION"),
        ({"--in": "reward:mars:go"}, "state is 'mars'"),
        ({"--in": "mixture", "--control": "teacher"}, "give one of them"),
        ({"--in": "alpha", "--alpha": "2"}, "give one of them"),
        ({"--in": "discount", "--to": "1.5"}, "discount"),
        ({"--from": "2"}, "--from is 2, --to 1; the first must be the smaller"),
        ({"--from": "half"}, "--from is 'half'"),
        ({"--coords": "s9"}, "coords: unknown 's9'"),
        ({"-o": "figure.jpg"}, "figure.jpg: has the suffix '.jpg'"),
        ({"-o": "nowhere/figure.png"}, "there is no folder 'nowhere'"),
    ],
)
def test_mistakes_are_one_line(swap: dict[str, str], law: str, capsys: Capture) -> None:
    options = dict(zip(RISING[2::2], RISING[3::2], strict=True)) | swap
    assert main([*RISING[:2], *(text for pair in options.items() for text in pair)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert law in printed.err


def test_basins_are_drawn_only_when_asked_for(capsys: Capture) -> None:
    line = ["portrait", "chain", "--rule", "on-policy", "--layers", "rest", "--json"]
    assert main([*line, "-o", "plain.png"]) == 0
    (plain,) = json.loads(capsys.readouterr().out)["portraits"]
    assert "basins" not in plain
    assert main([*line, "-o", "shaded.png", "--basins"]) == 0
    (shaded,) = json.loads(capsys.readouterr().out)["portraits"]
    found = shaded.pop("basins")
    assert plain == shaded
    assert [(one["kind"], one["share"]) for one in found["attractors"]] == [("rest", 1.0)]
    assert (found["undecided"], len(found["label"]), len(found["x"])) == (0, 60, 60)
    assert Path("plain.png").read_bytes() != Path("shaded.png").read_bytes()


def test_basins_and_curl_are_refused_together(capsys: Capture) -> None:
    line = ["portrait", "swirl", "--rule", "on-policy", "-o", "x.png", "--basins", "--layers", "curl"]
    assert main(line) == 2
    assert "both colour the background" in capsys.readouterr().err
