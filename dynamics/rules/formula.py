"""Formulas of the rule table: small expressions that are evaluated, differentiated, printed and compared.

A rule's losses and rewards are written once, as expressions in the symbols below, and everything else follows from
the expression: the number in any arithmetic, the derivative with respect to the logits, LaTeX, whether the teacher
needs full support, and whether two formulas are identical.

Symbols live at one state s and one action a:

    p, log_p      the student's pi_theta(a|s) and its logarithm
    t, log_t      the teacher's pi(a|s) and its logarithm
    c             the MDP's own loss coefficients c[s, a]
    r             the reward r_i = R[s, a]                       (rewards only)
    v, v_student  the teacher's and the student's value of s     (rewards only)
    teacher_better  1 where the teacher's value of s exceeds the student's, else 0; not differentiated

`total(f)` is Σ_a f, `log(f)` the logarithm, and `after(f)` is f at the next step (s_{i+1}, a_{i+1}), 0 when the episode
has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mdp import Array, Policy, summed

Number = int | Fraction


@dataclass(frozen=True)
class Formula:
    """An expression: `op` is "number", "symbol", "+", "*", "/", "log", "total" or "after"; `args` its parts.

    Built with the operators + − * / and ** (whole powers), never by hand. Two formulas are `==` when they are written
    alike; `identical` decides equality as polynomials.

    >>> str(-total(t * log_p))
    '-total(t*log_p)'
    """

    op: str
    args: tuple[Any, ...]

    def __add__(self, other: Formula | Number) -> Formula:
        other = formula(other)
        if is_zero(self):
            return other
        return self if is_zero(other) else _fold("+", self, other)

    def __mul__(self, other: Formula | Number) -> Formula:
        other = formula(other)
        if is_zero(self) or is_zero(other):
            return ZERO
        if self == ONE:
            return other
        if other.op == "number":
            return self if other == ONE else _scaled(other, self)
        return _scaled(self, other) if self.op == "number" else _fold("*", self, other)

    def __truediv__(self, other: Formula | Number) -> Formula:
        other = formula(other)
        if is_zero(other):
            raise ValueError("a formula divides by zero")
        if is_zero(self) or other == ONE:
            return self
        return _fold("/", self, other)

    def __pow__(self, exponent: int) -> Formula:
        if not isinstance(exponent, int) or exponent < 0:
            raise ValueError(f"power {exponent!r}; must be a whole number, 0 or more")
        result = ONE
        for _ in range(exponent):
            result = result * self
        return result

    def __radd__(self, other: Number) -> Formula:
        return formula(other) + self

    def __rmul__(self, other: Number) -> Formula:
        return formula(other) * self

    def __rtruediv__(self, other: Number) -> Formula:
        return formula(other) / self

    def __neg__(self) -> Formula:
        return -1 * self

    def __sub__(self, other: Formula | Number) -> Formula:
        return self + -formula(other)

    def __rsub__(self, other: Number) -> Formula:
        return formula(other) - self

    @cached_property
    def function(self) -> Callable[[Values], Array]:
        """The formula as a Python function of `Values`: one numpy expression, compiled once (see `evaluate`)."""
        source = f"lambda at: {_python(self)}"
        if not any(part.op == "symbol" for part in parts(self)):  # a number still has one value per state and action
            source += " + 0 * at.student.p"
        compiled: Callable[[Values], Array] = eval(source, {"total": _total, "Fraction": Fraction})
        return compiled

    @cached_property
    def gradient(self) -> Formula:
        """For a state formula, the per-action formula `w_b = dx/dL_b` (all dependence on the student counted)."""
        if self.op == "total":
            inner = self.args[0]
            return own(inner) + sum((total(partial(inner, k)) * k.gradient for k in totals(inner)), ZERO)
        return sum((partial(self, k) * k.gradient for k in totals(self)), ZERO)

    @cached_property
    def bend(self) -> tuple[Formula, tuple[tuple[Formula, Formula], ...]]:
        """For a per-action formula, (own, pairs (u, w)) with `dx_b/dL_c = delta_bc own_b + Σ u_b w_c`."""
        return own(self), tuple((partial(self, k), k.gradient) for k in totals(self))

    def __str__(self) -> str:
        return _text(self)

    def _repr_latex_(self) -> str:
        return f"${latex(self)}$"


def formula(x: Formula | Number) -> Formula:
    """A formula from a formula or an exact number; raises ValueError for anything else (a float is not exact)."""
    if isinstance(x, Formula):
        return x
    if isinstance(x, bool) or not isinstance(x, int | Fraction):
        raise ValueError(f"{x!r} in a formula; numbers must be int or Fraction, which are exact")
    return Formula("number", (Fraction(x),))


ZERO, ONE = formula(0), formula(1)
_PER_ACTION = ("p", "log_p", "t", "log_t", "c", "r")
_PER_STATE = ("v", "v_student", "teacher_better")
p, log_p, t, log_t, c, r = (Formula("symbol", (name,)) for name in _PER_ACTION)
v, v_student, teacher_better = (Formula("symbol", (name,)) for name in _PER_STATE)


def log(x: Formula | Number) -> Formula:
    """The logarithm of a formula; `log(p)` and `log(t)` are the symbols log_p and log_t."""
    x = formula(x)
    known = {p: log_p, t: log_t, ONE: ZERO}
    return known[x] if x in known else Formula("log", (x,))


def total(x: Formula | Number) -> Formula:
    """`Σ_a x(a)` at one state; a number comes out of the sum, so that `total(-x)` and `-total(x)` are written alike."""
    x = formula(x)
    if x.op == "*" and x.args[0].op == "number":
        return _scaled(x.args[0], total(x.args[1]))
    return x if is_zero(x) else Formula("total", (x,))


def after(x: Formula | Number) -> Formula:
    """x one step later, at (s_{i+1}, a_{i+1}); 0 when the episode has ended."""
    x = formula(x)
    return x if is_zero(x) else Formula("after", (x,))


def is_zero(x: Formula) -> bool:
    """Whether x is written as 0."""
    return x.op == "number" and x.args[0] == 0


def _fold(op: str, x: Formula, y: Formula) -> Formula:
    """x op y, computed when both are numbers."""
    if x.op == y.op == "number":
        a, b = x.args[0], y.args[0]
        return Formula("number", (a + b if op == "+" else a * b if op == "*" else a / b,))
    return Formula(op, (x, y))


def _scaled(number: Formula, x: Formula) -> Formula:
    """number · x with one number in front."""
    if x.op == "*" and x.args[0].op == "number":
        inner: Formula = x.args[1]
        return _fold("*", number, x.args[0]) * inner
    return _fold("*", number, x)


def parts(x: Formula) -> Iterator[Formula]:
    """x and every formula inside it."""
    yield x
    if x.op not in ("number", "symbol"):
        for argument in x.args:
            yield from parts(argument)


def uses(x: Formula, *symbols: Formula) -> bool:
    """Whether any of the symbols stands in x."""
    return any(part in symbols for part in parts(x))


def substitute(x: Formula, old: Formula, new: Formula) -> Formula:
    """x with every occurrence of `old` replaced by `new`, and folded again.

    >>> str(substitute(t * (log_t - log_p), t, ZERO))
    '0'
    """
    if x == old:
        return new
    if x.op in ("number", "symbol"):
        return x
    arguments = [substitute(argument, old, new) for argument in x.args]
    return _REBUILD[x.op](*arguments)


_REBUILD: dict[str, Callable[..., Formula]] = {
    "+": lambda x, y: x + y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "log": log,
    "total": total,
    "after": after,
}


def is_state_formula(x: Formula) -> bool:
    """Whether x has one value per state: every per-action symbol stands inside a total.

    >>> is_state_formula(total(t * log_p)), is_state_formula(log_p)
    (True, False)
    """
    if x.op == "symbol":
        return x.args[0] not in _PER_ACTION
    return x.op in ("number", "total") or all(is_state_formula(argument) for argument in x.args)


# --- derivatives ------------------------------------------------------------------------------------------------------
# Everything a formula depends on at a state is a function of L_b = log p_b, with dp_b/dL_b = p_b. Derivatives are taken
# in L; the softmax's dL_b/dz_c = delta_bc − p_c is applied afterwards, in `dynamics.fields.update`.


def own(x: Formula) -> Formula:
    """`∂x_b/∂L_b` with the totals inside x held fixed.

    >>> str(own(p * log_p))
    'p*log_p + p'
    """
    return _derivative(x, {p: p, log_p: ONE})


def partial(x: Formula, atom: Formula) -> Formula:
    """The derivative of x with respect to one of the totals in it, everything else held fixed."""
    return _derivative(x, {atom: ONE})


def totals(x: Formula) -> list[Formula]:
    """The outermost totals in x, each once."""
    if x.op == "total":
        return [x]
    if x.op in ("number", "symbol"):
        return []
    return list(dict.fromkeys(found for argument in x.args for found in totals(argument)))


def _derivative(x: Formula, seeds: dict[Formula, Formula]) -> Formula:
    if x in seeds:
        return seeds[x]
    if x.op in ("number", "symbol", "total"):
        return ZERO
    left: Formula = x.args[0]
    slope = _derivative(left, seeds)
    if x.op == "log":
        return slope / left
    if x.op in "+*/":
        right: Formula = x.args[1]
        other = _derivative(right, seeds)
        if x.op == "+":
            return slope + other
        return slope * right + left * other if x.op == "*" else (slope - x * other) / right
    raise ValueError(f"{x} has no derivative at one state: `after` belongs to rewards")


# --- identity ---------------------------------------------------------------------------------------------------------

Polynomial = dict[tuple[Formula, ...], Fraction]


def expand(x: Formula) -> Polynomial:
    """x as a polynomial {monomial: coefficient} in its atoms: symbols, logarithms, quotients and totals of monomials.

    A monomial is a sorted tuple of atoms. Equal polynomials mean equal formulas for all values of the symbols; the
    converse may fail where quotients or logarithms of sums occur.
    """
    if x.op == "number":
        return {(): x.args[0]} if x.args[0] else {}
    if x.op == "+":
        return _collect([*expand(x.args[0]).items(), *expand(x.args[1]).items()])
    if x.op == "*":
        left, right = expand(x.args[0]), expand(x.args[1])
        return _collect([(_sorted(m + n), a * b) for m, a in left.items() for n, b in right.items()])
    if x.op == "/":
        divisor = x.args[1]
        inverse = ONE / divisor if divisor.op != "number" else formula(1 / divisor.args[0])
        if inverse.op == "number":
            return _collect([(m, a * inverse.args[0]) for m, a in expand(x.args[0]).items()])
        return _collect([(_sorted((*m, inverse)), a) for m, a in expand(x.args[0]).items()])
    if x.op == "total":
        return _collect([_total_of(m, a) for m, a in expand(x.args[0]).items()])
    return {(x,): Fraction(1)}


def identical(x: Formula, y: Formula) -> bool:
    """Whether x and y are equal as polynomials in their atoms: True is a proof, False may only mean "not seen".

    >>> identical(total(p * (log_p - log_t)), total(p * log_p) - total(p * log_t))
    True
    """
    return not expand(x - y)


def _collect(terms: list[tuple[tuple[Formula, ...], Fraction]]) -> Polynomial:
    sums: Polynomial = {}
    for monomial, coefficient in terms:
        sums[monomial] = sums.get(monomial, Fraction(0)) + coefficient
    return {monomial: coefficient for monomial, coefficient in sums.items() if coefficient}


def _sorted(atoms: tuple[Formula, ...]) -> tuple[Formula, ...]:
    return tuple(sorted(atoms, key=repr))


def _total_of(monomial: tuple[Formula, ...], coefficient: Fraction) -> tuple[tuple[Formula, ...], Fraction]:
    """Σ_a of one monomial: factors that do not depend on the action come out of the sum; Σ_a p = Σ_a t = 1."""
    outside = tuple(atom for atom in monomial if is_state_formula(atom))
    inside = tuple(atom for atom in monomial if not is_state_formula(atom))
    if inside in ((p,), (t,)):
        return _sorted(outside), coefficient
    return _sorted((*outside, total(_product(inside)))), coefficient


def _product(atoms: tuple[Formula, ...]) -> Formula:
    result = ONE
    for atom in atoms:
        result = result * atom
    return result


# --- evaluation -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Values:
    """The values of the symbols: the two policies, and where a formula needs them c[s, a] and the gate (..., S).

    `log` and `number` are the arithmetic's own: the logarithm of an array, and the value of an exact constant.
    """

    teacher: Policy
    student: Policy
    c: Array | None = None
    teacher_better: Array | None = None
    log: Callable[[Array], Array] = np.log
    number: Callable[[Fraction], Any] = float


def evaluate(x: Formula, at: Values) -> Array:
    """x at the given policies, shape (..., S, A), or (..., S, 1) for a state formula (0-dimensional for a number).

    >>> from vorticity import softmax
    >>> half = softmax(np.zeros((1, 2)))
    >>> evaluate(total(p * p), Values(half, half))
    array([[0.5]])
    """
    return np.asarray(x.function(at))


_PYTHON = {
    "p": "at.student.p",
    "log_p": "at.student.log_p",
    "t": "at.teacher.p",
    "log_t": "at.teacher.log_p",
    "c": "at.c",
    "teacher_better": "at.teacher_better[..., None]",
}


def _python(x: Formula) -> str:
    if x.op == "number":
        value = x.args[0]
        return f"({value})" if value.denominator == 1 else f"at.number({value!r})"
    if x.op == "symbol":
        if x.args[0] not in _PYTHON:
            raise ValueError(f"{x} has no value at one state: it belongs to rewards")
        return _PYTHON[x.args[0]]
    if x.op == "log":
        return f"at.log({_python(x.args[0])})"
    if x.op == "total":
        return f"total({_python(x.args[0])}, at.student.p)"
    if x.op == "*" and x.args[0] == formula(-1):
        return f"(-{_python(x.args[1])})"
    return f"({_python(x.args[0])} {x.op} {_python(x.args[1])})"


def _total(x: Any, like: Array) -> Array:
    """Σ over the action axis, kept as an axis of length one."""
    x = np.asarray(x)
    if x.ndim == 0 or x.shape[-1] != like.shape[-1]:
        return np.asarray(x * like.shape[-1])
    return summed(x)


# --- printing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Style:
    """How to print: names of symbols, what surrounds a sum, a logarithm, the next step, a group; the times sign."""

    names: Mapping[str, str]
    around: Mapping[str, tuple[str, str]]
    group: tuple[str, str]
    times: str


_PLAIN = _Style({}, {"total": ("total(", ")"), "log": ("log(", ")"), "after": ("after(", ")")}, ("(", ")"), "*")
_LATEX = _Style(
    {
        "p": r"\pi_\theta",
        "log_p": r"\log\pi_\theta",
        "t": r"\pi",
        "log_t": r"\log\pi",
        "c": "c",
        "r": "r_i",
        "v": r"V_\pi",
        "v_student": r"V_{\pi_\theta}",
        "teacher_better": r"[V_\pi > V_{\pi_\theta}]",
    },
    {"total": (r"\sum_a ", ""), "log": (r"\log\left(", r"\right)"), "after": (r"\left[", r"\right]_{i+1}")},
    (r"\left(", r"\right)"),
    r"\,",
)


def latex(x: Formula) -> str:
    """x in LaTeX.

    >>> print(latex(total(t * log_p)))
    \\sum_a \\pi\\,\\log\\pi_\\theta
    """
    return _text(x, _LATEX)


def _text(x: Formula, style: _Style = _PLAIN) -> str:
    if x.op == "number":
        return str(x.args[0])
    if x.op == "symbol":
        return style.names.get(x.args[0], x.args[0])
    if x.op in style.around:
        before, behind = style.around[x.op]
        return before + (_text(x.args[0], style) if behind else _tight(x.args[0], style)) + behind
    if x.op == "+":
        left, right = x.args
        negative, size = _sign(right)
        if negative:
            return f"{_text(left, style)} - {_tight(size, style)}"
        return f"{_text(left, style)} + {_text(right, style)}"
    negative, size = _sign(x)
    if negative:
        return f"-{_tight(size, style)}"
    left, right = (_tight(argument, style) for argument in x.args)
    if x.op == "/":
        return f"{left}/{style.group[0]}{right}{style.group[1]}" if x.args[1].op in "*/" else f"{left}/{right}"
    return f"{left}{style.times}{right}"


def _sign(x: Formula) -> tuple[bool, Formula]:
    """Whether x is minus something, and what."""
    if x.op == "*" and x.args[0].op == "number" and x.args[0].args[0] < 0:
        return True, -x.args[0] * x.args[1]
    return False, x


def _tight(x: Formula, style: _Style) -> str:
    """x as a factor: sums and negative terms in parentheses."""
    text = _text(x, style)
    return f"{style.group[0]}{text}{style.group[1]}" if x.op == "+" or text.startswith("-") else text
