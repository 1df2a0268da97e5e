"""Zeros and signs of a field over boxes: interval branch and bound, and Krawczyk's operator for the zeros.

    K(X) = m − Y H(m) + (1 − Y J(X)) (X − m),   m the middle of the box X, J(X) an enclosure of ∂H/∂z, Y any matrix

holds every zero of H in X; if K(X) lies in the interior of X, there is exactly one in X (Krawczyk 1969; Neumaier,
Interval Methods for Systems of Equations, 1990, section 5.1). Y, and where to look, come from floats, on which nothing
rests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from proofs.checker.boxes.plan import Plan, plan
from proofs.checker.boxes.reduced import Flow, flow, state_values
from proofs.checker.numbers.arithmetic import Vanishing, total
from proofs.checker.numbers.enclosure import Enclosures, ends
from proofs.checker.numbers.floats import Floats
from proofs.checker.numbers.intervals import ONE, ZERO, Interval, Wide, add, enclose, multiply, size, subtract
from proofs.checker.numbers.jets import Jet, Jets, chances, variables
from proofs.checker.numbers.rational import Refused
from proofs.checker.reading.field import Field

Box = tuple[Interval, ...]
Exact = tuple[tuple[Fraction, Fraction], ...]  # a box with rational ends

LEAST_WIDTH = 1e-9  # a box of that size that cannot be decided is given up
_WORK = 1_000_000.0  # about half a minute
_DIGITS = 256  # bits, where a zero is narrowed down


class Budget:
    """How much work is left for a fact. One evaluation on 2 states and 2 actions, about 30 units, takes about 1 ms."""

    def __init__(self, field: Field, n: int) -> None:
        formulas = [field.rule.loss, *(term.expr for term in field.rule.terms)]
        entries = (n + 3.0) * field.n_states * field.n_actions
        solving = (n + 3.0) * field.n_states**3 / 16 * (2 if "v_student" in field.rule.symbols else 1)
        self.price = entries * (1 + sum(map(_parts, formulas)) / 20) + solving
        self.left = _WORK

    def spend(self, times: float = 1.0) -> None:
        """Pay for evaluations. Raises Refused where nothing is left."""
        self.left -= self.price * times
        if self.left < 0:
            raise Refused("too many boxes: the field is not decided within the checker's budget")

    def spend_units(self, units: float) -> None:
        """Pay for something else. Raises Refused where nothing is left."""
        self.spend(units / self.price)


def _parts(expr: object) -> int:
    return 1 + sum(map(_parts, expr[1:])) if isinstance(expr, list) else 1


@dataclass(frozen=True)
class System:
    """A field prepared for boxes; n = O (A − 1) coordinates."""

    field: Field
    jets: Plan
    floats: Plan
    n: int
    budget: Budget

    @property
    def two_actions(self) -> bool:
        return self.field.n_actions == 2


def system(field: Field) -> System:
    """Prepare a field. Raises Refused where it is too large or cannot be treated over boxes."""
    if field.n_actions < 2:
        raise Refused("field: with one action nothing moves")
    if field.n_states * field.n_actions > 36:
        raise Refused("field: more than 36 states times actions; boxes are checked up to there")
    n = field.n_observations * (field.n_actions - 1)
    return System(field, plan(field, Jets()), plan(field, Floats()), n, Budget(field, n))


def evaluate(on: System, z: Sequence[Jet], scaled: bool = False) -> Flow:
    """The field's H, and where `scaled` its Z up to one common positive factor, at coordinates that are jets."""
    on.budget.spend()
    rows = by_observation(on, z)
    return flow(on.jets, rows, near_values(on, rows), scaled=scaled)


def by_observation(on: System, z: Sequence[Jet]) -> list[list[Jet]]:
    """The policy (O, A) at coordinates that are jets."""
    step = on.field.n_actions - 1
    return [chances(z[at : at + step]) for at in range(0, on.n, step)]


def near_values(on: System, rows: Sequence[Sequence[Jet]]) -> list[float] | None:
    """V in the middle, in plain floats: a guess that makes enclosures narrow, whatever it is."""
    try:
        found = state_values(on.floats, [[p.middle[0] for p in row] for row in rows])
    except (ArithmeticError, Refused):
        return None
    return found if all(isfinite(x) and abs(x) < 1e100 for x in found) else None


def heights(on: System, z: Sequence[Jet]) -> list[Jet]:
    """H, flat: zero together with Z, and with two actions of the sign of Z in every coordinate."""
    return [x for row in evaluate(on, z).H for x in row]


def outward(box: Exact) -> Box:
    """The least box of floats around one with rational ends."""
    return tuple((enclose(low)[0], enclose(high)[1]) for low, high in box)


def within(box: Sequence[Interval], outer: Sequence[tuple[Any, Any]]) -> bool:
    """Whether a box of floats lies in another (closed), exactly."""
    return all(c <= a and b <= d for (a, b), (c, d) in zip(box, outer, strict=True))


def halves(box: Box, H: Sequence[Jet] | None = None) -> tuple[Box, Box]:
    """A box cut in two, across the side along which the values vary most (the longest, where they are unknown)."""
    widths = [high - low for low, high in box]
    weights = widths
    if H is not None:
        moving = [(x.slopes, size(x.range)) for x in H if x.slopes is not None]
        spread = [sum(size(slopes[k]) / (1e-300 + most) for slopes, most in moving) for k in range(len(box))]
        weights = [w * min(s, 1e6) if w > 0 else -1.0 for w, s in zip(widths, spread, strict=True)]
    k = max(range(len(box)), key=lambda i: (weights[i], widths[i]))
    if widths[k] < max(widths) / 64:
        k = widths.index(max(widths))
    low, high = box[k]
    middle = low / 2 + high / 2
    return (*box[:k], (low, middle), *box[k + 1 :]), (*box[:k], (middle, high), *box[k + 1 :])


def give_up(box: Sequence[Interval], what: str) -> None:
    """Raises Refused where a box has become too small to go on."""
    if max(high - low for low, high in box) < LEAST_WIDTH:
        raise Refused(f"{what} near {place(box)}")


def place(box: Sequence[Interval]) -> str:
    """The middle of a box, for a message."""
    return "(" + ", ".join(f"{low / 2 + high / 2:.6g}" for low, high in box) + ")"


def krawczyk(box: Box, H: Sequence[Jet], middles: Sequence[Interval] | None = None) -> Box | None:
    """K(box), from H on that box (and H in its middle, where that is known better); None where Y is not to be had."""
    n = len(box)
    if any(x.slopes is None for x in H):
        return None
    J = [list(x.slopes or ()) for x in H]
    try:
        Y = Floats().solve(
            [[low / 2 + high / 2 for low, high in row] for row in J],
            [[float(i == j) for j in range(n)] for i in range(n)],
        )
    except (Vanishing, ArithmeticError):
        return None
    if not all(isfinite(y) for row in Y for y in row):
        return None
    reach = next((x.reach for x in H if x.reach), None)
    if reach is None:
        return None
    found = []
    try:
        for i in range(n):
            y = [(v, v) for v in Y[i]]
            m = middle(box[i])
            image = subtract((m, m), _product(y, middles or [x.middle for x in H]))
            for j in range(n):
                gap = subtract(ONE if i == j else ZERO, _product(y, [row[j] for row in J]))
                spread = size(gap)
                image = add(image, multiply((-spread, spread), (-reach[j], reach[j])))
            found.append(image)
    except Wide:
        return None
    return tuple(found)


def _product(x: Sequence[Interval], y: Sequence[Interval]) -> Interval:
    whole = ZERO
    for u, v in zip(x, y, strict=True):
        whole = add(whole, multiply(u, v))
    return whole


def meet(x: Box, y: Box) -> Box | None:
    """What two boxes have in common, None if nothing."""
    found = tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(x, y, strict=True))
    return found if all(low <= high for low, high in found) else None


def exclude(box: Box, H: Sequence[Jet]) -> Box | None:
    """A box that holds all zeros in `box`; None where there are none."""
    if any(x.range[0] > 0 or x.range[1] < 0 for x in H):
        return None
    image = krawczyk(box, H)
    return box if image is None else meet(box, image)


def zero_in(on: System, box: Box, where: str) -> tuple[Box, Box]:
    """(U, K): U holds exactly one zero, which lies in K. U is as large as it is easily had, K narrow.

    It is looked for by Newton's iteration from the middle of `box`. Raises Refused where that finds none.
    """
    z = [low / 2 + high / 2 for low, high in box]
    for _ in range(30):
        point = tuple((x, x) for x in z)
        try:
            image = krawczyk(point, heights(on, variables(point)))
        except Wide:
            image = None
        if image is None:
            break
        step = [min(max(low / 2 + high / 2, a), b) for (low, high), (a, b) in zip(image, box, strict=True)]
        done = all(abs(x - y) <= 1e-15 * (1 + abs(x)) for x, y in zip(step, z, strict=True))
        z = step
        if done:
            break
    radius = 1.0
    for _ in range(44):
        around = tuple((x - radius, x + radius) for x in z)
        try:
            image = krawczyk(around, heights(on, variables(around)))
        except Wide:
            image = None
        if image is not None and all(a < c and d < b for (a, b), (c, d) in zip(around, image, strict=True)):
            return around, _narrow(on, z, image)
        radius /= 2
    raise Refused(f"{where}: no zero is found in it (Newton's iteration ends at {place(tuple((x, x) for x in z))})")


def _narrow(on: System, z: Sequence[float], box: Box) -> Box:
    """A narrow box around the one zero in `box`, z near it.

    A small box that Krawczyk's operator takes into itself holds a zero, the one in `box`. H in its middle is worked out
    with many more digits than floats have, so that the width of the result is not that of H's rounding.
    """
    radius = 2.0**-46
    while radius < 0.5:
        around = meet(box, tuple((x - radius, x + radius) for x in z))
        if around is None:
            return box
        image = _precise(on, around)
        if image is not None and all(a < c and d < b for (a, b), (c, d) in zip(around, image, strict=True)):
            return image
        radius *= 8
    return box


def _precise(on: System, box: Box) -> Box | None:
    try:
        return krawczyk(box, heights(on, variables(box)), _in_the_middle(on, box))
    except Wide:
        return None


def _in_the_middle(on: System, box: Box) -> list[Interval]:
    """H in the middle of a box, from enclosures of many bits."""
    on.budget.spend(20)
    numbers = Enclosures(_DIGITS)
    step = on.field.n_actions - 1
    z = [numbers.number(Fraction(middle(x))) for x in box]
    rows = []
    for at in range(0, on.n, step):
        weights = [numbers.number(Fraction(1)), *(numbers.exp(x) for x in z[at : at + step])]
        whole = total(numbers, weights)
        rows.append([x / whole for x in weights])
    found = [ends(x) for row in flow(plan(on.field, numbers), rows).H for x in row]
    return [(enclose(low)[0], enclose(high)[1]) for low, high in found]


def middle(x: Interval) -> float:
    """The middle of an interval, as `variables` takes it."""
    return min(max(x[0] / 2 + x[1] / 2, x[0]), x[1])


def only_zeros(on: System, box: Exact, points: Sequence[Exact], where: str) -> list[Box]:
    """Narrow boxes around the zeros in `box`: exactly one in each of the points' boxes, and no others.

    Raises Refused where the points' boxes are not in the box or meet, or where that is not shown.
    """
    for k, point in enumerate(points):
        if not all(c <= a and b <= d for (a, b), (c, d) in zip(point, box, strict=True)):
            raise Refused(f"{where}[{k}]: not inside the box")
        for other in range(k):
            if all(a <= d and c <= b for (a, b), (c, d) in zip(point, points[other], strict=True)):
                raise Refused(f"{where}[{k}]: meets {where}[{other}]")
    safe, found = [], []
    for k, point in enumerate(points):
        around, narrow = zero_in(on, outward(point), f"{where}[{k}]")
        if not within(narrow, point):
            raise Refused(f"{where}[{k}]: the zero near it, {place(narrow)}, is not in it")
        safe.append(around)
        found.append(narrow)

    def clear(part: Box, H: Sequence[Jet] | None) -> Box | None:
        return None if any(within(part, around) for around in safe) else part if H is None else exclude(part, H)

    search(on, [outward(box)], clear, f"{len(points)} zeros are listed, but another cannot be excluded")
    return found


def search(on: System, boxes: list[Box], clear: Callable[[Box, Sequence[Jet] | None], Box | None], what: str) -> None:
    """Cut boxes up until `clear` (asked first without, then with H on the box) says None of every part.

    `clear` gives the part of a box that is still in question. Raises Refused where a box gets too small.
    """
    todo = list(boxes)
    while todo:
        part = todo.pop()
        rest: Box | None = clear(part, None)
        if rest is None:
            continue
        H = None
        try:
            H = heights(on, variables(rest))
        except Wide:
            pass
        else:
            rest = clear(rest, H)
            if rest is None:
                continue
        give_up(rest, what)
        todo += halves(rest, H)


def inward(on: System, box: Exact) -> None:
    """That Z points strictly inward on every closed face. Raises Refused, naming a face, where it is not shown."""
    whole = outward(box)
    for i in range(on.n):
        for at, sign in ((0, 1), (1, -1)):
            end = enclose(box[i][at])
            name = f"box[{i}][{at}]: Z is not seen to point inward on that face"
            todo = [(*whole[:i], end, *whole[i + 1 :])]
            while todo:
                part = todo.pop()
                found = None
                try:
                    z = variables(part)
                    found = heights(on, z) if on.two_actions else list(evaluate(on, z, scaled=True).Z or [])
                except Wide:
                    pass
                if found is not None:
                    low, high = found[i].range
                    if (low if sign > 0 else -high) > 0:
                        continue
                    if (high if sign > 0 else -low) < 0:
                        raise Refused(f"box[{i}][{at}]: Z points outward on that face, near {place(part)}")
                give_up(part, name)
                todo += _halves_of_face(part, i, found)


def _halves_of_face(part: Box, i: int, found: Sequence[Jet] | None) -> tuple[Box, Box]:
    """A face cut across another coordinate than its own."""
    rest = tuple((0.0, 0.0) if k == i else x for k, x in enumerate(part))
    first, second = halves(rest, None if found is None else [found[i]])
    return (*first[:i], part[i], *first[i + 1 :]), (*second[:i], part[i], *second[i + 1 :])
