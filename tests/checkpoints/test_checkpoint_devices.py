"""Checkpoints and devices: a file from one loads onto another."""

import pytest
import torch

from d2lcompute.checkpoints import load_checkpoint, save_checkpoint
from d2lcompute.pretend import pretend_gpus
from tests.checkpoints.nets import everything, message_of, sgd, small, train


def test_load_checkpoint_reads_a_file_from_a_gpu_without_one(tmp_path, monkeypatch):
    """A file whose tensors say cuda:0 loads on a machine without one, where bare torch.load fails."""
    net, optimizer = small()
    train(net, optimizer, 1)
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        save_checkpoint(tmp_path / "net.pt", net, optimizer, extra={"best": torch.ones(2)}, durable=False)
    other = small()

    loaded = load_checkpoint(tmp_path / "net.pt", *other)

    assert everything(*other) == everything(net, optimizer)
    assert loaded.extra["best"].device.type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
            torch.load(tmp_path / "net.pt", weights_only=True)


def test_load_checkpoint_onto_another_device(saved):
    """A file from the CPU loads onto pretended GPUs, and theirs loads onto another one and onto the CPU."""
    path, expected = saved

    with pretend_gpus(2):
        nets = []
        for device in ("cuda:0", "cuda:1"):
            net = small()[0].to(device)
            optimizer = sgd(net.parameters())
            load_checkpoint(path, net, optimizer)
            save_checkpoint(path, net, optimizer, step=2, durable=False)
            nets.append(net)
        devices = [net[0].weight.device for net in nets]
        kept = optimizer.state[net[0].weight]["momentum_buffer"].device
    net, optimizer = small()
    load_checkpoint(path, net, optimizer)

    assert [*map(str, devices), str(kept)] == ["cuda:0", "cuda:1", "cuda:1"]
    assert everything(net, optimizer) == expected


def test_load_checkpoint_keeps_a_way_back_on_a_device(saved, monkeypatch):
    """What is on a device, where copying may fail, is not loaded in the one call that has no way back."""
    calls, copy = [], torch._foreach_copy_
    monkeypatch.setattr(torch, "_foreach_copy_", lambda *lists: (calls.append(len(lists[0])), copy(*lists)))

    with pretend_gpus(1) as machine:
        net = small()[0].to("cuda")
        before = machine.host_reads
        load_checkpoint(saved[0], net)
        kept_by_the_host = machine.host_reads - before
    on_device, calls[:] = list(calls), []
    load_checkpoint(saved[0], small()[0])

    assert on_device == []
    assert calls == [len(small()[0].state_dict())] == [kept_by_the_host]


@pytest.mark.parametrize(
    "given", [None, 0, {}, "cpu", lambda storage, location: storage], ids=["None", "0", "{}", "cpu", "a function"]
)
def test_load_checkpoint_hands_map_location_on(given, saved, monkeypatch):
    """Whatever is given as map_location reaches torch.load as it is; None, which is not given, means the CPU."""
    asked, load = [], torch.load
    monkeypatch.setattr(
        torch,
        "load",
        lambda *arguments, map_location, **options: (asked.append(map_location), load(*arguments, **options))[1],
    )

    load_checkpoint(saved[0], small()[0], map_location=given)

    assert asked == [torch.device("cpu") if given is None else given]


def test_load_checkpoint_refuses_to_load_nothing(tmp_path):
    """Tensors that map_location sends to the meta device have no values: an error, and nothing changes."""
    net, optimizer = small()
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    optimizer.param_groups[0]["lr"] = 0.5
    before = everything(net, optimizer)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net, optimizer, map_location="meta")

    assert "could not be put in place" in message
    assert everything(net, optimizer) == before


def test_load_checkpoint_reports_a_map_location_that_fails(saved):
    """A device that is not there is a CheckpointError, and nothing changes."""
    net, _ = small()
    before = everything(net)

    message = message_of(load_checkpoint, saved[0], net, map_location="cuda:99")

    assert "net.pt: map_location asks for a device that this machine lacks (RuntimeError: " in message
    assert everything(net) == before
