"""Read a sweep's TOML file. Everything is checked before anything runs; errors name file, key, value and law.

Numbers are read as written (0.1 is 1/10). A single value may stand for a list of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from vorticity.runs.sweep import OWN, Axis, Json, Span, Sweep, family, rule_content, sha256
from vorticity.runs.toml_lists import (
    MOST_SEED,
    Known,
    Problem,
    each,
    held_before,
    listed,
    refuse_unknown,
    seed_range,
    seeds_of,
    shown,
    text_of,
)
from vorticity.text import options

KEYS = ("title", "mdps", "family", "teachers", "rules", "reward", "alpha", "control", "starts", "time", "limit")
PARAMETERS: Mapping[str, tuple[str, ...]] = {  # of each random family, in the order in which they multiply out
    "episodic": ("states", "actions", "discount", "observations"),
    "acyclic": ("states", "actions", "discount", "observations"),
    "deterministic-graph": ("states", "actions", "discount", "observations"),
    "garnet": ("states", "actions", "branching", "discount", "ending", "observations"),
    "grid-world": ("size", "slip", "ending", "discount"),
}
WHOLE = {"states": 1000, "actions": 1000, "branching": 1000, "observations": 1000, "size": 100}  # the most of each
TIMES = {"time": 200.0, "limit": 20_000.0}
MOST_ENTRIES = 4_000_000  # of one P, which is made of fractions
MOST_CELLS = 100_000  # combinations of one family's parameters
STARTS = "must be zero, random:SEED or random:FIRST..LAST"
TRIED = 100  # cells of a family tried before it is said that none can be built


def read(path: Path) -> Sweep:
    """The sweep in this file. Raises ValueError of one line for whatever is wrong, OSError when it cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.toml"
    >>> _ = path.write_text('mdps = "swirl"\\nrules = ["er", "reverse-kl"]\\nalpha = [0.5, 1, "3/2"]\\n')
    >>> read(path).size
    6
    """
    try:
        return _sweep(_parsed(path.read_bytes()), path.parent)
    except Problem as error:
        raise ValueError(f"{path}: {error}") from None


def _parsed(content: bytes) -> Json:
    import tomllib
    from decimal import Decimal

    try:
        return tomllib.loads(content.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise Problem(f"is not UTF-8 text (byte {error.start})") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Problem(f"is not TOML: {error}") from None


def _sweep(held: Json, folder: Path) -> Sweep:
    refuse_unknown("key", held, KEYS)
    if "rules" not in held:
        raise Problem("rules is missing; must name at least one rule")
    if "mdps" not in held and "family" not in held:
        raise Problem("there is no MDP; must have mdps or at least one [[family]]")
    title = held.get("title", "")
    if not isinstance(title, str):
        raise Problem(f"title is {shown(title)}; must be text")
    contents: dict[str, Any] = {}
    mdps = (
        each("mdps", listed(held, "mdps"), lambda x, where: _mdp(x, where, folder, contents)) if "mdps" in held else []
    )
    found = {
        "mdp": [*mdps, *_families(held.get("family", []))],
        "teacher": each("teachers", listed(held, "teachers", OWN), lambda x, w: _teacher(x, w, folder, contents)),
        "rule": each("rules", listed(held, "rules"), lambda x, w: _rule(x, w, folder, contents)),
        "reward": each("reward", listed(held, "reward", False), _reward),
        "alpha": each("alpha", listed(held, "alpha", 1), _alpha),
        "control": each("control", listed(held, "control", OWN), _control),
        "start": each("starts", listed(held, "starts", "zero"), _start),
    }
    times = {key: _time(held[key], key) if key in held else default for key, default in TIMES.items()}
    axes = tuple(Axis(name, tuple(spans)) for name, spans in found.items())
    if times["time"] > times["limit"]:
        raise Problem(f"time is {times['time']:g}; must be at most limit, {times['limit']:g}")
    return Sweep(title, axes, times["time"], times["limit"], contents)


# --- the axes ---------------------------------------------------------------------------------------------------------


def _mdp(x: Any, where: str, folder: Path, contents: dict[str, Any]) -> Span:
    from mdp import io, is_path, zoo

    text = text_of(x, where)
    if text.partition(":")[0] in zoo.names() or not is_path(text, folder):
        zoo.load(text)  # which suggests the nearest name
        return Span({"mdp": text})
    content = io.to_dict(io.read(folder / text))
    return Span({"mdp": text, "mdp_sha256": _kept(content, contents)})


def _kept(content: Any, contents: dict[str, Any]) -> str:
    name = sha256(content)
    contents[name] = content
    return name


def _teacher(x: Any, where: str, folder: Path, contents: dict[str, Any]) -> Span:
    from mdp import is_path, solve, zoo

    text = text_of(x, where)
    if text == OWN:
        return Span({"teacher": OWN})
    if text.partition(":")[0] in options.TEACHERS or not is_path(text, folder):
        solve.teacher(zoo.load("chain"), text)  # a check of the name and the number
        return Span({"teacher": text})
    content = _table(folder / text)
    return Span({"teacher": text, "teacher_sha256": _kept(content, contents)})


def _table(path: Path) -> list[list[str]]:
    """A teacher's table in a JSON file, numbers as text. That its shape fits is a matter of each MDP."""
    from mdp import parse_json, rationals

    try:
        held = parse_json(path.read_bytes())
        if isinstance(held, dict) and list(held) == ["teacher"]:
            held = held["teacher"]
        if not isinstance(held, list):
            raise ValueError(f'is {shown(held)}; must be an array, or {{"teacher": array}}')
        numbers = rationals(held, "teacher", 2)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from None
    return [[str(Fraction(x)) for x in row] for row in numbers.fractions.tolist()]


def _rule(x: Any, where: str, folder: Path, contents: dict[str, Any]) -> Span:
    text = text_of(x, where)
    path, colon, name = text.rpartition(":")
    if not (colon and path.endswith(".py")):
        options.load_rule(text)
        return Span({"rule": text})
    content = rule_content(options.load_rule(f"{folder / path}:{name}"))
    return Span({"rule": text, "rule_sha256": _kept(content, contents)})


def _reward(x: Any, where: str) -> Span:
    if not isinstance(x, bool):
        raise Problem(f"{where} is {shown(x)}; must be true or false")
    return Span({"reward": x})


def _alpha(x: Any, where: str) -> Span:
    from mdp import rational

    alpha = rational(x, where)
    if alpha < 0:
        raise Problem(f"{where} is {shown(x)}; must be at least 0")
    return Span({"alpha": str(alpha)})


def _control(x: Any, where: str) -> Span:
    from dynamics.rules import mixture_weight

    text = text_of(x, where)
    if text != OWN:
        mixture_weight(text)
    return Span({"control": text})


def _start(x: Any, where: str) -> Span:
    text = text_of(x, where)
    name, colon, seeds = text.partition(":")
    if name == "zero" and not colon:
        return Span({"start": "zero"})
    if name == "random":
        found = seed_range(seeds) if colon else range(1)
        if found is not None:
            return Span({"start": "random"}, found)
        raise Problem(f"{where} is {shown(x)}; {STARTS}, first to last, at most {MOST_SEED:.0e}")
    from mdp import nearest

    raise Problem(f"{where}: {nearest(text, ['zero', 'random'])}; {STARTS}")


def _time(x: Any, where: str) -> float:
    from mdp import rational

    try:
        time = rational(x, where)
    except ValueError as error:
        raise Problem(str(error)) from None
    if not 0 < time <= options.LONGEST_TIME:
        raise Problem(f"{where} is {shown(x)}; must be above 0 and at most {options.LONGEST_TIME:g}")
    return float(time)


# --- random families --------------------------------------------------------------------------------------------------


def _families(held: Any) -> list[Span]:
    if not isinstance(held, list) or not all(isinstance(block, dict) for block in held):
        raise Problem(f"family is {shown(held)}; must be tables, each headed [[family]]")
    spans: list[Span] = []
    known: Known = {}
    for k, block in enumerate(held):
        found = _family(block, f"family[{k}].")
        for span in found:
            j = held_before(known, span, k)
            if j is not None:
                raise Problem(f"family[{k}] ({block['kind']}): holds MDPs that family[{j}] holds; must differ")
        spans += found
    return spans


def _family(block: Json, where: str) -> list[Span]:
    if "kind" not in block:
        raise Problem(f"{where}kind is missing; must be one of {', '.join(PARAMETERS)}")
    kind = text_of(block["kind"], f"{where}kind").replace("_", "-")
    refuse_unknown(f"{where}kind", [kind], PARAMETERS)
    refuse_unknown(f"{where[:-1]} ({kind})", block, ("kind", "seeds", *PARAMETERS[kind]))
    if "seeds" not in block:
        raise Problem(f"{where}seeds is missing; must be a count, or text FIRST..LAST")
    seeds = each(f"{where}seeds", listed(block, "seeds", where=where), lambda x, w: Span({}, seeds_of(x, w)))
    lists: dict[str, list[Any]] = {}
    for key in PARAMETERS[kind]:
        if key in block:
            values = listed(block, key, where=where)
            spans = each(f"{where}{key}", values, partial(_parameter, key))
            lists[key] = [span.what[key] for span in spans]
    cells = 1
    for values in lists.values():
        cells *= len(values)
    if cells > MOST_CELLS:
        raise Problem(f"{where[:-1]} ({kind}): {cells} combinations of parameters; must be at most {MOST_CELLS}")
    whats: list[Json] = [
        {"mdp": kind, "parameters": dict(zip(lists, values, strict=True))} for values in product(*lists.values())
    ]
    for what in whats:
        size = what["parameters"]
        states = size.get("states", 1)
        entries = states * size.get("actions", 1) * (size.get("branching", 1) if kind == "garnet" else states)
        if entries > MOST_ENTRIES:
            raise Problem(f"{where[:-1]} ({kind}): P of {entries} entries; must be at most {MOST_ENTRIES}")
    _can_be_built(whats, seeds[0], f"{where[:-1]} ({kind})")
    return [Span(what, one.seeds) for what in whats for one in seeds]


def _parameter(key: str, x: Any, where: str) -> Span:
    from mdp import rational

    if key in WHOLE:
        if not isinstance(x, int) or isinstance(x, bool) or not 1 <= x <= WHOLE[key]:
            raise Problem(f"{where} is {shown(x)}; must be a whole number from 1 to {WHOLE[key]}")
        return Span({key: x})
    number = rational(x, where)
    if not (0 <= number <= 1 and (number > 0 or key != "discount")):
        raise Problem(f"{where} is {shown(x)}; must be {'above 0' if key == 'discount' else 'from 0'} to 1")
    return Span({key: str(number)})


def _can_be_built(whats: list[Json], seeds: Span, where: str) -> None:
    """Raise ValueError where no cell of a family exists; single ones that do not are refused when their turn comes."""
    first: Exception | None = None
    for what in whats[:TRIED]:
        try:
            family(what["mdp"])(seeds.seeds[0] if seeds.seeds else 0, **what["parameters"])
            return
        except (ValueError, ArithmeticError) as error:
            first = first or error
    raise Problem(f"{where}: no MDP of it can be built: {first}")
