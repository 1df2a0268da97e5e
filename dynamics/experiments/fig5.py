"""Returns and critics for students of noisy teachers (the paper, Figure 5).

Claim: under teachers with 15 % and 25 % noise, one-step TD errors with the student's own learned critic learn faster
than Monte-Carlo returns where the row pays a distillation reward (N-distill + R).

Own model, since the paper's details are not known here: random grid worlds of 7 × 7 (`mdp.random.grid_world`); the
teacher is optimal but for `noise`, the probability of a uniformly random action instead; the student starts uniform.
Rewards to come are estimated by Monte-Carlo, by TD(1) (the same less the student's learned tabular critic), or by
one-step TD with that critic (`dynamics.learners.critic`). Five trajectories an update, step 0.3, critic's rate 0.1. The
score of a run is its mean over time of (J − J_uniform) / (J_optimal − J_uniform), J being exact; methods are compared
on the same MDP. MDPs whose optimal return exceeds the uniform one's by less than 1 are drawn again.
"""

from __future__ import annotations

import numpy as np

from dynamics.experiments.summary import Row, Summary, groups, interval, levels, where
from dynamics.fields import Field
from dynamics.learners import METHODS
from dynamics.learners import learn_with_critic as learn
from mdp import MDP, evaluation, random, solve

NOISES = (0.15, 0.25)
RULES = ("n-distill", "on-policy", "eer")
SIZE = 7


def world(seed: int, noise: float) -> MDP:
    """The seed's grid world with a noisy teacher.

    >>> world(0, 0.25).teacher.max()
    np.float64(0.8125)
    """
    rng = np.random.default_rng(seed)
    while True:
        mdp = random.grid_world(rng, size=SIZE)
        best, worst = (evaluation.expected_return(mdp, q) for q in (solve.optimal(mdp), solve.uniform(mdp)))
        if best - worst >= 1:
            return mdp.replace(teacher=solve.epsilon_greedy(mdp, noise))


def cases(full: bool) -> list[Row]:
    """A case per grid world, noise, rule (+R) and method."""
    return [
        {
            "experiment": "fig5",
            "mdp": seed,
            "noise": noise,
            "rule": rule,
            "method": method,
            "updates": 120 if full else 60,
            "members": 4 if full else 2,
            "seed": 5,
        }
        for seed in range(100 if full else 6)
        for noise in NOISES
        for rule in (RULES if full else RULES[:2])
        for method in METHODS
    ]


def run(case: Row) -> list[Row]:
    """The learning curve: a row at eleven times with the members' mean score, 1 being optimal, 0 uniform.

    >>> some = {"mdp": 0, "noise": 0.15, "rule": "on-policy", "method": "td0", "updates": 10, "members": 1, "seed": 0}
    >>> rows = run(some)
    >>> len(rows), abs(rows[0]["score"]) < 1e-9
    (11, True)
    """
    mdp = world(case["mdp"], case["noise"])
    field = Field(mdp, case["rule"], reward=True)
    theta = np.zeros((case["members"], *field.shape))
    critic = np.zeros((case["members"], mdp.n_states))
    every = max(case["updates"] // 10, 1)
    rng = np.random.default_rng([case["seed"], case["mdp"]])
    thetas, _ = learn(
        field, theta, critic, case["method"], step=0.3, rate=0.1, updates=case["updates"], batch=5, rng=rng, every=every
    )
    best, worst = (evaluation.expected_return(mdp, q) for q in (solve.optimal(mdp), solve.uniform(mdp)))
    returns = [evaluation.expected_return(mdp, field.policy(x).p).mean() for x in thetas]
    scores = [float((J - worst) / (best - worst)) for J in returns]
    return [{**case, "update": k * every, "score": score} for k, score in enumerate(scores)]


def summary(rows: list[Row]) -> Summary:
    """Mean and final scores with intervals over MDPs, and each method's paired gain over Monte-Carlo."""
    table = []
    for noise in levels(rows, "noise"):
        for rule in levels(rows, "rule"):
            mine = where(rows, noise=noise, rule=rule)
            base = _scores(where(mine, method="monte-carlo"))
            for method in levels(mine, "method"):
                scores = _scores(where(mine, method=method))
                mean, gain = interval(scores), interval(scores - base)
                final = interval([r["score"] for r in where(mine, method=method) if r["update"] == _last(mine)])
                table.append(
                    {
                        "noise": noise,
                        "rule": rule,
                        "method": method,
                        "score": mean.mean,
                        "low": mean.low,
                        "high": mean.high,
                        "final": final.mean,
                        "gain": gain.mean,
                        "gain_low": gain.low,
                        "gain_high": gain.high,
                    }
                )
    told = where(table, rule="n-distill", method="td0")
    verdicts = [True if row["gain_low"] > 0 else False if row["gain_high"] < 0 else None for row in told]
    holds = False if False in verdicts else None if None in verdicts else True
    parts = [
        f"N-distill + R at noise {row['noise']}: TD(0) gains {row['gain']:.3f} [{row['gain_low']:.3f}, "
        f"{row['gain_high']:.3f}] over Monte-Carlo"
        for row in told
    ]
    return Summary(table, "; ".join(parts), holds)


def _last(rows: list[Row]) -> int:
    return int(max(row["update"] for row in rows))


def _scores(rows: list[Row]) -> np.ndarray:
    """The mean score of each MDP's run, in the order of the MDPs."""
    worlds = groups(rows, "mdp")
    return np.array([np.mean([row["score"] for row in worlds[mdp]]) for mdp in sorted(worlds)])
