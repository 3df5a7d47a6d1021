"""Fine-tuning: what fits is loaded, what does not is named, and nothing is half done."""

import pytest
import torch
from torch import nn

from d2lcompute import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import everything


class Classifier(nn.Module):
    """A backbone under a head of so many classes."""

    def __init__(self, classes):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, classes)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_backbone_loads_under_a_new_head(suffix, tmp_path):
    """The backbone's entries are loaded, the head keeps its values, and the result names both sides."""
    old, new = Classifier(10), Classifier(3)
    head = new.head.weight.clone()
    save_checkpoint(tmp_path / f"net{suffix}", old, durable=False)

    loaded = load_checkpoint(tmp_path / f"net{suffix}", new, partial=True)

    assert torch.equal(new.backbone[2].weight, old.backbone[2].weight)
    assert torch.equal(new.head.weight, head)
    assert set(loaded.skipped) == {"head.weight", "head.bias"}
    assert loaded.kept == ("head.weight", "head.bias")


def test_entries_of_another_name_are_skipped_and_kept(tmp_path):
    """Names that only one side has are listed on that side."""
    save_checkpoint(tmp_path / "net.pt", nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)}), durable=False)

    other = nn.ModuleDict({"a": nn.Linear(2, 2), "c": nn.Linear(2, 2)})

    loaded = load_checkpoint(tmp_path / "net.pt", other, partial=True)

    assert (loaded.skipped, loaded.kept) == (("b.weight", "b.bias"), ("c.weight", "c.bias"))


def test_an_entry_of_another_dtype_does_not_fit(tmp_path):
    """A float64 model takes no float32 entries: casting in silence is not loading."""
    save_checkpoint(tmp_path / "net.pt", nn.Linear(2, 2), durable=False)

    with pytest.raises(CheckpointError, match="found none"):
        load_checkpoint(tmp_path / "net.pt", nn.Linear(2, 2).double(), partial=True)


def test_nothing_that_fits_is_an_error(tmp_path):
    """A file of another model is refused, and the model is what it was."""
    save_checkpoint(tmp_path / "net.pt", Classifier(3), durable=False)
    other = nn.Linear(5, 5)
    before = everything(other)

    with pytest.raises(CheckpointError, match=r"in the model: 'weight', 'bias'; in the file: 'backbone\.0\.weight'"):
        load_checkpoint(tmp_path / "net.pt", other, partial=True)

    assert everything(other) == before


def test_a_whole_load_names_nothing(tmp_path):
    """Without partial, and with a file that fits whole, both lists are empty."""
    save_checkpoint(tmp_path / "net.pt", Classifier(3), durable=False)

    for partial in (False, True):
        loaded = load_checkpoint(tmp_path / "net.pt", Classifier(3), partial=partial)
        assert (loaded.skipped, loaded.kept) == ((), ())


def test_an_optimizer_is_refused_with_partial(tmp_path):
    """An optimizer's state belongs to all parameters; the error says what to do instead."""
    net = Classifier(3)
    save_checkpoint(tmp_path / "net.pt", net, durable=False)

    with pytest.raises(ValueError, match=r"optimizer must be None with partial=True.*then build an optimizer"):
        load_checkpoint(tmp_path / "net.pt", net, torch.optim.SGD(net.parameters()), partial=True)


def test_a_failure_leaves_the_whole_model(tmp_path, monkeypatch):
    """If copying fails halfway, also the entries that fitted are what they were."""
    from d2lcompute.checkpoints import state

    save_checkpoint(tmp_path / "net.pt", Classifier(10), durable=False)
    net = Classifier(3)
    before = everything(net)
    copies = iter(range(100))

    def failing(target, source, *arguments):
        if next(copies) == 2:
            raise RuntimeError("device lost")
        return copy(target, source, *arguments)

    copy = torch.Tensor.copy_
    monkeypatch.setattr(state, "_is_plain", lambda tensor: False)
    monkeypatch.setattr(torch.Tensor, "copy_", failing)
    with pytest.raises(CheckpointError, match="device lost"):
        load_checkpoint(tmp_path / "net.pt", net, partial=True)
    monkeypatch.undo()

    assert everything(net) == before
