import importlib
import itertools
import string
import sys

import matplotlib

matplotlib.use("Agg")

import hypothesis
import hypothesis.strategies as st
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import nn

from d2lcompute.figures import draw_blocks, plot_histograms, plot_lines, show_matrix
from d2lcompute.figures.outline import outline
from d2lcompute.figures.style import ink_on
from d2lcompute.parameters import count_parameters


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    """Close what a test has drawn: pyplot warns when figures pile up."""
    yield
    plt.close("all")


class NestMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)


class FixedHidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(20))
        self.register_buffer("rand_weight", torch.ones(20, 20))
        self.linear = nn.Linear(20, 20)


class SharedHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(1000, 64)
        self.mix = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1000, bias=False)
        self.out.weight = self.words.weight


def plain():
    """Make a net of three layers."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def chimera():
    """Make the book's net of nets, with a block that has tensors of its own."""
    return nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHidden())


def tied():
    """Make a net with one layer in two places."""
    shared = nn.Linear(8, 8)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1))


def lazy():
    """Make a net in which two layers wait for data."""
    return nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.Linear(256, 10), nn.LazyBatchNorm1d())


def four_alike():
    """Make the book's regular net: four equal blocks of two layers, 23 boxes in all."""
    blocks = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU()) for _ in range(4)]
    return nn.Sequential(nn.Sequential(*blocks), nn.Linear(4, 1))


def encoder(layers=12):
    """Make a stack of equal transformer layers."""
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    return nn.TransformerEncoder(layer, layers)


def long():
    """Make a net of many different layers."""
    return nn.Sequential(*[nn.Linear(i + 1, i + 2) for i in range(60)])


def deep(levels=40):
    """Make a net of blocks in blocks in blocks."""
    net = nn.Sequential(nn.Linear(2, 2))
    for _ in range(levels):
        net = nn.Sequential(net)
    return net


def oddly_named():
    """Make a net whose names are long, or mean something to matplotlib."""
    net = nn.Module()
    net.add_module(r"a$\frac{$b_c", nn.Linear(2, 2))
    net.add_module("a_very_long_attribute_name" * 5, nn.MultiheadAttention(8, 2))
    net.add_module("two\nlinés\x9b", nn.BatchNorm2d(8))
    net.add_module("_hidden", type("AVeryLongClassName" * 8, (nn.Linear,), {})(2, 2))
    return net


NETS = [plain, chimera, tied, SharedHead, lazy, encoder, long, deep, oddly_named, lambda: nn.Linear(3, 2), nn.ReLU]


def boxes(ax):
    """Return each block's box by the block's path."""
    return {patch.get_gid().removeprefix("block:"): patch for patch in ax.patches}


def words(ax, path):
    """Return the texts in one block's own box."""
    return [text.get_text() for text in ax.texts if text.get_gid() == f"block:{path}" and text.get_text()]


def holds(outer, inner, slack=0.5):
    """Tell whether one extent lies in another, to half a pixel."""
    return (
        outer.x0 - slack <= inner.x0
        and outer.y0 - slack <= inner.y0
        and inner.x1 <= outer.x1 + slack
        and inner.y1 <= outer.y1 + slack
    )


def faults(ax):
    """List what is wrong with the places of boxes and texts, by the renderer's own measure."""
    ax.figure.draw_without_rendering()
    extents = {path: box.get_window_extent() for path, box in boxes(ax).items()}
    texts = [(text.get_gid().removeprefix("block:"), text) for text in ax.texts if text.get_text()]
    written = [(path, str(text), text.get_window_extent()) for path, text in texts]
    badges = [(path, f"badge of {path}", text.get_bbox_patch()) for path, text in texts if text.get_bbox_patch()]
    marked = [(path, name, badge.get_window_extent()) for path, name, badge in badges]
    inside = {path: [other for other in extents if other and parent(other) == path != other] for path in extents}
    found = [f"{path!r} leaves the Axes" for path, extent in extents.items() if not holds(ax.bbox, extent)]
    found += [f"{name} leaves {path!r}" for path, name, extent in written + marked if not holds(extents[path], extent)]
    for path, name, extent in written + marked:
        found += [f"{name} runs into {other!r}" for other in inside[path] if extent.overlaps(extents[other])]
    for (path, name, extent), (other, other_name, other_extent) in itertools.combinations(written, 2):
        if path == other and extent.overlaps(other_extent):
            found.append(f"{name} runs into {other_name}")
    for path, children in inside.items():
        found += [f"{child!r} leaves {path!r}" for child in children if not holds(extents[path], extents[child])]
        for one, other in itertools.combinations(children, 2):
            if extents[one].overlaps(extents[other]):
                found.append(f"{one!r} overlaps {other!r}")
    return found


def parent(path):
    """Return the path of the block that holds a block."""
    return path.rpartition(".")[0]


# draw_blocks: places


@pytest.mark.parametrize("make", NETS)
def test_draw_blocks_keeps_texts_in_boxes_and_boxes_apart(make):
    """In a figure of its own no text leaves its box, no box leaves its parent, and siblings do not touch."""
    ax = draw_blocks(make(), title="net")

    assert faults(ax) == []


@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize(("size", "dpi"), [((6.4, 4.8), 100), ((6.4, 4.8), 200), ((3, 2), 72), ((2, 7), 100)])
def test_draw_blocks_fits_any_axes(make, size, dpi):
    """In an Axes that is given everything is scaled or cut to fit, at any resolution."""
    ax = Figure(figsize=size, dpi=dpi).subplots()

    draw_blocks(make(), ax=ax)

    assert faults(ax) == []


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(
    st.recursive(
        st.sampled_from([nn.ReLU, lambda: nn.Linear(3, 4), lambda: nn.LazyLinear(3), lambda: nn.BatchNorm1d(3)]),
        lambda inner: st.lists(st.tuples(st.text("aW_$ 0", min_size=1, max_size=30), inner), max_size=5),
        max_leaves=40,
    )
)
def test_draw_blocks_fits_random_trees(tree):
    """Whatever the tree and its names, nothing overlaps and nothing leaves its box."""

    def build(node):
        if callable(node):
            return node()
        net = nn.Module()
        for name, inner in node:
            net.register_module(name, build(inner))
        return net

    ax = Figure(figsize=(5, 4)).subplots()

    draw_blocks(build(tree), ax=ax)

    assert faults(ax) == []


def test_faults_sees_each_kind_of_fault():
    """The measure that the tests rely on reports a long text, a text and a box out of place, and two on each other."""

    def spoiled(spoil):
        ax = draw_blocks(plain())
        spoil(boxes(ax), {text.get_text(): text for text in ax.texts})
        return " ".join(faults(ax))

    reports = [
        spoiled(lambda _, text: text["40"].set_text("0" * 99)),
        spoiled(lambda _, text: text["40"].set_text("0" * 25)),
        spoiled(lambda _, text: text["Sequential"].set_size(60)),
        spoiled(lambda box, _: box["0"].set_y(box["1"].get_y())),
        spoiled(lambda box, _: box["0"].set_x(-0.2)),
        spoiled(lambda box, _: box[""].set_width(99)),
    ]

    parts = ["leaves '0'", "runs into Annot", "runs into '0'", "'0' overlaps '1'", "'0' leaves ''", "leaves the Axes"]
    assert [part in report for part, report in zip(parts, reports, strict=True)] == [True] * 6


@pytest.mark.parametrize("make", [plain, chimera, tied, encoder, four_alike])
def test_draw_blocks_is_large_enough_to_read(make):
    """A figure of its own is at most 9 inches high and 7.2 wide, with letters of 6.4 points at least."""
    ax = draw_blocks(make())

    width, height = ax.figure.get_size_inches()
    assert width <= 7.2
    assert height <= 9
    assert min(text.get_size() for text in ax.texts) >= 6.4


# draw_blocks: what it says


def test_draw_blocks_shows_names_classes_counts_and_shapes():
    """Each block of a plain net has a box with its name, its class, its count and its parameters' shapes."""
    ax = draw_blocks(plain())

    shown = {path: words(ax, path) for path in boxes(ax)}

    assert shown == {
        "": ["49 parameters", "Sequential"],
        "0": ["40", "0", "Linear", "weight (8, 4)  ·  bias (8,)"],
        "1": ["0", "1", "ReLU"],
        "2": ["9", "2", "Linear", "weight (1, 8)  ·  bias (1,)"],
    }


@pytest.mark.parametrize("make", [plain, chimera, SharedHead, lazy, lambda: encoder(2), deep])
def test_draw_blocks_draws_a_box_for_each_block(make):
    """A net of ordinary size is drawn whole, one box for each name of a module."""
    net = make() if make is not deep else deep(10)

    ax = draw_blocks(net)

    assert list(boxes(ax)) == [path for path, _ in net.named_modules(remove_duplicate=False)]


def test_draw_blocks_shows_a_blocks_own_parameters_and_buffers():
    """What a custom block registers itself stands in its box, buffers named as such."""
    ax = draw_blocks(FixedHidden())

    assert words(ax, "") == ["440 parameters", "FixedHidden", "scale (20,)  ·  rand_weight (20, 20) buffer"]


def test_draw_blocks_says_how_many_tensors_it_leaves_out():
    """Of very many parameters in one block, those that fit are shown and the others are counted."""
    net = nn.ParameterList([torch.zeros(i + 1) for i in range(50)])

    lines = words(draw_blocks(net), "")[2:]

    assert len(lines) == 3
    assert lines[0].startswith("0 (1,)  ·  1 (2,)")
    shown = sum(line.count("(") for line in lines[:2])
    assert lines[2] == f"… {50 - shown} more"


def test_draw_blocks_uses_the_singular_for_one_parameter():
    """The outermost box says '1 parameter' and '0 parameters'."""
    counts = [words(draw_blocks(net), "")[0] for net in (nn.ParameterList([torch.zeros(1)]), nn.ReLU())]

    assert counts == ["1 parameter", "0 parameters"]


def test_draw_blocks_writes_names_as_they_are():
    """A dollar sign starts no formula, a line break breaks no line, nothing is unseen, and a long name is cut."""
    ax = draw_blocks(oddly_named())

    written = [text.get_text() for text in ax.texts]

    ax.figure.canvas.draw()
    assert r"a$\frac{$b_c" in written
    assert r"two linés\x9b" in written
    assert any(text.startswith("a_very_long_attribute_name") and text.endswith("…") for text in written)
    assert any(text.startswith("AVeryLongClassName") and text.endswith("…") for text in written)


def test_draw_blocks_makes_names_and_details_fainter():
    """Classes and counts are written in ink; names, details, and the counts of what holds nothing, are fainter."""
    ax = draw_blocks(plain())

    linear, relu = ([t.get_color() for t in ax.texts if t.get_gid() == f"block:{path}"] for path in ("0", "1"))

    ink = linear[2]
    assert [same_color(colour, ink) for colour in linear] == [True, False, True, False]
    assert [same_color(colour, ink) for colour in relu] == [False, False, True]
    assert same_color(linear[1], linear[3])
    assert same_color(relu[0], relu[1])


def test_draw_blocks_aligns_what_a_box_says():
    """The first line stands in the middle of a box that has no other; without a name, the class begins the line."""
    ax = draw_blocks(nn.ModuleList([FixedHidden(), nn.ReLU()]))
    alone = draw_blocks(FixedHidden())

    alone.figure.draw_without_rendering()
    box, (count, *_) = boxes(ax)["1"], [text for text in ax.texts if text.get_gid() == "block:1"]
    starts = [t.get_window_extent().x0 for t in alone.texts if t.get_gid() == "block:" and t.get_text()][1:]
    assert count.xy[1] == pytest.approx(box.get_y() + box.get_height() / 2)
    assert starts == pytest.approx([starts[0]] * 2, abs=2)


def test_draw_blocks_colours_boxes_by_what_they_hold():
    """What holds parameters is blue and what holds nothing white; around them, greys grow darker four levels deep."""
    nested, faces = draw_blocks(deep(6)), {path: looks(draw_blocks(plain()), path)[0] for path in ("0", "1")}

    greys = [sum(looks(nested, ".".join("0" * depth))[0]) for depth in range(6)]
    assert same_color(faces["0"], "#E1EEF8")
    assert same_color(faces["1"], "white")
    assert greys[0] > greys[1] > greys[2] > greys[3] == greys[4] == greys[5]


@pytest.mark.parametrize(
    ("ground", "dark"), [("white", True), ("black", False), ("#AA0000", False), ("#80A0FF", True), ("#009E73", False)]
)
def test_ink_on_is_the_one_that_is_read_best(ground, dark):
    """On light grounds the ink is dark, on dark ones white; green counts most for the eye, blue least."""
    assert same_color(ink_on(ground), "#1B2733" if dark else "white")


# draw_blocks: tied and lazy


def looks(ax, path):
    """Return fill, edge and line of a block's box."""
    box = boxes(ax)[path]
    return box.get_facecolor(), box.get_edgecolor(), box.get_linestyle()


def test_draw_blocks_marks_a_layer_used_twice():
    """Both places have one colour and one letter, no other block has; the second says where the first is."""
    ax = draw_blocks(tied())

    assert words(ax, "2") == ["72", "A", "2", "Linear", "weight (8, 8)  ·  bias (8,)"]
    assert words(ax, "4") == ["(72)", "A", "4", "Linear", "the same block as 2"]
    assert looks(ax, "2") == looks(ax, "4")
    assert looks(ax, "2") not in [looks(ax, path) for path in ("", "0", "1", "3", "5", "6")]
    assert words(ax, "")[0] == "121 parameters"


def test_draw_blocks_marks_layers_that_share_a_weight():
    """Two different layers with one weight are marked alike, and its elements count once."""
    ax = draw_blocks(SharedHead())

    assert words(ax, "words") == ["64,000", "A", "words", "Embedding", "weight (1000, 64)"]
    assert words(ax, "out") == ["(64,000)", "A", "out", "Linear", "weight (1000, 64)"]
    assert looks(ax, "words") == looks(ax, "out") != looks(ax, "mix")
    assert words(ax, "")[0] == f"{count_parameters(SharedHead()):,} parameters"


def test_draw_blocks_gives_each_set_of_tied_blocks_its_own_mark():
    """Two pairs have two letters and two colours, and a block in both pairs has both letters."""
    net = nn.ModuleList([nn.Linear(3, 3) for _ in range(5)])
    net[1].weight, net[3].weight, net[4].bias = net[0].weight, net[2].weight, net[0].bias

    ax = draw_blocks(net)

    letters = {path: [word for word in words(ax, path) if word in {"A", "B", "C"}] for path in boxes(ax)}
    assert letters == {"": [], "0": ["A", "B"], "1": ["A"], "2": ["C"], "3": ["C"], "4": ["B"]}
    assert len({looks(ax, path) for path in ("0", "2", "4")}) == 3


def test_draw_blocks_shows_a_shared_container_once():
    """The second place of a block of blocks refers to the first, and inside the first nothing more is marked."""
    shared = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))

    ax = draw_blocks(nn.Sequential(shared, nn.ReLU(), shared))

    assert list(boxes(ax)) == ["", "0", "0.0", "0.1", "1", "2"]
    assert words(ax, "2") == ["(24)", "A", "2", "Sequential", "the same block as 0"]
    assert "A" in words(ax, "0")
    assert "A" not in words(ax, "0.0") + words(ax, "0.1")


def test_draw_blocks_marks_the_visible_boxes_of_hidden_ties():
    """Where the tied layers are too deep to be drawn, the boxes that hold them are marked."""
    inner = nn.Linear(3, 3)
    net = nn.Sequential(nn.Sequential(inner, nn.ReLU()), nn.Linear(3, 3), nn.Sequential(nn.ReLU(), inner))

    ax = draw_blocks(net, max_depth=1)

    assert [path for path in boxes(ax) if "A" in words(ax, path)] == ["0", "2"]
    assert [words(ax, path)[0] for path in boxes(ax)] == ["24 parameters", "12", "12", "(12)"]
    assert words(draw_blocks(net, max_depth=0), "") == ["24 parameters", "Sequential", "3 blocks inside"]


def test_draw_blocks_counts_what_a_block_shares_with_one_inside_once():
    """A parameter that a block and its own layer share is counted at the block, and in parentheses below."""
    net = nn.Sequential(nn.Linear(3, 3, bias=False))
    net.register_parameter("own", net[0].weight)

    ax = draw_blocks(net)

    assert words(ax, "") == ["9 parameters", "A", "Sequential", "own (3, 3)"]
    assert words(ax, "0")[:2] == ["(9)", "A"]


def test_draw_blocks_counts_what_is_folded():
    """A layer tied to one of the blocks that share a box was counted there."""
    net = nn.Sequential(*[nn.Linear(3, 3) for _ in range(40)], nn.Tanh(), nn.Linear(3, 3, bias=False))
    net[41].weight = net[20].weight

    ax = draw_blocks(net)

    assert [words(ax, path)[:2] for path in ("0", "1", "41")] == [["12", "0"], ["468", "A"], ["(9)", "A"]]


def test_draw_blocks_does_not_mark_shared_blocks_without_parameters():
    """One ReLU in two places holds nothing that could be tied."""
    act = nn.ReLU()

    ax = draw_blocks(nn.Sequential(act, nn.Linear(2, 2), act))

    assert words(ax, "2") == ["0", "2", "ReLU"]


def test_draw_blocks_refers_to_a_shared_block_of_buffers():
    """A block that holds buffers and no parameters is described once, though nothing in it can be tied."""
    shared = nn.BatchNorm1d(3, affine=False)

    ax = draw_blocks(nn.Sequential(shared, nn.ReLU(), shared))

    assert words(ax, "2") == ["0", "2", "BatchNorm1d", "the same block as 0"]


def test_draw_blocks_has_letters_for_many_ties():
    """After Z comes AA, so that each of 28 sets of tied blocks has a mark of its own."""
    net = nn.ModuleList([nn.Module() for _ in range(8)])
    for i, j in itertools.combinations(range(8), 2):
        net[i].register_parameter(f"with_{j}", nn.Parameter(torch.zeros(2)))
        net[j].register_parameter(f"with_{i}", net[i].get_parameter(f"with_{j}"))

    ax = draw_blocks(net, ax=Figure(figsize=(9, 9)).subplots())

    letters = [*string.ascii_uppercase, "AA", "BB"]
    found = [letter for path in boxes(ax) for letter in words(ax, path) if letter in letters]
    assert sorted(found) == sorted(letters * 2)
    assert "BB" in words(ax, "6")
    assert "BB" in words(ax, "7")
    assert faults(ax) == []


def test_draw_blocks_marks_what_is_lazy():
    """A layer that has seen no data is dashed and says lazy instead of a number, and the sum says so too."""
    ax = draw_blocks(lazy())

    assert words(ax, "")[0] == "2,570 + lazy parameters"
    assert words(ax, "0") == ["lazy", "0", "LazyLinear", "weight (?)  ·  bias (?)"]
    assert words(ax, "3")[0] == "lazy"
    assert [path for path in boxes(ax) if looks(ax, path)[2] == "--"] == ["0", "3"]


def test_draw_blocks_shows_numbers_after_the_dry_run():
    """Once a batch has gone through, nothing in the drawing is lazy."""
    net = lazy()

    net(torch.zeros(2, 4))

    ax = draw_blocks(net)
    assert words(ax, "0")[0] == "1,280"
    assert not any("lazy" in text.get_text().lower() for text in ax.texts)
    assert {looks(ax, path)[2] for path in boxes(ax)} == {"-"}


# draw_blocks: large nets


def test_draw_blocks_folds_equal_layers():
    """Of twelve equal layers one is drawn whole and eleven are counted in one box, with their elements."""
    net = encoder()

    ax = draw_blocks(net)

    folded = words(ax, "layers.1")
    assert folded == [f"{count_parameters(net.layers[1:]):,}", "1 … 11", "11 more TransformerEncoderLayer"]
    assert looks(ax, "layers.1")[2] == ":"
    assert "layers.0.self_attn.out_proj" in boxes(ax)
    assert not any(path.startswith("layers.2") for path in boxes(ax))


def test_draw_blocks_folds_one_layer_used_many_times():
    """A layer that runs forty times is one layer and a box for 39 places, with one mark and one count."""
    ax = draw_blocks(nn.Sequential(*[nn.Linear(8, 8)] * 40))

    assert list(boxes(ax)) == ["", "0", "1"]
    assert words(ax, "1") == ["(72)", "A", "1 … 39", "39 more Linear"]
    assert words(ax, "")[0] == "72 parameters"


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


# draw_blocks: manners


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
        importlib.import_module("d2lcompute.figures")

    assert str(caught.value).startswith("figures need matplotlib (")
    assert str(caught.value).endswith('): pip install "d2lcompute[notebooks]"')


# plot_histograms


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


# plot_lines


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


# show_matrix


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


# all plots


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
