"""Options that several commands share, and how their texts become models, rules and parameters.

Nothing here imports numpy until a command runs, so that `vorticity --help` stays quick.
Errors are `ValueError`s of one line that name the place, the value and the law.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dynamics.fields import Field
    from dynamics.rules import Rule
    from mdp import MDP, Numbers

F = TypeVar("F", bound=Callable[..., Any])

TEACHERS = ("uniform", "optimal", "adversarial", "softmax", "epsilon")
ONE = Fraction(1)
LONGEST_TIME = 1e6  # in the time of F


def _alpha(_context: click.Context, _parameter: click.Parameter, text: str) -> Fraction:
    from mdp import rational

    alpha = rational(text, "--alpha")
    if alpha < 0:
        raise ValueError(f"--alpha is {text}; must be at least 0")
    return alpha


def _control(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    from dynamics.rules import mixture_weight

    if text is not None:
        mixture_weight(text)  # which refuses an unknown control, and a weight outside [0, 1]
    return text


def _seed(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError(f"--seed is {text!r}; must be a whole number, 0 or more, of at most 20 digits")
    return int(text)


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several option decorators as one, in the order in which the help shows them."""

    def decorate(f: F) -> F:
        for decorator in reversed(decorators):
            f = decorator(f)
        return f

    return decorate


mdp_argument = click.argument("model", metavar="MDP")
rule_option = click.option(
    "--rule",
    metavar="RULE",
    required=True,
    help="A rule's id (see `vorticity rules`), or FILE.py:NAME for a Rule of your own.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
reward_option = click.option(
    "--reward/--no-reward", default=False, help="Add the task's reward, the paper's +R (default: no)."
)
alpha_option = click.option(
    "--alpha", metavar="W", default="1", callback=_alpha, help="Weight of the distillation terms (default 1)."
)
control_option = click.option(
    "--control",
    metavar="Q",
    callback=_control,
    help="Who acts: teacher, student, uniform or mix:W, W teacher + (1 - W) student (default: the rule's own).",
)
teacher_option = click.option(
    "--teacher",
    metavar="T",
    help="uniform, optimal, adversarial, softmax:T, epsilon:E or a FILE: an (S, A) JSON array (default: the MDP's).",
)
seed_option = click.option(
    "--seed", default="0", metavar="N", callback=_seed, help="Seed of the random parameters (default 0)."
)


@dataclass(frozen=True)
class Setting:
    """What the options shared by several commands say of a field: +R, alpha, who acts (None: as the rule), teacher."""

    reward: bool = False
    alpha: Fraction = ONE
    control: str | None = None
    teacher: str | None = None


def field_arguments(setting: Setting) -> dict[str, Any]:
    """What a setting says to a `Field`; its teacher belongs to the model.

    >>> field_arguments(Setting(reward=True))
    {'reward': True, 'alpha': Fraction(1, 1), 'control': None}
    """
    return {"reward": setting.reward, "alpha": setting.alpha, "control": setting.control}


def field_options(f: F) -> F:
    """The options of a `Setting`, handed to the command as its argument `setting`."""

    @wraps(f)
    def packed(
        *args: Any, reward: bool, alpha: Fraction, control: str | None, teacher: str | None, **kwargs: Any
    ) -> Any:
        return f(*args, setting=Setting(reward, alpha, control, teacher), **kwargs)

    return together(reward_option, alpha_option, control_option, teacher_option)(cast(F, packed))


def load_mdp(name: str, teacher: str | None = None) -> MDP:
    """The zoo's MDP of that name, else the MDP in that file; with another teacher, if one is given."""
    from mdp import load

    model = load(name)
    return model if teacher is None else with_teacher(model, teacher)


def with_teacher(model: MDP, text: str) -> MDP:
    """`model` with the teacher that `--teacher` asks for: a named one first, else the (S, A) table in a file."""
    from mdp import is_path, solve

    if text.partition(":")[0] in TEACHERS or not is_path(text):
        return model.replace(teacher=solve.teacher(model, text))  # which suggests the nearest name
    shape = (model.n_states, model.n_actions)
    table = read_table(Path(text), "teacher", shape, "one row a state, one column an action")
    try:
        return model.replace(teacher=table.given)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None


def load_rule(text: str) -> Rule:
    """The rule of the table with that id, or `FILE.py:NAME`, the `Rule` of that name in a Python file of the user's."""
    from dynamics.rules import Rule, get

    path, colon, name = text.rpartition(":")
    if text.endswith(".py"):
        raise ValueError(f"rule {text!r} names a file; write {text}:NAME for the Rule called NAME in it")
    if not (colon and path.endswith(".py")):
        return get(text)
    try:
        # What the file prints is not the command's answer; what it imports may lie beside it.
        with redirect_stdout(sys.stderr):
            sys.path.insert(0, str(Path(path).resolve().parent))
            try:
                held = runpy.run_path(path)
            finally:
                sys.path.pop(0)
    except OSError as error:
        raise ValueError(f"rule {text!r}: {path} cannot be read: {error.strerror}") from None
    except (Exception, SystemExit) as error:  # whatever the user's own code raises is theirs to read, in one line
        raise ValueError(f"rule {text!r}: {path} fails: {type(error).__name__}: {error}") from None
    rules = {key: value for key, value in held.items() if isinstance(value, Rule)}
    if name not in rules:
        from mdp import nearest

        raise ValueError(f"rule {text!r}: {nearest(name, rules)} (rules in {path}: {', '.join(rules) or 'none'})")
    return rules[name]


def load_field(model: MDP, rule: str, setting: Setting) -> Field:
    """The field of the rule `rule`, an id or FILE.py:NAME, on `model`, whose teacher is the setting's already."""
    from dynamics.fields import Field

    return Field(model, load_rule(rule), **field_arguments(setting))


theta0_option = click.option(
    "--theta0",
    metavar="FILE|random|zero",
    default="zero",
    help="Where to start: a file as for `field --at`, random (normal, see --seed) or zero (default).",
)


def start(text: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    """The start that `--theta0` asks for."""
    import numpy as np

    if text == "zero":
        return np.zeros(shape)
    if text == "random":
        return np.random.default_rng(seed).standard_normal(shape)
    from mdp import is_path, nearest

    if not is_path(text):
        raise ValueError(f"--theta0: {nearest(text, ['random', 'zero'])}, or a file")
    return read_theta(Path(text), shape)


def check_output(path: str, kinds: tuple[str, ...]) -> None:
    """Refuse a file of another kind, or in a folder that is not there, before anything is computed."""
    if Path(path).suffix.lower() not in kinds:
        raise ValueError(f"{path}: has the suffix {Path(path).suffix!r}; must be {', '.join(kinds)}")
    if not Path(path).absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no folder {str(Path(path).parent)!r} to write it to")


def positive(_context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A number above 0, or None where the option was not given."""
    if text is None:
        return None
    from mdp import rational

    number = rational(text, f"--{parameter.name}")
    if number <= 0:
        raise ValueError(f"--{parameter.name} is {text}; must be above 0")
    return float(number)


def time(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A positive number of at most a million: what a flow can be followed for."""
    found = positive(context, parameter, text)
    if found is not None and found > LONGEST_TIME:
        raise ValueError(f"--{parameter.name} is {text}; must be at most {LONGEST_TIME:g}")
    return found


def read_theta(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Parameters from a JSON file: an array of that shape, or {"theta": array}.

    Raises ValueError naming the file, the place and the value; OSError when the file cannot be read.
    """
    return read_table(path, "theta", shape, "one row an observation, one column an action").floats


def read_table(path: Path, key: str, shape: tuple[int, ...], meaning: str) -> Numbers:
    """The numbers, as written, in a JSON file that holds an array of that shape or {key: array}."""
    from mdp import parse_json, rationals, show

    try:
        held = parse_json(path.read_bytes())
    except RecursionError:
        raise ValueError(f"{path}: is not JSON that can be read: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if isinstance(held, dict):
        if list(held) != [key]:
            found = ", ".join(map(repr, held)) or "none"
            raise ValueError(f'{path}: holds the keys {found}; must be an array or {{"{key}": array}}')
        held = held[key]
    if not isinstance(held, list):
        raise ValueError(f"{path}: {key} is {show(held)}; must be an array of shape {shape}: {meaning}")
    try:
        numbers = rationals(held, key, len(shape))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if numbers.floats.shape != shape:
        raise ValueError(f"{path}: {key} has shape {numbers.floats.shape}; must be {shape}: {meaning}")
    return numbers
