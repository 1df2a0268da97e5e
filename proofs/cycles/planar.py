"""Periodic orbits of planar systems, proved (method B: a trapping box around one source).

On the four closed faces of a box the field points strictly inward, so that no trajectory leaves; in the box there is
exactly one rest point, and it is a source: trace and determinant of its Jacobian are positive. Then a trajectory that
starts near the source leaves its neighbourhood and never comes back to it, stays in the box, and so by Poincaré and
Bendixson winds onto a periodic orbit. `proofs.cycles.annulus` (method A) says in addition where the orbit is.
Source: Guckenheimer and Holmes, *Nonlinear Oscillations*, theorem 1.8.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import VectorField
from proofs.certificates import Json, Refusal, box_json, field_of, where
from proofs.cycles.rest_points import RestProof, certified_rest_points, region
from proofs.enclosures import Interval, System, field_and_jacobian, scaled, system

FARTHEST = 40.0  # faces are not sought farther from 0 than this
STEP = 0.5  # a face where the field points outward somewhere is moved by this much
SAMPLES = 17  # points along an edge of a box in the search for one
PIECES, DEEPEST = 32, 12  # a face is looked at in so many pieces, each halved so often


@dataclass(frozen=True, eq=False)
class TrappingBox:
    """A box (2,) that no trajectory leaves, with exactly one rest point in it, a source: it holds a periodic orbit."""

    system: System
    box: Interval
    rest: RestProof

    kind = "trapping-box"

    def __str__(self) -> str:
        return (
            f"a periodic orbit in {where(self.box)}, proved: no trajectory leaves, the one rest point in it is a source"
        )

    def fact(self) -> Json:
        """The fact of a certificate. Raises ValueError for a system that is no field of an MDP."""
        (point,) = self.rest.points
        return {
            "kind": self.kind,
            "field": field_of(self.system),
            "box": box_json(self.box),
            "rest_point": box_json(point.box),
        }


def prove_planar(field: VectorField | System) -> TrappingBox | Refusal:
    """A proof that a planar field has a periodic orbit, or why there is none.

    Raises ValueError for fields that cannot be enclosed (`proofs.enclosures.systems.system`).

    >>> from vorticity import Field
    >>> from mdp import zoo
    >>> bool(prove_planar(Field(zoo.load("bandit"), "on-policy", reward=True)))
    False
    """
    at = field if isinstance(field, System) else system(field)
    reason = unfit(at)
    if reason is not None:
        return Refusal(reason)
    box = find_box(at)
    return box if isinstance(box, Refusal) else trapping_box(at, box)


def trapping_box(field: VectorField | System, box: ArrayLike | Interval) -> TrappingBox | Refusal:
    """The proof that this box, one range [lo, hi] or one for each coordinate, traps a periodic orbit."""
    at = field if isinstance(field, System) else system(field)
    reason = unfit(at)
    if reason is not None:
        return Refusal(reason)
    inside = box if isinstance(box, Interval) else region(box, 2)
    leak = outward(at, inside)
    if leak is not None:
        return Refusal(leak)
    rest = certified_rest_points(at, np.stack([inside.lo, inside.hi], 1))
    if not rest.complete:
        return Refusal(f"{rest}")
    if len(rest.points) != 1:
        return Refusal(f"the box holds {len(rest.points)} rest points; must be one")
    kind = rest.points[0].type
    if kind != "source":
        return Refusal(f"the rest point in the box is {article(kind)}; must be a source")
    return TrappingBox(at, inside, rest)


def unfit(at: System) -> str | None:
    """Why the theorems about planar flows do not speak of a system; None where they do."""
    if at.size != 2:
        return f"the field has {at.size} coordinates; Poincaré and Bendixson's theorem needs 2"
    if at.field is not None and at.field.problem.gated:
        return f"rule {at.field.rule.id!r} has a value gate, at which the field jumps; the theorem needs it continuous"
    return None


def article(kind: str) -> str:
    """A type of rest point in a sentence."""
    return "of undecided type" if kind == "undecided" else f"a {kind}"


# --- faces ------------------------------------------------------------------------------------------------------------


def outward(at: System, box: Interval) -> str | None:
    """None where the field points strictly inward on every closed face of a box (n,); else a sentence that says where
    that is false or not seen.

    >>> from proofs.enclosures.systems import from_function
    >>> inwards = from_function("inwards", 2, lambda x, y: [-x, -y])
    >>> outward(inwards, Interval(-np.ones(2), np.ones(2))) is None
    True
    """
    for i in range(at.size):
        for side, end in ((-1, box.lo), (1, box.hi)):
            lo, hi = box.lo.copy(), box.hi.copy()
            lo[i] = hi[i] = end[i]
            found = _face(at, Interval(lo, hi), i, side)
            if found is not None:
                return f"the field {found} the face x{i + 1} = {end[i]:g}"
    return None


def _face(at: System, face: Interval, i: int, side: int) -> str | None:
    """What is wrong on a face where coordinate i must fall (side 1) or rise (side −1)."""
    pieces = _pieces(face, i)
    for _ in range(DEEPEST):
        G = scaled(at, pieces)
        value = G.value[i] if G.signs.all() else field_and_jacobian(at, pieces)[0][i]
        speed = value if side < 0 else -value
        if (speed.hi <= 0).any():
            return "points outward somewhere on"
        pieces = _halves(pieces[:, ~(speed.lo > 0)])
        if not pieces.shape[1]:
            return None
    return "is not seen to point inward everywhere on"


def _pieces(face: Interval, i: int) -> Interval:
    """A face as boxes (n, B), cut along its widest coordinate."""
    wide = int(np.argmax(face.width))
    steps = np.linspace(face.lo[wide], face.hi[wide], PIECES + 1)
    steps[-1] = face.hi[wide]
    lo, hi = np.tile(face.lo[:, None], PIECES), np.tile(face.hi[:, None], PIECES)
    lo[wide], hi[wide] = steps[:-1], steps[1:]
    return Interval(lo, hi)


def _halves(boxes: Interval) -> Interval:
    """Every box in two, across its longest side."""
    index, every = boxes.width.argmax(0), np.arange(boxes.shape[1])
    lo, hi = boxes.lo.copy(), boxes.hi.copy()
    lo[index, every] = hi[index, every] = boxes.mid[index, every]
    return Interval(np.concatenate([boxes.lo, lo], 1), np.concatenate([hi, boxes.hi], 1))


def find_box(at: System) -> Interval | Refusal:
    """A candidate: a small box about 0 whose faces are pushed out while the field at sampled points points outward."""
    n = at.size
    lo, hi = np.full(n, -STEP), np.full(n, STEP)
    share = np.stack(np.meshgrid(*[np.linspace(0, 1, SAMPLES)] * n, indexing="ij")).reshape(n, -1)
    masks = [share[i] == end for i in range(n) for end in (0.0, 1.0)]
    while max(-lo.min(), hi.max()) <= FARTHEST:
        points = [lo[:, None] + share[:, mask] * (hi - lo)[:, None] for mask in masks]
        speeds = np.split(at.sampled(np.concatenate(points, 1)), np.cumsum([x.shape[1] for x in points])[:-1], 1)
        leaks = [not (speed[k // 2] * (1 - 2 * (k % 2)) > 0).all() for k, speed in enumerate(speeds)]
        if not any(leaks):
            return Interval(lo, hi)
        lo, hi = lo - STEP * np.array(leaks[::2]), hi + STEP * np.array(leaks[1::2])
    return Refusal(f"no box within [-{FARTHEST:g}, {FARTHEST:g}] was found that no trajectory leaves")
