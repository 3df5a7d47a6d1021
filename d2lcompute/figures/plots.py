"""Plots: distributions, curves and matrices."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes

from .._translation import tr
from .style import PALETTE, PLAIN, ink_on, new_axes, text_width_inches

__all__ = ["plot_histograms", "plot_lines", "show_matrix"]

_STYLES = ("-", "--", "-.", ":")  # curves are told apart without colours too


def plot_histograms(
    samples: Mapping[str, Any], *, ax: Axes | None = None, bins: int | Sequence[float] = 50, xlabel: str = "value"
) -> Axes:
    """Draw the distributions of several tensors over each other, each with its standard deviation in the legend.

    All have the same bins, and the height is the share of a tensor's values in a bin: sizes need not be equal.

    Args:
        samples: for each distribution its name in the legend and its values, of any shape.
        ax: where to draw; by default a new figure.
        bins: the number of bins, or their edges.
        xlabel: what the values are, with their unit.

    Raises:
        ValueError: if there is nothing to draw, or a value is infinite or not a number.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = plot_histograms({"weight": torch.tensor([-1.0, 1.0])}, ax=Figure().subplots())
        >>> ax.get_legend().get_texts()[0].get_text()
        'weight (std 1)'
    """
    flat = {label: values.flatten() for label, values in _tensors("samples", samples).items()}
    for label, values in flat.items():
        if bad := int((~values.isfinite()).sum()):
            raise ValueError(
                tr(
                    "samples[{label!r}] must hold finite numbers; {bad} of {count} are infinite or NaN",
                    label=label,
                    bad=bad,
                    count=len(values),
                )
            )
    edges = _edges(torch.cat(list(flat.values())), bins)
    ax = ax or new_axes(6.4, 3.6, layout="constrained")
    outlines = []
    for i, values in enumerate(flat.values()):
        share, look = torch.histogram(values, edges).hist / len(values), _look(i)
        ax.stairs(share.numpy(), edges.numpy(), fill=True, color=look["color"], alpha=0.2)
        outlines.append(ax.stairs(share.numpy(), edges.numpy(), **look))
    ax.set(xlabel=xlabel, ylabel="share of values", ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(outlines, [f"{label} (std {values.std(correction=0):.3g})" for label, values in flat.items()])
    return ax


def plot_lines(
    lines: Mapping[str, Any], *, xlabel: str, ylabel: str, x: Any = None, logy: bool = False, ax: Axes | None = None
) -> Axes:
    """Draw curves, such as losses, gradients or times, with a legend.

    Args:
        lines: for each curve its name in the legend and its values: a tensor, or a list of numbers or 0-d tensors.
        xlabel: what runs to the right, with its unit.
        ylabel: what runs upwards, with its unit.
        x: the places of the points of all curves; by default 0, 1, 2 and so on.
        logy: whether the upward axis is logarithmic.
        ax: where to draw; by default a new figure.

    Raises:
        ValueError: if there is nothing to draw, a curve has not one value a place, or a value has no logarithm.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = plot_lines({"loss": [4, 2, 1]}, xlabel="epoch", ylabel="loss", ax=Figure().subplots())
        >>> ax.lines[0].get_ydata().tolist()
        [4.0, 2.0, 1.0]
    """
    curves = _tensors("lines", lines)
    places = None if x is None else _tensor(x)
    for label, values in curves.items():
        if values.dim() != 1 or (places is not None and values.shape != places.shape):
            if places is None:
                expected = tr("have one dimension")
            else:
                expected = tr("have the shape of x, {shape}", shape=tuple(places.shape))
            raise ValueError(
                tr(
                    "lines[{label!r}] must {expected}; got shape {shape}",
                    label=label,
                    expected=expected,
                    shape=tuple(values.shape),
                )
            )
        if logy and (bad := int((values <= 0).sum())):
            raise ValueError(
                tr(
                    "lines[{label!r}] must be above 0 for logy=True; {bad} of {count} values are not",
                    label=label,
                    bad=bad,
                    count=len(values),
                )
            )
    ax = ax or new_axes(6.4, 3.6, layout="constrained")
    drawn = []
    for i, values in enumerate(curves.values()):
        across = torch.arange(len(values)) if places is None else places
        marker = "o" if len(values) <= 20 else ""  # more points would hide the curve
        drawn += ax.plot(across.numpy(), values.numpy(), marker=marker, markersize=4, **_look(i))
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if logy else "linear")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(drawn, list(curves))
    return ax


def show_matrix(tensor: Any, *, ax: Axes | None = None, title: str | None = None, annotate: bool | None = None) -> Axes:
    """Draw a matrix as coloured cells with its values in them: weights, masks, gradients.

    Without negative values, the darker the greater; with them, blue is below 0, red above, and white is 0. Infinite
    cells, and those that are not a number, are grey.

    Args:
        tensor: the matrix, its rows from above; a boolean one counts as 0 and 1.
        ax: where to draw; by default a new figure.
        title: a line above the matrix.
        annotate: whether to write the values; by default up to 12 rows and 12 columns.

    Raises:
        ValueError: if ``tensor`` has not two dimensions, or nothing in it.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = show_matrix(torch.eye(2), ax=Figure().subplots())
        >>> [text.get_text() for text in ax.texts]
        ['1', '0', '0', '1']
    """
    matrix = _tensor(tensor)
    if matrix.dim() != 2 or not matrix.numel():
        raise ValueError(
            tr("tensor must be a matrix with one element at least; got shape {shape}", shape=tuple(matrix.shape))
        )
    rows, columns = matrix.shape
    cell_inches = min(0.55, 6.5 / max(rows, columns))
    ax = ax or new_axes(1.3 + cell_inches * columns, 0.7 + cell_inches * rows, layout="constrained")
    finite = matrix[matrix.isfinite()]
    largest = finite.abs().max().item() if len(finite) else 0
    lowest, colours = (-largest, "RdBu_r") if (finite < 0).any() else (0, "Blues")
    shown = matrix.where(matrix.isfinite(), math.nan)
    image = ax.imshow(shown.numpy(), vmin=lowest, vmax=largest or 1, cmap=colours)
    image.set_cmap(image.get_cmap().with_extremes(bad="#C4CBD2"))
    bar = max(0.04, 0.3 / columns)
    ax.figure.colorbar(image, cax=ax.inset_axes((1 + bar / 2, 0, bar, 1)))
    ax.locator_params(integer=True, min_n_ticks=1)
    ax.set_title(title or "")
    if annotate or (annotate is None and max(rows, columns) <= 12):
        whole = bool((finite == finite.round()).all())
        style = "z.0f" if whole and largest < 1e4 else "z.2f" if 0.1 <= largest < 1e3 else ".1e"
        _annotate(
            ax, [[format(value, style) for value in row] for row in matrix.tolist()], image.to_rgba(shown.numpy())
        )
    return ax


def _annotate(ax: Axes, texts: list[list[str]], colours: Any) -> None:
    """Write a text into each cell, all in one size that fits the widest, in ink that can be read on the colour."""
    ax.figure.canvas.figure.draw_without_rendering()  # only now the Axes has its size
    cell = ax.get_window_extent().width / ax.figure.dpi / len(texts[0])
    widest = max(text_width_inches(text, PLAIN) for row in texts for text in row)
    size = PLAIN.get_size_in_points() * min(1, 0.95 * cell / widest)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            colour = ink_on(colours[row, column, :3])
            ax.text(column, row, text, ha="center", va="center_baseline", size=size, color=colour)


def _tensors(argument: str, named: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return named values as tensors that can be drawn; none must be empty."""
    tensors = {label: _tensor(values) for label, values in named.items()}
    empty = [label for label, values in tensors.items() if not values.numel()]
    if empty or not tensors:
        got = tr("nothing for {label!r}", label=empty[0]) if empty else tr("an empty mapping")
        raise ValueError(
            tr("{argument} must map names to values, one at least; got {what}", argument=argument, what=got)
        )
    return tensors


def _tensor(values: Any) -> torch.Tensor:
    """Return values as float64 on the CPU without history, from a tensor on any device or from a list of them."""
    if not isinstance(values, torch.Tensor):
        values = (
            [_tensor(value) for value in values]
            if isinstance(values, Sequence)
            else torch.tensor(values, dtype=torch.float64)
        )
    if isinstance(values, list):
        values = torch.stack(values) if values else torch.empty(0)
    return values.detach().cpu().double()


def _edges(values: torch.Tensor, bins: int | Sequence[float]) -> torch.Tensor:
    """Return the edges of the bins; equal values get bins around them."""
    if not isinstance(bins, int):
        return torch.as_tensor(bins).double()
    low, high = values.min().item(), values.max().item()
    if low == high:
        low, high = low - 0.5, high + 0.5
    return torch.linspace(low, high, bins + 1, dtype=torch.float64)


def _look(i: int) -> dict[str, Any]:
    """Return the colour and the line of the i-th curve."""
    return {"color": PALETTE[i % len(PALETTE)], "linestyle": _STYLES[i % len(_STYLES)], "linewidth": 1.6}
