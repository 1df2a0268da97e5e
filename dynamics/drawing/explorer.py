"""The explorer: one portrait that follows sliders (rule, reward, alpha, teacher's sharpness, coordinates), quickly.

`build` draws anew, as a pure function of the settings, or moves the arrows of a picture that it is given.
The sliders themselves are in `notebooks/03-explorer.ipynb`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from dynamics.fields import Field, to_power
from dynamics.rules import Rule
from mdp import MDP, Array

if TYPE_CHECKING:
    from dynamics.drawing.portraits import Picture

ARROWS = 30  # arrows a side
WINDOW = (-6.0, 6.0)  # nats
LAYERS = ("quiver", "nullclines")
DPI = 90  # fewer dots than a picture that is kept: drawing is most of the time


def sharpened(teacher: Array, sharpness: float) -> Array:
    """The teacher `∝ pi(a|s)^k`, (S, A): k = 1 the teacher, k = 0 uniform over its actions, large k deterministic.

    Zeros stay zeros. Raises ValueError when k is negative or not finite.

    >>> sharpened(np.array([[0.2, 0.8]]), 2.0).round(4).tolist()
    [[0.0588, 0.9412]]
    """
    if not (np.isfinite(sharpness) and sharpness >= 0):
        raise ValueError(f"sharpness is {sharpness}; must be finite and at least 0")
    return to_power(teacher, sharpness)


def field_of(mdp: MDP, rule: Rule | str, *, reward: bool = True, alpha: float = 1.0, sharpness: float = 1.0) -> Field:
    """The field at some settings of the sliders. Raises ValueError as `Field` and `sharpened` do.

    >>> from mdp import zoo
    >>> field_of(zoo.load("swirl"), "on-policy", sharpness=0.0).mdp.teacher.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    if mdp.teacher is not None and sharpness != 1:
        mdp = mdp.replace(teacher=sharpened(mdp.teacher, sharpness))
    return Field(mdp, rule, reward=reward, alpha=alpha)


def coordinates(mdp: MDP) -> list[str]:
    """Every pair of coordinates of the MDP's student, as `build` takes them.

    >>> from mdp import zoo
    >>> coordinates(zoo.load("corridor-cycle"))
    ['0,1', '0,2', '1,2']
    """
    if mdp.n_actions == 2:
        names = [str(o) for o in range(mdp.n_observations)]
    else:
        names = [f"{o}:{a}" for o in range(mdp.n_observations) for a in range(1, mdp.n_actions)]
    return [f"{one},{other}" for k, one in enumerate(names) for other in names[k + 1 :]]


def build(
    mdp: MDP,
    rule: Rule | str,
    *,
    reward: bool = True,
    alpha: float = 1.0,
    sharpness: float = 1.0,
    coords: str | None = None,
    window: tuple[float, float] = WINDOW,
    picture: Picture | None = None,
) -> Picture:
    """The portrait (30 × 30 arrows and nullclines) of a rule on an MDP, at some settings of the sliders.

    `coords` are two of the student's coordinates (see `coordinates`; default: the first two); the others are held at a
    rest point, if one is found, else 0. With a `picture` of the same MDP its arrows and nullclines are moved instead,
    which is quicker: the coordinates, the window and where the others are held stay that picture's, its figure is
    changed and belongs to the new one.
    Raises ValueError as `field_of` does, for a bad coordinate, or for an MDP with a single coordinate.

    >>> from mdp import zoo
    >>> first = build(zoo.load("swirl"), "reverse-kl")
    >>> build(zoo.load("swirl"), "n-distill", sharpness=0.5, picture=first).figure is first.figure
    True
    """
    from dynamics.drawing import portraits
    from dynamics.portraits import compose, name_of

    field = field_of(mdp, rule, reward=reward, alpha=alpha, sharpness=sharpness)
    title = name_of(field) + (f", teacher^{sharpness:g}" if sharpness != 1 else "")
    if picture is not None:
        return portraits.redraw(picture, field, title=title)
    pairs = coordinates(mdp)
    if not pairs:
        raise ValueError(f"MDP {mdp.name!r} has a single coordinate; a portrait needs two")
    drawn = compose.geometry(field, window, window, LAYERS, coords or pairs[0], arrows=ARROWS)
    return portraits.portrait(field, geometry=drawn, title=title)


def png(picture: Picture) -> bytes:
    """The picture as a PNG image for the screen, at 90 dots an inch.

    >>> from mdp import zoo
    >>> png(build(zoo.load("swirl"), "reverse-kl"))[1:4]
    b'PNG'
    """
    held = io.BytesIO()
    picture.figure.savefig(held, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
    return held.getvalue()
