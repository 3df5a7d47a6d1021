"""Gradients and modules across devices."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcompute import pretend_gpus
from tests.pretend.machine.pretend_support import CPU, GPU0, GPU1, MIXED, mlp


def test_gradients_cross_devices_and_come_back(machine):
    """A gradient is where its tensor is, at each end of a copy."""
    x = torch.rand(3, requires_grad=True)
    y = x.cuda(0) * 2
    z = y.cuda(1).exp()
    y.retain_grad()
    z.sum().backward()

    assert (x.grad.device, y.grad.device) == (CPU, GPU0)
    assert torch.equal(x.grad, 2 * (2 * x.detach()).exp())


def test_copying_into_a_tensor_crosses_devices(machine):
    """``copy_`` and assignment to a slice take values from any device, and hand gradients back."""
    X, source = torch.zeros(3, device=GPU0), torch.ones(3, device=GPU1, requires_grad=True)

    X.copy_(source)
    Y = torch.zeros(3)
    Y[1:] = source[1:]
    (X.sum() + Y.sum().to(GPU0)).backward()

    assert (X.device, Y.device, X.tolist(), Y.tolist()) == (GPU0, CPU, [1, 1, 1], [0, 1, 1])
    assert (source.grad.device, source.grad.tolist()) == (GPU1, [1, 2, 2])


def test_a_cpu_scalar_gets_its_gradient_on_the_cpu(machine):
    """A learned scalar on the CPU that scales a tensor on a device gets its gradient where it is."""
    s, w = torch.tensor(2.0, requires_grad=True), torch.ones(3, requires_grad=True)
    x = torch.ones(3, device=GPU0, requires_grad=True)

    (x * s * w.sum()).sum().backward()

    assert (s.grad.device, w.grad.device, x.grad.device) == (CPU, CPU, GPU0)
    assert (s.grad.item(), w.grad.tolist(), x.grad.tolist()) == (9, [6, 6, 6], [6, 6, 6])


def test_second_derivatives_cross_devices(machine):
    """``create_graph`` works through a copy between devices."""
    x = torch.tensor([1.0, 2.0], device=GPU0, requires_grad=True)

    (slope,) = torch.autograd.grad((x.cuda(1) ** 3).sum(), x, create_graph=True)
    slope.sum().backward()

    assert (slope.device, x.grad.device, x.grad.tolist()) == (GPU0, GPU0, [6, 12])


def test_hooks_see_gradients_on_their_devices(machine):
    """What runs during backward is pretended to as well: hooks, and tensors that they make."""
    seen = []
    x = torch.rand(3, device=GPU1, requires_grad=True)
    y = x * 2
    y.register_hook(
        lambda g: seen.append((g.device, torch.zeros_like(g).device, torch.ones(1, device=g.device).device))
    )

    y.sum().backward()

    assert seen == [(GPU1, GPU1, GPU1)]


def test_a_gradient_that_torch_makes_itself_goes_where_it_is_used_first(machine):
    """Zeros for a result that nobody used are on no device until they meet a tensor: alone, or in a list."""
    seen = []

    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, used, unused):
            out = torch._foreach_add([unused], [used])[0] if Pair.in_a_list else unused + used
            seen.append((unused.device, out.device))
            return 2 * out

    for Pair.in_a_list in (False, True):
        x = torch.ones(3, device=GPU1, requires_grad=True)
        Pair.apply(x)[0].sum().backward()
        seen.append(x.grad.tolist())

    assert seen == [(GPU1, GPU1), [2, 2, 2]] * 2


def test_assigning_a_gradient_from_elsewhere_is_refused(machine):
    """``.grad`` has to be on its tensor's device."""
    x = torch.ones(2, device=GPU0)

    x.grad = torch.ones(2, device=GPU0)
    with pytest.raises(RuntimeError, match="assigned grad has data located on a different device"):
        x.grad = torch.ones(2, device=GPU1)
    with pytest.raises(RuntimeError, match="gradient with device type 'cpu' to a tensor with device type 'cuda'"):
        x.grad = torch.ones(2)


def test_a_gradient_that_a_function_puts_elsewhere_is_caught_by_the_optimizer(machine):
    """A backward of one's own that forgets the device is refused when its gradient is used."""

    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.ones(2)

    x = torch.ones(2, device=GPU0, requires_grad=True)
    Careless.apply(x).sum().backward()

    with pytest.raises(RuntimeError, match=MIXED.format("cuda:0", "cpu")):
        torch.optim.SGD([x], lr=0.1).step()


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.LazyLinear(3)), (2, 1, 6, 6)),
        (lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, dropout=0.0), (2, 5, 6)),
        (lambda: nn.MultiheadAttention(6, 2, add_zero_attn=True, add_bias_kv=True), None),
        (lambda: nn.LSTM(6, 4, batch_first=True), (2, 5, 6)),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.LayerNorm(6), nn.GELU()), (2, 6)),
    ],
)
def test_modules_compute_on_a_device_what_they_compute_on_the_cpu(make, shape):
    """Forward, gradients and buffers of torch's own modules are equal to a CPU run's, and all on the device."""

    def run(device):
        torch.manual_seed(2)
        net = make().to(device)
        X = torch.rand(shape or (4, 2, 6)).to(device)
        out = net(X) if shape else net(X, X, X)
        out = out[0] if isinstance(out, tuple) else out
        out.square().sum().backward()
        found = [out, *net.parameters(), *net.buffers(), *(p.grad for p in net.parameters())]
        assert {t.device for t in found} == {device}
        return [t.detach().cpu() for t in found]

    expected = run(CPU)
    with pretend_gpus(2):
        found = run(GPU1)

    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}),
        (torch.optim.SGD, {"nesterov": True, "momentum": 0.9}),
        (torch.optim.SGD, {"fused": True}),
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"foreach": False}),
        (torch.optim.Adam, {"fused": True}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.RMSprop, {}),
    ],
)
def test_optimizers_step_on_two_devices_as_on_the_cpu(make, settings):
    """A net spread over two devices trains to the same bits as on the CPU, and the state is where its parameter is."""

    def train(first, second):
        net = mlp()
        net[0].to(first)
        net[2].to(second)
        net[3].to(second)
        optimizer = make(net.parameters(), lr=0.05, **settings)
        X = torch.rand(8, 3, generator=torch.Generator().manual_seed(3)).to(first)
        y = torch.ones(8, 1, device=second)
        for _ in range(4):
            optimizer.zero_grad()
            F.mse_loss(net[2:](net[:2](X).to(second)), y).backward()
            optimizer.step()
        for p in net.parameters():
            assert all(v.device == p.device for k, v in optimizer.state[p].items() if k != "step" and v is not None)
        return [p.detach().cpu() for p in net.parameters()]

    expected = train(CPU, CPU)
    with pretend_gpus(2):
        found = train(GPU0, GPU1)

    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_moving_a_module_keeps_its_parameters_identity(machine):
    """``to`` moves what the parameters hold, so that an optimizer made before goes on."""
    net = mlp()
    before = [id(p) for p in net.parameters()]
    net(torch.rand(4, 3)).sum().backward()

    net.cuda(1)

    assert [id(p) for p in net.parameters()] == before
    assert {t.device for t in (*net.parameters(), *net.buffers(), *(p.grad for p in net.parameters()))} == {GPU1}


def test_state_dicts_load_across_devices(machine):
    """``state_dict`` says where its tensors are, and ``load_state_dict`` copies to where the net is."""
    there, here = mlp().to(GPU0), mlp().to(GPU1)
    with torch.no_grad():
        there[0].weight.fill_(7)

    state = there.state_dict()
    here.load_state_dict(state)

    assert {t.device for t in state.values()} == {GPU0}
    assert {t.device for t in here.state_dict().values()} == {GPU1}
    assert (here[0].weight == 7).all()


def test_deepcopy_stays_on_the_device(machine):
    """A copied net, tensor or gradient is on the original's device, and shared memory stays shared."""
    net, x = mlp().to(GPU1), torch.ones(4, device=GPU0, requires_grad=True)
    x.sum().backward()

    twin, (y, head) = copy.deepcopy(net), copy.deepcopy([x.detach(), x.detach()[:2]])
    z = copy.deepcopy(x)
    y.fill_(5)

    assert {p.device for p in twin.parameters()} == {GPU1}
    assert (y.device, z.device, z.grad.device) == (GPU0, GPU0, GPU0)
    assert (head.tolist(), x.tolist()) == ([5, 5], [1, 1, 1, 1])


def test_random_numbers_are_those_of_the_cpu():
    """The devices share the CPU's generator, so one seed gives the same numbers with and without them."""
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))

    with pretend_gpus(1):
        torch.manual_seed(5)
        first = torch.rand(3, device=GPU0).cpu()
        torch.cuda.manual_seed(5)
        with torch.random.fork_rng():
            torch.rand(7, device=GPU0)
        second = torch.rand(3).to(GPU0).cpu()

    assert torch.equal(first, expected)
    assert torch.equal(second, expected)
