"""The book's section on GPUs, walked through on a pretended machine."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import d2lcompute
from d2lcompute import num_gpus, try_all_gpus, try_gpu
from tests.pretend.machine.pretend_support import CPU, GPU0, GPU1, MIXED, mlp


def test_walk_devices_are_named_counted_and_tried(machine):
    """The section's first part: devices have names, can be counted, and are tried for."""
    assert (d2lcompute.cpu(), d2lcompute.gpu(), d2lcompute.gpu(1)) == (CPU, GPU0, GPU1)
    assert num_gpus() == 2
    assert (try_gpu(), try_gpu(10), try_all_gpus()) == (GPU0, CPU, [GPU0, GPU1])


def test_walk_tensors_are_made_on_devices(machine):
    """The second part: a tensor is on the CPU unless it is made elsewhere, and says where it is."""
    x = torch.tensor([1, 2, 3])
    X = torch.ones(2, 3, device=try_gpu())
    Y = torch.rand(2, 3, device=try_gpu(1))

    assert (x.device, X.device, Y.device) == (CPU, GPU0, GPU1)
    assert repr(X) == "tensor([[1., 1., 1.],\n        [1., 1., 1.]], device='cuda:0')"
    assert f"{Y[0, 0]:.4f}" == f"{Y[0, 0].item():.4f}"


def test_walk_copying_makes_addition_possible(machine):
    """The third part: tensors on two devices do not add, a copy on the right one does, and is not made twice."""
    X, Y = torch.ones(2, 3, device=GPU0), torch.rand(2, 3, device=GPU1)

    with pytest.raises(RuntimeError, match=MIXED.format("cuda:0", "cuda:1")):
        X + Y
    Z = X.cuda(1)

    assert (X.device, Z.device, (Y + Z).device) == (GPU0, GPU1, GPU1)
    assert torch.equal((Y + Z).cpu(), Y.cpu() + 1)
    assert Z.cuda(1) is Z


def test_walk_nets_live_on_devices(machine):
    """The fourth part: a net is moved with its parameters, lazy ones too, and computes where it is."""
    X = torch.ones(2, 3, device=GPU0)
    net = nn.Sequential(nn.LazyLinear(1)).to(device=try_gpu())
    out = net(X)

    assert (out.device, net[0].weight.data.device, net[0].bias.device) == (GPU0, GPU0, GPU0)
    with pytest.raises(RuntimeError, match="same device"):
        net(X.cpu())


def test_walk_a_batch_and_a_model_are_moved_before_training(machine):
    """The last part: a trainer moves the model once and each batch, and every loss is a CPU run's."""
    batches = [(torch.rand(8, 3), torch.rand(8, 1)) for _ in range(5)]

    def losses(device):
        net = mlp().to(device)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        found = []
        for batch in batches:
            X, y = (a.to(device) for a in batch)
            optimizer.zero_grad()
            loss = F.mse_loss(net(X), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    assert losses(try_gpu(1)) == losses(CPU)
    assert losses(CPU)[-1] < losses(CPU)[0]
