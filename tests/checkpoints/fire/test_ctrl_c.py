"""Checkpoints and Ctrl-C: before any line it leaves the old or the new."""

import contextlib
import copy

import pytest
import torch

from d2lcompute.checkpoints import load_checkpoint, restoring, save_checkpoint
from tests.checkpoints.fire.interruptions import (
    OURS,
    THOROUGH,
    ctrl_c,
    interrupting,
    numbers_of_lines,
    outcome_on_disk,
    run_by_line,
    save_in_place,
)
from tests.checkpoints.nets import everything, linear, small, train


def outcomes_of_ctrl_c_while_loading(load, saved):
    """Interrupt ``load`` before each line; return whether net and optimizer were the old, the new or a mixture."""
    path, new = saved
    net, optimizer = small()
    train(net, optimizer, 1, seed=1)
    old, states = everything(net, optimizer), copy.deepcopy((net.state_dict(), optimizer.state_dict()))

    outcomes = set()
    for number in numbers_of_lines(lambda: load(path, net, optimizer)):
        net.load_state_dict(states[0])
        optimizer.load_state_dict(states[1])
        with contextlib.suppress(KeyboardInterrupt):
            run_by_line(lambda: load(path, net, optimizer), number, ctrl_c)
        found = everything(net, optimizer)
        outcomes.add("old" if found == old else "new" if found == new else "mixture")
    return outcomes


def load_one_after_the_other(path, net, optimizer):
    """Load as most programs do."""
    content = torch.load(path, weights_only=True)
    net.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"]["state_dict"])


@interrupting
def test_load_checkpoint_is_whole_wherever_ctrl_c_comes(saved):
    """Ctrl-C before any line of a load leaves net and optimizer as they were, or both loaded; others mix them."""
    outcomes = outcomes_of_ctrl_c_while_loading(load_checkpoint, saved)

    assert outcomes <= {"old", "new"}
    assert THOROUGH or len(outcomes) == 2  # few of all lines come late enough for the new one
    assert "mixture" in outcomes_of_ctrl_c_while_loading(load_one_after_the_other, saved)


@interrupting
def test_load_checkpoint_is_whole_wherever_ctrl_c_comes_on_a_device(saved, monkeypatch):
    """The same where the old values are kept while the new ones are copied, as on an accelerator."""
    monkeypatch.setattr(restoring, "_is_plain", lambda tensor: False)

    assert outcomes_of_ctrl_c_while_loading(load_checkpoint, saved) <= {"old", "new"}


@interrupting
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_is_whole_wherever_ctrl_c_comes(name, tmp_path):
    """Ctrl-C before any line of a save leaves the old file or the new one, no temporary; writing in place does not.

    Between some lines of torch.save itself Ctrl-C can end the process, since the destructor of its writer writes to a
    file that is closed by then: the old file stays, as when it is killed.
    """
    (tmp_path / "run").mkdir()
    path, nets = tmp_path / "run" / name, [linear(20, 20), linear(20, 20)]
    old, new = (path.read_bytes() for net in nets if save_checkpoint(path, net, durable=False) is None)

    outcomes = {save_checkpoint: set(), save_in_place: set()}
    for save in outcomes:
        for number in numbers_of_lines(lambda save=save: save(path, nets[1]), files=OURS):
            path.write_bytes(old)
            with contextlib.suppress(KeyboardInterrupt):
                run_by_line(lambda save=save: save(path, nets[1]), number, ctrl_c, OURS)
            outcomes[save].add(outcome_on_disk(path, old, new))

    assert outcomes[save_checkpoint] == {"old", "new"}
    assert "neither" in outcomes[save_in_place]
