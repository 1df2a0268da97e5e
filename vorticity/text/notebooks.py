"""What notebooks show: an MDP as a graph, a trajectory as curves. Registered with IPython by `import vorticity`."""

from __future__ import annotations

from typing import Any


def register(shell: Any) -> None:
    """Tell an IPython shell how models and trajectories look; nothing is imported until one is shown."""
    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type_by_name("mdp.model", "MDP", _mdp)
    formatter.for_type_by_name("dynamics.motion.trajectory", "Trajectory", _trajectory)


def _mdp(mdp: Any) -> str:
    from dynamics.drawing import mdp_html

    return mdp_html(mdp)


def _trajectory(trajectory: Any) -> str:
    from dynamics.drawing import trajectory_html

    return trajectory_html(trajectory)
