"""The command `bifurcation`: rest points and cycles of a family along one parameter, as tables and as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vorticity.text import options, render
from vorticity.text.options import Setting

if TYPE_CHECKING:
    from dynamics.bifurcations import Branch, CycleCurve, Diagram, HopfPoint
    from dynamics.fields import Family
    from mdp import MDP

PARAMETERS = ("alpha", "sharpness", "discount", "mixture", "teacher:ACTION", "reward:STATE:ACTION")

ENDS = {
    "stop": "end of the interval",
    "start": "turned back",
    "most": "too many points",
    "lost": "not followed further",
}


def _number(_context: click.Context, parameter: click.Parameter, text: str) -> float:
    from mdp import rational

    return float(rational(text, parameter.opts[0]))


@click.command()
@options.mdp_argument
@options.rule_option
@click.option(
    "--in",
    "parameter",
    metavar="P",
    required=True,
    help="alpha, sharpness (of the teacher), discount, mixture (the teacher's share of the steps), teacher:ACTION (its "
    "probability in all states) or reward:STATE:ACTION (with +R).",
)
@click.option("--from", "start", metavar="A", required=True, callback=_number, help="The parameter's lower end.")
@click.option("--to", "stop", metavar="B", required=True, callback=_number, help="The parameter's upper end.")
@click.option("-o", "--output", metavar="FIG", help="Draw the diagram as well: .png, .svg or .pdf.")
@click.option("--coords", metavar="C", help="The coordinate drawn, as in s0 or s0:right (default: what moves most).")
@options.field_options
@options.seed_option
@click.option("--starts", type=click.IntRange(1, 1000), default=6, help="Flows to follow at A, B and between (6).")
@options.json_option
def bifurcation(
    model: str,
    rule: str,
    parameter: str,
    start: float,
    stop: float,
    output: str | None,
    coords: str | None,
    setting: Setting,
    seed: int,
    starts: int,
    as_json: bool,
) -> None:
    """Rest points and cycles along a parameter: where they appear, and how they end.

    Rest points found at A, at B and halfway, and cycles found there or born at the Hopf points, followed round their
    folds; Hopf points with the first Lyapunov coefficient l1; the intervals in which a stable cycle exists.
    Numerical, not proved. Takes minutes; Ctrl-C keeps what was computed.

    \b
    Examples:
      vorticity bifurcation swirl --rule reverse-kl --reward --in alpha --from 0.991 --to 0.9925 -o swirl.png
      vorticity bifurcation corridor-cycle --rule on-policy --reward --in teacher:right --from 0.985 --to 0.988 --json
    """
    from dynamics.bifurcations import diagram
    from dynamics.portraits import coordinate

    if output is not None:
        options.check_output(output, (".png", ".svg", ".pdf"))
    if not start < stop:
        raise ValueError(f"--from is {start:g}, --to {stop:g}; the first must be the smaller")
    world = options.load_mdp(model, setting.teacher)
    family, name = family_of(world, rule, parameter, setting)
    fields = [family(end) for end in (start, stop)]  # which refuses ends that the parameter cannot take
    drawn_at = None if coords is None else coordinate(fields[0], coords)
    with render.progress(f"following {name}") as tell:
        found = diagram(family, start, stop, name=name, n_starts=starts, seed=seed, progress=tell)
    title = f"{world.name}: {rule}{' + R' if setting.reward or parameter.startswith('reward:') else ''}"
    if output is not None:
        from dynamics.drawing import diagram_figure, save

        save(diagram_figure(found, coordinate=drawn_at, title=title), output)
    if as_json:
        common = {"mdp": world.name, "rule": rule, "reward": setting.reward, "alpha": float(setting.alpha)}
        render.print_json(common | {"file": output} | found.to_json())
    else:
        _print(found, f"{title}, {name} from {start:g} to {stop:g}")
        if output is not None:
            render.say(f"written: {output}")
    if not found.complete:
        render.note("interrupted: not all curves are there")


def family_of(world: MDP, rule: str, parameter: str, setting: Setting) -> tuple[Family, str]:
    """The family that `--in` names, and what its parameter is called.

    Raises ValueError for an unknown parameter, or an option that fixes the same thing.
    """
    from dynamics.fields import families
    from mdp import nearest

    kind, colon, rest = parameter.partition(":")
    known = {text.partition(":")[0] for text in PARAMETERS}
    if kind not in known or bool(colon) != (kind in ("teacher", "reward")) or (colon and not rest):
        wrong = nearest(parameter, PARAMETERS) if kind not in known else f"{parameter!r} is no parameter"
        raise ValueError(f"--in: {wrong}; must be one of {', '.join(PARAMETERS)}")
    row = options.load_rule(rule)
    held: dict[str, Any] = {"reward": setting.reward, "control": setting.control}
    if kind != "alpha":
        held["alpha"] = setting.alpha
    elif setting.alpha != 1:
        raise ValueError(f"--alpha is {setting.alpha} and --in is alpha; give one of them")
    if kind == "mixture" and setting.control is not None:
        raise ValueError(f"--control is {setting.control} and --in is mixture; give one of them")
    if kind == "teacher":
        action = _named(rest, world.actions)
        shown = world.actions[action] if isinstance(action, int) and action < len(world.actions) else action
        return families.teacher_family(world, row, action, **held), f"the teacher's probability of {shown}"
    if kind == "reward":
        state, colon, action_text = rest.rpartition(":")
        if not (colon and state):
            raise ValueError(f"--in: {parameter!r} names no state and action; must be reward:STATE:ACTION")
        place = _named(state, world.states), _named(action_text, world.actions)
        family = families.reward_family(world, row, *place, **held | {"reward": True})
        return family, f"the reward of {action_text} at {state}"
    if kind == "mixture":
        del held["control"]
        return families.mixture_family(world, row, **held), "W, the teacher's share of the steps"
    makers = {
        "alpha": (families.alpha_family, "alpha"),
        "sharpness": (families.sharpness_family, "sharpness of the teacher"),
        "discount": (families.discount_family, "discount"),
    }
    make, name = makers[kind]
    return make(world, row, **held), name


def _named(text: str, names: tuple[str, ...]) -> int | str:
    """A name as it is, the number of one as a number."""
    return int(text) if text not in names and text.isdecimal() else text


# --- in print ---------------------------------------------------------------------------------------------------------


def _print(found: Diagram, title: str) -> None:
    render.say(title)
    rests = [row for curve in found.rests for row in _rest_rows(curve.branch)]
    _table(["rest points from", "to", "stable", "largest real part", "end"], rests, "no rest point found")
    _table(
        ["Hopf point at", "kind", "l1", "omega", "period", "cycles"], map(_hopf_row, found.hopf), "no Hopf point found"
    )
    folds = [[f"{c.branch.parameter[k]:.10g}", "rest points", "-"] for c in found.rests for k in c.branch.folds]
    folds += [[f"{c.parameter[k]:.10g}", "cycles", f"{c.orbits[k].period:.8g}"] for c in found.cycles for k in c.folds]
    _table(["fold at", "of", "period"], folds, "no fold found")
    stable = [row for curve in found.cycles for row in _stable_rows(curve)]
    _table(["stable cycle from", "to", "lower end", "upper end", "periods"], stable, "no stable cycle found")
    for curve in found.cycles:
        if not curve.stable.any():
            p = curve.parameter
            render.say(f"a cycle that is stable nowhere from {p.min():.10g} to {p.max():.10g}: {'; '.join(curve.ends)}")
    render.say(f"searched: {found.searched}; numerical, not proved")


def _table(headers: list[str], rows: Any, nothing: str) -> None:
    listed = list(rows)
    if listed:
        render.table(headers, listed)
    else:
        render.say(nothing)


def _rest_rows(branch: Branch) -> list[list[str]]:
    """A row for each stretch of a curve of rest points that is stable or unstable throughout."""
    rows, first = [], 0
    flags, p = branch.stable, branch.parameter
    for k in range(1, len(flags) + 1):
        if k == len(flags) or flags[k] != flags[first]:
            worst = branch.eigenvalues[first:k].real.max()
            # the located Hopf point or fold between two stretches is where both end
            last = min(k, len(flags) - 1) if k in (*branch.hopf, *branch.folds) else k - 1
            start = first - 1 if first and first - 1 in (*branch.hopf, *branch.folds) else first
            end = ENDS.get(branch.end, branch.end) if k == len(flags) else "stability changes"
            rows.append(
                [f"{p[start]:.10g}", f"{p[last]:.10g}", "yes" if flags[first] else "no", render.number(worst, 3), end]
            )
            first = k
    return rows


def _hopf_row(point: HopfPoint) -> list[str]:
    side = {1: "above", -1: "below", 0: "cannot tell"}[point.side]
    numbers = [f"{point.l1:+.6g}", f"{point.omega:.8g}", f"{point.period:.8g}"]
    what = "attracting" if point.kind == "supercritical" else "repelling"
    return [f"{point.parameter:.10g}", point.kind, *numbers, f"{what}, {side}" if point.side else side]


def _stable_rows(curve: CycleCurve) -> list[list[str]]:
    rows = []
    for low, high, below, above in curve.stable_intervals:
        inside = curve.stable & (curve.parameter >= low) & (curve.parameter <= high)
        periods = [orbit.period for orbit, here in zip(curve.orbits, inside, strict=True) if here]
        rows.append(
            [
                f"{low:.10g}",
                f"{high:.10g}",
                below,
                above,
                f"{min(periods):.6g} to {max(periods):.6g}" if periods else "-",
            ]
        )
    return rows
