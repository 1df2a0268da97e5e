"""The formulas of a rule's row in prefix form: read strictly, split into terms, evaluated in any arithmetic.

An expression stands for one value per action of a state ("per action") or one per state. `["total", x]` is Σ_a x,
which makes a value per state; x per state counts once for each action. `["after", x]` is x one step later, 0 once the
episode has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from proofs.checker.numbers.arithmetic import Arithmetic, Number, total
from proofs.checker.numbers.rational import Refused, rational, show

Expr = Any  # JSON in prefix form

PER_ACTION = {"p", "log_p", "t", "log_t", "c", "r"}
PER_STATE = {"teacher_better", "v", "v_student"}
IN_REWARDS_ONLY = {"r", "v", "v_student"}  # they also have weight 1, whatever alpha is
MOST_NODES = 500
MOST_PARTS = 2000  # of all terms together, once products are multiplied out
MOST_DEPTH = 60
MOST_TERMS = 200

_ARITY = {"+": 2, "*": 2, "/": 2, "log": 1, "total": 1, "after": 1}


@dataclass(frozen=True)
class Term:
    """One summand of a reward: is it of the next step, and has it weight 1 (it holds r, v or v_student) or alpha?"""

    later: bool
    valued: bool
    expr: Expr


def read_expression(value: object, where: str, reward: bool) -> Expr:
    """`value` itself, once its form is known to be right: known symbols and operations, numbers that read, sizes.

    >>> read_expression(["total", ["*", "p", "log_t"]], "row.loss", reward=False)
    ['total', ['*', 'p', 'log_t']]
    >>> read_expression(["after", "v"], "row.loss", reward=False)
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: row.loss: 'after' stands only in rewards
    """
    if (count := _check(value, where, reward, MOST_DEPTH)) > MOST_NODES:
        raise Refused(f"{where}: {count} parts; at most {MOST_NODES} are checked")
    return value


def _check(value: object, where: str, reward: bool, depth: int) -> int:
    if depth == 0:
        raise Refused(f"{where}: nested more than {MOST_DEPTH} deep")
    if isinstance(value, str):
        if value not in PER_ACTION | PER_STATE:
            raise Refused(f"{where}: {show(value)} is no symbol of a formula")
        if value in IN_REWARDS_ONLY and not reward:
            raise Refused(f"{where}: {value!r} stands only in rewards")
        return 1
    if isinstance(value, dict):
        if set(value) != {"number"}:
            raise Refused(f'{where}: {show(value)} is no number; write {{"number": "1/2"}}')
        rational(value["number"], where)
        return 1 + len(value["number"]) // 20
    if not isinstance(value, list) or not value or not isinstance(value[0], str) or value[0] not in _ARITY:
        raise Refused(f"{where}: {show(value)} is no formula; known operations are {', '.join(_ARITY)}")
    operation = value[0]
    if len(value) != 1 + _ARITY[operation]:
        raise Refused(f"{where}: {operation!r} takes {_ARITY[operation]} operands, not {len(value) - 1}")
    if operation == "after" and not reward:
        raise Refused(f"{where}: 'after' stands only in rewards")
    return 1 + sum(_check(x, where, reward, depth - 1) for x in value[1:])


def symbols(expr: Expr, later: bool | None = None) -> set[str]:
    """The symbols in an expression; only those inside (True) or outside (False) of `after`, where asked.

    >>> sorted(symbols(["+", "r", ["after", "v"]], later=False))
    ['r']
    """
    if isinstance(expr, str):
        return set() if later else {expr}
    if isinstance(expr, dict):
        return set()
    if expr[0] == "after" and later is not None:
        return symbols(expr[1]) if later else set()
    return {name for x in expr[1:] for name in symbols(x, later)}


def per_state(expr: Expr) -> bool:
    """Whether the expression has one value for the state rather than one for each action."""
    if isinstance(expr, str):
        return expr in PER_STATE
    if isinstance(expr, dict) or expr[0] == "total":
        return True
    return all(per_state(x) for x in expr[1:])


def split(expr: Expr, where: str) -> tuple[Term, ...]:
    """A reward as a sum of terms: products and quotients are multiplied out over sums, `after` may have factors.

    Raises Refused where `after` stands inside log, total, after or a denominator, where two of them are multiplied,
    or where a factor beside it is not a plain number: then "the term of the next step" is not defined.

    >>> split(["+", "r", ["*", {"number": "-1"}, ["after", ["total", ["*", "p", "log_t"]]]]], "row.reward")[1].later
    True
    """
    terms = _split(expr, where)
    if len(terms) > MOST_TERMS or sum(_parts(term.expr) for term in terms) > MOST_PARTS:
        raise Refused(f"{where}: too large once its products are multiplied out")
    return terms


def _parts(expr: Expr) -> int:
    return 1 + sum(_parts(x) for x in expr[1:]) if isinstance(expr, list) else 1


def _split(expr: Expr, where: str) -> tuple[Term, ...]:
    if isinstance(expr, str):
        return (Term(False, expr in IN_REWARDS_ONLY, expr),)
    if isinstance(expr, dict):
        return (Term(False, False, expr),)
    operation, *operands = expr
    parts = [_split(x, where) for x in operands]
    if sum(map(len, parts)) > MOST_TERMS or (operation == "*" and len(parts[0]) * len(parts[1]) > MOST_TERMS):
        raise Refused(f"{where}: more than {MOST_TERMS} terms")
    if operation == "+":
        return parts[0] + parts[1]
    if operation == "after":
        if any(term.later for term in parts[0]):
            raise Refused(f"{where}: 'after' inside 'after'")
        return tuple(Term(True, term.valued, term.expr) for term in parts[0])
    if operation == "*":
        return tuple(_product(x, y, where) for x in parts[0] for y in parts[1])
    if operation == "total":
        if any(term.later for term in parts[0]):
            raise Refused(f"{where}: 'after' inside 'total'")
        return tuple(Term(False, term.valued, ["total", term.expr]) for term in parts[0])
    below = any(term.later for part in parts[-1:] for term in part)
    if below:
        raise Refused(f"{where}: 'after' inside {'a denominator' if operation == '/' else repr(operation)}")
    valued = any(term.valued for term in parts[-1])
    if operation == "log":
        return (Term(False, valued, expr),)
    if any(term.later for term in parts[0]) and not isinstance(operands[1], dict):
        raise Refused(f"{where}: a term of the next step may only be divided by a plain number")
    return tuple(Term(term.later, term.valued or valued, ["/", term.expr, operands[1]]) for term in parts[0])


def _product(x: Term, y: Term, where: str) -> Term:
    if x.later and y.later:
        raise Refused(f"{where}: a product of two terms of the next step")
    if (x.later and not isinstance(y.expr, dict)) or (y.later and not isinstance(x.expr, dict)):
        raise Refused(f"{where}: a term of the next step may only be multiplied by a plain number")
    return Term(x.later or y.later, x.valued or y.valued, ["*", x.expr, y.expr])


def evaluate(expr: Expr, numbers: Arithmetic, symbol: Mapping[str, Callable[[], list[Number]]], n: int) -> list[Number]:
    """The values of an expression at one state with n actions: n of them, or one where it is per state.

    `symbol[name]()` gives the values of a symbol, asked for only where it occurs (log 0 is no error unless used).
    """
    if isinstance(expr, str):
        return symbol[expr]()
    if isinstance(expr, dict):
        return [numbers.number(_constant(expr["number"]))]
    operation, *operands = expr
    x, *more = (evaluate(operand, numbers, symbol, n) for operand in operands)
    if operation == "log":
        return [numbers.log(value) for value in x]
    if operation == "total":
        return [total(numbers, x if len(x) == n else x * n)]
    y = more[0]
    width = max(len(x), len(y))
    x, y = (values if len(values) == width else values * width for values in (x, y))
    if operation == "+":
        return [a + b for a, b in zip(x, y, strict=True)]
    if operation == "*":
        return [a * b for a, b in zip(x, y, strict=True)]
    return [a / b for a, b in zip(x, y, strict=True)]


@lru_cache(maxsize=1000)
def _constant(text: str) -> Fraction:
    return rational(text, "number")
