"""Figures: a net as boxes, a result's graph, the few plots that notebooks share. No other folder imports matplotlib.

``outline`` says what a drawing of a net shows, ``block_diagram`` draws it; ``autograd_graph`` draws the operations
behind a result, ``plots`` and ``timeline`` draw numbers; ``style`` is what all of them share.
"""

from .._translation import tr

try:
    import matplotlib  # noqa: F401  # before the modules that use it: here it is said what to install
except ModuleNotFoundError as error:
    raise ImportError(
        tr('figures need matplotlib ({error}): pip install "d2lcompute[notebooks]"', error=error)
    ) from error
from .autograd_graph import draw_graph
from .block_diagram import draw_blocks
from .plots import plot_histograms, plot_lines, show_matrix
from .timeline import plot_timeline

__all__ = ["draw_blocks", "draw_graph", "plot_histograms", "plot_lines", "plot_timeline", "show_matrix"]
