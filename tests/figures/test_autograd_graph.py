"""The drawing of an autograd graph, read back from its artists: which boxes, which arrows, and where they lie."""

import itertools

import hypothesis
import hypothesis.strategies as st
import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import nn

from d2lcompute.figures import draw_graph
from tests.figures.draw_blocks_support import holds

matplotlib.use("Agg")


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.spare = nn.Linear(3, 3)

    def forward(self, X):
        return X + self.inner(X).relu()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return 2 * X

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def scalars():
    """Make two leaves."""
    return torch.tensor(3.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)


def chain():
    """Make a result with its named leaves, one of which is used in two rows."""
    w, x = scalars()
    return (w * x + x).exp(), {"w": w, "x": x}


def residual():
    """Make the output of a net with a residual connection."""
    net = nn.Sequential(nn.Linear(4, 3), Residual())
    return net(torch.ones(2, 4)), dict(net.named_parameters())


def tied():
    """Make the output of a net whose first and last layer share a weight."""
    net = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10, bias=False))
    net[1].weight = net[0].weight
    return net(torch.tensor([[1, 2, 3]])), dict(net.named_parameters())


def attention():
    """Make the output of a transformer's layer, nearly a hundred boxes."""
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return net(torch.randn(1, 3, 8)), dict(net.named_parameters())


GRAPHS = [chain, residual, tied, attention, lambda: (scalars()[0] + 1, {})]


def boxes(ax):
    """Return each box with its text, if texts are drawn, row by row."""
    drawn = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    return list(zip([text.get_text() for text in ax.texts] or [""] * len(drawn), drawn, strict=True))


def arrows(ax):
    """Return the path of each arrow, in the coordinates of the Axes' data."""
    return [patch._path_original for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def ends(ax):
    """Return what each arrow joins, the text where it begins and the text where it points, in order."""

    def at(point):
        (text,) = [text for text, box in boxes(ax) if touches(box, point)]
        return text

    return sorted((at(path.vertices[0]), at(path.vertices[-1])) for path in arrows(ax))


def touches(box, point, slack=1e-6):
    """Tell whether a point lies on a box or its edge."""
    x, y = point
    across = box.get_x() - slack <= x <= box.get_x() + box.get_width() + slack
    return across and box.get_y() - slack <= y <= box.get_y() + box.get_height() + slack


def faults(ax):
    """List what is wrong with the places of boxes, texts and arrows."""
    ax.figure.draw_without_rendering()
    extents = [(text, box.get_window_extent()) for text, box in boxes(ax)]
    found = [f"{text!r} leaves the Axes" for text, extent in extents if not holds(ax.bbox, extent)]
    for text, (_, extent) in zip(ax.texts, extents, strict=bool(ax.texts)):
        if not holds(extent, text.get_window_extent()):
            found.append(f"{text.get_text()!r} leaves its box")
    for (one, extent), (other, other_extent) in itertools.combinations(extents, 2):
        if extent.overlaps(other_extent):
            found.append(f"{one!r} overlaps {other!r}")
    drawn = [box for _, box in boxes(ax)]
    low = np.array([(box.get_x(), box.get_y()) for box in drawn])
    high = low + [(box.get_width(), box.get_height()) for box in drawn]
    for path in arrows(ax):
        line = np.concatenate([curve(np.linspace(0, 1, 20)) for curve, _ in path.iter_bezier()])
        if (np.diff(line[:, 1]) > 1e-9).any():
            found.append("an arrow goes up")
        across = ((low - 1e-6 <= line[:, None]) & (line[:, None] <= high + 1e-6)).all(2)
        if (across.any(0) & ~across[0] & ~across[-1]).any():
            found.append("an arrow runs through a box")
    return found


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("size", [None, (6.4, 4.8), (3, 3), (2, 9)])
def test_draw_graph_keeps_boxes_apart_and_arrows_beside_them(make, size):
    """In any Axes no box touches another, every text is in its box, and arrows go down past boxes, not through them."""
    output, names = make()

    ax = draw_graph(output, names, ax=None if size is None else Figure(figsize=size).subplots())

    assert faults(ax) == []


def test_draw_graph_writes_nothing_that_nobody_can_read():
    """In a figure far too small the boxes stay, and text of less than two points is left out."""
    output, names = attention()

    ax = draw_graph(output, names, ax=Figure(figsize=(2, 2)).subplots())

    assert not ax.texts
    assert len(boxes(ax)) > 50
    assert faults(ax) == []


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=20))
def test_draw_graph_fits_random_graphs(steps):
    """Whatever is computed from what, nothing overlaps and nothing leaves its place."""
    values = [*scalars()]
    for one, other in steps:
        values.append(values[one % len(values)] * values[other % len(values)])

    ax = draw_graph(values[-1], ax=Figure(figsize=(5, 5)).subplots())

    assert faults(ax) == []


def test_faults_sees_each_kind_of_fault():
    """The measure that the tests rely on reports boxes on each other and outside, a long text, and a wrong arrow."""

    def spoiled(spoil):
        ax = draw_graph(*chain())
        spoil({text.get_text(): text for text in ax.texts}, dict(boxes(ax)), arrows(ax))
        return " ".join(faults(ax))

    def onto(text, box, other, up=0):
        box.set_bounds(other.get_x() + 0.05, other.get_y() + up, box.get_width(), box.get_height())
        text.set_position((box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2))

    reports = [
        spoiled(lambda text, box, _: onto(text["w"], box["w"], box["x"])),
        spoiled(lambda text, *_: text["Exp"].set_text("Exponential function")),
        spoiled(lambda text, box, _: (box["x"].set_x(-9), text["x"].set_x(-9 + box["x"].get_width() / 2))),
        spoiled(lambda *all_: all_[2][0].vertices.__setitem__(slice(None), all_[2][0].vertices[::-1].copy())),
        spoiled(lambda text, box, _: onto(text["w"], box["w"], box["Exp"], up=0.31)),
    ]

    parts = ["overlaps", "leaves its box", "leaves the Axes", "an arrow goes up", "runs through"]
    assert [part in report for part, report in zip(parts, reports, strict=True)] == [True] * 5


def test_draw_graph_points_from_leaves_down_to_the_result():
    """Each operation has an arrow from each of its inputs; a tensor used twice has two."""
    ax = draw_graph(*chain())

    assert ends(ax) == [("Add", "Exp"), ("Mul", "Add"), ("w", "Mul"), ("x", "Add"), ("x", "Mul")]
    heights = {text: box.get_window_extent().y0 for text, box in boxes(ax)}  # in pixels, from the bottom
    assert heights["Exp"] < heights["Add"] < heights["Mul"] < heights["w"] == heights["x"]


def test_draw_graph_draws_both_arrows_of_a_square():
    """A product of a tensor with itself has two arrows side by side."""
    w, _ = scalars()

    ax = draw_graph(w * w, {"w": w})

    assert ends(ax) == [("w", "Mul"), ("w", "Mul")]
    assert arrows(ax)[0].vertices[0][0] != arrows(ax)[1].vertices[0][0]


def test_draw_graph_crosses_no_arrows_at_a_box():
    """Arrows arrive side by side, from the left to the right in the order of the boxes that they come from."""
    leaves = [torch.ones(2, requires_grad=True) for _ in range(3)]

    ax = draw_graph(torch.stack(leaves))

    begins, arrivals = ([path.vertices[end][0] for path in arrows(ax)] for end in (0, -1))
    assert len(set(arrivals)) == 3
    assert np.argsort(begins).tolist() == np.argsort(arrivals).tolist()


def test_draw_graph_shows_what_gradients_reach():
    """Neither the input nor a forgotten layer is drawn; what went round a layer has an arrow of its own."""
    ax = draw_graph(*residual())

    assert {text for text, _ in boxes(ax) if "." in text} == {"0.weight", "0.bias", "1.inner.weight", "1.inner.bias"}
    assert ends(ax).count(("Addmm", "Add")) == ends(ax).count(("Relu", "Add")) == 1


def test_draw_graph_draws_a_shared_weight_once():
    """A weight in two layers is one box, under its first name, with two arrows."""
    ax = draw_graph(*tied())

    assert [text for text, _ in boxes(ax)].count("0.weight") == 1
    assert [start for start, _ in ends(ax)].count("0.weight") == 2


def test_draw_graph_colours_leaves():
    """Where gradients are left is blue, an operation is white."""
    ax = draw_graph(*chain())

    faces = {text: box.get_facecolor() for text, box in boxes(ax)}
    assert [same_color(faces[text], "white") for text in ("w", "x", "Mul", "Add", "Exp")] == [False] * 2 + [True] * 3
    assert same_color(faces["w"], faces["x"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a$x^$", "a$x^$"),
        ("two\nlines", "two lines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("", "?"),
        (" \n", "?"),
        ("layers." * 99 + "0.weight", "…" + ("layers." * 99 + "0.weight")[-39:]),
    ],
)
def test_draw_graph_writes_names_as_they_are(name, text):
    """No sign starts a formula, nothing is unseen, and of a long name the end is shown."""
    w, _ = scalars()

    ax = draw_graph(w + 1, {name: w})

    ax.figure.canvas.draw()
    assert ax.texts[0].get_text() == text
    assert not any(text.get_parse_math() for text in ax.texts)
    assert faults(ax) == []


def test_draw_graph_names_a_leaf_by_its_shape():
    """A leaf without a name has its shape, one with two names the first; a function of one's own has its name."""
    w = torch.ones(2, 3, requires_grad=True)

    assert [text.get_text() for text in draw_graph(Doubled.apply(w)).texts] == ["leaf (2, 3)", "Doubled"]
    assert [text.get_text() for text in draw_graph(w + 1, {"one": w, "two": w}).texts] == ["one", "Add"]


def test_draw_graph_leaves_the_graph_as_it_is():
    """After the drawing backward works, and after backward the drawing."""
    output, names = chain()

    before = draw_graph(output, names)
    output.backward()
    after = draw_graph(output, names)

    assert ends(before) == ends(after)
    assert names["w"].grad is not None


def test_draw_graph_draws_where_it_is_told():
    """An Axes that is given is used and returned."""
    ax = Figure().subplots()

    assert draw_graph(*chain(), ax=ax) is ax


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3.0,), TypeError, "output must be a tensor; got <class 'float'>"),
        ((torch.ones(2),), ValueError, "from a tensor that requires a gradient; got one that requires no gradient"),
        ((torch.ones(2, requires_grad=True),), ValueError, "from a tensor that requires a gradient; got a leaf"),
        ((chain()[0], ["w"]), TypeError, r"names must map names to tensors, as dict\(net.named_parameters\(\)\) does"),
        ((chain()[0], {"w": 3}), TypeError, r"names\['w'\] must be a tensor; got <class 'int'>"),
    ],
)
def test_draw_graph_refuses_what_it_cannot_draw(arguments, error, message):
    """The error says which argument, what was expected, and what came."""
    with pytest.raises(error, match=message):
        draw_graph(*arguments)


@pytest.mark.parametrize(("steps", "fits"), [(99, True), (100, False), (5000, False)])
def test_draw_graph_refuses_what_nobody_can_read(steps, fits):
    """One hundred boxes are drawn; of more the number is told, however deep the graph."""
    value, _ = scalars()
    for _ in range(steps):
        value = value + 1

    if fits:
        assert len(boxes(draw_graph(value))) == 100
    else:
        with pytest.raises(ValueError, match=f"at most 100 operations and leaves .* got {steps + 1:,}"):
            draw_graph(value)
