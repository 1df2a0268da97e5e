"""The figures of the experiments: functions of their rows and summary, each returning a matplotlib figure.

Bands and bars are 95 % intervals. What differs in colour differs in line or marker too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynamics.drawing.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SERIES, SKY, VERMILLION, style
from dynamics.experiments import Row, Summary, fig2, groups, interval, levels, where
from dynamics.orbits import LEAST_KL
from mdp import Array

SIDE: dict[str, tuple[str, Any, str]] = {
    "teacher": (VERMILLION, (0, (4, 2)), "the teacher acts"),
    "student": (BLUE, "-", "the student acts"),
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))
MARKS = "osD^vPX<>*"
POINTS = 60  # of a mean curve
SHOWN = 16  # sampled paths drawn, at most


def panels(
    count: int, titles: Sequence[str], *, width: float = 4.9, height: float = 4.0, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes in some rows and their titles, laid out without overlaps."""
    columns = -(-count // rows)
    figure = Figure(figsize=(width * columns, height * rows), dpi=130, layout="constrained")
    axes = [figure.add_subplot(rows, columns, k + 1) for k in range(count)]
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    return figure, axes


def band(
    ax: Axes, x: Array, curves: Sequence[Array], *, color: str, dashes: Any, label: str, log: bool = False
) -> None:
    """The mean of some curves on a common x with its 95 % interval; of their logarithms where `log`."""
    table = np.log(np.array(curves)) if log else np.array(curves)
    means = [interval(column) for column in table.T]
    mean, low, high = (np.array([getattr(one, name) for one in means]) for name in ("mean", "low", "high"))
    if log:
        mean, low, high = np.exp(mean), np.exp(low), np.exp(high)
    ax.plot(x, mean, color=color, linestyle=dashes, linewidth=2.0, label=label)
    if np.isfinite(low).all() and np.isfinite(high).all():
        ax.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0)


def on_grid(rows: Iterable[Row], key: str, column: str, grid: Array) -> list[Array]:
    """A column of every row against another, on a common grid by interpolation; held after its end."""
    return [np.interp(grid, row[key], row[column]) for row in rows]


def legend_below(figure: Figure, ax: Axes, ncols: int) -> None:
    """One legend for the whole figure, below it."""
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=ncols, fontsize=10)


# --- one function for each figure -------------------------------------------------------------------------------------


def draw_fig1(rows: list[Row], summary: Summary) -> Figure:
    """How often the tree's preferred rule is near-best at each leaf, beside a rule picked at random."""
    figure, (ax,) = panels(1, ["The decision tree's preferred rule is near-best"], width=9.2, height=5.4)
    leaves = list(dict.fromkeys(row["leaf"] for row in summary.table))
    times = levels(summary.table, "time")
    for k, time in enumerate(times):
        lines = where(summary.table, time=time)
        y = np.array([leaves.index(row["leaf"]) for row in lines]) + 0.16 * (k - (len(times) - 1) / 2)
        share = np.array([row["share"] for row in lines])
        ends = np.array([[row["share"] - row["low"], row["high"] - row["share"]] for row in lines]).T
        ax.errorbar(
            share, y, xerr=ends, fmt=MARKS[k], color=SERIES[k], capsize=3, markersize=6, label=f"at time {time:g}"
        )
        chance = [row["at_random"] for row in lines]
        ax.plot(chance, y, "x", color=GREY, markersize=6, label="a candidate at random" if k == 0 else "_")
    ax.axvline(0.5, color=PALE, linewidth=1, zorder=0)
    advice = {row["leaf"]: row["advice"] for row in summary.table}
    ax.set_yticks(range(len(leaves)), [f"{leaf}\n→ {advice[leaf]}" for leaf in leaves], fontsize=9.5)
    ax.set_xlim(-0.03, 1.03)
    ax.invert_yaxis()
    ax.set_xlabel("share of the MDPs (95 % intervals)")
    legend_below(figure, ax, 3)
    return figure


def draw_fig2(rows: list[Row], summary: Summary) -> Figure:
    """The path in the plane of p and x, and p over the steps with the sampled members behind."""
    figure, (plane, series) = panels(2, ["exact path from (−2, −2)", "p = π(R|s0)"], width=5.2)
    looks = dict(
        zip(levels(rows, "rule"), ((BLUE, "-"), (VERMILLION, (0, (5, 2))), (GREEN, (0, (1, 1.2)))), strict=False)
    )
    for rule, (colour, dashes) in looks.items():
        for row in where(rows, rule=rule, expectation="sampled")[:SHOWN]:
            steps = np.arange(len(row["p"])) * row["every"]
            series.plot(steps, row["p"], color=colour, alpha=0.22, linewidth=0.7, zorder=1)
        for row in where(rows, rule=rule, expectation="exact"):
            steps = np.arange(len(row["p"])) * row["every"]
            shown = steps <= _last_sampled(rows)
            plane.plot(row["p"], row["x"], color=colour, linestyle=dashes, linewidth=2, label=f"{rule} + R")
            series.plot(
                steps[shown], np.array(row["p"])[shown], color=colour, linestyle=dashes, linewidth=2.2, zorder=3
            )
    for rule, said in fig2.PAPER.items():
        if rule in looks:
            mark = MARKS[list(looks).index(rule)]
            series.plot(said["p_half"], 0.5, mark, color=INK, markerfacecolor=ORANGE, markersize=8, zorder=4)
    plane.set(xlabel="p = π(R|s0)", ylabel="x = π(R|shared)", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    series.set(xlabel="updates (thin: sampled, one trajectory each)", ylim=(-0.02, 1.02))
    series.locator_params(axis="x", nbins=5)
    plane.plot([], [], color=INK, marker="o", markerfacecolor=ORANGE, linestyle="none", label="the paper: p = 1/2")
    legend_below(figure, plane, 4)
    return figure


def _last_sampled(rows: list[Row]) -> int:
    sampled = where(rows, expectation="sampled") or rows
    return int(max((len(row["p"]) - 1) * row["every"] for row in sampled))


def draw_fig3(rows: list[Row], summary: Summary) -> Figure:
    """Over updates: share of the teacher's return, KL on either side's states; and the speed for each teacher."""
    per = "episode"
    titles = [
        "return / teacher's return",
        "KL on the student's states",
        "KL on the teacher's states",
        "speed for each teacher",
    ]
    mine = [row for row in where(rows, per=per) if row["teacher_return"] > 0]
    figure, (*axes, speed) = panels(4, titles, width=5.0, rows=2)
    grid = np.unique(np.geomspace(1, max(row["horizon"] for row in mine), POINTS).round(3))
    for side, (colour, dashes, name) in SIDE.items():
        here = where(mine, side=side)
        by_world = list(groups(here, "mdp").values())
        share = [
            np.mean([c / r["teacher_return"] for r, c in _both(some, "returns", grid)], axis=0) for some in by_world
        ]
        band(axes[0], grid, share, color=colour, dashes=dashes, label=name)
        for ax, key in zip(axes[1:], ("kl_student", "kl_teacher"), strict=True):
            gaps = [
                np.exp(np.mean(np.log(np.maximum(on_grid(some, "update", key, grid), LEAST_KL)), axis=0))
                for some in by_world
            ]
            band(ax, grid, gaps, color=colour, dashes=dashes, label=name, log=True)
    axes[0].axhline(0.95, color=PALE, linewidth=1, zorder=0)
    axes[0].set_ylim(-0.6, 1.05)
    for ax in axes:
        ax.set(xscale="log", xlabel="updates (exact)")
    for ax in axes[1:]:
        ax.set(yscale="log", ylabel="nats a step")
    _speeds(summary.table, speed)
    legend_below(figure, axes[0], 2)
    return figure


def _speeds(table: list[Row], ax: Axes) -> None:
    """How many times fewer updates the student-driven side takes, for each teacher (the paper's Figure 7)."""
    teachers = levels(table, "teacher")
    words = {"episode": "sum over an episode", "step": "mean over its steps"}
    for k, per in enumerate(levels(table, "per")):
        lines = [row for row in where(table, per=per) if np.isfinite(row["speed_high"]) and row["speed_low"] > 0]
        y = np.array([teachers.index(row["teacher"]) for row in lines]) + 0.2 * k
        x, low, high = (1 / np.array([row[key] for row in lines]) for key in ("speed", "speed_high", "speed_low"))
        ax.errorbar(x, y, xerr=[x - low, high - x], fmt=MARKS[k], color=SERIES[2 + k], capsize=3, label=words[per])
    ax.axvline(1, color=PALE, linewidth=1, zorder=0)
    ax.set(xscale="log", xlabel="times faster when the student acts")
    ticks = [x for x in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16) if ax.get_xlim()[0] <= x <= ax.get_xlim()[1]]
    ax.set_xticks(ticks, [f"{x:g}" for x in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(teachers)), teachers)
    ax.set_ylim(len(teachers) + 0.6, -0.5)  # room for the legend below the last teacher
    ax.legend(fontsize=9.5, loc="lower left")


def _both(rows: list[Row], column: str, grid: Array) -> list[tuple[Row, Array]]:
    return list(zip(rows, on_grid(rows, "update", column, grid), strict=True))


def draw_fig4(rows: list[Row], summary: Summary) -> Figure:
    """Final returns of ER and EER against the number of actions, with the best step each."""
    figure, (ax,) = panels(1, ["return after training, best step each"], width=5.6)
    for k, rule in enumerate(levels(summary.table, "rule")):
        lines = where(summary.table, rule=rule)
        y = np.array([row["return"] for row in lines])
        ends = np.abs(np.array([[row["low"], row["high"]] for row in lines]).T - y)
        x = np.array([row["actions"] for row in lines])
        look: dict[str, Any] = {"color": (VERMILLION, BLUE)[k % 2], "linestyle": DASHES[k], "marker": MARKS[k]}
        ax.errorbar(x, y, yerr=ends, capsize=3, label=rule.upper(), **look)
    ax.axhline(0.625, color=PALE, linewidth=1, zorder=0)
    ax.set(xscale="log", xlabel="number of actions |A|", ylabel="return", ylim=(0, 1.05))
    ax.set_xticks(levels(summary.table, "actions"), [str(n) for n in levels(summary.table, "actions")])
    ax.minorticks_off()
    legend_below(figure, ax, 2)
    return figure


def draw_fig5(rows: list[Row], summary: Summary) -> Figure:
    """Learning curves of the critics, a panel for each noise and rule."""
    pairs = [(noise, rule) for noise in levels(rows, "noise") for rule in levels(rows, "rule")]
    figure, axes = panels(len(pairs), [f"{rule} + R, noise {noise:g}" for noise, rule in pairs], width=3.9)
    for ax, (noise, rule) in zip(axes, pairs, strict=True):
        mine = where(rows, noise=noise, rule=rule)
        for k, method in enumerate(levels(mine, "method")):
            here = where(mine, method=method)
            x = np.array(sorted(levels(here, "update")))
            curves = [
                np.array([row["score"] for row in sorted(one, key=lambda row: row["update"])])
                for one in groups(here, "mdp").values()
            ]
            band(ax, x, curves, color=SERIES[k], dashes=DASHES[k % len(DASHES)], label=method)
        ax.set(xlabel="updates", ylim=(-0.1, 1.1))
    axes[0].set_ylabel("score: 0 uniform, 1 optimal")
    legend_below(figure, axes[0], 4)
    return figure


def draw_fig6(rows: list[Row], summary: Summary) -> Figure:
    """Returns over time, a row of panels: exact and sampled, good and adversarial teacher."""
    kinds = [(e, t) for e in levels(rows, "expectation") for t in levels(rows, "teacher")]
    figure, axes = panels(len(kinds), [f"{t} teacher, {e}" for e, t in kinds], width=5.4, rows=-(-len(kinds) // 2))
    for ax, (expectation, teacher) in zip(axes, kinds, strict=True):
        ax.set_ylabel("return")
        mine = where(rows, expectation=expectation, teacher=teacher)
        for k, rule in enumerate(levels(mine, "rule")):
            here = where(mine, rule=rule)
            time = np.array(here[0]["time"])
            shown = time > 0
            curves = [np.array(row["curve"])[shown] for row in here]
            colour = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK)[k % 7]
            band(ax, time[shown], curves, color=colour, dashes=DASHES[k // 7 + k % 2 * 2], label=rule)
        ax.axvline(50, color=PALE, linewidth=1, zorder=0)
        ax.set(xscale="log", xlabel="time of F", ylim=(-1.05, 1.05))
    legend_below(figure, axes[0], 5)
    return figure


def draw_tradeoff(rows: list[Row], summary: Summary) -> Figure:
    """Updates to 95 % of the teacher's return against KL, a point for each W; the frontier filled."""
    words = {"episode": "updates of an episode", "step": "updates of an average step"}
    shown = [(per, key) for per in levels(summary.table, "per") for key in ("kl_student", "kl_teacher")]
    whose = {"kl_student": "student's states", "kl_teacher": "teacher's states"}
    figure, axes = panels(len(shown), [words[per] for per, _ in shown], width=5.0, rows=-(-len(shown) // 2))
    for ax, (per, key) in zip(axes, shown, strict=True):
        lines = where(summary.table, per=per)
        for row in lines:
            x, y, front = row["speed"], row[key], bool(row["frontier"])
            ax.plot(x, y, "o" if front else "s", color=BLUE if front else GREY, markersize=8, zorder=3)
            ax.annotate(f"W = {row['W']}", (x, y), xytext=(8, -3), textcoords="offset points", fontsize=10)
        ax.plot([row["speed"] for row in lines], [row[key] for row in lines], color=PALE, zorder=1)
        ax.margins(0.2)
        ax.set(xlabel="updates to 95 % of the teacher's return", ylabel=f"KL on the {whose[key]} (nats a step)")
    axes[0].plot([], [], "o", color=BLUE, label="on the frontier (speed, student's states)")
    axes[0].plot([], [], "s", color=GREY, label="beaten in both by another W")
    legend_below(figure, axes[0], 2)
    return figure


def draw_aliasing(rows: list[Row], summary: Summary) -> Figure:
    """Against sight, for each rule without reward: KL on the teacher's states, return lost, and how often KL rose."""
    titles = [
        "KL on the teacher's states",
        "return lost (rules without reward)",
        "runs in which that KL rose on the way",
    ]
    figure, axes = panels(3, titles, width=4.6)
    rules = [rule for rule in levels(summary.table, "rule") if not rule.endswith("+ R")]
    sights = levels(summary.table, "sight")
    for k, rule in enumerate(rules):
        lines = where(summary.table, rule=rule)
        x = np.array([sights.index(row["sight"]) for row in lines]) + 0.1 * (k - (len(rules) - 1) / 2)
        look: dict[str, Any] = {"color": SERIES[k], "marker": MARKS[k], "markersize": 6, "label": rule}
        look |= {"linestyle": DASHES[k % len(DASHES)], "linewidth": 1.2}
        for ax, key in zip(axes, ("kl_teacher", "lost"), strict=False):
            y = np.array([row[key] for row in lines])
            ends = np.array([[row[key] - row[f"{key}_low"], row[f"{key}_high"] - row[key]] for row in lines]).T
            ax.errorbar(x, y, yerr=np.where(np.isfinite(ends), ends, 0), capsize=2, elinewidth=1, **look)
        counts = [[int(part) for part in row["kl_rose"].split("/")] for row in lines]
        axes[2].plot(x, [100 * rose / of for rose, of in counts], **look)
    axes[0].set(ylabel="nats a step", ylim=(0, None))
    axes[1].axhline(0, color=PALE, linewidth=1, zorder=0)
    axes[1].set_ylabel("return with full sight less return")
    axes[2].set(ylabel="%", ylim=(-4, 104))
    for ax in axes:
        ax.set_xticks(range(len(sights)), [str(sight) for sight in sights])
        ax.set_xlabel("sight: cells seen in each direction")
    legend_below(figure, axes[0], len(rules))
    return figure


def _styled(draw: Callable[[list[Row], Summary], Figure]) -> Callable[[list[Row], Summary], Figure]:
    def drawn(rows: list[Row], summary: Summary) -> Figure:
        with style():
            return draw(rows, summary)

    return drawn


FIGURES: Mapping[str, Callable[[list[Row], Summary], Figure]] = MappingProxyType(
    {
        "fig1": _styled(draw_fig1),
        "fig2": _styled(draw_fig2),
        "fig3": _styled(draw_fig3),
        "fig4": _styled(draw_fig4),
        "fig5": _styled(draw_fig5),
        "fig6": _styled(draw_fig6),
        "tradeoff": _styled(draw_tradeoff),
        "aliasing": _styled(draw_aliasing),
    }
)
