"""Certificates: facts with everything needed to check them again, as JSON (docs/certificates.md).

Facts are plain dictionaries; the functions here build them from fields and MDPs. `proofs.checker` re-checks
them and shares no code with this.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
import platform
import secrets
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dynamics.fields import Field
from dynamics.rules import REWARD, TABLE, Formula, Rule
from mdp import MDP, Array, from_dict
from proofs.exact import Verdict, ball_json, is_ball

FORMAT = "vorticity certificate 1"
Json = dict[str, Any]


def certificate(
    claim: str, statement: str, verdict: str, facts: Sequence[Json], argument: str | None = None, method: str = ""
) -> Json:
    """A certificate of these facts, with its hash; `method` says how they were found.

    >>> made = certificate("mine", "1 is 1", "proved", [])
    >>> made["hash"] == fingerprint(made)
    True
    """
    content: Json = {
        "format": FORMAT,
        "claim": claim,
        "statement": statement,
        "verdict": verdict,
        "argument": argument,
        "facts": list(facts),
        "made": {
            "method": method,
            **{name: version(name) for name in ("vorticity", "python-flint", "numpy")},
            "python": platform.python_version(),
        },
    }
    return content | {"hash": fingerprint(content)}


def fingerprint(content: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON of everything but the hash itself."""
    rest = {key: value for key, value in content.items() if key != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def write(content: Json, path: Path) -> None:
    """Write a certificate, whole or not at all. Raises OSError where the folder cannot be written."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)


# --- what facts are made of -------------------------------------------------------------------------------------------


def table(values: Array) -> list[Any]:
    """A table of exact numbers as texts.

    >>> import numpy as np
    >>> from fractions import Fraction
    >>> table(np.array([[Fraction(1, 2), Fraction(1)]]))
    [['1/2', '1']]
    """
    return [table(row) if getattr(row, "ndim", 0) else str(row) for row in values]


def mdp_json(mdp: MDP) -> Json:
    """An MDP's exact numbers."""
    exact = mdp.exact
    return {
        "P": table(exact.P),
        "R": table(exact.R),
        "initial": table(exact.initial),
        "discount": str(exact.discount),
        "teacher": None if exact.teacher is None else table(exact.teacher),
        "loss": None if exact.loss is None else table(exact.loss),
    }


def field_json(field: Field) -> Json:
    """A field: its MDP, student, rule (as a formula where it is not the table's) and options.

    Raises ValueError for students with general features, which certificates do not hold.
    """
    observation = field.student.observation
    if observation is None:
        raise ValueError("certificates hold students with rows of logits; this one has general features")
    return {
        "mdp": mdp_json(field.mdp),
        "observation": [int(o) for o in observation],
        "alpha": str(field.alpha),
        **_rule_json(field.rule, field.control, _rewarded(field.rule)),
    }


def _rewarded(rule: Rule) -> bool:
    return rule.has_reward and not (rule.id in TABLE and TABLE[rule.id].has_reward)


def generic_json(rule: Rule, states: int, actions: int, *, reward: bool = False, control: str | None = None) -> Json:
    """A field of every MDP of a size, without aliasing."""
    size = {"states": states, "actions": actions}
    return {
        "generic": size,
        "observation": list(range(states)),
        **_rule_json(rule, rule.control if control is None else control, reward),
    }


def _rule_json(rule: Rule, control: str, reward: bool) -> Json:
    content: Json = {"rule": rule.id, "control": control, "reward": reward}
    known = TABLE.get(rule.id)
    base, given = known, rule
    if reward and known is not None:
        base, given = known + REWARD, rule + REWARD
    changed = base is None or (base.loss, base.reward, base.horizon) != (given.loss, given.reward, given.horizon)
    if changed:
        content["row"] = {"loss": expression(rule.loss), "reward": expression(rule.reward), "horizon": rule.horizon}
        content["rule"] = rule.id if known is None else f"{rule.id} (changed)"
    return content


def expression(x: Formula) -> Any:
    """A formula in prefix form."""
    if x.op == "number":
        return {"number": str(x.args[0])}
    if x.op == "symbol":
        return x.args[0]
    return [x.op, *(expression(argument) for argument in x.args)]


def value_json(value: Any) -> Json:
    """A number of a fact: exact, or a ball."""
    return {"ball": ball_json(value)} if is_ball(value) else {"value": str(value)}


def curl_fact(field: Field, verdict: Verdict) -> Json | None:
    """The fact behind a verdict on the curl; None where the verdict has none that a certificate can hold."""
    if verdict.witness is not None:
        shown = {key: verdict.witness[key] for key in ("policy", "i", "j")}
        value = {"ball": verdict.witness["ball"]} if verdict.witness["ball"] else {"value": verdict.witness["value"]}
        return {"kind": "not-a-gradient", "field": field_json(field), **shown, **value}
    if verdict.kind in ("episode", "fixed"):
        return {"kind": "a-gradient", "field": field_json(field), "potential": verdict.kind}
    return {"kind": "curl-free", "field": field_json(field)} if verdict.kind == "line" else None


def generic_fact(
    rule: Rule, states: int, actions: int, verdict: Verdict, *, reward: bool = False, control: str | None = None
) -> Json | None:
    """The fact behind a verdict on every MDP of a size: the curl vanishes on all, or does not on the one shown."""
    if verdict.verdict == "gradient":
        return {"kind": "curl-free", "field": generic_json(rule, states, actions, reward=reward, control=control)}
    if verdict.witness is None:
        return None
    mdp = from_dict(verdict.witness["mdp"])
    return curl_fact(Field(mdp, rule, control=control, reward=reward), verdict)


def identity_fact(
    generators: Iterable[str], left: Any, right: Any, derivations: Mapping[str, Mapping[str, Any]] | None = None
) -> Json:
    """An identity between terms in free generators; terms are built by `term` or by hand."""
    return {
        "kind": "identity",
        "generators": list(generators),
        "derivations": {name: dict(given) for name, given in (derivations or {}).items()},
        "left": left,
        "right": right,
    }


def identity_holds(fact: Json) -> bool:
    """Whether an `identity_fact` is true, in rational functions of its generators.

    >>> law = {"t": {"x": "x"}}
    >>> [identity_holds(identity_fact(["x"], term("D(t, x**2)"), term(right), law)) for right in ("2*x**2", "2*x")]
    [True, False]
    """
    from proofs.exact import Ring

    ring = Ring(fact["generators"])

    def read(x: Any) -> Any:
        if isinstance(x, str):
            return ring.gens[x] if x in ring.gens else ring.number(Fraction(x))
        op, first, second = x
        if op == "**":
            power = ring.number(1)
            for _ in range(second):
                power = power * read(first)
            return power
        if op == "D":
            law = {ring.index[name]: read(slope) for name, slope in fact["derivations"][first].items()}
            return read(second).derivative(law)
        left, right = read(first), read(second)
        return {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[op](left, right)

    return bool(read(fact["left"]) == read(fact["right"]))


def term(text: str) -> Any:
    """A term in prefix form from Python's notation, with `D(name, x)` for a derivation.

    >>> term("x**2 - 1/2")
    ['-', ['**', 'x', 2], ['/', '1', '2']]
    """
    import ast

    names = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}

    def walk(node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return str(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return ["-", "0", walk(node.operand)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
            return ["**", walk(node.left), node.right.value]
        if isinstance(node, ast.BinOp) and type(node.op) in names:
            return [names[type(node.op)], walk(node.left), walk(node.right)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "D":
            return ["D", walk(node.args[0]), walk(node.args[1])]
        raise ValueError(f"{ast.unparse(node)} in a term; must be names, whole numbers, + - * / ** and D(name, x)")

    return walk(ast.parse(text, mode="eval").body)
