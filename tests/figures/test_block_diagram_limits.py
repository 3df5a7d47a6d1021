"""Block diagrams of large, odd and refused nets."""

import sys
from importlib import import_module

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from d2lcompute.figures import draw_blocks
from d2lcompute.parameters import count_parameters
from tests.figures.draw_blocks_support import (
    FixedHidden,
    boxes,
    chimera,
    deep,
    encoder,
    four_alike,
    holds,
    long,
    plain,
    words,
)


def test_draw_blocks_tells_layers_of_other_shapes_apart():
    """Only equal blocks are folded into a run: another size, class, or parameter of its own ends it."""
    blocks = [FixedHidden() for _ in range(12)]
    blocks[6].scale = nn.Parameter(torch.ones(21))

    acts = [nn.ReLU(), nn.ReLU(), *[nn.Tanh() for _ in range(9)]]

    ax = draw_blocks(nn.Sequential(*blocks, *acts))

    names = [words(ax, path)[1] for path in boxes(ax) if path and "." not in path]
    assert names == ["0", "1 … 5", "6", "7", "8 … 11", "12", "13", "14", "15 … 22"]


def test_draw_blocks_folds_the_middle_of_a_long_list():
    """Sixty different layers become the first ten, a box for the next 49, and the last."""
    net = long()

    ax = draw_blocks(net)

    assert list(boxes(ax)) == ["", *map(str, range(11)), "59"]
    assert words(ax, "10") == [f"{count_parameters(net[10:59]):,}", "10 … 58", "49 more Linear"]


@pytest.mark.parametrize(
    "make",
    [
        encoder,
        long,
        deep,
        lambda: nn.Sequential(*[encoder(3) for _ in range(3)]),
        lambda: nn.Sequential(*[encoder(i + 2) for i in range(5)]),
        lambda: nn.ModuleList([long() for _ in range(3)]),
    ],
)
def test_draw_blocks_draws_at_most_32_boxes(make):
    """However large the net, the drawing stays readable, and still goes into the net."""
    assert 3 <= len(boxes(draw_blocks(make()))) <= 32


def test_draw_blocks_stops_at_max_depth():
    """Blocks below max_depth are not drawn but counted, in blocks and in parameters."""
    shown = [draw_blocks(chimera(), max_depth=depth) for depth in (0, 1, 9)]

    assert [len(boxes(ax)) for ax in shown] == [1, 4, 11]
    assert words(shown[0], "") == ["4,732 parameters", "Sequential", "3 blocks inside"]
    assert words(shown[1], "0") == ["3,952", "0", "NestMLP", "2 blocks inside"]
    details = "  ·  ".join(words(shown[1], "2")[3:])
    assert details == "scale (20,)  ·  rand_weight (20, 20) buffer  ·  1 block inside"


def test_draw_blocks_leaves_global_state_alone(monkeypatch):
    """It shows nothing, seeds nothing, changes no setting, and draws in the Axes that it was given."""
    monkeypatch.setattr(plt, "show", lambda *_: pytest.fail("show was called"))
    net, ax = plain(), Figure().subplots()
    ax.set_title("kept")
    settings, seed = dict(matplotlib.rcParams), torch.get_rng_state()

    returned = draw_blocks(net, ax=ax)

    assert returned is ax
    assert ax.get_title() == "kept"
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings
    assert torch.equal(torch.get_rng_state(), seed)


def test_draw_blocks_makes_one_figure_that_a_notebook_shows():
    """Without an Axes there is one new figure, known to pyplot, with the title that was asked for."""
    ax = draw_blocks(plain(), title="A net")

    assert plt.get_fignums() == [ax.figure.number]
    assert ax.get_title() == "A net"


def test_draw_blocks_makes_room_for_a_title_alone():
    """A title stands above the boxes, in the figure; without one the boxes fill the figure."""
    titled, bare = draw_blocks(plain(), title="A net"), draw_blocks(plain())

    titled.figure.draw_without_rendering()
    title = titled.title.get_window_extent()
    assert holds(titled.figure.bbox, title)
    assert title.y0 >= boxes(titled)[""].get_window_extent().y1
    assert bare.get_position().bounds == (0, 0, 1, 1)


def test_draw_blocks_makes_a_tall_drawing_smaller():
    """So that more of it is in sight, a tall drawing is scaled, in width as in height."""
    short, tall = draw_blocks(four_alike()[0][0]), draw_blocks(four_alike())

    assert tall.figure.get_size_inches()[0] < 1.1 * short.figure.get_size_inches()[0]
    assert min(text.get_size() for text in tall.texts) < min(text.get_size() for text in short.texts)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (nn.Linear,),
            TypeError,
            "net must be a torch.nn.Module, an object such as nn.Linear(4, 2); got the class Linear",
        ),
        ((plain(), 1.5), TypeError, "max_depth must be an integer, or None for as many levels as fit; got 1.5 (float)"),
        (
            (plain(), True),
            TypeError,
            "max_depth must be an integer, or None for as many levels as fit; got True (bool)",
        ),
        ((plain(), -1), ValueError, "max_depth must be 0 or more, or None for as many levels as fit; got -1"),
    ],
)
def test_draw_blocks_refuses_wrong_arguments(arguments, error, message):
    """The error names the argument, what was expected and what came, and no empty figure is left."""
    with pytest.raises(error) as caught:
        draw_blocks(arguments[0], max_depth=arguments[1] if len(arguments) > 1 else None)

    assert str(caught.value) == message
    assert plt.get_fignums() == []


def test_figures_says_what_to_install_without_matplotlib(monkeypatch):
    """Importing the module without matplotlib names the extra that brings it."""
    for name in list(sys.modules):
        if name.split(".")[0] == "matplotlib" or name in ("d2lcompute.figures.block_diagram", "d2lcompute.figures"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ImportError) as caught:
        import_module("d2lcompute.figures")

    assert str(caught.value).startswith("figures need matplotlib (")
    assert str(caught.value).endswith('): pip install "d2lcompute[notebooks]"')
