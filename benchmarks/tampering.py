"""Tampering with certificates: one number changed, the hash recomputed; caught, or what is left is still true.

    python benchmarks/tampering.py [N=500] [SEED=0] [--certificates DIR]

verifies every claim (or takes the certificates of DIR), has each re-checked in a process of its own, then tampers N
times. What the checker passes must be true all the same, which the *other* engine has to confirm: the tampered fact
is rebuilt as a field and decided by `proofs.exact.points` and `mdp.evaluation`. Exit code 1 if a false one passed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import operator
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import flint
import numpy as np
import sympy

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.motion.flows import sampled
from dynamics.orbits import shoot
from dynamics.rules import TABLE, Rule, control_kind
from dynamics.rules import formula as fm
from mdp import MDP, evaluation, student
from proofs.checker import canonical_hash, check
from proofs.claims import CLAIMS, variance, verify_all
from proofs.claims.aliasing import moves, representative
from proofs.claims.convergence import kl_rate_holds
from proofs.claims.cycling import acyclic_structure
from proofs.exact import (
    balls,
    generic,
    has_logarithms,
    identity_test,
    precision,
    pull_back,
    rationals,
    setting,
    teacher_table,
    visit_dependence,
)
from proofs.exact.points import gate_is_steady

sys.path.insert(0, str(Path(__file__).resolve().parent))
import existence_judges

Json = dict[str, Any]
Place = tuple[Any, ...]
OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
NUMBER = re.compile(r"-?\d+(\.\d+)?(/\d+)?(e-?\d+)?")


def numbers(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place of a certificate that holds a number: an integer, or text that is one; not in `made` or `hash`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if place or key not in ("made", "hash", "statement", "argument"):
                yield from numbers(inner, (*place, key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from numbers(inner, (*place, k))
    elif _is_number(value):
        yield place


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(NUMBER.fullmatch(value))
    return isinstance(value, int) and not isinstance(value, bool)


def tampered(content: Json, place: Place, rng: np.random.Generator) -> Json:
    """A copy with the number at that place changed, and the hash recomputed by the checker's own function."""
    copy: Json = json.loads(json.dumps(content))
    holder: Any = copy
    for key in place[:-1]:
        holder = holder[key]
    old = holder[place[-1]]
    while _same(holder[place[-1]], old):
        holder[place[-1]] = _changed(old, copy, rng)
    copy["hash"] = canonical_hash(copy)
    return copy


def _same(new: Any, old: Any) -> bool:
    """Whether a change is none: written alike. (1/2 as 2/4 is a change, which must leave a true statement.)"""
    return type(new) is type(old) and bool(new == old)


def _changed(old: Any, content: Json, rng: np.random.Generator) -> Any:
    """One of: ±1, a digit, the sign, numerator or denominator ±1, 0, another number of the file of the same type."""
    way = int(rng.integers(6))
    if way == 0:
        return 0 if isinstance(old, int) else "0"
    if way == 1:
        others = [x for x in (_at(content, place) for place in numbers(content)) if type(x) is type(old)]
        return others[int(rng.integers(len(others)))]
    if isinstance(old, int):
        return -old if way == 2 else old + int(rng.choice([-1, 1]))
    if way == 2:
        return old[1:] if old.startswith("-") else f"-{old}"
    if way == 3:
        parts = old.split("/")
        k = int(rng.integers(len(parts)))
        if re.fullmatch(r"-?[0-9]+", parts[k]):
            parts[k] = str(int(parts[k]) + int(rng.choice([-1, 1])))
        return "/".join(parts)
    digits = [k for k, c in enumerate(old) if c.isdigit()]
    k = int(rng.choice(digits))
    return f"{old[:k]}{(int(old[k]) + int(rng.integers(1, 10))) % 10}{old[k + 1 :]}"


def _at(content: Any, place: Place) -> Any:
    for key in place:
        content = content[key]
    return content


# --- the other engine -------------------------------------------------------------------------------------------------


def rule_of(given: Json) -> Rule:
    """The rule of a fact's field: a row of the table, or built from the expressions that the fact holds."""
    if "row" not in given:
        return TABLE[given["rule"]]

    def build(x: Any) -> fm.Formula:
        if isinstance(x, str):
            return fm.Formula("symbol", (x,))
        if isinstance(x, dict):
            return fm.formula(Fraction(x["number"]))
        op, *arguments = x[0], *map(build, x[1:])
        if op in ("log", "total", "after"):
            return {"log": fm.log, "total": fm.total, "after": fm.after}[op](*arguments)
        one, two = arguments
        return one + two if op == "+" else one * two if op == "*" else one / two

    row = given["row"]
    return Rule("rebuilt", "", "student", build(row["loss"]), build(row["reward"]), row["horizon"])


def model_of(given: Json) -> MDP:
    """The MDP of a fact, as the package reads it."""
    return MDP(**{key: value for key, value in given.items() if value is not None})


def rebuilt(given: Json) -> Field:
    """The field of a fact, by the package's own classes; raises ValueError for what they refuse."""
    model = model_of(given["mdp"])
    learner = student.observed(given["observation"], model.n_actions)
    return Field(
        model,
        rule_of(given),
        control=given["control"],
        alpha=given["alpha"],
        reward=given["reward"],
        student=learner,
    )


def still_true(fact: Json) -> bool | None:
    """Whether a fact that the checker passed is true by this engine; None where this engine has no say.

    A value that is not 0 is asked for where the fact says so; an engine that refuses the fact's field has no say.
    """
    kind = fact["kind"]
    try:
        if "generic" in fact.get("field", fact.get("left", {})):
            return _generic(fact)
        if kind in existence_judges.JUDGES:
            return existence_judges.JUDGES[kind](rebuilt(fact["field"]), fact)
        return JUDGES[kind](fact) if kind in JUDGES else None
    except ValueError as error:
        print(f"  {kind}: this engine refuses the fact: {error}")
        return None


def _generic(fact: Json) -> bool | None:
    """Facts about every MDP of a size, by rational functions."""
    given = [fact[key] for key in ("field", "left", "right") if key in fact]
    size = given[0]["generic"]
    settings = [{"rule": rule_of(x), "control": x["control"], "reward": x["reward"]} for x in given]
    fields = generic(size["states"], size["actions"], *settings, observation=given[0]["observation"])
    if fact["kind"] == "same-field":
        return all(x["observation"] == given[0]["observation"] for x in given) and fields[0].equals(fields[1])
    if fact["kind"] == "a-gradient":
        kind = control_kind(rule_of(given[0]), given[0]["control"])
        meant = {"episode": "student", "fixed": "fixed"}[fact["potential"]]
        return kind == meant and fields[0].climbs(fields[0].potential())
    if fact["kind"] == "curl-free":
        return fields[0].first_curl() is None
    return kl_rate_holds(fields[0]) if fact["kind"] == "kl-rate" else None


def _curl(fact: Json) -> bool:
    return identity_test(rebuilt(fact["field"])).zero


def _table(rows: Any) -> Any:
    return np.array([[Fraction(x) for x in row] for row in rows], dtype=object)


def _gate(fact: Json) -> bool:
    """At reached states the student is no worse or the same, and so it is from the start."""
    exact, ours = model_of(fact["mdp"]).exact, _table(fact["student"])
    mine, theirs = evaluation.values(exact, ours), evaluation.values(exact, exact.teacher)
    d = evaluation.visits(exact, ours)
    steady = all(d[s] == 0 or mine[s] >= theirs[s] or (ours[s] == exact.teacher[s]).all() for s in range(len(d)))
    return steady and bool((exact.initial * (mine - theirs)).sum() >= 0)


def _identity(fact: Json) -> bool:
    """Terms in free generators, by sympy."""
    names = {name: sympy.Symbol(name) for name in fact["generators"]}

    def read(x: Any) -> Any:
        if isinstance(x, str):
            return names[x] if x in names else sympy.Rational(x)
        if x[0] == "D":
            inner, law = read(x[2]), fact["derivations"][x[1]]
            return sum(sympy.diff(inner, names[name]) * read(slope) for name, slope in law.items())
        if x[0] == "**":
            return read(x[1]) ** x[2]
        return OPERATIONS[x[0]](read(x[1]), read(x[2]))

    return bool(sympy.cancel(read(fact["left"]) - read(fact["right"])) == 0)


def _entry(fact: Json, numbers_of: Any) -> Any:
    """The number that a fact at one policy is about, in an arithmetic."""
    field, point = rebuilt(fact["field"]), _table(fact["policy"])
    at, n = setting(field, numbers_of), field.shape[1]
    if fact["kind"] == "not-a-gradient":
        if field.problem.gated and not gate_is_steady(field, point):
            raise ValueError("a gate is about to switch at the policy")
        i, j = (o * n + a for o, a in (fact["i"], fact["j"]))
        return at.curl(point)[i, j]
    if fact["kind"] == "visits-differ":
        o, a = fact["i"]
        observation = field.student.observation
        if observation is None or o != observation[fact["by"]]:
            raise ValueError("i is no parameter of that state")
        return at.visits_slopes(point)[fact["state"], fact["by"], a]
    moved = pull_back(field.student, eq1.update(at.problem, at.student(point)))
    if fact["kind"] == "field-value":
        return moved[fact["i"][0] * n + fact["i"][1]]
    t, p, s = at.problem.teacher.p, at.student(point).p, fact["state"]
    o = int((field.student.observation if field.student.observation is not None else range(len(p)))[s])
    F = np.array(moved, dtype=object).reshape(field.shape)[o]
    return -sum(t[s, b] * (F[b] - (p[s] * F).sum()) for b in range(n))


def _value(fact: Json) -> bool:
    """The stated value, in rationals; the ball, where there are logarithms, by balls of 256 bits."""
    if "ball" in fact:
        return _inside(fact)
    if has_logarithms(rebuilt(fact["field"])):
        raise ValueError("logarithms enter, so that no rational is the value")
    found = _entry(fact, rationals())
    said = Fraction(fact["value"])
    if (found.p, found.q) != (said.numerator, said.denominator):
        return False
    if fact["kind"] == "kl-rises":
        return said > 0
    return fact["kind"] == "field-value" or said != 0


def _inside(fact: Json) -> bool:
    """Whether the true value lies in the stated ball: by balls of 1024 bits, much narrower than the stated one.

    Raises ValueError where even these cannot tell.
    """
    with precision(1024), patch.object(variance, "precision", lambda: precision(1024)):
        if fact["kind"] == "variance":
            found = variance.estimator_variance(rebuilt(fact["field"]), _table(fact["policy"]))[0]
        else:
            found = _entry(fact, balls())
        middle, radius = (_dyadic(fact["ball"][key]) for key in ("mid", "rad"))
        if found < middle - radius or found > middle + radius:
            return False
        if not (middle - radius <= found and found <= middle + radius):
            raise ValueError("1024 bits do not tell whether the value lies in the ball")
        return fact["kind"] != "not-a-gradient" or not found.contains(0)


def _dyadic(pair: list[int]) -> Any:
    return flint.arb(flint.fmpz(pair[0])) * flint.arb(2) ** pair[1]


def _structure(fact: Json) -> bool:
    return acyclic_structure(rebuilt(fact["field"]))


def _visits(fact: Json) -> bool:
    return not visit_dependence(rebuilt(fact["field"]))[fact["state"], fact["by"]]


def _rests(fact: Json) -> bool:
    """The student can be the teacher, and does not move there."""
    field = rebuilt(fact["field"])
    alike = representative(field)[np.asarray(field.student.observation)] == teacher_table(field.mdp)
    return bool(alike.all()) and not moves(field)


def _advantage(fact: Json) -> bool:
    exact = model_of(fact["mdp"]).exact
    gains = evaluation.advantages(exact, exact.teacher)
    idle = all((row == 0).any() and (row[pi > 0] == 0).all() for row, pi in zip(gains, exact.teacher, strict=True))
    return not fact["optimal"] or (bool((gains <= 0).all()) and idle)


def _greedy(fact: Json) -> bool:
    """Every greedy policy, all ties, that ends is at least as good; and one ends."""
    exact = model_of(fact["mdp"]).exact
    V, Q = evaluation.values(exact, exact.teacher), evaluation.action_values(exact, exact.teacher)
    ended = 0
    for choice in itertools.product(*(np.flatnonzero(row == max(row)).tolist() for row in Q)):
        greedy = np.array([[Fraction(int(a == b)) for a in range(Q.shape[1])] for b in choice], dtype=object)
        try:
            values = evaluation.values(exact, greedy)
        except ValueError:
            continue
        ended += 1
        if (values < V).any():
            return False
    return ended > 0


def _rest(fact: Json) -> bool:
    field, theta = rebuilt(fact["field"]), np.array(fact["theta"], dtype=float)
    small = np.abs(field(theta)).max() <= float(Fraction(fact["bound"]))
    return bool(small and field.policy(theta).p.min() >= 1e-6)


def _orbit(fact: Json) -> bool:
    """The orbit that shooting finds from there: its period, its amplitudes, and how far the stated start is off it."""
    field, theta = rebuilt(fact["field"]), np.array(fact["theta"], dtype=float)
    period, bound = float(Fraction(fact["period"])), float(Fraction(fact["bound"]))
    orbit = shoot(field, theta, period)
    if orbit is None or abs(orbit.period - period) > 1e-5:
        return False
    swing = np.ptp(orbit.theta[..., :1] - orbit.theta[..., 1:], axis=0)
    end = sampled(
        lambda x: field(x.reshape(field.shape)).ravel(), theta.ravel(), np.array([0.0, period]), rtol=1e-11, atol=1e-12
    )[-1].reshape(field.shape)
    gap = np.abs((end - theta)[..., :1] - (end - theta)[..., 1:]).max()
    return bool(gap <= 2 * bound and np.abs(swing - np.array(fact["amplitude"], dtype=float)).max() <= 1.1e-4)


JUDGES: dict[str, Callable[[Json], bool]] = {
    "not-a-gradient": _value,
    "field-value": _value,
    "kl-rises": _value,
    "visits-differ": _value,
    "variance": _value,
    "a-gradient": _curl,
    "curl-free": _curl,
    "rests-at-teacher": _rests,
    "acyclic-structure": _structure,
    "same-visits": _visits,
    "value-gate": _gate,
    "greedy-improves": _greedy,
    "advantage": _advantage,
    "identity": _identity,
    "rest-point": _rest,
    "closed-orbit": _orbit,
}


# --- the run ----------------------------------------------------------------------------------------------------------


def load(folder: Path) -> tuple[dict[str, Json], int]:
    """The certificates of a folder, re-checked one by one in processes of their own; and how many are not valid."""
    found: dict[str, Json] = {}
    slowest, invalid = 0.0, 0
    for path in sorted(folder.glob("*.json")):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "proofs.checker", str(path)], capture_output=True, text=True)
        slowest = max(slowest, time.perf_counter() - started)
        if done.returncode:
            invalid += 1
            print(done.stdout.strip())
        found[path.name] = json.loads(path.read_text("utf-8"))
    facts = sum(len(content["facts"]) for content in found.values())
    print(
        f"{len(found)} certificates, {facts} facts: {len(found) - invalid} valid, {invalid} not, each re-checked in a "
        f"process of its own; the slowest took {slowest:.1f} s"
    )
    return found, invalid


def tamper(certificates: dict[str, Json], count: int, seed: int) -> Counter[str]:
    """Tamper `count` times; what came of it, counted: caught, true all the same, unconfirmed, FALSE."""
    rng = np.random.default_rng(seed)
    names = list(certificates)
    counts: Counter[str] = Counter()
    for _ in range(count):
        name = names[int(rng.integers(len(names)))]
        content = certificates[name]
        places = list(numbers(content))
        place = places[int(rng.integers(len(places)))]
        changed = tampered(content, place, rng)
        if not check(changed).valid:
            counts["caught"] += 1
            continue
        fact = changed["facts"][place[1]] if place[0] == "facts" else {"kind": str(place[0])}
        truth = still_true(fact)
        word = {True: "still true", False: "FALSE", None: "unconfirmed"}[truth]
        counts[f"{word}: {fact['kind']}"] += 1
        if truth is not True:
            print(f"  {name} {place}: {_at(content, place)!r} -> {_at(changed, place)!r}: {word}", flush=True)
    return counts


def main() -> int:
    """Run, print the counts, and say whether anything false passed, or anything that could not be confirmed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=500)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--certificates", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.certificates or Path(made)
        if options.certificates is None:
            for finding, _ in verify_all(CLAIMS.values(), directory=folder):
                print(f"{finding.claim.id}: {finding.verdict}, {finding.seconds:.1f} s", flush=True)
        certificates, invalid = load(folder)
        counts = tamper(certificates, options.count, options.seed)
    for what, n in sorted(counts.items()):
        print(f"{n:5d} {what}")
    false, true, open_ = (
        sum(n for what, n in counts.items() if what.startswith(word)) for word in ("FALSE", "still true", "unconfirmed")
    )
    print(
        f"{options.count} tamperings: {counts['caught']} caught, {true} left a true statement (confirmed), "
        f"{open_} unconfirmed, {false} false ones passed"
    )
    return bool(invalid or false or open_)


if __name__ == "__main__":
    sys.exit(main())
