"""Tampering with certificates: one number changed, the hash recomputed; caught, or what is left is still true.

    python benchmarks/tampering.py [N=500] [SEED=0] [--certificates DIR]

verifies every claim (or takes the certificates of DIR), has each re-checked in a process of its own, then tampers N
times. What the checker passes must be true all the same, which the *other* engine has to confirm: the tampered fact
is rebuilt as a field and decided by `proofs.points` and `mdp.evaluation`. Exit code 1 if a false one passed.
"""

from __future__ import annotations

import json
import operator
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from dynamics import formula as fm
from dynamics import update as eq1
from dynamics.field import Field
from dynamics.rules import TABLE, Rule
from mdp import evaluation, student
from mdp.model import MDP
from proofs.arithmetic import rationals
from proofs.certificate import fingerprint
from proofs.check import check
from proofs.exact import generic, pull_back
from proofs.points import identity_test, setting
from proofs.verify import CLAIMS, verify_all

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
    """A copy with the number at that place changed, and the hash recomputed."""
    copy: Json = json.loads(json.dumps(content))
    holder: Any = copy
    for key in place[:-1]:
        holder = holder[key]
    old = holder[place[-1]]
    while holder[place[-1]] == old:
        holder[place[-1]] = _changed(old, rng)
    copy["hash"] = fingerprint(copy)
    return copy


def _changed(old: Any, rng: np.random.Generator) -> Any:
    if isinstance(old, int):
        return old + int(rng.choice([-1, 1, -2, 3])) if rng.random() < 0.7 else -old or 1
    way = int(rng.integers(4))
    if way == 0:
        return old[1:] if old.startswith("-") else f"-{old}"
    if way == 1:
        return "0"
    digits = [k for k, c in enumerate(old) if c.isdigit()]
    k = int(rng.choice(digits))
    return f"{old[:k]}{(int(old[k]) + 1 + int(rng.integers(8))) % 10}{old[k + 1 :]}"


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
    """Whether a fact that the checker passed is true by this engine; None where this engine has no say."""
    kind = fact["kind"]
    if kind == "identity":
        return _identity(fact)
    if "generic" in fact.get("field", fact.get("left", {})):
        return _generic(fact)
    if kind in ("a-gradient", "curl-free"):
        return identity_test(rebuilt(fact["field"])).zero
    if kind in ("acyclic-structure", "same-visits", "rests-at-teacher"):
        return _structural(fact)
    if kind == "value-gate":
        exact = model_of(fact["mdp"]).exact
        ours = np.array([[Fraction(x) for x in row] for row in fact["student"]], dtype=object)
        gain = evaluation.expected_return(exact, ours) - evaluation.expected_return(exact, exact.teacher)
        return bool(gain >= 0)
    if kind in ("greedy-improves", "advantage"):
        return _values(fact)
    if "ball" in fact or kind in ("closed-orbit", "rest-point"):
        return _near(fact)
    return _exactly(fact) if "value" in fact and "field" in fact else None


def _generic(fact: Json) -> bool | None:
    """Facts about every MDP of a size, by rational functions."""
    from proofs.claims.convergence import kl_rate_holds

    given = [fact[key] for key in ("field", "left", "right") if key in fact]
    size = given[0]["generic"]
    settings = [{"rule": rule_of(x), "control": x["control"], "reward": x["reward"]} for x in given]
    fields = generic(size["states"], size["actions"], *settings, observation=given[0]["observation"])
    if fact["kind"] == "same-field":
        return fields[0].equals(fields[1])
    if fact["kind"] == "a-gradient":
        return fields[0].climbs(fields[0].potential())
    return kl_rate_holds(fields[0]) if fact["kind"] == "kl-rate" else None


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


def _exactly(fact: Json) -> bool | None:
    """Exact values, in rationals."""
    field = rebuilt(fact["field"])
    at = setting(field, rationals())
    point = np.array([[Fraction(x) for x in row] for row in fact["policy"]], dtype=object)
    n = field.shape[1]
    if fact["kind"] == "not-a-gradient":
        i, j = (o * n + a for o, a in (fact["i"], fact["j"]))
        value = at.curl(point)[i, j]
    elif fact["kind"] == "field-value":
        o, a = fact["i"]
        value = pull_back(field.student, eq1.update(at.problem, at.student(point)))[o * n + a]
    elif fact["kind"] == "visits-differ":
        value = at.visits_slopes(point)[fact["state"], fact["by"], fact["i"][1]]
    else:
        return None
    return Fraction(int(value.p), int(value.q)) == Fraction(fact["value"])


def _structural(fact: Json) -> bool:
    from proofs.claims.convergence import at_teacher
    from proofs.claims.cycling import acyclic_structure
    from proofs.explain import visit_dependence

    field = rebuilt(fact["field"])
    if fact["kind"] == "acyclic-structure":
        return acyclic_structure(field)
    if fact["kind"] == "same-visits":
        return not visit_dependence(field)[fact["state"], fact["by"]]
    values = at_teacher(field).ravel()
    return all(x == 0 or (hasattr(x, "contains") and x.contains(0)) for x in values)


def _values(fact: Json) -> bool:
    exact = model_of(fact["mdp"]).exact
    Q = evaluation.action_values(exact, exact.teacher)
    V = evaluation.values(exact, exact.teacher)
    if fact["kind"] == "advantage":
        return not fact["optimal"] or bool((V[:, None] >= Q).all())
    best = [max(range(len(row)), key=row.__getitem__) for row in Q.tolist()]
    greedy = np.array([[Fraction(int(a == b)) for a in range(Q.shape[1])] for b in best], dtype=object)
    return bool((evaluation.values(exact, greedy) >= V).all())


def _near(fact: Json) -> bool:
    """Balls and orbits whose last digits were changed: still within what is claimed."""
    from proofs.variance import estimator_variance

    field = rebuilt(fact["field"])
    if fact["kind"] == "rest-point":
        return bool(np.abs(field(np.array(fact["theta"], dtype=float))).max() <= float(Fraction(fact["bound"])))
    if fact["kind"] == "closed-orbit":
        from dynamics.cycles import shoot

        orbit = shoot(field, np.array(fact["theta"], dtype=float), float(fact["period"]))
        return orbit is not None and abs(orbit.period - float(fact["period"])) < 1e-6
    middle, radius = (m * Fraction(2) ** e for m, e in (fact["ball"]["mid"], fact["ball"]["rad"]))
    point = np.array([[Fraction(x) for x in row] for row in fact["policy"]], dtype=object)
    theta = np.log(point.astype(float))
    if fact["kind"] == "variance":
        value = float(estimator_variance(field, point)[0].mid())
    elif fact["kind"] == "field-value":
        value = float(field(theta)[tuple(fact["i"])])
    else:
        n = field.shape[1]
        i, j = (x[0] * n + x[1] for x in (fact["i"], fact["j"]))
        value = float(field.curl(theta)[i, j])
    return abs(value - float(middle)) <= float(radius) + 1e-9 * (1 + abs(value))


# --- the run ----------------------------------------------------------------------------------------------------------


def load(folder: Path) -> dict[str, Json]:
    """The certificates of a folder, re-checked one by one in processes of their own."""
    found, slowest = {}, 0.0
    for path in sorted(folder.glob("*.json")):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "proofs.check", str(path)], capture_output=True, text=True)
        slowest = max(slowest, time.perf_counter() - started)
        if done.returncode:
            print(done.stdout.strip())
        found[path.name] = json.loads(path.read_text("utf-8"))
    facts = sum(len(content["facts"]) for content in found.values())
    print(f"{len(found)} certificates, {facts} facts, re-checked one by one; the slowest took {slowest:.1f} s")
    return found


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
            print(f"  {name} {place}: {word}")
    return counts


def main() -> int:
    """Run, print the counts, and say whether anything false passed."""
    plain = [x for x in sys.argv[1:] if x.isdigit()]
    count, seed = (int(x) for x in (*plain, *["500", "0"][len(plain) :]))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if "--certificates" in sys.argv:
            folder = Path(sys.argv[sys.argv.index("--certificates") + 1])
        else:
            for finding, _ in verify_all(CLAIMS.values(), directory=folder):
                print(f"{finding.claim.id}: {finding.verdict}, {finding.seconds:.1f} s", flush=True)
        counts = tamper(load(folder), count, seed)
    for what, n in sorted(counts.items()):
        print(f"{n:5d} {what}")
    wrong = sum(n for what, n in counts.items() if not what.startswith(("caught", "still true")))
    true = count - counts["caught"] - wrong
    print(f"{count} tamperings: {counts['caught']} caught, {true} left a true statement, {wrong} anything else")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
