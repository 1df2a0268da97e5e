"""The command `cycles`: rest points and periodic orbits of a field, with what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from vorticity import options, render

if TYPE_CHECKING:
    from dynamics.cycles import Orbit
    from dynamics.equilibria import RestPoint
    from dynamics.field import Field
    from proofs.annulus import Annulus
    from proofs.planar import Refusal
    from proofs.rest import RestProof

Json = dict[str, Any]
ORBIT_POINTS = 201  # points of an orbit that --json prints


@click.command()
@options.mdp_argument
@options.rule_option
@options.field_options
@options.seed_option
@click.option("--certify", is_flag=True, help="Prove that the list of rest points is complete, and planar cycles.")
@click.option("--starts", type=click.IntRange(1, 1000), default=6, help="Flows to follow (default 6).")
@options.json_option
def cycles(
    model: str,
    rule: str,
    reward: bool,
    alpha: Fraction,
    control: str | None,
    teacher: str | None,
    seed: int,
    starts: int,
    certify: bool,
    as_json: bool,
) -> None:
    """Rest points and periodic orbits, with period, multipliers and stability.

    Each rest point with its eigenvalues and type, each isolated periodic orbit, attracting or (in the plane) repelling,
    with its Floquet multipliers. Numerical: found by integration and Newton shooting, not proved, and not claimed to
    be all there is. --certify proves, by interval arithmetic, how many rest points there are within 12 nats of 0 and
    of which type, and for two coordinates that a periodic orbit lies in a ring about each one found.

    \b
    Examples:
      vorticity cycles swirl --rule reverse-kl --reward
      vorticity cycles aliased-cycle --rule on-policy --reward --json
      vorticity cycles swirl --rule reverse-kl-corrected --reward --starts 1 --certify
    """
    from dynamics.inventory import inventory

    world = options.load_mdp(model, teacher)
    field = options.load_field(world, rule, reward=reward, alpha=alpha, control=control)
    proof = _certified(field) if certify else None
    found = inventory(field, n_starts=starts, seed=seed)
    rings = [_ring(field, orbit) if certify else None for orbit in found.orbits]
    if as_json:
        listed = [_orbit_json(orbit, ring) for orbit, ring in zip(found.orbits, rings, strict=True)]
        rests = [_rest_json(point) for point in found.rest_points]
        answer: Json = {"cycles": listed, "rest_points": rests, "searched": found.searched}
        render.print_json(answer | {"certified": None if proof is None else _proof_json(proof)})
    else:
        render.say(f"{rule}{' + R' if reward else ''} on {world.name}, control {field.control}, alpha {alpha}")
        _table(["rest point (logits)", "type", "eigenvalues", "residual"], map(_rest_row, found.rest_points))
        _table(
            ["cycle: period", "stable", "multipliers", "trivial - 1", "peak to peak (logits)"], map(_row, found.orbits)
        )
        if found.family is not None:
            print(f"a family of closed orbits, one of period {found.family.period:.10g}: none of them is isolated")
        if proof is not None:
            types = ", ".join(point.type for point in proof.points)
            print(f"rest points: {proof}{f' ({types})' if types else ''}")
        for ring in rings:
            if ring is not None:
                print(f"cycle: {ring}")
        print(f"searched: {found.searched}; numerical, not proved{' but for what says so' if certify else ''}")
    for warning in field.warnings:
        render.note(warning)


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


def _certified(field: Field) -> RestProof:
    from dynamics.inventory import WINDOW
    from proofs.rest import certified_rest_points

    return certified_rest_points(field, (-WINDOW, WINDOW))


def _ring(field: Field, orbit: Orbit) -> Annulus | Refusal:
    from proofs.annulus import annulus

    return annulus(field, orbit)


def _proof_json(proof: RestProof) -> Json:
    points = [{"box": [*zip(p.box.lo.tolist(), p.box.hi.tolist(), strict=True)], "type": p.type} for p in proof.points]
    return {"complete": proof.complete, "statement": str(proof), "points": points}


def _orbit_json(orbit: Orbit, ring: Annulus | Refusal | None) -> Json:
    step = max(1, (len(orbit.theta) - 1) // (ORBIT_POINTS - 1))
    return {
        "period": orbit.period,
        "orbit": orbit.theta[::step],
        "multipliers": orbit.multipliers.astype(complex),
        "trivial_error": abs(orbit.trivial - 1),
        "stable": orbit.stable,
        "amplitude": orbit.amplitude,
        "status": "proved" if ring else "numerical",
        "method": str(ring) if ring else "Newton shooting and the variational equation",
        "period_enclosure": None,
        "certificate": None,
    }


def _rest_json(point: RestPoint) -> Json:
    return {
        "theta": point.theta,
        "eigenvalues": point.eigenvalues.astype(complex),
        "type": point.type,
        "residual": point.residual,
    }
