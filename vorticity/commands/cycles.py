"""The command `cycles`: rest points and periodic orbits of a field, with what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.commands import verify
from vorticity.text import options, render
from vorticity.text.options import Setting

if TYPE_CHECKING:
    from dynamics.fields import Field
    from dynamics.orbits import Orbit, RestPoint
    from proofs.certificates import Refusal
    from proofs.cycles import Absence, CycleProof, RestProof

Json = dict[str, Any]
ORBIT_POINTS = 201  # points of an orbit that --json prints
LARGEST_COMPLETE = 3  # coordinates up to which all rest points are sought with proof


@click.command()
@options.mdp_argument
@options.rule_option
@options.field_options
@options.seed_option
@click.option("--prove", is_flag=True, help="Prove that the cycles exist, and that no rest point is missing.")
@click.option("--certificates", metavar="DIR", help="Write what is proved to this folder, for `vorticity check`.")
@click.option("--starts", type=click.IntRange(1, 1000), default=6, help="Flows to follow (default 6).")
@options.json_option
def cycles(
    model: str,
    rule: str,
    setting: Setting,
    seed: int,
    starts: int,
    prove: bool,
    certificates: str | None,
    as_json: bool,
) -> None:
    """Rest points and periodic orbits, with period, multipliers and stability.

    Each rest point with its eigenvalues and type, each isolated periodic orbit, attracting or (in the plane) repelling,
    with its Floquet multipliers: found by integration and Newton shooting. --prove turns them into theorems by interval
    arithmetic: how many rest points there are within 12 nats of 0 (up to three coordinates), and for each orbit that it
    exists, by a ring round it that traps it (in the plane) and by Krawczyk's operator, which encloses its period;
    where no orbit is found, that there is none, if that can be proved.

    \b
    Examples:
      vorticity cycles swirl --rule reverse-kl --reward
      vorticity cycles aliased-cycle --rule on-policy --reward --json
      vorticity cycles swirl --rule reverse-kl --reward --starts 1 --prove --certificates made
    """
    from dynamics.orbits import inventory
    from dynamics.rules import label
    from proofs.certificates import Refusal

    world = options.load_mdp(model, setting.teacher)
    field = options.load_field(world, rule, setting)
    if certificates is not None and not prove:
        raise ValueError("--certificates holds what is proved; it needs --prove")
    folder = None if certificates is None else verify.writable(Path(certificates))
    found = inventory(field, n_starts=starts, seed=seed)
    rests = _rests(field) if prove else None
    proofs = [_proved(field, orbit) if prove else None for orbit in found.orbits]
    absence = _absence(field) if prove and not found.orbits and found.family is None else None
    paths = [None if folder is None else _save(proof, folder, k) for k, proof in enumerate(proofs)]
    if folder is not None and rests is not None and not isinstance(rests, str):
        _save_rests(field, rests, folder)
    if folder is not None and absence is not None and not isinstance(absence, Refusal):
        _write(field, str(absence), absence.facts, None, folder / "no-cycle.json")
    if as_json:
        listed = [_orbit_json(*row) for row in zip(found.orbits, proofs, paths, strict=True)]
        answer: Json = {"cycles": listed, "rest_points": [_rest_json(point) for point in found.rest_points]}
        answer |= {
            "no_cycle": None if absence is None else str(absence),
            "searched": found.searched,
            "all_rest_points": None if rests is None else _complete_json(rests),
        }
        render.print_json(answer)
    else:
        render.say(f"{label(field.rule)} on {world.name}, control {field.control}, alpha {setting.alpha}")
        _table(["rest point (logits)", "type", "eigenvalues", "residual"], map(_rest_row, found.rest_points))
        if rests is not None:
            types = "" if isinstance(rests, str) else ", ".join(point.type for point in rests.points)
            print(f"rest points: {rests}{f' ({types})' if types else ''}")
        _table(
            ["cycle: period", "stable", "multipliers", "trivial - 1", "peak to peak (logits)"], map(_row, found.orbits)
        )
        if absence is not None:
            print(f"no cycle: {absence}")
        for proof, path in zip(proofs, paths, strict=True):
            if proof is not None:
                enclosed = "" if proof.period is None else f", period in [{', '.join(proof.period)}]"
                print(f"cycle: {proof.status}{enclosed}\n  " + proof.method.replace("; ", "\n  "))
            if path is not None:
                print(f"  certificate: {path}")
        if found.family is not None:
            print(f"a family of closed orbits, one of period {found.family.period:.10g}: none of them is isolated")
        print(f"searched: {found.searched}; numerical, not proved{' but for what says so' if prove else ''}")
    render.notes(field.warnings)


def _table(headers: list[str], rows: Iterable[list[str]]) -> None:
    listed = list(rows)
    if listed:
        render.table(headers, listed)
    else:
        print(f"no {headers[0].split()[0].rstrip(':')}{' point' * headers[0].startswith('rest')} found")


def _rest_row(point: RestPoint) -> list[str]:
    numbers = _numbers(point.theta.tolist()), _numbers(point.eigenvalues.tolist())
    return [numbers[0], point.type, numbers[1], render.number(point.residual, 2)]


def _row(orbit: Orbit) -> list[str]:
    return [
        f"{orbit.period:.10g}",
        "yes" if orbit.stable else "no",
        _numbers(orbit.multipliers.tolist()),
        render.number(abs(orbit.trivial - 1), 2),
        _numbers(orbit.amplitude.tolist()),
    ]


def _numbers(values: Any) -> str:
    """Nested numbers, short; complex ones as a + bi where they are not real."""
    if isinstance(values, list):
        return "[" + ", ".join(_numbers(x) for x in values) + "]"
    value = complex(values)
    if abs(value.imag) <= 1e-14 * abs(value):
        return render.number(value.real, 6)
    return f"{value.real:.6g}{value.imag:+.6g}i"


def _rests(field: Field) -> RestProof | str:
    """The rest points near 0, all of them, proved; or why that was not tried."""
    from dynamics.fields import reduced
    from dynamics.orbits import WINDOW
    from proofs.cycles import certified_rest_points

    n = reduced(field).size
    if n > LARGEST_COMPLETE:
        return f"in {n} coordinates boxes are too many to prove that none is missing (at most {LARGEST_COMPLETE})"
    try:
        return certified_rest_points(field, (-WINDOW, WINDOW))
    except ValueError as error:
        return f"not proved to be all: {error}"


def _absence(field: Field) -> Absence | Refusal:
    from proofs.cycles import prove_absence

    return prove_absence(field)


def _proved(field: Field, orbit: Orbit) -> CycleProof:
    from proofs.cycles import prove_cycle

    return prove_cycle(field, orbit)


def _save(proof: CycleProof | None, folder: Path, k: int) -> Path | None:
    """Write what was proved of an orbit as a certificate; None where there is nothing."""
    if proof is None or proof.status != "proved":
        return None
    return _write(proof.field, "a periodic orbit exists", proof.facts(), proof.method, folder / f"cycle-{k + 1}.json")


def _save_rests(field: Field, rests: RestProof, folder: Path) -> None:
    if rests.complete and not field.problem.gated:
        _write(field, str(rests), [rests.fact()], "branch and bound", folder / "rest-points.json")


def _write(field: Field, says: str, facts: list[Json], argument: str | None, path: Path) -> Path:
    from dynamics.rules import label
    from proofs.certificates import certificate, write
    from proofs.checker import check

    name = f"{label(field.rule)} on {field.mdp.name or 'this MDP'}"
    statement = f"{name}, control {field.control}, alpha {field.alpha}: {says}"
    write(certificate(path.stem, statement, "proved", facts, argument, "vorticity cycles --prove"), path)
    report = check(path)
    if not report.valid:
        render.note(f"{path}: proved, but the independent checker cannot confirm it: {report.reason}")
    return path


def _complete_json(rests: RestProof | str) -> Json:
    if isinstance(rests, str):
        return {"complete": None, "statement": rests, "points": []}
    points = [{"box": [*zip(p.box.lo.tolist(), p.box.hi.tolist(), strict=True)], "type": p.type} for p in rests.points]
    return {"complete": rests.complete, "statement": str(rests), "points": points}


def _orbit_json(orbit: Orbit, proof: CycleProof | None, path: Path | None) -> Json:
    step = max(1, (len(orbit.theta) - 1) // (ORBIT_POINTS - 1))
    return {
        "period": orbit.period,
        "orbit": orbit.theta[::step],
        "multipliers": orbit.multipliers.astype(complex),
        "trivial_error": abs(orbit.trivial - 1),
        "stable": orbit.stable,
        "amplitude": orbit.amplitude,
        "status": "numerical" if proof is None else proof.status,
        "method": "Newton shooting and the variational equation" if proof is None else proof.method,
        "period_enclosure": None if proof is None else proof.period,
        "certificate": None if path is None else str(path),
    }


def _rest_json(point: RestPoint) -> Json:
    return {
        "theta": point.theta,
        "eigenvalues": point.eigenvalues.astype(complex),
        "type": point.type,
        "residual": point.residual,
    }
