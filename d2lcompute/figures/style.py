"""Style: colours, letters and sizes that all figures share, and a new figure's Axes."""

import math
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

__all__ = [
    "BOLD",
    "FAINT",
    "INK",
    "LEGIBLE_POINTS",
    "PALETTE",
    "PLAIN",
    "SMALL",
    "ink_on",
    "new_axes",
    "text_width_inches",
]

# Okabe and Ito's colours, which colour-blind readers can tell apart.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
PLAIN, BOLD, SMALL = (FontProperties(size=s, weight=w) for s, w in ((10, "normal"), (10, "bold"), (8, "normal")))
INK, FAINT = "#1B2733", "#52606D"
LEGIBLE_POINTS = 2.0  # what is smaller is a smear of some pixels, and no renderer keeps it in its place


@lru_cache(maxsize=10_000)
def text_width_inches(text: str, font: FontProperties) -> float:
    """Return the width of a text, with room for letters that come out up to a seventh wider on few pixels."""
    return 1.15 * float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72


def ink_on(ground: Any) -> str:
    """Return the colour of the text that is read best on a ground: dark or white."""
    red, green, blue = to_rgb(ground)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#FFFFFF"


def new_axes(width: float, height: float, **options: Any) -> Axes:
    """Return the Axes of a new figure of so many inches, which pyplot and a notebook know of.

    Sizes are rounded up to a tenth: a notebook's stored output names them, and text is not equally wide everywhere.
    """
    size = math.ceil(10 * width) / 10, math.ceil(10 * height) / 10
    return plt.figure(figsize=size, **options).subplots()
