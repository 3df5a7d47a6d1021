"""Checkpoints and other processes: killed ones, and two at once."""

import itertools
import multiprocessing
import os
import random
import re
import signal
import time

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import load_checkpoint, save_checkpoint
from tests.checkpoints.fire.interruptions import (
    LINUX,
    forking,
    numbers_of_lines,
    outcome_on_disk,
    run_by_line,
    save_in_place,
)
from tests.checkpoints.nets import linear, message_of, sgd, small

KILL_ROUNDS = int(os.environ.get("D2LCOMPUTE_KILL_ROUNDS", "10" if LINUX else "3"))  # starting takes seconds elsewhere


SIZE = 300


def numbered(step):
    """Return a net and an optimizer in which every number is the step."""
    net = nn.Linear(SIZE, SIZE)
    optimizer = sgd(net.parameters())
    for parameter in net.parameters():
        nn.init.constant_(parameter, step)
        optimizer.state[parameter]["momentum_buffer"] = torch.full_like(parameter, step)
    return net, optimizer


def step_of(path):
    """Load a numbered checkpoint and return its step, if every number in it is that one."""
    net, optimizer = numbered(-1)
    loaded = load_checkpoint(path, net, optimizer)
    tensors = [*net.parameters(), *(state["momentum_buffer"] for state in optimizer.state.values())]
    numbers = {number for tensor in tensors for number in tensor.unique().tolist()}
    assert numbers == {loaded.step}
    assert loaded.extra == {"step": loaded.step}
    return loaded.step


def save_numbered(path, first, ready, stop):
    """Save numbered checkpoints, one after the other, until told to stop; runs in a process of its own."""
    torch.set_num_threads(1)
    for step in itertools.count(first):
        save_checkpoint(path, *numbered(step), step=step, extra={"step": step}, durable=step % 2 == 0)
        if step == first:
            ready.set()
        if stop.is_set():
            return


@pytest.fixture
def processes():
    """A way to start processes: on Linux with what is imported already, elsewhere slowly and from nothing."""
    return multiprocessing.get_context("fork" if LINUX else "spawn")


@forking
def test_save_checkpoint_survives_being_killed(processes, tmp_path):
    """A process killed at any moment while it saves leaves the old checkpoint or the new one, whole."""
    generator, path = random.Random(0), tmp_path / "net.pt"

    steps, temporaries = [], 0
    for _ in range(KILL_ROUNDS):
        ready, stop = processes.Event(), processes.Event()
        process = processes.Process(target=save_numbered, args=(path, 1, ready, stop), daemon=True)
        process.start()
        assert ready.wait(60)
        time.sleep(generator.uniform(0, 0.05))
        process.kill()
        process.join()
        steps.append(step_of(path))
        left = {*os.listdir(tmp_path)} - {"net.pt"}
        assert all(re.fullmatch(r"\.net\.pt\.[0-9a-f]{16}\.tmp", name) for name in left)
        temporaries = len(left)

    assert all(step >= 1 for step in steps)
    assert temporaries > 0 or KILL_ROUNDS < 50  # some of the kills came in the middle of writing


def killed_before_line(number, function):
    """Run a function in a process of its own that is killed before the function's line of this number."""
    child = os.fork()
    if child == 0:
        try:
            run_by_line(function, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@forking
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
@pytest.mark.parametrize("save", [save_checkpoint, save_in_place])
def test_save_checkpoint_survives_being_killed_before_each_line(save, tmp_path):
    """A process killed before any line that touches the disk leaves the old or the new file; writing in place, none."""
    (tmp_path / "run").mkdir()
    path, nets = tmp_path / "run" / "net.pt", [linear(20, 20), linear(20, 20)]
    old, new = (path.read_bytes() for net in nets if save_checkpoint(path, net, durable=False) is None)

    outcomes, kills = set(), 0
    for number in numbers_of_lines(lambda: save(path, nets[1]), inside=("replace", "_flush", "write", "save_in_place")):
        path.write_bytes(old)
        kills += killed_before_line(number, lambda: save(path, nets[1]))
        outcomes.add(outcome_on_disk(path, old, new).removesuffix(" and a temporary file"))
        for left in {*os.listdir(path.parent)} - {path.name}:
            os.unlink(path.parent / left)

    assert kills > 20
    assert ("neither" in outcomes) == (save is save_in_place)
    assert save is save_in_place or outcomes == {"old", "new"}


def test_step_of_notices_a_mixture(tmp_path):
    """The check that the tests with processes rely on sees a checkpoint that is half old and half new."""
    net, optimizer = numbered(1)
    nn.init.constant_(net.bias, 2)
    save_checkpoint(tmp_path / "net.pt", net, optimizer, step=1, extra={"step": 1}, durable=False)

    with pytest.raises(AssertionError):
        step_of(tmp_path / "net.pt")


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to replace a file that is being read")
@pytest.mark.parametrize(("name", "longer"), [("net.pt", 0), ("net.pt", 10**5), ("net.safetensors", 0)])
def test_load_checkpoint_never_mixes_two_files(name, longer, tmp_path, monkeypatch):
    """A file replaced between being opened and being mapped gives the new weights with the new step, not a mixture."""
    path, other = tmp_path / name, tmp_path / f"other-{name}"
    extra = {} if name.endswith(".safetensors") else {"step": 1, "extra": {"step": 1}}
    save_checkpoint(path, numbered(0)[0], durable=False, extra={"log": torch.ones(longer)} if longer else {})
    save_checkpoint(other, numbered(1)[0], durable=False, **extra)
    content, opened = other.read_bytes(), torch.UntypedStorage.from_file

    def replaced_before_it_is_mapped(*arguments, **options):
        if other.exists():
            os.replace(other, path)
        return opened(*arguments, **options)

    monkeypatch.setattr(torch.UntypedStorage, "from_file", replaced_before_it_is_mapped)
    net = numbered(-1)[0]
    loaded = load_checkpoint(path, net)

    assert not other.exists()
    assert path.read_bytes() == content
    assert loaded.extra == extra.get("extra", {})
    assert net.weight.unique().tolist() == [1]


def test_load_checkpoint_gives_up_on_a_file_that_never_rests(saved, monkeypatch):
    """A file that is replaced during every attempt is an error in the end, not an endless loop."""
    monkeypatch.setattr(os.path, "samestat", lambda *stats: False)

    message = message_of(load_checkpoint, saved[0], small()[0])

    assert message == f"{saved[0]}: is replaced again and again while it is read; load a copy of it"


@forking
@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to replace a file that is being read: an error, no loss")
def test_save_checkpoint_from_two_processes_at_once(processes, tmp_path):
    """Two processes that save to one path do not disturb each other: every load in between finds a whole file."""
    path, ready, stop = tmp_path / "net.pt", processes.Event(), processes.Event()
    save_checkpoint(path, *numbered(0), extra={"step": 0}, durable=False)
    writers = [
        processes.Process(target=save_numbered, args=(path, million, ready, stop), daemon=True)
        for million in (10**6, 2 * 10**6)
    ]

    steps = {step_of(path)}
    for writer in writers:
        writer.start()
    while all(writer.is_alive() for writer in writers) and (len(steps) < 20 or len({n // 10**6 for n in steps}) < 3):
        steps.add(step_of(path))
    stop.set()
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert {step // 10**6 for step in steps} == {0, 1, 2}
    assert step_of(path) > 10**6
    assert os.listdir(tmp_path) == ["net.pt"]
