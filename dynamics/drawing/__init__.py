"""Pictures with matplotlib: phase portraits, diagrams, figures of experiments, and what notebooks show.

The only room that imports matplotlib: `style` (colours, files), `layout` (inches), `layers` (a portrait's parts), one
module a picture.
"""

from dynamics.drawing.basins import add_basins
from dynamics.drawing.diagrams import diagram_figure
from dynamics.drawing.evidence import draw
from dynamics.drawing.experiments import FIGURES
from dynamics.drawing.graphs import mdp_figure, mdp_html
from dynamics.drawing.portraits import Picture, portrait, side_by_side
from dynamics.drawing.style import save
from dynamics.drawing.sweeps import draw_sweep
from dynamics.drawing.trajectories import trajectory_figure, trajectory_html

__all__ = [
    "FIGURES",
    "Picture",
    "add_basins",
    "diagram_figure",
    "draw",
    "draw_sweep",
    "explorer",
    "mdp_figure",
    "mdp_html",
    "portrait",
    "save",
    "side_by_side",
    "trajectory_figure",
    "trajectory_html",
]
