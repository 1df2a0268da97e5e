"""A sweep: axes that multiply out to cases, never listed; and what one case is on whatever machine it runs.

An axis is a few `Span`s, each one value or one value with a range of seeds. The cases are the product of the axes in
the order of `AXES`, the last one fastest; case k and the number of a case are arithmetic, so that a sweep of 10^12
cases is as small as one of ten. A case is plain JSON; what it needs of files travels beside it by its hash.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamics.rules import Rule
    from mdp import MDP

Json = dict[str, Any]
Parcel = tuple[Json, dict[str, Any]]  # a case, and the contents of its files by their hashes

AXES: Mapping[str, tuple[str, ...]] = {  # an axis: the keys of a case that it fills, its seed last
    "mdp": ("mdp", "mdp_sha256", "parameters", "seed"),
    "teacher": ("teacher", "teacher_sha256"),
    "rule": ("rule", "rule_sha256"),
    "reward": ("reward",),
    "alpha": ("alpha",),
    "control": ("control",),
    "start": ("start", "start_seed"),
}
PARAMETERS = ("states", "actions", "size", "branching", "discount", "slip", "ending", "observations")  # of families
OWN = "own"  # the MDP's teacher, the rule's control


@dataclass(frozen=True)
class Span:
    """One value of an axis, `what` in the keys of a case; with `seeds`, one value for each of them."""

    what: Json
    seeds: range | None = None

    def __len__(self) -> int:
        return 1 if self.seeds is None else len(self.seeds)


@dataclass(frozen=True, eq=False)
class Axis:
    """Spans one after another. Values are numbered from 0.

    >>> axis = Axis("start", (Span({"start": "zero"}), Span({"start": "random"}, range(5, 8))))
    >>> axis.size, axis.value(2), axis.place({"start": "random", "start_seed": 6})
    (4, {'start': 'random', 'start_seed': 6}, (1, 2))
    """

    name: str
    spans: tuple[Span, ...]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self.spans)))

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        known: dict[str, list[int]] = {}
        for k, span in enumerate(self.spans):
            known.setdefault(json.dumps(span.what, sort_keys=True), []).append(k)
        return known

    @property
    def size(self) -> int:
        """How many values."""
        return self._ends[-1]

    def value(self, k: int) -> Json:
        """Value k, in the keys of a case."""
        place = bisect_right(self._ends, k)
        span = self.spans[place]
        if span.seeds is None:
            return span.what
        return span.what | {AXES[self.name][-1]: span.seeds[k - self._ends[place]]}

    def place(self, case: Mapping[str, Any]) -> tuple[int, int] | None:
        """The span that a case's value lies in, and the value's number; None where the axis does not hold it."""
        *keys, last = AXES[self.name]
        seed = case.get(last) if last.endswith("seed") else None
        what = {key: case[key] for key in (keys if last.endswith("seed") else (*keys, last)) if key in case}
        for k in self._known.get(json.dumps(what, sort_keys=True), ()):
            seeds = self.spans[k].seeds
            if seeds is None and seed is None:
                return k, self._ends[k] - 1
            if seeds is not None and isinstance(seed, int) and seed in seeds:
                return k, self._ends[k] - len(seeds) + seeds.index(seed)
        return None


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a file asks for: `axes` in the order of AXES, time and limit of every flow, file `contents` by hash."""

    title: str
    axes: tuple[Axis, ...]
    time: float
    limit: float
    contents: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """The number of cases."""
        return prod(axis.size for axis in self.axes)

    def case(self, k: int) -> Json:
        """Case k, from 0."""
        found: Json = {"time": self.time, "limit": self.limit}
        for axis in reversed(self.axes):
            k, place = divmod(k, axis.size)
            found |= axis.value(place)
        return found

    def cases(self) -> Iterator[Json]:
        """Every case in order, one at a time."""
        return map(self.case, range(self.size))

    def place(self, case: Mapping[str, Any]) -> tuple[int, tuple[int, ...]] | None:
        """The number of a case, and the span on each axis; None where this sweep does not hold it."""
        if (case.get("time"), case.get("limit")) != (self.time, self.limit):
            return None
        number, spans = 0, []
        for axis in self.axes:
            found = axis.place(case)
            if found is None:
                return None
            spans.append(found[0])
            number = number * axis.size + found[1]
        return number, tuple(spans)

    def parcel(self, case: Json) -> Parcel:
        """A case with the contents that it names."""
        hashes = [case[key] for key in case if key.endswith("_sha256")]
        return case, {one: self.contents[one] for one in hashes}

    def definition(self) -> str:
        """The axes as text, for the store to remember."""
        spans = {axis.name: [[span.what, span.seeds and str(span.seeds)] for span in axis.spans] for axis in self.axes}
        return json.dumps(spans | {"time": self.time, "limit": self.limit}, sort_keys=True)


def sha256(content: Any) -> str:
    """The hash of JSON content, 16 hexadecimal digits: what a file says, not how it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


# --- labels -----------------------------------------------------------------------------------------------------------


def labels(axis: Axis) -> list[str]:
    """How tables name each span: a family by what varies within it, seeds left out.

    >>> spans = [Span({"mdp": "garnet", "parameters": {"states": n, "actions": 2}}, range(9)) for n in (3, 4)]
    >>> labels(Axis("mdp", tuple(spans)))
    ['garnet states=3', 'garnet states=4']
    """
    names = [str(span.what[axis.name]) for span in axis.spans]
    if axis.name == "reward":
        return [{"True": "yes", "False": "no"}[name] for name in names]
    given = [span.what.get("parameters", {}) for span in axis.spans]
    values: dict[tuple[str, str], set[Any]] = {}
    for name, mine in zip(names, given, strict=True):
        for key in PARAMETERS:
            values.setdefault((name, key), set()).add(mine.get(key))
    return [
        " ".join([name, *(f"{key}={mine[key]}" for key in mine if len(values[name, key]) > 1)])
        for name, mine in zip(names, given, strict=True)
    ]


# --- one case, on any machine -----------------------------------------------------------------------------------------


def work(parcel: Parcel) -> tuple[Json, float]:
    """A case's row, parameters first, in JSON's types, and the core-seconds it took. One that cannot run says why."""
    import time

    from dynamics.experiments import REFUSED, measure, nothing
    from dynamics.fields import Field
    from vorticity.text import options, render

    start = time.thread_time()  # of this core: waiting for it is no work
    case, contents = parcel
    try:
        model = _world(case, contents)
        field = Field(
            model,
            _rule(case, contents),
            control=None if case["control"] == OWN else case["control"],
            alpha=case["alpha"],
            reward=case["reward"],
        )
        theta0 = options.start(case["start"], field.shape, case.get("start_seed", 0))
    except (ValueError, ArithmeticError) as error:
        row = nothing(REFUSED, str(error))
    else:
        row = measure(field, theta0, time=case["time"], limit=case["limit"])
    found: Json = render.jsonable(case | row)
    return found, time.thread_time() - start


def _world(case: Json, contents: Mapping[str, Any]) -> MDP:
    from mdp import io, zoo

    if "parameters" in case:
        model = family(case["mdp"])(case["seed"], **case["parameters"])
    elif "mdp_sha256" in case:
        model = io.from_dict(contents[case["mdp_sha256"]], name=case["mdp"])
    else:
        model = zoo.load(case["mdp"])
    teacher = case["teacher"]
    if teacher == OWN:
        return model
    if "teacher_sha256" in case:
        return model.replace(teacher=contents[case["teacher_sha256"]])
    from mdp import solve

    return model.replace(teacher=solve.teacher(model, teacher))


def family(name: str) -> Callable[..., MDP]:
    """The random family of that name: a function of a seed and parameters."""
    from mdp import random

    found: Callable[..., MDP] = getattr(random, name.replace("-", "_"))
    return found


def _rule(case: Json, contents: Mapping[str, Any]) -> str | Rule:
    if "rule_sha256" not in case:
        name: str = case["rule"]
        return name
    return rule_from(contents[case["rule_sha256"]])


def rule_content(rule: Rule) -> Json:
    """A rule as plain JSON, formulas as nested lists: what `rule_from` makes the rule of again, anywhere.

    >>> from vorticity import TABLE
    >>> again = {name: rule_from(rule_content(rule)) for name, rule in TABLE.items()}
    >>> all((again[name].loss, again[name].reward) == (rule.loss, rule.reward) for name, rule in TABLE.items())
    True
    """
    facts = {name: getattr(rule, name) for name in ("id", "title", "control", "horizon")}
    return facts | {"alpha": str(rule.alpha), "loss": _plain(rule.loss), "reward": _plain(rule.reward)}


def rule_from(content: Json) -> Rule:
    """The rule that `rule_content` has written."""
    import dataclasses
    from fractions import Fraction

    from dynamics.rules import Rule as Row

    facts = {name: content[name] for name in ("id", "title", "control", "horizon")}
    made = Row(**facts, loss=_formula(content["loss"]), reward=_formula(content["reward"]))
    return dataclasses.replace(made, alpha=Fraction(content["alpha"]))


def _plain(x: Any) -> Any:
    from dynamics.rules import Formula

    return [x.op, *map(_plain, x.args)] if isinstance(x, Formula) else str(x)


def _formula(x: Sequence[Any]) -> Any:
    from fractions import Fraction

    from dynamics.rules import Formula

    op, *args = x
    if op == "number":
        return Formula(op, (Fraction(args[0]),))
    return Formula(op, tuple(args) if op == "symbol" else tuple(map(_formula, args)))
