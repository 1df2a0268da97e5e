"""Is this policy-distillation update the gradient of anything, and if not, does it swirl?

The public face: what users need is a name of this module (`__all__` lists them); nothing else is meant to be imported.

>>> import vorticity as vt
>>> field = vt.Field(vt.load("swirl"), "reverse-kl", reward=True)
>>> vt.curl(field).verdict, vt.outcome(field, [[0, 0], [0, 0]]).kind
('not-gradient', 'cycle')

A name is loaded when it is first used, so that `import vorticity` takes no time. Types are in `__init__.pyi`.
"""

from __future__ import annotations

import sys
from importlib import import_module

__version__ = "0.1.0"

# Where each name comes from: the room, and `name=other` where it is called other there.
_FACE = {
    "mdp": "MDP Policy Student evaluation io load random softmax solve strategies student zoo",
    "dynamics.rules": "CROSS_ENTROPY ENTROPY KL OWN_LOSS REVERSE_CROSS_ENTROPY REVERSE_KL REWARD TABLE Rule"
    " structural_potential",
    "dynamics.fields": "Field FunctionField VectorField families in_chart",
    "dynamics.motion": "Trajectory ensemble flow iterate",
    "dynamics.sampling": "moments",
    "dynamics.orbits": "Inventory Orbit Outcome RestPoint cycles=inventory outcome rest_point rest_points shoot",
    "dynamics.bifurcations": "Diagram diagram hopf_points",
    "dynamics.learners": "discrete_outcome",
    "dynamics.choice": "choose side",
    "dynamics.portraits": "basins",
    "dynamics.drawing": "Picture explorer portrait save side_by_side",
    "proofs.exact": "Verdict curl=decide curl_of_all=decide_all exact_field generic",
    "proofs.certificates": "curl_fact generic_json write_certificate=write",
    "proofs.cycles": "certified_rest_points prove_cycle prove_orbit",
    "proofs.claims": "CLAIMS Claim Finding to_certificate verify",
    "proofs.checker": "Report check",
    "vorticity": "formula",
}
_SOURCE = {
    entry.partition("=")[0]: (room, entry.rpartition("=")[2])
    for room, entries in _FACE.items()
    for entry in entries.split()
}
__all__ = sorted(_SOURCE)


def check_names() -> None:
    """Refuse to work where Python finds somebody else's `mdp`, `dynamics` or `proofs` before ours.

    All three are also packages on PyPI, and likely names of a user's own file. Raises ImportError, naming the file.
    """
    from pathlib import Path

    root = Path(__file__).resolve().parent.parent
    for name in ("mdp", "dynamics", "proofs"):
        found = _found(name)
        if found is None or Path(found).resolve().parent != root / name:
            raise ImportError(
                f"vorticity needs its own package {name!r}, but Python finds {found or 'none'} first: "
                "rename that, or keep it off Python's path"
            )


def _found(name: str) -> str | None:
    """The file that Python takes for this package, or has taken; None where there is none."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    from importlib.util import find_spec

    spec = find_spec(name)
    return spec.origin if spec is not None else None


def _suggestion(name: str) -> str:
    """The nearest name as a question; of two names that differ by capitals the one that starts alike."""
    from difflib import get_close_matches

    alike = {known.lower(): known for known in sorted(__all__, key=lambda x: x[0].isupper() == name[:1].isupper())}
    found = [] if name.startswith("_") else get_close_matches(name.lower(), alike, n=1)
    return f"; did you mean {alike[found[0]]!r}?" if found else ""


def __getattr__(name: str) -> object:
    if name not in _SOURCE:
        raise AttributeError(f"module 'vorticity' has no attribute {name!r}{_suggestion(name)}")
    check_names()
    room, there = _SOURCE[name]
    held = vars(import_module(room))
    value = held[there] if there in held else import_module(f"{room}.{there}")
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if (ipython := sys.modules.get("IPython")) is not None and (shell := ipython.get_ipython()) is not None:
    import_module("vorticity.text.notebooks").register(shell)
