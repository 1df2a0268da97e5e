"""Claims and certificates: every verdict as expected, every certificate re-checked, and both can fail."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dynamics.fields import Field
from dynamics.rules import CROSS_ENTROPY, REWARD, TABLE
from mdp import zoo
from proofs.certificates import certificate, generic_json, term, write
from proofs.certificates.format import fingerprint
from proofs.checker import check
from proofs.claims import CLAIMS, chosen, to_json
from proofs.claims.claim import Claim, Ledger, Step, verdict_of
from proofs.claims.variance import estimator_variance
from proofs.claims.verification import save, to_certificate, verify
from vorticity.commands.main import main

QUICK = [name for name, claim in CLAIMS.items() if claim.quick]
SLOW = [name for name in CLAIMS if name not in QUICK]


@pytest.mark.parametrize("name", QUICK + [pytest.param(name, marks=pytest.mark.slow) for name in SLOW])
def test_verdicts_are_as_expected_and_certificates_valid(name: str, tmp_path: Path) -> None:
    finding = verify(CLAIMS[name])
    assert finding.as_expected, finding.failed
    assert len(finding.steps) >= 3 and finding.facts
    path = save(finding, tmp_path)
    assert path is not None and path.name == f"{name}.json"
    report = check(path)
    assert report.valid and report.n_facts == len(finding.facts), report.reason
    assert report.error_bound < 2**-60


def test_claims_are_whole() -> None:
    for claim in CLAIMS.values():
        for text in (claim.statement, claim.latex, claim.hypotheses, claim.source, claim.how, claim.argument):
            assert text.strip()
        assert claim.expected in ("proved", "supported")


def test_another_seed_gives_the_same_verdicts() -> None:
    for name in ("G1", "P1", "P2"):
        assert verify(CLAIMS[name], seed=7).as_expected


def test_a_broken_row_makes_its_claims_fall() -> None:
    """More of them, and of broken engines, in test_mutants.py."""
    broken = dict(TABLE) | {"n-distill": dataclasses.replace(TABLE["n-distill"], loss=-CROSS_ENTROPY)}
    finding = verify(CLAIMS["T2"], table=broken)
    assert finding.verdict == "refuted" and finding.failed and to_certificate(finding) is None
    assert verify(CLAIMS["C3"], table=broken).as_expected  # which says nothing of n-distill


def test_a_check_that_stops_decides_nothing() -> None:
    def stop(_ledger: Ledger) -> None:
        raise ValueError("no such field")

    claim = Claim("X", "", "", "", "", "", "", "", stop)
    found = verify(claim)
    assert found.verdict == "undecided" and "no such field" in found.open[0] and not found.as_expected


def test_verdicts_add_up() -> None:
    yes, no, open_, seen = (
        Step("", True, "exact"),
        Step("", False, "numerical"),
        Step("", None, "exact"),
        Step("", True, "numerical"),
    )
    assert [verdict_of(steps) for steps in ([], [yes], [yes, seen], [yes, open_], [open_, no])] == [
        "undecided",
        "proved",
        "supported",
        "undecided",
        "refuted",
    ]


def test_a_changed_number_is_caught_though_the_hash_is_recomputed() -> None:
    made = to_certificate(verify(CLAIMS["T1"]))
    assert made is not None and check(made).valid
    changed = json.loads(json.dumps(made))
    fact = next(fact for fact in changed["facts"] if fact["kind"] == "not-a-gradient" and "value" in fact)
    fact["value"] = "1/7"
    assert not check(changed).valid and "hash" in str(check(changed).reason)
    changed["hash"] = fingerprint(changed)
    assert not check(changed).valid and "not-a-gradient" in str(check(changed).reason)


def test_names_are_suggested() -> None:
    with pytest.raises(ValueError, match="the nearest is 'runaway'"):
        chosen(["runaways"])
    assert chosen([]) == list(CLAIMS.values()) and len(chosen(["T1", "T1"])) == 1


def test_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        write({"a": 1}, tmp_path / "missing" / "x.json")
    write({"a": 1}, tmp_path / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_terms() -> None:
    with pytest.raises(ValueError, match="in a term"):
        term("f(x)")
    assert term("-x") == ["-", "0", "x"]


# --- the command ------------------------------------------------------------------------------------------------------

Capture = pytest.CaptureFixture[str]


def test_verify_and_check_commands(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "certificates"
    assert main(["verify", "T1", "p4", "--certificates", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [claim["id"] for claim in answer["claims"]] == ["T1", "P4"]
    assert all(claim["verdict"] == claim["expected"] == "proved" for claim in answer["claims"])
    assert set(answer["claims"][0]) == {"id", "verdict", "expected", "evidence", "seconds", "certificate"}
    files = [claim["certificate"] for claim in answer["claims"]]
    assert main(["check", *files]) == 0
    assert capsys.readouterr().out.count(": valid: ") == 2
    broken = json.loads(Path(files[0]).read_text("utf-8")) | {"claim": "T9"}
    Path(files[0]).write_text(json.dumps(broken), "utf-8")
    assert main(["check", *files, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["certificates"]
    assert [one["valid"] for one in told] == [False, True] and "hash" in told[0]["reason"]


def test_verify_says_what_fell(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def check_nothing(ledger: Ledger) -> None:
        ledger.note("one is two", False)

    monkeypatch.setitem(CLAIMS, "T1", dataclasses.replace(CLAIMS["T1"], check=check_nothing))
    assert main(["verify", "T1", "--steps"]) == 1
    shown = capsys.readouterr()
    assert "refuted (expected proved)" in shown.out and "FAILS (exact): one is two" in shown.out
    assert "one is two" in shown.err


def test_what_was_found_is_printed_when_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def stop(_ledger: Ledger) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(CLAIMS, "P1", dataclasses.replace(CLAIMS["P1"], check=stop))
    assert main(["verify", "T1", "P1"]) == 130
    assert "1 of 1 claims as expected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["verify", "T7"], "claim: unknown 'T7'"),
        (["check", "missing.json"], "missing.json"),
        (["check"], "Missing argument"),
        (["check", "."], "vorticity: error: .: "),
        (["check", "bad.json"], "bad.json: no JSON"),
        (["curl", "chain", "--rule", "er", "--certificate", "no/x.json"], "error: no/x.json: No such file"),
        (["verify", "T1", "--certificates", "bad.json"], "bad.json"),
        (["curl", "all:9x9", "--rule", "er"], "must be one of"),
        (["curl", "all:2", "--rule", "er"], "must be all:SxA"),
        (["curl", "all:2x2", "--rule", "er", "--alpha", "2"], "every teacher and every alpha"),
        (["curl", "bandit", "--rule", "value-gate", "--certificate", "x.json"], "nothing to certify"),
    ],
)
def test_bad_input(
    args: list[str], words: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text("no", "utf-8")
    assert main(args) == 2
    shown = capsys.readouterr().err
    assert words in shown and shown.count("\n") == 1


def test_findings_as_json() -> None:
    answer = to_json(verify(CLAIMS["E1"]), None)
    assert answer["certificate"] is None and answer["evidence"]["steps"]
    json.dumps(answer, allow_nan=False)


@pytest.mark.parametrize(
    "args",
    [
        ["swirl", "--rule", "reverse-kl", "--reward"],
        ["swirl", "--rule", "on-policy", "--alpha", "1/3", "--control", "mix:1/4"],
        ["aliased-cycle", "--rule", "n-distill", "--reward"],
        ["fig2", "--rule", "teacher"],
        ["bandit", "--rule", "on-policy"],
        ["all:2x2", "--rule", "er", "--reward"],
        ["all:1x3", "--rule", "bootstrap"],
    ],
)
def test_every_verdict_of_curl_can_be_certified(
    args: list[str], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["curl", *args, "--certificate", "made.json"]) == 0
    assert main(["check", "made.json"]) == 0
    assert "valid" in capsys.readouterr().out


def test_rules_of_ones_own_are_certified_too(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from dynamics.rules.formula import after, log, log_p, p, t, total\n"
        "from dynamics.rules.table import Rule\n"
        "skew = total(p * (log_p - log((p + t) / 2)))\n"
        "plain = Rule('skew', 'skewed KL', 'student', loss=skew)\n"
        "fixed = Rule('skew-fixed', 'corrected', 'student', loss=skew, reward=-after(skew))\n",
        "utf-8",
    )
    for name, verdict in (("plain", "not-gradient"), ("fixed", "gradient")):
        assert main(["curl", "swirl", "--rule", f"mine.py:{name}", "--reward", "--certificate", "made.json"]) == 0
        assert f": {verdict}" in capsys.readouterr().out
        assert main(["check", "made.json"]) == 0


def test_claims_show_their_formula() -> None:
    for claim in CLAIMS.values():
        text = claim._repr_latex_()
        assert text.startswith("$") and text.endswith("$") and claim.latex in text
        assert text.count("{") == text.count("}") and text.count(r"\left") == text.count(r"\right")


def test_variances_are_the_checkers() -> None:
    """Every row without a gate, +R or not: the enumerated variance passes the checker, which shares nothing with it."""
    half = np.full((2, 2), Fraction(1, 2), dtype=object)
    for name in TABLE:
        if name == "value-gate":
            continue
        for reward in (False, True):
            _, fact = estimator_variance(Field(zoo.load("chain"), name, reward=reward), half)
            report = check(certificate("variance", "a variance", "proved", [fact]))
            assert report.valid, (name, reward, report.reason)
    with pytest.raises(ValueError, match="value gate"):
        estimator_variance(Field(zoo.load("chain"), "value-gate"), half)


def test_a_row_with_reward_is_the_tables_own() -> None:
    for name, rule in TABLE.items():
        for given in (rule, rule + REWARD):
            assert "row" not in generic_json(given, 2, 2, reward=True), name
    assert "row" in generic_json(dataclasses.replace(TABLE["n-distill"], loss=-CROSS_ENTROPY), 2, 2, reward=True)


def test_means_are_known() -> None:
    with pytest.raises(ValueError, match="means is 'typo'"):
        Ledger(TABLE).note("1 = 1", True, means="typo")
