"""The checker's `hopf-point`: true facts pass, each number made false is refused, and no fold or centre passes as one.

The facts come from the prover, which shares no code with the checker. Its parts are tested in
test_check_hopf_parts.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from dynamics.fields import Field
from mdp import MDP, zoo
from proofs.certificates import field_json
from proofs.checker import canonical_hash, check
from proofs.checker.hopf import point as hopf
from proofs.checker.kinds import KINDS as FACT_KINDS
from proofs.checker.kinds import decide
from proofs.checker.numbers.rational import Refused
from proofs.checker.numbers.series import Series
from proofs.checker.reading import rules
from proofs.cycles.hopf import HopfProof, prove_hopf
from proofs.cycles.hopf_fact import hopf_fact
from proofs.enclosures.parametric import of_field

Fact = dict[str, Any]

# name: (MDP, rule, control, parameter, place, guess of mu, guess of x)
FOUND: dict[str, tuple[str, str, str, str, dict[str, int], float, list[float]]] = {
    "swirl, alpha": ("swirl", "reverse-kl", "student", "alpha", {}, 0.9918, [3.098, 1.551]),
    "swirl, discount": ("swirl", "reverse-kl", "student", "discount", {}, 0.966029, [3.0589, 1.5292]),
    "corridor, teacher": ("corridor-cycle", "on-policy", "student", "teacher", {"action": 1}, 0.986316,
                          [-0.4186, 0.83588, 0.91503]),
    "corridor, low teacher": ("corridor-cycle", "on-policy", "student", "teacher", {"action": 1}, 0.978276,
                              [-0.43549, 0.72194, -0.54873]),
    "corridor, sharpness": ("corridor-cycle", "on-policy", "student", "sharpness", {}, 1.099156,
                            [-0.4186, 0.83588, 0.91503]),
    "corridor, reward": ("corridor-cycle", "on-policy", "student", "reward", {"state": 1, "action": 0}, -0.940054,
                         [-0.68121, 0.79966, 0.3184]),
    "aliased, mixture": ("aliased-cycle", "on-policy", "mix:1/2", "mixture", {}, 0.014023, [-0.64952, 0.71452]),
    "aliased, alpha": ("aliased-cycle", "on-policy", "student", "alpha", {}, 0.942573, [-0.72839, -1.44618]),
    "three actions": ("swirl 3", "reverse-kl", "student", "alpha", {}, 0.99166, [3.04, -6.72, 1.47, -7.2]),
}  # fmt: skip


def three_actions() -> MDP:
    """`swirl` with a third action that the teacher takes with probability 1/100."""
    teacher = [[x * Fraction(99, 100) for x in row] + [Fraction(1, 100)] for row in zoo.load("swirl").exact.teacher]
    return MDP(
        P=[[["0.992", "0.008"], ["0.316", "0.684"], ["0.9", "0.1"]], [["1", "0"], ["0", "1"], ["1/2", "1/2"]]],
        R=[["2.35", "15.38", "1"], ["-4.63", "10.2", "-3"]],
        initial=["0.01", "0.99"],
        discount="0.97",
        teacher=teacher,
    )


@cache
def _proved(name: str) -> str:
    world, rule, control, kind, place, mu, x = FOUND[name]
    mdp = three_actions() if world == "swirl 3" else zoo.load(world)
    proof = prove_hopf(of_field(Field(mdp, rule, control=control, reward=True), kind, **place), mu, x)
    assert isinstance(proof, HopfProof)
    return json.dumps(hopf_fact(proof))


def true_fact(name: str = "swirl, alpha") -> Fact:
    """A fact of the prover, fresh."""
    found: Fact = json.loads(_proved(name))
    return found


def refusal(fact: object) -> str:
    """Why a fact is refused: one line."""
    with pytest.raises(Refused) as caught:
        decide(fact)
    reason = str(caught.value)
    assert len(reason.splitlines()) == 1 and len(reason) < 400
    return reason


# --- what is true passes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FOUND)
def test_true_facts_pass(name: str) -> None:
    assert decide(true_fact(name)) == 0.0


def test_a_certificate_with_one_is_valid() -> None:
    paper = {"format": "vorticity certificate 1", "claim": "x", "statement": "x", "verdict": "proved", "made": {}}
    paper |= {"argument": None, "facts": [true_fact()]}
    assert check(paper | {"hash": canonical_hash(paper)}).valid


def test_what_the_field_says_of_the_parameter_is_disregarded() -> None:
    fact = true_fact()
    fact["field"]["alpha"] = "17"
    assert decide(fact) == 0.0
    fact = true_fact("swirl, discount")
    fact["field"]["mdp"]["discount"] = "1/2"
    assert decide(fact) == 0.0
    fact = true_fact("corridor, reward")
    fact["field"]["mdp"]["R"][1][0] = "100"
    assert decide(fact) == 0.0


def test_a_row_written_out_is_the_row_of_that_name() -> None:
    fact = true_fact()
    loss, reward, horizon = rules.TABLE["reverse-kl"]
    fact["field"] |= {"rule": "mine", "row": {"loss": loss, "reward": reward, "horizon": horizon}}
    assert decide(fact) == 0.0
    fact["field"]["row"]["loss"] = ["*", {"number": "1.00001"}, loss]  # alpha would be that much smaller
    assert "radius" in refusal(fact)


def test_another_pivot_states_the_same() -> None:
    """With q_0 = 1 instead of q_1 = 1 the vector q is another one, and l1 and speed are what they were."""
    fact = true_fact()
    (x, y), _ = ([Fraction(c) for c in pair] for pair in fact["centre"]["q"])
    size = x * x + y * y
    turned = [x / size, -y / size]  # 1 / q_0
    fact["centre"]["q"] = [["1", "0"], [str(Fraction(round(c * 2**60), 2**60)) for c in turned]]
    fact |= {"pivot": 0, "radius": "1/4294967296"}
    assert decide(fact) == 0.0


def test_a_wider_statement_is_true_too() -> None:
    fact = true_fact()
    fact |= {"l1": ["0.4", "0.5"], "speed": ["1", "100"], "omega": ["1/2", "1"], "value": ["0.9", "1.1"]}
    assert decide(fact) == 0.0


# --- what is false does not -------------------------------------------------------------------------------------


def shifted(key: str) -> Callable[[Fact], None]:
    """The interval of that key moved up by its own width and a bit, so that it is false and as narrow as it was."""

    def change(fact: Fact) -> None:
        low, high = (Fraction(x) for x in fact[key])
        fact[key] = [str(low + 2 * (high - low)), str(high + 2 * (high - low))]

    return change


def put(**changes: Any) -> Callable[[Fact], None]:
    return lambda fact: fact.update(changes)


def moved(place: Sequence[Any], by: str) -> Callable[[Fact], None]:
    """A number deep in the fact, with something added."""

    def change(fact: Fact) -> None:
        at: Any = fact
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = str(Fraction(at[place[-1]]) + Fraction(by))

    return change


FALSE: dict[str, tuple[Callable[[Fact], None], str]] = {
    "value": (shifted("value"), "value: "),
    "omega": (shifted("omega"), "omega: "),
    "l1": (shifted("l1"), "l1: "),
    "speed": (shifted("speed"), "speed: "),
    "half of the value": (put(value=["0.9918072427450", "0.9918072427455"]), "value: "),
    "l1 of the other sign": (put(l1=["-0.465903813671", "-0.465903813670"], side=1), "l1: "),
    "speed of the other sign": (put(speed=["-40.9431239011", "-40.9431239010"], side=1), "speed: "),
    "side": (put(side=1), "side: +1, but"),
    "other signs on the same side": (
        put(l1=["-0.465903813671", "-0.465903813670"], speed=["-40.9431239011", "-40.9431239010"]), "speed: "
    ),
    "pivot": (put(pivot=0), "radius: "),
    "a radius that is too small": (put(radius="1/1000000000000000000000000"), "radius: "),
    "a radius that is too large": (put(radius="1/8"), "radius: "),
    "x": (moved(["centre", "x", 0], "1/1000"), "radius: "),
    "the centre's value": (moved(["centre", "value"], "1/1000"), "radius: "),
    "the centre's omega": (moved(["centre", "omega"], "1/1000"), "radius: "),
    "q, real": (moved(["centre", "q", 0, 0], "1/1000"), "radius: "),
    "q, imaginary": (moved(["centre", "q", 0, 1], "1/1000"), "radius: "),
    "q at the pivot": (moved(["centre", "q", 1, 1], "1/1000"), "radius: "),
    "R": (moved(["field", "mdp", "R", 0, 1], "1/100000"), "radius: "),
    "discount": (moved(["field", "mdp", "discount"], "1/100000"), "radius: "),
    "P": (moved(["field", "mdp", "P", 0, 0, 1], "-1/100000"), "radius: "),
    "rule": (lambda fact: fact["field"].update(rule="reverse-kl-corrected"), "radius: "),
    "reward": (lambda fact: fact["field"].update(reward=False), "radius: "),
    "control": (lambda fact: fact["field"].update(control="mix:1/100"), "radius: "),
    "parameter": (put(parameter={"kind": "discount"}), "radius: "),
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_refused(name: str) -> None:
    change, reason = FALSE[name]
    fact = true_fact()
    change(fact)
    assert refusal(fact).startswith(reason)


def test_the_conjugate_pair_is_refused() -> None:
    """−ω and q̄ solve the equations as well; ω is stated to be positive."""
    fact = true_fact()
    fact["centre"]["omega"] = "-" + fact["centre"]["omega"]
    for pair in fact["centre"]["q"]:
        pair[1] = str(-Fraction(pair[1]))
    assert refusal(fact).startswith("omega: ")
    fact["omega"] = [str(-Fraction(x)) for x in reversed(fact["omega"])]
    assert refusal(fact).startswith("omega[0]: ")


@pytest.mark.parametrize("unstable", [1, 2])
def test_a_false_count_is_refused(unstable: int) -> None:
    fact = true_fact("three actions") | {"unstable": unstable}
    assert refusal(fact) == f"unstable: {unstable}, but 0 other eigenvalues have positive real part"


def test_a_false_place_of_the_parameter_is_refused() -> None:
    fact = true_fact("corridor, reward")
    assert refusal(fact | {"parameter": {"kind": "reward", "state": 1, "action": 1}}).startswith("radius")
    fact = true_fact("corridor, teacher")
    assert refusal(fact | {"parameter": {"kind": "teacher", "action": 0}}).startswith("radius")


def test_the_open_range_is_asked() -> None:
    """alpha = −a with the loss reversed is the same field; alpha must be positive all the same."""
    fact = true_fact()
    loss, reward, horizon = rules.TABLE["reverse-kl"]
    opposite = ["*", {"number": "-1"}, loss]
    fact["field"] |= {"rule": "mine", "row": {"loss": opposite, "reward": reward, "horizon": horizon}}
    fact["centre"]["value"] = "-" + fact["centre"]["value"]
    for key in ("value", "speed"):
        fact[key] = ["-" + x for x in reversed(fact[key])]
    fact["side"] = 1
    assert refusal(fact).endswith("outside of the open range of 'alpha'")


# --- malformed --------------------------------------------------------------------------------------------------


def drop(key: str) -> Callable[[Fact], None]:
    return lambda fact: fact.pop(key)


MALFORMED: dict[str, tuple[Callable[[Fact], Any], str]] = {
    **{f"no {key}": (drop(key), f"fact: the key '{key}' is missing") for key in FACT_KINDS["hopf-point"].keys},
    "another key": (put(period="1"), "fact: the key 'period' is unknown"),
    "no centre": (put(centre=None), "centre: None is no object"),
    "another key in the centre": (lambda f: f["centre"].update(r="1"), "centre: the key 'r' is unknown"),
    "x too long": (lambda f: f["centre"]["x"].append("0"), "centre.x: 3 entries; must be 2"),
    "q too short": (lambda f: f["centre"]["q"].pop(), "centre.q: 1 entries; must be 2"),
    "q no pair": (lambda f: f["centre"]["q"][0].pop(), "centre.q[0]: 1 entries; must be 2"),
    "x a float": (lambda f: f["centre"].update(x=[0.5, "1"]), "centre.x[0]: 0.5 is no rational"),
    "x far": (lambda f: f["centre"].update(x=["0", "1001"]), "centre.x[1]: 1001; numbers beyond"),
    "omega far": (lambda f: f["centre"].update(omega="1" + "0" * 999), "centre.omega: "),
    "digits": (lambda f: f["centre"].update(value="0." + "1" * 99_000), "centre: its numbers have"),
    "radius 0": (put(radius="0"), "radius: '0'; must be positive"),
    "radius 2": (put(radius="2"), "radius: '2'; must be positive and at most 1"),
    "radius negative": (put(radius="-1/1024"), "radius: '-1/1024'; must be positive"),
    "radius long": (put(radius="0." + "0" * 90_000 + "1"), "radius: its numbers have"),
    "pivot": (put(pivot=2), "pivot: 2; must be an integer from 0 to 1"),
    "pivot true": (put(pivot=True), "pivot: True; must be an integer"),
    "unstable": (put(unstable=1), "unstable: 1; must be an integer from 0 to 0"),
    "unstable negative": (put(unstable=-1), "unstable: -1; must be an integer"),
    "side 0": (put(side=0), "side: 0; must be 1 or -1"),
    "side true": (put(side=True), "side: True; must be 1 or -1"),
    "side text": (put(side="-1"), "side: '-1'; must be 1 or -1"),
    "interval that falls": (put(l1=["0.5", "0.4"]), "l1: from 1/2 to 2/5; must rise"),
    "interval of one point": (put(value=["1", "1"]), "value: from 1 to 1; must rise"),
    "interval of three": (put(speed=["1", "2", "3"]), "speed: 3 entries; must be 2"),
    "l1 and 0": (put(l1=["-1", "1"]), "l1: holds 0"),
    "speed from 0": (put(speed=["0", "100"]), "speed: holds 0"),
    "omega from 0": (put(omega=["0", "1"]), "omega[0]: '0'; must be positive"),
    "parameter text": (put(parameter="alpha"), "parameter: None is no kind"),
    "parameter unknown": (put(parameter={"kind": "beta"}), "parameter: 'beta' is no kind"),
    "parameter a list": (put(parameter={"kind": []}), "parameter: a list of 0 is no kind"),
    "parameter with a place": (put(parameter={"kind": "alpha", "action": 0}), "parameter: the key 'action' is unkn"),
    "parameter without": (put(parameter={"kind": "teacher"}), "parameter: the key 'action' is missing"),
    "no such action": (put(parameter={"kind": "teacher", "action": 2}), "parameter.action: 2; must be"),
    "no such state": (put(parameter={"kind": "reward", "state": 2, "action": 0}), "parameter.state: 2; must be"),
    "no mixture": (put(parameter={"kind": "mixture"}), 'parameter: "mixture" is for a field'),
    "a gate": (lambda f: f["field"].update(rule="value-gate"), "field.rule: has a gate"),
    "no teacher": (lambda f: f["field"]["mdp"].update(teacher=None), "field: the rule or its control needs a teacher"),
    "generic": (
        put(field={"generic": {"states": 2, "actions": 2}, "observation": [0, 1], "rule": "er", "control": "student",
                   "reward": True}), "field: a generic field"),
    "one difference": (lambda f: f["field"].update(observation=[0, 0]), "field: 1 differences of logits; from 2"),
    "a long number": (lambda f: f["field"]["mdp"]["R"].__setitem__(0, ["1" * 1001, "0"]), "field: a number of 1001"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_facts_are_refused(name: str) -> None:
    change, reason = MALFORMED[name]
    fact = true_fact()
    change(fact)
    assert refusal(fact).startswith(reason)


def test_teachers_that_a_parameter_cannot_move_are_refused() -> None:
    fact = true_fact("aliased, alpha")
    fact["field"]["mdp"]["teacher"][0] = ["1", "0"]
    assert refusal(fact | {"parameter": {"kind": "teacher", "action": 0}}).startswith("parameter.action: the teacher")
    assert refusal(fact | {"parameter": {"kind": "sharpness"}}).startswith("field.mdp.teacher[0]: has a 0")
    fact["field"] |= {"rule": "reward", "mdp": fact["field"]["mdp"] | {"teacher": None}}
    for parameter in ({"kind": "teacher", "action": 0}, {"kind": "sharpness"}):
        assert "the MDP has none" in refusal(fact | {"parameter": parameter})


def test_work_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hopf, "MOST_WORK", 5000)
    assert refusal(true_fact()).startswith("field: too much work")


def test_numbers_that_would_fill_the_memory_are_refused() -> None:
    """A sharpness of a million: exp of as much would be a number with a million bits of exponent, and so on."""
    fact = true_fact("corridor, sharpness")
    fact["centre"]["value"] = "1000000"
    assert refusal(fact).startswith("exp of a number beyond")


# --- folds and centres dressed up -------------------------------------------------------------------------------


Law = Callable[[Series, Series, Series], tuple[Series, Series]]


def dressed(monkeypatch: pytest.MonkeyPatch, law: Law, **changes: Any) -> Fact:
    """A fact about a law in the plane, put in the place of the field's: the Hopf point of x' = mu x − y − x r², ...,
    whose l1 is −2, with changes."""
    monkeypatch.setattr(hopf, "motion", lambda family: lambda numbers, x, mu: list(law(x[0], x[1], mu)))
    centre = {"x": ["0", "0"], "value": "0", "omega": "1", "q": [["1", "0"], ["0", "-1"]]}
    fact = true_fact() | {"centre": centre | changes.pop("centre", {}), "radius": "1/4096", "pivot": 0, "side": 1}
    fact |= {
        "parameter": {"kind": "reward", "state": 0, "action": 0},
        "value": ["-0.1", "0.1"],
        "omega": ["0.9", "1.1"],
    }
    return fact | {"speed": ["0.9", "1.1"], "l1": ["-2.1", "-1.9"]} | changes


def normal(x: Series, y: Series, mu: Series) -> tuple[Series, Series]:
    rr = x * x + y * y
    return mu * x - y - rr * x, x + mu * y - rr * y


def test_the_dress_itself_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide(dressed(monkeypatch, normal)) == 0.0
    assert refusal(dressed(monkeypatch, normal, side=-1)).startswith("side: -1, but")
    assert refusal(dressed(monkeypatch, normal, l1=["-1.9", "-0.1"])).startswith("l1: ")
    # l1 is -2, but the enclosure found goes a little beyond it: what is not surely inside is refused
    assert refusal(dressed(monkeypatch, normal, l1=["-2", "-1.9"])).startswith("l1: ")


def test_a_fold_is_no_hopf_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a fold ω = 0 solves the equations, with q real, and alone; but ω is not positive."""
    fact = dressed(monkeypatch, lambda x, y, mu: (mu - x * x, -y), centre={"omega": "0", "q": [["1", "0"], ["0", "0"]]})
    for low in ("1/1000000", "1/10000000000000000000"):
        assert refusal(fact | {"omega": [low, "1"]}).startswith("omega: ")
    assert refusal(fact | {"omega": ["-1", "1"]}).startswith("omega[0]: '-1'; must be positive")


def test_a_pair_that_turns_back_is_no_hopf_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Re λ = mu²: the pair reaches the axis and does not cross it."""
    assert "singular" in refusal(dressed(monkeypatch, lambda x, y, mu: normal(x, y, mu * mu)))


def test_a_pair_that_almost_turns_back_has_little_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    def law(x: Series, y: Series, mu: Series) -> tuple[Series, Series]:
        return normal(x, y, mu * mu + x.space.number(Fraction(1, 1000)) * mu)

    assert decide(dressed(monkeypatch, law, radius="1/65536", speed=["0.0009", "0.0011"])) == 0.0
    assert refusal(dressed(monkeypatch, law, radius="1/65536", speed=["0.01", "1"])).startswith("speed: ")


def test_a_centre_that_crosses_has_no_l1(monkeypatch: pytest.MonkeyPatch) -> None:
    """x' = mu x − y, y' = x + mu y: speed 1 and l1 = 0, so that no interval without 0 holds it."""
    for l1, side in ((["1/1000000000000000000000", "1"], -1), (["-1", "-1/1000000000000000000000"], 1)):
        fact = dressed(monkeypatch, lambda x, y, mu: (mu * x - y, x + mu * y), l1=l1, side=side)
        assert refusal(fact).startswith("l1: ")


def test_a_centre_is_no_hopf_point() -> None:
    """fig2 at its centre, p = x = 1/2, where the eigenvalues are ±i/4 for every reward or alpha: nothing crosses."""
    field = Field(zoo.load("fig2"), "on-policy", reward=True)
    for parameter, mu in (({"kind": "alpha"}, "1"), ({"kind": "reward", "state": 1, "action": 0}, "-1")):
        fact = {"kind": "hopf-point", "field": field_json(field), "parameter": parameter}
        centre: dict[str, Any] = {"x": ["0", "0"], "value": mu, "omega": "1/4", "q": [["1", "0"], ["0", "1"]]}
        J = np.asarray(field.jacobian(np.zeros((2, 2))))
        low = J[3] - J[2]
        reduced = np.array([[(J[1] - J[0])[1], (J[1] - J[0])[3]], [low[1], low[3]]])
        omega = Fraction(float(np.sqrt(np.linalg.det(reduced))))
        assert abs(np.trace(reduced)) < 1e-12
        centre |= {"omega": str(omega), "q": [["1", "0"], ["0", str(omega / Fraction(float(reduced[0, 1])))]]}
        fact |= {"centre": centre, "radius": "1/1024", "pivot": 0, "value": ["-2", "2"], "omega": ["0.01", "9"]}
        fact |= {"l1": ["1/100", "1"], "speed": ["1/100", "1"], "unstable": 0, "side": -1}
        reason = refusal(fact)
        assert "singular" in reason or reason.startswith("radius: ")


def test_the_fact_is_not_changed() -> None:
    fact = true_fact()
    before = copy.deepcopy(fact)
    decide(fact)
    assert fact == before
