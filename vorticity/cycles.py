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

Json = dict[str, Any]
ORBIT_POINTS = 201  # points of an orbit that --json prints


@click.command()
@options.mdp_argument
@options.rule_option
@options.field_options
@options.seed_option
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
    as_json: bool,
) -> None:
    """Rest points and periodic orbits, with period, multipliers and stability.

    Each rest point with its eigenvalues and type, each isolated periodic orbit, attracting or (in the plane) repelling,
    with its Floquet multipliers. Numerical: found by integration and Newton shooting, not proved, and not claimed to
    be all there is.

    \b
    Examples:
      vorticity cycles swirl --rule reverse-kl --reward
      vorticity cycles aliased-cycle --rule on-policy --reward --json
    """
    from dynamics.inventory import inventory

    world = options.load_mdp(model, teacher)
    field = options.load_field(world, rule, reward=reward, alpha=alpha, control=control)
    found = inventory(field, n_starts=starts, seed=seed)
    if as_json:
        listed = [_orbit_json(orbit) for orbit in found.orbits]
        rests = [_rest_json(point) for point in found.rest_points]
        render.print_json({"cycles": listed, "rest_points": rests, "searched": found.searched})
    else:
        render.say(f"{rule}{' + R' if reward else ''} on {world.name}, control {field.control}, alpha {alpha}")
        _table(["rest point (logits)", "type", "eigenvalues", "residual"], map(_rest_row, found.rest_points))
        _table(
            ["cycle: period", "stable", "multipliers", "trivial - 1", "peak to peak (logits)"], map(_row, found.orbits)
        )
        if found.family is not None:
            print(f"a family of closed orbits, one of period {found.family.period:.10g}: none of them is isolated")
        print(f"searched: {found.searched}; numerical, not proved")
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


def _orbit_json(orbit: Orbit) -> Json:
    step = max(1, (len(orbit.theta) - 1) // (ORBIT_POINTS - 1))
    return {
        "period": orbit.period,
        "orbit": orbit.theta[::step],
        "multipliers": orbit.multipliers.astype(complex),
        "trivial_error": abs(orbit.trivial - 1),
        "stable": orbit.stable,
        "amplitude": orbit.amplitude,
        "status": "numerical",
        "method": "Newton shooting and the variational equation",
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
