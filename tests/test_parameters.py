from types import SimpleNamespace

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
import torchinfo
import wcwidth
from torch import nn

from d2lcompute.parameters import ParameterRow, ParameterTable, count_parameters, parameter_table, tied_groups


class SharedHead(nn.Module):
    """A language model in small: the output layer reads the words' own vectors."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.out = nn.Linear(4, 10, bias=False)
        self.out.weight = self.words.weight

    def forward(self, X):
        return self.out(self.words(X))


def tied_mlp():
    """Make the book's example of tying: one hidden layer that runs twice."""
    shared = nn.Linear(8, 8)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1))


# parameter_table


@pytest.mark.parametrize("make", [tied_mlp, SharedHead, lambda: nn.TransformerEncoderLayer(8, 2), nn.ReLU])
def test_parameter_table_lists_every_name_in_the_nets_order(make):
    """Each name of each parameter has one row, tied ones included, in the order of named_parameters."""
    net = make()

    table = parameter_table(net)

    expected = list(net.named_parameters(remove_duplicate=False))
    assert [row.name for row in table] == [name for name, _ in expected]
    assert [row.shape for row in table] == [tuple(parameter.shape) for _, parameter in expected]


def test_parameter_table_row_holds_what_the_parameter_says():
    """A row tells shape, dtype, device and whether the parameter is trainable, as the parameter itself does."""
    net = nn.Linear(3, 2, dtype=torch.float64, device="meta")
    net.bias.requires_grad_(False)

    weight, bias = parameter_table(net)

    assert weight == ParameterRow("weight", (2, 3), torch.float64, torch.device("meta"), True, (), True)
    assert bias == ParameterRow("bias", (2,), torch.float64, torch.device("meta"), False, (), True)
    assert (weight.elements, bias.elements) == (6, 2)


def test_parameter_table_names_the_other_places_of_a_tied_parameter():
    """tied_with holds every other name of the same parameter and never the row's own."""
    table = parameter_table(tied_mlp())

    tied = {row.name: row.tied_with for row in table if row.tied_with}

    assert tied == {
        "2.weight": ("4.weight",),
        "2.bias": ("4.bias",),
        "4.weight": ("2.weight",),
        "4.bias": ("2.bias",),
    }


def test_parameter_table_is_a_tuple_of_rows():
    """The table has a length, can be indexed, iterated and compared, as a tuple can."""
    table = parameter_table(nn.Linear(3, 2))

    first, last = table

    assert isinstance(table, ParameterTable)
    assert isinstance(table, tuple)
    assert (len(table), table[0], table[-1]) == (2, first, last)
    assert table == parameter_table(nn.Linear(3, 2))
    assert table != parameter_table(nn.Linear(3, 4))


def test_parameter_table_prints_tied_parameters_once_in_the_total():
    """Elements counted in a row above stand in parentheses, and the total leaves them out."""
    text = repr(parameter_table(tied_mlp()))

    assert text.split("\n") == [
        "name      shape   elements  dtype    trainable  tied with",
        "0.weight  (8, 4)        32  float32  yes",
        "0.bias    (8,)           8  float32  yes",
        "2.weight  (8, 8)        64  float32  yes        4.weight",
        "2.bias    (8,)           8  float32  yes        4.bias",
        "4.weight  (8, 8)      (64)  float32  yes        2.weight",
        "4.bias    (8,)         (8)  float32  yes        2.bias",
        "6.weight  (1, 8)         8  float32  yes",
        "6.bias    (1,)           1  float32  yes",
        "total: 121 elements in 6 parameters with 8 names",
    ]


def test_parameter_table_prints_what_is_uninitialized_and_what_is_not_trainable():
    """A lazy parameter shows no shape and no number, and the last line says how many there are of it."""
    net = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1000).requires_grad_(False))

    text = repr(parameter_table(net))

    assert text.split("\n") == [
        "name      shape          elements  dtype    trainable",
        "0.weight  uninitialized         ?  float32  yes",
        "0.bias    uninitialized         ?  float32  yes",
        "1.weight  (1000, 3)         3,000  float32  no",
        "1.bias    (1000,)           1,000  float32  no",
        "total: 4,000 elements in 4 parameters; not trainable: 4,000; uninitialized parameters: 2",
    ]


def test_parameter_table_counts_nothing_for_what_is_frozen_and_uninitialized():
    """A lazy parameter that is not trainable adds no number to the last line."""
    net = nn.Module()
    net.later = nn.UninitializedParameter(requires_grad=False)

    text = repr(parameter_table(net))

    assert text.split("\n")[-1] == "total: 0 elements in 1 parameter; uninitialized parameters: 1"


def test_parameter_table_prints_one_element_in_the_singular():
    """The last line is a grammatical sentence for one as for many, and for none."""
    scalar, nothing = nn.ParameterList([torch.tensor(1.0)]), nn.ReLU()

    totals = [repr(parameter_table(net)).splitlines()[-1] for net in (scalar, nothing)]

    assert totals == ["total: 1 element in 1 parameter", "total: 0 elements in 0 parameters"]


def test_parameter_table_prints_devices_only_when_not_all_is_on_the_cpu():
    """A notebook that runs on the CPU shows no device; a net that lies elsewhere, or in two places, shows them."""
    on_cpu, mixed = nn.Linear(2, 1), nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1, device="meta"))

    lines = repr(parameter_table(mixed)).splitlines()

    assert "device" not in repr(parameter_table(on_cpu))
    assert lines[0] == "name      shape   elements  dtype    device  trainable"
    assert [line.split()[-2] for line in lines[1:5]] == ["cpu", "cpu", "meta", "meta"]


def test_parameter_table_writes_out_line_breaks_and_commands():
    """A name stays on its line, in each column that shows it, and the rows keep it as it is."""
    net, shared = nn.Module(), nn.Parameter(torch.ones(2))
    net.register_parameter("a\n", shared)
    net.register_parameter("é\x1b[31m", shared)

    table = parameter_table(net)

    assert repr(table) == (
        "name       shape  elements  dtype    trainable  tied with\n"
        "a\\n        (2,)          2  float32  yes        é\\x1b[31m\n"
        "é\\x1b[31m  (2,)        (2)  float32  yes        a\\n\n"
        "total: 2 elements in 1 parameter with 2 names"
    )
    assert [row.name for row in table] == ["a\n", "é\x1b[31m"]


def test_parameter_table_cuts_a_long_list_of_tied_names_short_in_print_only():
    """A layer used six times prints two of the five other names, one used four times all three; rows hold them all."""
    layer = nn.Linear(2, 2, bias=False)

    table = parameter_table(nn.Sequential(*[layer] * 6))
    shorter = parameter_table(nn.Sequential(*[layer] * 4))

    assert table[0].tied_with == tuple(f"{i}.weight" for i in range(1, 6))
    assert repr(table).splitlines()[1].endswith("  1.weight, 2.weight and 3 more")
    assert repr(shorter).splitlines()[1].endswith("  1.weight, 2.weight, 3.weight")


@pytest.mark.parametrize("make", [tied_mlp, SharedHead, lambda: nn.Sequential(nn.LazyLinear(3)), nn.ReLU])
def test_parameter_table_prints_the_same_text_for_equal_nets(make):
    """The text holds no address, and no line ends in a space, so that a stored output can be compared."""
    texts = {repr(parameter_table(make())) for _ in range(3)}

    (text,) = texts
    assert "0x" not in text
    assert all(line == line.rstrip() for line in text.split("\n"))


# count_parameters


@pytest.mark.parametrize("make", [nn.ReLU, lambda: nn.Linear(3, 2), lambda: nn.TransformerEncoderLayer(8, 2)])
def test_count_parameters_is_the_sum_over_parameters(make):
    """Without ties the count is what the usual sum over net.parameters() says."""
    net = make()

    count = count_parameters(net)

    assert count == sum(parameter.numel() for parameter in net.parameters())


def test_count_parameters_counts_a_tied_parameter_once():
    """A layer used twice and a weight used by two layers are counted once each."""
    counts = [count_parameters(net) for net in (tied_mlp(), SharedHead())]

    assert counts == [32 + 8 + 64 + 8 + 8 + 1, 10 * 4]


def test_count_parameters_leaves_out_frozen_parameters_on_request():
    """trainable_only counts what an optimizer can change."""
    net = nn.Sequential(nn.Linear(4, 8).requires_grad_(False), nn.Linear(8, 1))

    counts = count_parameters(net), count_parameters(net, trainable_only=True)

    assert counts == (49, 9)


@pytest.mark.parametrize(
    ("layers", "named"),
    [(1, "0.weight, 0.bias have"), (2, "0.weight, 0.bias and 2 more have"), (3, "0.weight, 0.bias and 4 more have")],
)
def test_count_parameters_refuses_a_lazy_net_that_has_seen_no_data(layers, named):
    """A shape that is not known yet is an error that names the parameters and the remedy, never a 0."""
    net = nn.Sequential(*[nn.LazyLinear(3) for _ in range(layers)])

    with pytest.raises(ValueError, match="no shape yet") as error:
        count_parameters(net)

    assert str(error.value) == (
        f"net must have seen data before its parameters can be counted; {named} no shape yet: send one batch through "
        "the net, net(X), and count then"
    )


def test_count_parameters_counts_a_lazy_net_after_the_dry_run():
    """The remedy that the error names works."""
    net = nn.Sequential(nn.LazyLinear(3))

    net(torch.zeros(1, 4))

    assert count_parameters(net) == 4 * 3 + 3


def test_count_parameters_ignores_lazy_parameters_that_were_not_asked_for():
    """A frozen lazy layer does not stand in the way of counting what is trainable."""
    net = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    net[0].weight.requires_grad = net[0].bias.requires_grad = False

    assert count_parameters(net, trainable_only=True) == 4


def test_count_parameters_is_right_where_torchinfo_is_not():
    """For a weight in two layers torchinfo reports twice its size; for a lazy layer it reports 0 (ours refuses)."""
    theirs = SimpleNamespace(
        tied=torchinfo.summary(SharedHead(), verbose=0).total_params,
        lazy=torchinfo.summary(nn.Sequential(nn.LazyLinear(3)), verbose=0).total_params,
    )

    ours = count_parameters(SharedHead())

    assert (theirs.tied, theirs.lazy) == (80, 0)
    assert ours == 40 == SharedHead().words.weight.numel()


# tied_groups


def test_tied_groups_finds_each_way_to_tie():
    """A block used twice, a weight given to another layer, and two attributes of one block are all found."""
    block, weight = nn.Linear(2, 2), nn.Parameter(torch.zeros(2))
    one_block = nn.Module()
    one_block.a, one_block.b = weight, weight

    groups = [tied_groups(net) for net in (nn.Sequential(block, block, block), SharedHead(), one_block)]

    assert groups == [
        [("0.weight", "1.weight", "2.weight"), ("0.bias", "1.bias", "2.bias")],
        [("words.weight", "out.weight")],
        [("a", "b")],
    ]


@pytest.mark.parametrize("net", [nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))])
def test_tied_groups_is_empty_without_ties(net):
    """Parameters that are merely equal in shape or value are not tied."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1)

    assert tied_groups(net) == []


def test_tied_groups_finds_lazy_parameters():
    """A lazy layer used twice is tied before it has seen data, as it is afterwards."""
    lazy = nn.LazyLinear(4)
    net = nn.Sequential(lazy, lazy)

    before = tied_groups(net)
    net(torch.zeros(1, 4))

    assert before == tied_groups(net) == [("0.weight", "1.weight"), ("0.bias", "1.bias")]


def test_tied_groups_goes_by_the_parameter_and_not_by_its_memory():
    """Two parameters over one storage get two gradients and two steps, so they are not tied and both are counted."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight.data = net[0].weight.data

    net(torch.ones(1, 2)).sum().backward()

    assert net[0].weight.data_ptr() == net[1].weight.data_ptr()
    assert not torch.equal(net[0].weight.grad, net[1].weight.grad)
    assert tied_groups(net) == []
    assert count_parameters(net) == 8


# all three


@pytest.mark.parametrize("function", [parameter_table, count_parameters, tied_groups])
@pytest.mark.parametrize(
    ("wrong", "came"),
    [
        ([nn.Linear(2, 2)], "a value of type list"),
        (nn.Linear(2, 2).parameters(), "a value of type generator"),
        (nn.Linear, "the class Linear"),
        (None, "a value of type NoneType"),
    ],
)
def test_parameters_functions_refuse_what_is_no_module(function, wrong, came):
    """The error names the argument, what was expected and what came instead."""
    with pytest.raises(TypeError) as error:
        function(wrong)

    assert str(error.value) == f"net must be a torch.nn.Module, an object such as nn.Linear(4, 2); got {came}"


@st.composite
def trees(draw, depth=3):
    """Draw a tree of modules in which parameters and whole blocks come again in other places."""
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    parameters = [nn.Parameter(torch.zeros(size), requires_grad=draw(st.booleans())) for size in sizes]
    made = []

    def grow(levels):
        module = nn.Module()
        for i in range(draw(st.integers(0, 3))):
            module.register_parameter(f"p{i}", draw(st.sampled_from([None, *parameters])))
        for i in range(draw(st.integers(0, 3)) if levels else 0):
            # A block made before this one cannot hold it, so the tree has no cycle.
            again = draw(st.sampled_from(made)) if made and draw(st.booleans()) else None
            module.register_module(f"m{i}", again or grow(levels - 1))
        made.append(module)
        return module

    return grow(depth)


def places(module, prefix=""):
    """List (name, parameter) for each place in a tree by plain recursion, with no memory of what was seen."""
    found = [(prefix + name, p) for name, p in module._parameters.items() if p is not None]
    for name, child in module._modules.items():
        found += places(child, f"{prefix}{name}.")
    return found


def brute_force(net):
    """Compare each place with each other one: the table of names, the count, the trainable count, the groups."""
    found = places(net)
    names = [[name for name, other in found if other is parameter] for _, parameter in found]
    firsts = [p for i, (_, p) in enumerate(found) if not any(p is other for _, other in found[:i])]
    groups = [tuple(group) for i, group in enumerate(names) if len(group) > 1 and group not in names[:i]]
    return SimpleNamespace(
        tied={name: tuple(n for n in group if n != name) for (name, _), group in zip(found, names, strict=True)},
        count=sum(p.nelement() for p in firsts),
        trainable=sum(p.nelement() for p in firsts if p.requires_grad),
        groups=groups,
    )


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(trees())
def test_parameters_functions_agree_with_brute_force_on_random_trees(net):
    """On any tree of blocks, however tied, table, counts and groups are what comparing all pairs of places finds."""
    expected = brute_force(net)

    table = parameter_table(net)

    assert {row.name: row.tied_with for row in table} == expected.tied
    assert list(expected.tied) == [row.name for row in table]
    assert count_parameters(net) == expected.count
    assert count_parameters(net, trainable_only=True) == expected.trainable
    assert tied_groups(net) == expected.groups
    assert repr(table).splitlines()[-1].startswith(f"total: {expected.count:,} element")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda net: sum(p.numel() for _, p in places(net)), id="each place"),
        pytest.param(lambda net: sum(p.numel() for p in net.parameters() if p.requires_grad), id="trainable alone"),
        pytest.param(lambda net: sum(p.numel() for m in set(net.modules()) for p in m.parameters(False)), id="blocks"),
    ],
)
def test_brute_force_rejects_wrong_counts(wrong):
    """The random trees hold a case against each plausible wrong way to count."""
    one_is_enough = hypothesis.settings(database=None, phases=[hypothesis.Phase.generate])  # a small one takes minutes
    counter_example = hypothesis.find(trees(), lambda net: wrong(net) != brute_force(net).count, settings=one_is_enough)

    assert wrong(counter_example) != count_parameters(counter_example)


def test_parameter_table_shortens_a_long_net():
    """Of 2,000 rows the repr shows the first and the last 20, with the true total; the whole stays reachable."""
    table = parameter_table(nn.Sequential(*(nn.Linear(1, 1) for _ in range(1000))))

    lines = repr(table).splitlines()

    assert len(lines) == 1 + 20 + 1 + 20 + 1
    assert set(lines[21].split()) == {"..."}
    assert lines[20].split()[0] == "9.bias"
    assert lines[22].split()[0] == "990.weight"
    assert lines[-1] == "total: 2,000 elements in 2000 parameters"
    assert len(table.to_string().splitlines()) == 2002
    assert len(table) == 2000


def test_parameter_table_of_sixty_rows_is_whole():
    """A table that fits is not shortened."""
    table = parameter_table(nn.Sequential(*(nn.Linear(1, 1) for _ in range(30))))

    assert repr(table) == table.to_string()


def test_parameter_table_aligns_chinese_names():
    """A Chinese letter takes two columns of a screen, so the shapes begin in one column of it."""
    net = nn.ModuleDict({"线性层": nn.Linear(2, 3), "out": nn.Linear(3, 1)})

    lines = repr(parameter_table(net)).splitlines()

    starts = {wcwidth.width(line[: line.index("(")]) for line in lines[1:-1]}
    assert len(starts) == 1
