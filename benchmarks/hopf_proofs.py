"""Hopf points proved (method H), and what is refused, with times: `python benchmarks/hopf_proofs.py`. Seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import flint

from dynamics.fields import Field
from mdp import zoo
from proofs.cycles.hopf import HopfProof, brusselator, prove_hopf
from proofs.cycles.hopf_fact import ends
from proofs.enclosures import Parametric
from proofs.enclosures.parametric import of_field

Case = tuple[Parametric, float, Sequence[float]]


def of_zoo(name: str, rule: str, kind: str, **place: int) -> Parametric:
    """The field of a zoo entry with +R, and one number of it."""
    return of_field(Field(zoo.load(name), rule, reward=True), kind, **place)


def rotor(x: Any, mu: Any, a: int = -1, power: int = 1) -> list[Any]:
    """z' = (mu + i) z + a z |z|^(2 power)."""
    square = x[0] * x[0] + x[1] * x[1]
    pull = a * square if power == 1 else a * square * square
    return [mu * x[0] - x[1] + pull * x[0], x[0] + mu * x[1] + pull * x[1]]


def lorenz(x: Any, r: Any) -> list[Any]:
    """Lorenz's equations with σ = 10, β = 8/3; a Hopf point at r = 470/19."""
    return [10 * (x[1] - x[0]), x[0] * (r - x[2]) - x[1], x[0] * x[1] - x[2] * 8 / 3]


def lorenz84(x: Any, F: Any) -> list[Any]:
    """Lorenz's model of 1984 with a = 1/4, b = 4, G = 1/4: `x' = −y² − z² − a x + a F`, …"""
    return [
        -x[1] * x[1] - x[2] * x[2] - x[0] / 4 + F / 4,
        x[0] * x[1] - 4 * x[0] * x[2] - x[1] + flint.arb(1) / 4,
        4 * x[0] * x[1] + x[0] * x[2] - x[2],
    ]


def langford(x: Any, mu: Any) -> list[Any]:
    """Langford's equations with α = 1/4, β = 7/10, δ = 7/2, ρ = 1/4, ε = 0."""
    r, k = x[0] * x[0] + x[1] * x[1], x[2] - flint.arb(7) / 10
    last = mu + x[2] / 4 - x[2] * x[2] * x[2] / 3 - r * (1 + x[2] / 4)
    return [k * x[0] - x[1] * 7 / 2, x[0] * 7 / 2 + k * x[1], last]


def zero_hopf(x: Any, mu: Any) -> list[Any]:
    """A pair that crosses where z has a fold."""
    return [*rotor(x[:2], x[2]), mu - x[2] * x[2]]


def double_hopf(x: Any, mu: Any) -> list[Any]:
    """Two pairs that cross together."""
    return [*rotor(x[:2], mu), 2 * mu * x[2] - 3 * x[3], 3 * x[2] + 2 * mu * x[3]]


def proofs() -> list[Case]:
    """What is proved: name, system, guess."""
    corridor = of_zoo("corridor-cycle", "on-policy", "teacher", action=1)
    aliased, swirl = of_zoo("aliased-cycle", "on-policy", "alpha"), of_zoo("swirl", "reverse-kl", "alpha")
    return [
        (corridor, 0.98632, [-0.4186, 0.8359, 0.9150]),
        (corridor, 0.97828, [-0.4355, 0.7219, -0.5487]),
        (aliased, 0.94257, [-0.728, -1.446]),
        (aliased, 1.08711, [-0.614, 1.172]),
        (swirl, 0.99181, [3.098, 1.551]),
        (swirl, 1.00844, [2.379, 0.561]),
        (of_zoo("swirl", "reverse-kl", "discount"), 0.97, [3.1, 1.55]),
        (of_zoo("corridor-cycle", "on-policy", "alpha"), 1.0085, [-0.416, 0.802, 0.452]),
        (of_zoo("corridor-cycle", "on-policy", "discount"), 0.988, [-0.429, 0.772, 0.121]),
        (of_zoo("corridor-cycle", "on-policy", "mixture"), 0.0024, [-0.42, 0.80, 0.395]),
        (of_zoo("aliased-cycle", "on-policy", "mixture"), 0.0140, [-0.65, 0.715]),
        (of_zoo("corridor-cycle", "on-policy", "sharpness"), 1.09, [-0.42, 0.83, 0.9]),
        (of_zoo("corridor-cycle", "on-policy", "reward", state=1, action=0), -0.94, [-0.681, 0.8, 0.318]),
        (Parametric("normal form, l1 = -2", 2, rotor), 0.01, [0.01, 0]),
        (Parametric("Brusselator, A = 1", 2, brusselator), 2.01, [1, 2]),
        (Parametric("Lorenz", 3, lorenz), 24.74, [7.956, 7.956, 23.74]),
        (Parametric("Lorenz 1984 in F", 3, lorenz84), 1.0, [1.0, 0.0, 0.1]),
        (Parametric("Langford", 3, langford), -0.0607, [0, 0, 0.7]),
    ]


def controls() -> list[Case]:
    """What must be refused."""
    return [
        (Parametric("fold", 2, lambda x, mu: [mu - x[0] * x[0], -x[1]]), 0.0, [0, 0]),
        (Parametric("Bautin: l1 = 0", 2, lambda x, mu: rotor(x, mu, -1, 2)), 0.01, [0.01, 0]),
        (Parametric("double Hopf", 4, double_hopf), 0.01, [0.01, 0, 0, 0]),
        (Parametric("zero eigenvalue", 3, zero_hopf), 1e-4, [0.001, 0, 0.01]),
        (Parametric("centre for every mu", 2, lambda x, mu: [-x[1] * (1 + mu * mu), x[0]]), 0.01, [0.01, 0]),
        (Parametric("touches, does not cross", 2, lambda x, mu: rotor(x, mu * mu)), 0.01, [0.01, 0]),
        (Parametric("Brusselator, wrong guess", 2, brusselator), 3.0, [1, 2]),
        (of_zoo("fig2", "on-policy", "alpha"), 1.0, [0.001, 0.001]),
        (of_zoo("swirl", "reverse-kl", "alpha"), 1.3, [0.0, 0.0]),
        (of_zoo("swirl", "reverse-kl-corrected", "alpha"), 0.99181, [3.098, 1.551]),
    ]


def main() -> None:
    """Print the table."""
    for at, parameter, x in [*proofs(), *controls()]:
        start = time.perf_counter()
        found = prove_hopf(at, parameter, x)
        print(f"{at.name}: {time.perf_counter() - start:.2f} s")
        if isinstance(found, HopfProof):
            say(found)
        else:
            print(f"    refused: {found.reason}")


def say(found: HopfProof) -> None:
    """One proved point."""
    print(f"    parameter in {ends(found.parameter)}, omega in {ends(found.omega)}, alone within {found.radius:.1e}")
    print(
        f"    l1 in {ends(found.l1, 8)}, speed in {ends(found.speed, 8)}: {found.kind}; cycles on side {found.side:+d}"
    )
    attracts = "attracting" if found.stable else "not attracting"
    print(f"    {attracts}, {found.unstable} other eigenvalues with positive real part")


if __name__ == "__main__":
    main()
