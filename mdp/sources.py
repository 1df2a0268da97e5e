"""Where a model comes from: the zoo's name for it, or a file."""

from __future__ import annotations

import os
from pathlib import Path

from mdp import io, zoo
from mdp.model import MDP


def load(source: str | os.PathLike[str]) -> MDP:
    """The zoo's MDP of that name ("swirl", "corridor:5"), else the MDP in that JSON or NPZ file.

    A path object always names a file. Raises ValueError that suggests the nearest name, or names the file and what is
    wrong with it.

    >>> load("swirl")
    MDP('swirl': 2 states, 2 actions, 2 observations, discount 97/100)
    """
    if isinstance(source, str) and (source.partition(":")[0] in zoo.names() or not is_path(source)):
        return zoo.load(source)
    return io.read(source)


def is_path(text: str, folder: Path = Path()) -> bool:
    """Whether a text that may be a name or a file, in `folder`, is to be taken as a file.

    >>> is_path("swirl"), is_path("swirl.json"), is_path("models/swirl")
    (False, True, True)
    """
    path = Path(text)
    return bool(text) and ((folder / path).exists() or bool(path.suffix) or len(path.parts) > 1)
