"""Vector fields as rational functions that can be re-centred: what a validated integrator evaluates on boxes.

A `RationalSystem` is x' = F(x) with F and its Jacobian rational over QQ in generators g(x): the coordinates themselves,
or the probabilities and logarithms of a student. Naive interval evaluation of eq. (1) is useless on boxes (on `swirl`
it widens a box 10^5 times, where F itself stretches it 4 times), because values and visits share their variables. So
polynomials are first written in powers of g − c for a centre c of the box, exactly: then a box of radius w costs Σ
|coefficient| w^k and no more. An MDP's rational functions come from `proofs.exact.fields`, which runs
`dynamics.fields.update`: no formula is written a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from dynamics.fields import Field
from mdp import rational
from proofs.exact import ExactField, Ratio, Ring, exact_field

Balls = list[Any]  # balls (Arb), or power series in time with ball coefficients
CENTRE_BITS = 20  # centres are multiples of 2^-20: short numbers, exact


@dataclass(frozen=True, eq=False)
class RationalSystem:
    """The equation x' = F(x) in n = `size` coordinates, exactly.

    `field` (n) and `jacobian` (n·n, row by row) are elements of `ring` in its generators; `names` lists those that
    depend on x and `generators` maps balls or series x to their values, in that order; `constants` gives the ball of
    every other generator that occurs (logarithms of numbers), at the precision in force.
    """

    name: str
    size: int
    ring: Ring
    field: list[Ratio]
    jacobian: list[Ratio]
    names: list[str]
    generators: Callable[[Balls], Balls]
    constants: Callable[[], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Local:
    """A `RationalSystem` re-centred: `velocity(x)` and `slopes(x)` (n·n, row by row).

    x: n balls or series near the centre."""

    velocity: Callable[[Balls], Balls]
    slopes: Callable[[Balls], Balls]


# --- polynomial systems -----------------------------------------------------------------------------------------------


def polynomial(components: Sequence[Mapping[tuple[int, ...], Any]], name: str = "polynomial") -> RationalSystem:
    """x_i' = Σ c · x^e over `components[i] = {e: c}`, e a tuple of n whole exponents, c an exact number or its text.

    Raises ValueError for exponents that are not n whole numbers, 0 or more.

    >>> from proofs.exact import precision
    >>> with precision(64):
    ...     at = local(polynomial([{(0, 1): 1}, {(1, 0): -1}]), [2, 3])
    ...     [float(y) for y in at.velocity([flint.arb(2), flint.arb(3)])]
    [3.0, -2.0]
    """
    size = len(components)
    ring = Ring([f"x{i}" for i in range(size)])
    x = [ring.gens[name] for name in ring.names]
    field = []
    for i, component in enumerate(components):
        total = ring.number(0)
        for e, c in component.items():
            if len(e) != size or any(not isinstance(k, int) or k < 0 for k in e):
                raise ValueError(f"component {i} has the exponents {e}; must be {size} whole numbers, 0 or more")
            term = ring.number(rational(c, f"component {i}, exponents {e}"))
            for k, power in enumerate(e):
                for _ in range(power):
                    term = term * x[k]
            total = total + term
        field.append(total)
    jacobian = [value.derivative({j: ring.number(1)}) for value in field for j in range(size)]
    return RationalSystem(name, size, ring, field, jacobian, list(ring.names), list, dict)


# --- fields of MDPs ---------------------------------------------------------------------------------------------------


def rational_system(field: Field) -> RationalSystem:
    """An MDP's field in logit differences `x[o, k] = theta[o, k+1] − theta[o, 0]`, flattened. Time is the time of F.

    Raises ValueError for a value gate, for students with features, and where a rule takes logarithms of anything but
    probabilities of student and teacher: those are not supported.

    >>> from mdp import zoo
    >>> from proofs.exact import precision
    >>> with precision(64):
    ...     at = local(rational_system(Field(zoo.load("swirl"), "on-policy")), [0, 0])
    ...     [round(float(y), 6) for y in at.velocity([flint.arb(0), flint.arb(0)])]
    [-18.522267, -14.115073]
    """
    if field.student.observation is None:
        raise ValueError("a student with features is not supported here; parameters must be rows of logits")
    exact = exact_field(field)
    rows, A = field.student.shape
    if A < 2:
        raise ValueError("there is one action only: nothing moves")
    places = [(o, a) for o in range(rows) for a in range(1, A)]
    velocity = [exact.values[o * A + a] - exact.values[o * A] for o, a in places]
    jacobian = [value.derivative(exact.derivations[o * A + a]) for value in velocity for o, a in places]
    logs = _teacher_logs(exact)
    # log p_a is written as log p_0 + x: often only the difference of logarithms is left.
    ring = exact.ring
    gens = [ring.gens[name].top for name in ring.names]
    moved = list(gens)
    for o, a in places:
        moved[ring.index[f"L{o}_{a}"]] = gens[ring.index[f"L{o}_0"]] + gens[ring.index[f"L{o}_{a}"]]
    found = [Ratio(ring, x.top.compose(*moved), x.powers) for x in [*velocity, *jacobian]]
    used = {name for x in found for name in _occurring(ring, x.top)}
    used |= {name for factor in ring.factors for name in _occurring(ring, factor)}
    names, generators = _student(rows, A, used)
    for name in sorted(used - {*names, *logs}):
        raise ValueError(f"rule {field.rule.id!r} takes a logarithm that is not supported here (generator {name})")
    n = len(places)

    def constants() -> dict[str, Any]:
        return {name: _ball(t).log() for name, t in logs.items()}

    return RationalSystem(
        f"{field.rule.id} on {field.mdp.name}", n, ring, found[:n], found[n:], names, generators, constants
    )


def _occurring(ring: Ring, polynomial: Any) -> list[str]:
    return [name for name, degree in zip(ring.names, polynomial.degrees(), strict=True) if degree > 0]


def _student(rows: int, A: int, used: set[str]) -> tuple[list[str], Callable[[Balls], Balls]]:
    """The generators that depend on x, and their values: p of all actions but the last, log p_0 if used, and x itself.

    `p_a = 1 / Σ_b exp(z_b − z_a)` and `log p_0 = −log Σ_b exp(z_b − z_0)`, z = (0, x): with two actions every
    variable stands once.
    """
    logged = {o for o in range(rows) if f"L{o}_0" in used}
    names = []
    for o in range(rows):
        names += [f"p{o}_{a}" for a in range(A - 1)] + [f"L{o}_{a}" for a in range(A) if a or o in logged]

    def generators(x: Balls) -> Balls:
        found = []
        for o in range(rows):
            z = [flint.arb(0), *x[o * (A - 1) : (o + 1) * (A - 1)]]
            sums = [sum(((other - z[a]).exp() for b, other in enumerate(z) if b != a), 1) for a in range(A - 1)]
            found += [1 / total for total in sums]
            found += [-sums[0].log()] if o in logged else []
            found += z[1:]
        return found

    return names, generators


def _teacher_logs(exact: ExactField) -> dict[str, Fraction]:
    """The generators that stand for logarithms of the teacher, by name, with the number each is the logarithm of."""
    found = {}
    teacher = exact.problem.teacher
    for p, log_p in zip(teacher.p.ravel(), teacher.log_p.ravel(), strict=True):
        text = str(log_p)
        if text in exact.ring.index:
            value = (exact.ring.number(0) + p).top
            c = value.leading_coefficient()
            found[text] = Fraction(int(c.p), int(c.q))
    return found


def _ball(x: Fraction) -> Any:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


# --- re-centring ------------------------------------------------------------------------------------------------------


def local(system: RationalSystem, centre: Sequence[float]) -> Local:
    """The system in powers of g − c, c near the generators' values at `centre`: any centre is right, near ones good."""
    ring = system.ring
    values = system.generators([flint.arb(float(x)) for x in centre])
    c = [flint.fmpq(round(float(v) * (1 << CENTRE_BITS)), 1 << CENTRE_BITS) for v in values]
    moved = [ring.gens[name].top for name in ring.names]
    order = [ring.index[name] for name in system.names]
    for k, shift in zip(order, c, strict=True):
        moved[k] = moved[k] + shift
    constants = [(ring.index[name], value) for name, value in system.constants().items()]

    def prepared(polynomial: Any) -> Any:
        return nested(_terms(polynomial.compose(*moved), order, constants))

    factors = {k: prepared(factor) for k, factor in enumerate(ring.factors)}

    def deviations(x: Balls) -> Balls:
        return [g - flint.arb(shift) for g, shift in zip(system.generators(x), c, strict=True)]

    def evaluator(ratios: list[Ratio]) -> Callable[[Balls], Balls]:
        tops: list[Any] = []

        def evaluate(x: Balls) -> Balls:
            if not tops:  # prepared when first asked for
                tops.extend(prepared(ratio.top) for ratio in ratios)
            d = deviations(x)
            powers = {item for ratio in ratios for item in ratio.powers.items()}
            below = {k: horner(factors[k], d) for k in {k for k, _ in powers}}
            inverse = {(k, power): 1 / below[k] ** power for k, power in powers}
            found = []
            for top, ratio in zip(tops, ratios, strict=True):
                value = horner(top, d)
                for item in ratio.powers.items():
                    value = value * inverse[item]
                found.append(value)
            return found

        return evaluate

    return Local(evaluator(system.field), evaluator(system.jacobian))


def velocity(system: RationalSystem, x: Sequence[float]) -> list[float]:
    """F(x) in floats: for guesses, not for proofs.

    >>> from proofs.exact import precision
    >>> with precision(64):
    ...     velocity(polynomial([{(2,): 1}]), [3.0])
    [9.0]
    """
    ring = system.ring
    values = dict(zip(system.names, system.generators([flint.arb(y) for y in x]), strict=True)) | system.constants()
    at = [_fmpq(float(values[name])) if name in values else flint.fmpq(0) for name in ring.names]
    below = [factor(*at) for factor in ring.factors]
    found = []
    for ratio in system.field:
        value = ratio.top(*at)
        for k, power in ratio.powers.items():
            value = value / below[k] ** power
        found.append(int(value.p) / int(value.q))
    return found


def _fmpq(x: float) -> Any:
    return flint.fmpq(*x.as_integer_ratio())


Terms = list[tuple[tuple[int, ...], Any]]


def _terms(polynomial: Any, order: list[int], constants: list[tuple[int, Any]]) -> Terms:
    """The exponents of the generators in `order`, and a ball with the constants multiplied out, of every term."""
    terms: dict[tuple[int, ...], Any] = {}
    for exponents, coefficient in polynomial.to_dict().items():
        value = flint.arb(coefficient)
        for k, constant in constants:
            for _ in range(exponents[k]):
                value = value * constant
        key = tuple(exponents[k] for k in order)
        terms[key] = terms[key] + value if key in terms else value
    return list(terms.items())


def nested(terms: Terms, k: int = 0) -> Any:
    """A polynomial in variables from the k-th on, for `horner`: a ball, or (k, [coefficients of powers of x_k])."""
    if not terms:
        return flint.arb(0)
    if k == len(terms[0][0]):
        return terms[0][1]
    by_power: dict[int, Terms] = {}
    for term in terms:
        by_power.setdefault(term[0][k], []).append(term)
    if len(by_power) == 1 and 0 in by_power:
        return nested(terms, k + 1)
    return k, [nested(by_power.get(j, []), k + 1) for j in range(max(by_power) + 1)]


def horner(polynomial: Any, x: Balls) -> Any:
    """The value of a `nested` polynomial.

    >>> horner(nested([((2, 0), 3), ((0, 1), 1)]), [10, 7]) == 307
    True
    """
    if not isinstance(polynomial, tuple):
        return polynomial
    k, coefficients = polynomial
    total = horner(coefficients[-1], x)
    for c in reversed(coefficients[:-1]):
        total = total * x[k] + horner(c, x)
    return total
