"""Modules compiled and exported."""

import os

import pytest
import torch
from torch.func import vmap

from d2lcompute import FixedHiddenMLP
from tests.properties.properties_transforms_support import EVERY, TRACEABLE, batch, results, same

THOROUGH = bool(os.environ.get("D2LCOMPUTE_THOROUGH"))  # minutes and a C++ compiler: torch.compile in full


@pytest.fixture
def no_traces():
    """Forget what torch.compile has compiled, before and after."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@TRACEABLE
@pytest.mark.usefixtures("no_traces")
def test_modules_are_traced_whole(case):
    """torch.compile traces a module as one graph, which computes the same bits."""
    net = case.make()

    compiled = torch.compile(net, backend="eager", fullgraph=True)

    assert same(compiled(batch()), net(batch()))


@pytest.mark.slow
@pytest.mark.skipif(not THOROUGH, reason="takes minutes and a C++ compiler: set D2LCOMPUTE_THOROUGH")
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@EVERY
@pytest.mark.usefixtures("no_traces")
@pytest.mark.filterwarnings("ignore")
def test_modules_are_compiled(case, backend):
    """Compiled for real, forward and backward, a module computes the same values and gradients."""
    net = case.make()

    compiled = torch.compile(net, backend=backend)

    assert same(results(compiled, batch()), results(net, batch()), rtol=1e-4, atol=1e-5)


@TRACEABLE
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, in some versions
def test_modules_are_exported(case):
    """torch.export yields a program with the same parameters that takes batches of any size and computes the same."""
    net = case.make()

    program = torch.export.export(net, (batch(),), dynamic_shapes=({0: torch.export.Dim("n", min=2)},))

    assert {*program.state_dict} == {*net.state_dict()}
    for n in (2, 9):
        assert same(program.module()(batch(n)), net(batch(n)), rtol=1e-6, atol=1e-6)


def name_of(error):
    """Return an error's class by its name, since torch has moved some between its modules."""
    return type(error).__name__


@pytest.mark.usefixtures("no_traces")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, in some versions
@pytest.mark.parametrize(
    ("transform", "error", "words"),
    [
        (
            lambda net: torch.export.export(net, (batch(),), strict=False),
            "GuardOnDataDependentSymNode",
            "data-dependent",
        ),
        (
            lambda net: torch.compile(net, backend="eager", fullgraph=True)(batch()),
            "Unsupported",
            "[Dd]ata.dependent (branching|jump|control flow)|dynamic control flow",
        ),
        (lambda net: vmap(net)(batch(3, 4)), "RuntimeError", "vmap: .* some data-dependent control flow"),
        (lambda net: net.to("meta")(batch().to("meta")), "RuntimeError", "cannot be called on meta tensors"),
        (
            lambda net: torch.fx.symbolic_trace(net),
            "TraceError",
            "symbolically traced variables cannot be used as inputs to control flow",
        ),
    ],
    ids=["export", "compile fullgraph", "vmap", "meta", "fx"],
)
def test_fixedhiddenmlp_cannot_be_traced(transform, error, words):
    """Its loop depends on values: what would need the loop unrolled raises, and says that control flow is why."""
    with pytest.raises(Exception, match=words) as caught:
        transform(FixedHiddenMLP())

    assert name_of(caught.value) == error


@pytest.mark.usefixtures("no_traces")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it traces
def test_fixedhiddenmlp_is_compiled_in_pieces():
    """Without fullgraph, torch.compile goes around the loop, and halves as often as each batch needs."""
    net = FixedHiddenMLP()
    compiled = torch.compile(net, backend="eager")

    for scale in (1e-6, 1.0, 1e3):
        assert same(compiled(scale * batch()), net(scale * batch()))
