"""An outcome in one sentence, numbers in few digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynamics.orbits import Outcome

Json = dict[str, Any]


def sentence(found: Outcome, discrete: float | None = None) -> str:
    """The outcome in one sentence."""
    unit = "steps" if discrete is not None else "time of F"
    facts = found.evidence
    beyond = _beside_the_ode(facts)
    if found.kind == "cycle":
        family = {True: ", isolated", False: ", one of a family of closed orbits", None: ""}[found.isolated]
        sizes = facts.get("amplitude_log_odds", found.amplitude.tolist())
        what = "log-odds" if "amplitude_log_odds" in facts else "parameters"
        if facts.get("form") == "invariant circle":
            turns = f"an invariant circle, {found.period:.7g} steps a turn"
        elif discrete is not None:
            turns = f"period {found.period:.0f}: {found.period:.0f} points visited in turn"
        else:
            turns = f"period {found.period:.10g} ({unit}){family}"
        return f"cycle, {turns}; peak-to-peak {what} {brief(sizes)}{beyond}"
    if found.kind == "rest":
        when = f"{'will be ' if facts.get('extrapolated') else ''}there by {facts['settled_by']:.6g} ({unit})"
        return f"rest at theta = {brief(found.at.tolist())}, {when}{beyond}"
    if found.kind == "boundary":
        pure = ", ".join(f"{s} → {a}" for s, a in facts["deterministic"].items())
        return f"runs to the boundary of the simplex; deterministic: {pure or 'no state as a whole'}"
    return ("diverged" if found.kind == "diverged" else f"undecided: {facts.get('note', 'see the evidence')}") + beyond


BORN = {
    ("flip", "supercritical"): "beyond it two points in turn attract",
    ("flip", "subcritical"): "its basin shrinks to nothing there, bounded by two repelling points",
    ("Neimark–Sacker", "supercritical"): "beyond it an invariant circle attracts",
    ("Neimark–Sacker", "subcritical"): "its basin shrinks to nothing there, bounded by a repelling circle",
}


def _beside_the_ode(facts: Json) -> str:
    """What the evidence of an iteration says of the step: the largest that rests, or whether this is an artefact."""
    limit = facts.get("step_limit")
    if limit is not None and limit["eta"] is not None:
        born = BORN.get((limit["kind"], limit["criticality"]))
        said = f"{limit['kind']}{'; ' + born if born else ''}"
        return f"; this point attracts for steps below eta* = {limit['eta']:.8g} ({said})"
    if "artefact_of_step" not in facts:
        return ""
    verdict = {
        True: "an artefact of the step size",
        False: "not an artefact of the step size",
        None: "whether that is an artefact of the step size is not told",
    }[facts["artefact_of_step"]]
    return f"; {verdict}: {facts['artefact_reason']}"


def brief(value: Any, digits: int = 7) -> str:
    """A value in few digits, lists within brackets."""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} → {brief(one, digits)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(brief(one, digits) for one in value[:12])
        return f"[{shown}{', …' if len(value) > 12 else ''}]"
    return str(value)
