"""Plots of distributions, curves and matrices, read back from their artists."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import nn

from d2lcompute.figures import plot_histograms, plot_lines, show_matrix
from d2lcompute.figures.outline import outline


def test_plot_histograms_draws_shares_over_common_bins():
    """Each distribution is the share of its own values in the same bins, as NumPy counts them."""
    samples = {"wide": torch.linspace(-2, 2, 101), "narrow": torch.linspace(-1, 0, 7).reshape(7, 1)}

    ax = plot_histograms(samples, bins=8, xlabel="weight")

    outlines = [patch.get_data() for patch in ax.patches if not patch.get_fill()]
    for (values, edges, _), tensor in zip(outlines, samples.values(), strict=True):
        expected, expected_edges = np.histogram(tensor.numpy(), 8, (-2, 2))
        np.testing.assert_allclose(values, expected / tensor.numel())
        np.testing.assert_allclose(edges, expected_edges)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight", "share of values")
    for filled, edge in zip(ax.patches[::2], ax.patches[1::2], strict=True):
        assert same_color(filled.get_facecolor()[:3], edge.get_edgecolor()[:3])


def test_plot_histograms_tells_each_standard_deviation():
    """The legend gives each name with the standard deviation to three digits."""
    ax = plot_histograms({"a": torch.tensor([-1.0, 1.0]), "_b": torch.tensor([3.0, 3.0])})

    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a (std 1)", "_b (std 0)"]


def test_plot_histograms_takes_edges():
    """Edges that are given are used as they are."""
    ax = plot_histograms({"a": torch.rand(10)}, bins=[0, 0.5, 2])

    assert ax.patches[0].get_data().edges.tolist() == [0, 0.5, 2]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({}, "samples must map names to values, one at least; got an empty mapping"),
        ({"a": torch.ones(2), "b": []}, "samples must map names to values, one at least; got nothing for 'b'"),
        (
            {"a": torch.tensor([1.0, torch.inf, torch.nan])},
            "samples['a'] must hold finite numbers; 2 of 3 are infinite or NaN",
        ),
    ],
)
def test_plot_histograms_refuses_what_has_no_histogram(samples, message):
    """The error names the distribution and what is wrong with it."""
    with pytest.raises(ValueError, match="must") as caught:
        plot_histograms(samples)

    assert str(caught.value) == message


def test_plot_lines_draws_each_curve():
    """Curves stand at 0, 1, 2 … or at the places given, with names, labels and distinct looks."""
    ax = plot_lines({"a": [1, 2, 4], "b": torch.arange(3)}, x=[10, 20, 40], xlabel="n", ylabel="time (s)")
    bare = plot_lines({"a": [5.0, 6.0], "b": [1]}, xlabel="step", ylabel="loss", logy=True)

    assert [line.get_xydata().tolist() for line in ax.lines] == [
        [[10, 1], [20, 2], [40, 4]],
        [[10, 0], [20, 1], [40, 2]],
    ]
    assert [line.get_xdata().tolist() for line in bare.lines] == [[0, 1], [0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("n", "time (s)", "linear")
    assert bare.get_yscale() == "log"
    assert not same_color(ax.lines[0].get_color(), ax.lines[1].get_color())
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()


@pytest.mark.parametrize(("points", "marker"), [(20, "o"), (21, "")])
def test_plot_lines_marks_few_points(points, marker):
    """Up to twenty points have small dots; more would hide the curve."""
    (line,) = plot_lines({"a": range(points)}, xlabel="x", ylabel="y").lines

    assert (line.get_marker(), line.get_markersize()) == (marker, 4)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ({}, {}, "lines must map names to values, one at least; got an empty mapping"),
        ({"a": [1, 2]}, {"x": [1, 2, 3]}, "lines['a'] must have the shape of x, (3,); got shape (2,)"),
        ({"a": torch.ones(2, 2)}, {}, "lines['a'] must have one dimension; got shape (2, 2)"),
        ({"a": [1, 0, -1]}, {"logy": True}, "lines['a'] must be above 0 for logy=True; 2 of 3 values are not"),
    ],
)
def test_plot_lines_refuses_what_is_no_curve(lines, options, message):
    """The error names the curve, what was expected and what came."""
    with pytest.raises(ValueError, match="must") as caught:
        plot_lines(lines, xlabel="x", ylabel="y", **options)

    assert str(caught.value) == message


def test_show_matrix_writes_values_into_their_cells():
    """Row and column of a text are those of its value, and the text fits its cell."""
    matrix = torch.tensor([[0.5, -1.25, 2.0], [0.0, -0.001, 0.125]])

    ax = show_matrix(matrix, title="weight")

    ax.figure.draw_without_rendering()
    texts = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    assert texts == {(0, 0): "0.50", (0, 1): "-1.25", (0, 2): "2.00", (1, 0): "0.00", (1, 1): "0.00", (1, 2): "0.12"}
    assert ax.get_title() == "weight"
    np.testing.assert_allclose(ax.images[0].get_array(), matrix)


@pytest.mark.parametrize("size", [(6.4, 4.8), (2.5, 2.5)])
@pytest.mark.parametrize("matrix", [torch.rand(12, 12) * -900, torch.rand(3, 5) * 1e-6, torch.full((2, 9), -1e30)])
def test_show_matrix_keeps_texts_in_their_cells(matrix, size):
    """However long the numbers, none is wider than a cell."""
    ax = show_matrix(matrix, ax=Figure(figsize=size).subplots())

    ax.figure.draw_without_rendering()
    cell = ax.get_window_extent().width / matrix.shape[1]
    assert max(text.get_window_extent().width for text in ax.texts) <= cell


@pytest.mark.parametrize(
    ("matrix", "texts", "limits"),
    [
        (torch.eye(2), ["1", "0", "0", "1"], (0, 1)),
        (torch.tensor([[True, False]]), ["1", "0"], (0, 1)),
        ([[1, -20]], ["1", "-20"], (-20, 20)),
        (torch.tensor([[0.0, -torch.inf], [torch.nan, 0.0]]), ["0", "-inf", "nan", "0"], (0, 1)),
        (torch.tensor([[torch.nan]]), ["nan"], (0, 1)),
        (torch.tensor([[2e-5]]), ["2.0e-05"], (0, 2e-5)),
    ],
)
def test_show_matrix_suits_values_of_any_kind(matrix, texts, limits):
    """Whole numbers have no decimals, colours are symmetric about 0 once a value is negative, masks may be infinite."""
    ax = show_matrix(matrix)

    assert [text.get_text() for text in ax.texts] == texts
    assert ax.images[0].get_clim() == pytest.approx(limits)


def test_show_matrix_greys_what_has_no_place_on_the_scale():
    """A cell that is infinite or not a number has a grey that the scale does not have."""
    image = show_matrix(torch.tensor([[0.0, 1.0, torch.nan, -torch.inf]])).images[0]

    colours = image.to_rgba(image.get_array())[0]

    assert same_color(colours[2], "#C4CBD2")
    assert same_color(colours[3], "#C4CBD2")
    assert not any(same_color(colour, "#C4CBD2") for colour in colours[:2])


def test_show_matrix_writes_values_only_where_they_can_be_read():
    """By default up to 12 by 12 are written, and annotate overrides that."""
    counts = [
        len(show_matrix(torch.zeros(rows, 2), annotate=annotate).texts)
        for rows, annotate in [(12, None), (13, None), (13, True), (12, False)]
    ]

    assert counts == [24, 0, 26, 0]


@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_show_matrix_numbers_whole_rows_and_columns(size):
    """There is no row one half: the axes have whole numbers only."""
    ax = show_matrix(torch.zeros(size, size))

    ticks = [*ax.get_xticks(), *ax.get_yticks()]
    assert ticks == [round(tick) for tick in ticks]


def test_show_matrix_writes_light_on_dark():
    """A text has the ink that can be read on its cell's colour."""
    dark, light = show_matrix(torch.tensor([[1.0, 0.0]])).texts

    assert same_color(dark.get_color(), "#FFFFFF")
    assert not same_color(light.get_color(), "#FFFFFF")


def test_show_matrix_has_a_colour_bar():
    """The scale of the colours stands beside the matrix, as high as the matrix."""
    ax = show_matrix(torch.rand(2, 8))

    ax.figure.draw_without_rendering()
    (bar,) = ax.child_axes
    assert bar.get_window_extent().height == pytest.approx(ax.get_window_extent().height)
    assert bar.get_window_extent().x0 > ax.get_window_extent().x1


@pytest.mark.parametrize("wrong", [torch.ones(3), torch.ones(2, 2, 2), torch.ones(0, 2)])
def test_show_matrix_refuses_what_is_no_matrix(wrong):
    """The error gives the shape that came."""
    with pytest.raises(ValueError, match="matrix") as caught:
        show_matrix(wrong)

    assert str(caught.value) == f"tensor must be a matrix with one element at least; got shape {tuple(wrong.shape)}"


@pytest.mark.parametrize(
    "values",
    [
        nn.Parameter(torch.tensor([1.0, 2.0])),
        torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
        [torch.tensor(1.0, requires_grad=True), torch.tensor(2)],
        (1, 2.0),
        range(1, 3),
        np.array([1, 2]),
    ],
)
def test_plots_take_tensors_with_gradients_and_lists(values):
    """A parameter, a half-precision tensor, a list of losses and plain numbers are all drawn, without a warning."""
    axes = Figure().subplots(3)

    plot_lines({"a": values}, xlabel="x", ylabel="y", ax=axes[0])
    plot_histograms({"a": values}, ax=axes[1])
    show_matrix([values], ax=axes[2])

    assert axes[0].lines[0].get_ydata().tolist() == [1, 2]
    assert axes[1].get_legend().get_texts()[0].get_text() == "a (std 0.5)"
    assert axes[2].images[0].get_array().tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "plot", [plot_histograms, lambda values: plot_lines(values, xlabel="x", ylabel="y")], ids=["histograms", "lines"]
)
def test_plots_have_figures_of_one_size(plot):
    """A figure of its own is as wide as a page's column, arranged so that no label is cut, without upper frame."""
    ax = plot({"a": [1, 2]})

    assert ax.figure.get_size_inches().tolist() == [6.4, 3.6]
    assert type(ax.figure.get_layout_engine()) is ConstrainedLayoutEngine
    assert [side for side, spine in ax.spines.items() if spine.get_visible()] == ["left", "bottom"]


def test_plots_leave_global_state_alone():
    """A plot without an Axes makes one figure; with one, none; settings and seeds stay."""
    settings, seed = dict(matplotlib.rcParams), torch.get_rng_state()

    plot_lines({"a": [1]}, xlabel="x", ylabel="y")
    plot_histograms({"a": [1]})
    show_matrix([[1]])
    before = plt.get_fignums()
    plot_lines({"a": [1]}, xlabel="x", ylabel="y", ax=Figure().subplots())

    assert len(before) == 3
    assert plt.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings
    assert torch.equal(torch.get_rng_state(), seed)


def test_outline_looks_at_each_block_once(monkeypatch):
    """A large tree is described at several depths, but each block's text is made once."""

    def tree(levels):
        return nn.Linear(2, 2) if not levels else nn.Sequential(tree(levels - 1), tree(levels - 1))

    net, texts = tree(8), []
    represent = nn.Sequential.__repr__
    monkeypatch.setattr(nn.Sequential, "__repr__", lambda module: texts.append(module) or represent(module))

    outline(net)

    in_other_texts = 7  # a block's text stands in those of the blocks around it, too
    assert 0 < len(texts) <= in_other_texts * 255
