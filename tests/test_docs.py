"""The documentation names what is there: public names, dotted names, and every module of every room."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import vorticity as vt

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ROWS = re.compile(r"^\| `((?:mdp|dynamics|proofs|vorticity)[\w.]*)` \| (.*) \|$", re.M)
NO_MODULES = {
    "mdp.py",
    "vorticity.mdp",
    "mdp.exact",
    "mdp.replace",
    "mdp.observation",
    "mdp.teacher",
}


def there(name: str) -> bool:
    """Whether a dotted name is a module of ours, or something in one."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            held = import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            if not hasattr(held, part):
                return False
            held = getattr(held, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_the_documentation_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    public = set(re.findall(r"\bvt\.(\w+)", text))
    assert public <= set(vt.__all__), sorted(public - set(vt.__all__))
    dotted = set(re.findall(r"`((?:mdp|dynamics|proofs|vorticity)(?:\.[A-Za-z]\w*)+)", text)) - NO_MODULES
    assert not {name for name in dotted if not there(name)}
    paths = set(re.findall(r"`((?:mdp|dynamics|proofs|vorticity|tests|benchmarks|docs)/[\w/.-]*\.\w+)`", text))
    assert not {path for path in paths if "NAME" not in path and not (ROOT / path).exists()}


def test_what_is_not_there_is_noticed() -> None:
    assert there("dynamics.fields.Field") and there("proofs.exact.curl")
    assert not there("dynamics.fields.Feild") and not there("dynamics.shed") and not there("mdp.model.MDP.nothing")


def test_every_module_of_every_room_is_on_the_map() -> None:
    rooms_section = (ROOT / "docs" / "architecture.md").read_text("utf-8").split("\n## ")[2]
    rows = dict(ROWS.findall(rooms_section))
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for storey in ("mdp", "dynamics", "proofs", "vorticity")
        for path in (ROOT / storey).rglob("__init__.py")
    } - {"dynamics", "proofs", "vorticity"}
    assert {room for room in rooms if not room.startswith("proofs.checker.")} == set(rows)
    for room, said in rows.items():
        files = {path.stem for path in (ROOT / room.replace(".", "/")).glob("*.py")} - {"__init__", "__main__"}
        named = set(re.findall(r"`(\w+)`", said))
        if room == "vorticity.commands":  # one a command: the help lists them
            continue
        figures = {f"fig{k}" for k in range(1, 7)} if room == "dynamics.experiments" else set()
        assert files <= named | figures, f"{room}: {sorted(files - named)} is not on the map"
