"""Block diagrams: a net as nested boxes, read back from its artists."""

import itertools
import string

import hypothesis
import hypothesis.strategies as st
import matplotlib
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from torch import nn

from d2lcompute.figures import draw_blocks
from d2lcompute.figures.style import ink_on
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

matplotlib.use("Agg")


class SharedHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(1000, 64)
        self.mix = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1000, bias=False)
        self.out.weight = self.words.weight


def tied():
    """Make a net with one layer in two places."""
    shared = nn.Linear(8, 8)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1))


def lazy():
    """Make a net in which two layers wait for data."""
    return nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.Linear(256, 10), nn.LazyBatchNorm1d())


def oddly_named():
    """Make a net whose names are long, or mean something to matplotlib."""
    net = nn.Module()
    net.add_module(r"a$\frac{$b_c", nn.Linear(2, 2))
    net.add_module("a_very_long_attribute_name" * 5, nn.MultiheadAttention(8, 2))
    net.add_module("two\nlinés\x9b", nn.BatchNorm2d(8))
    net.add_module("_hidden", type("AVeryLongClassName" * 8, (nn.Linear,), {})(2, 2))
    return net


NETS = [plain, chimera, tied, SharedHead, lazy, encoder, long, deep, oddly_named, lambda: nn.Linear(3, 2), nn.ReLU]


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


@pytest.mark.parametrize(("inches", "is_written"), [(8, True), (1, False)])
def test_draw_blocks_writes_nothing_that_nobody_can_read(inches, is_written):
    """In a figure far too small the boxes stay, and text of less than two points is left out."""
    ax = Figure(figsize=(inches, inches)).subplots()

    draw_blocks(nn.Sequential(*[nn.Linear(3, 4) for _ in range(12)]), ax=ax)

    assert bool(ax.texts) is is_written
    assert len(boxes(ax)) == 13
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
