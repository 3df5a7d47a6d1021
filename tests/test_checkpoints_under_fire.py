"""Checkpoints under fire: full disks, cut and flipped files, hostile code, killed processes and two at once."""

import contextlib
import errno
import io
import itertools
import multiprocessing
import os
import pickle
import random
import re
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from d2lcompute import _container
from d2lcompute.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoint_nets import bits, everything, linear, message_of, save_trained, sgd, small

LINUX = sys.platform == "linux"
KILL_ROUNDS = int(os.environ.get("D2LCOMPUTE_KILL_ROUNDS", "10" if LINUX else "3"))  # starting takes seconds elsewhere
FLIP_ROUNDS = int(os.environ.get("D2LCOMPUTE_FLIP_ROUNDS", "200"))


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a trained net: its path, and all bits of what it holds."""
    return save_trained(tmp_path / "net.pt")


# --- full disks ------------------------------------------------------------------------------------------------------


class FullDisk(io.FileIO):
    """A file on a disk with room for so many bytes."""

    room = 0

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def test_save_checkpoint_keeps_the_old_file_on_a_full_disk(saved, monkeypatch):
    """Wherever a disk becomes full, the old file stays, no temporary remains, and the error gives the reason."""
    path, (net, optimizer) = saved[0], small()
    save_checkpoint(path, net, optimizer, step=1, durable=False)
    before = path.read_bytes()
    monkeypatch.setattr(
        _container, "open", lambda path, mode: io.BufferedWriter(FullDisk(path, "w"), 256), raising=False
    )

    for room in range(0, len(before) - 64, 64):
        FullDisk.room = room
        message = message_of(save_checkpoint, path, net, optimizer, step=9, durable=False)
        assert f"{path}: could not be written (OSError: [Errno 28] No space left on device)" in message
        assert "what was there before is unchanged" in message
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]
    FullDisk.room = 10 * len(before)
    save_checkpoint(path, net, optimizer, step=9, durable=False)
    monkeypatch.undo()

    assert load_checkpoint(path, net, optimizer).step == 9


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_keeps_the_old_file_when_the_system_refuses_more(name, tmp_path):
    """The same with a limit that the system itself enforces, for both formats."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    path = tmp_path / name
    save_checkpoint(path, linear(9, 9), durable=False)
    before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)

    for limit in range(0, len(before), 97):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(CheckpointError, match=r"could not be written .*File too large"):
                save_checkpoint(path, linear(9, 9), durable=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("place", ["os.fsync", "os.replace", "torch.save"])
def test_save_checkpoint_cleans_up_wherever_it_fails(place, error, saved, monkeypatch):
    """A failure in any step, or Ctrl-C, leaves the old file and no temporary."""
    path, before = saved[0], saved[0].read_bytes()

    def fail(*arguments):
        raise error

    monkeypatch.setattr(place, fail)
    with pytest.raises((CheckpointError, KeyboardInterrupt)) as caught:
        save_checkpoint(path, small()[0])

    assert isinstance(caught.value, KeyboardInterrupt) == isinstance(error, KeyboardInterrupt)
    assert isinstance(caught.value, KeyboardInterrupt) or caught.value.__cause__ is error
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


# --- damaged files ---------------------------------------------------------------------------------------------------


def boundaries(path):
    """Return where something in an archive begins or ends."""
    with zipfile.ZipFile(path) as archive:
        places = [archive.start_dir]
        for record in archive.infolist():
            places += [record.header_offset, record.header_offset + 30 + len(record.filename)]
            places += [record.header_offset + 30 + len(record.filename) + record.file_size]
    return places


def test_load_checkpoint_refuses_a_file_cut_short(saved):
    """Whatever the length to which a file was cut, the error says what is wrong with it, and nothing is loaded."""
    path, _ = saved
    whole, (net, optimizer) = path.read_bytes(), small()
    before = everything(net, optimizer)
    places = itertools.chain.from_iterable((place - 1, place, place + 1) for place in boundaries(path))

    for length in sorted({*range(0, len(whole), 64), *places, len(whole) - 1} - {-1}):
        path.write_bytes(whole[:length])
        message = message_of(load_checkpoint, path, net, optimizer)
        kind = "is empty" if length == 0 else "is no checkpoint" if length < 4 else "is cut short: its end is missing"
        assert message.startswith(f"{path}: {kind}"), length

    assert everything(net, optimizer) == before


def outcome(path, expected, before, **options):
    """Load a file that may be damaged: refused with nothing changed, equal to what was saved, or changed in silence."""
    net, optimizer = small()
    net.load_state_dict(before[0])
    optimizer.load_state_dict(before[1])
    unchanged = everything(net, optimizer)
    try:
        loaded = load_checkpoint(path, net, optimizer, **options)
    except CheckpointError:
        return "refused" if everything(net, optimizer) == unchanged else "half loaded"
    same = everything(net, optimizer) == expected and bits(loaded.extra) == {"loss": 0.5, "best": bits(torch.arange(3))}
    return "equal" if same and loaded.step == 2 else "silent"


def test_load_checkpoint_notices_flipped_bits(saved):
    """A file in which a random bit has flipped is refused, or equal where it means nothing, never anything else."""
    path, expected = saved
    whole, (net, optimizer), generator = path.read_bytes(), small(), random.Random(0)
    before = net.state_dict(), optimizer.state_dict()

    outcomes = []
    for _ in range(FLIP_ROUNDS):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        outcomes.append(outcome(path, expected, before))

    assert set(outcomes) == {"refused", "equal"}


def test_load_checkpoint_without_verifying_misses_a_flipped_weight(saved):
    """A flipped bit in a weight is refused; verify=False loads it in silence, as torch.load does."""
    path, expected = saved
    with zipfile.ZipFile(path) as archive:
        data = archive.read("archive/data/0")
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(data)] ^= 1
    path.write_bytes(damaged)
    net, optimizer = small()
    before = net.state_dict(), optimizer.state_dict()

    assert outcome(path, expected, before) == "refused"
    assert outcome(path, expected, before, verify=False) == "silent"
    message = message_of(load_checkpoint, path, net)
    assert message == f"{path}: is damaged: archive/data/0 has another checksum; load an older one"


def legacy(path):
    """Save as torch did until 2020."""
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)


def archive(path):
    """Write a zip archive of another kind."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("folder/notes.txt", "nothing to load")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            lambda path: path.write_text("epoch,loss"),
            "is no checkpoint: expected a zip archive, found b'epoc'; check th",
        ),
        (Path.touch, "is empty; check the path, or load an older one"),
        (legacy, "is no checkpoint: expected a zip archive, found b'\\x80\\x02"),
        (archive, "expected a file of save_checkpoint, found one that is damaged or something else (RuntimeError: "),
        (
            lambda path: torch.save(nn.Linear(1, 1).state_dict(), path),
            "expected a file of save_checkpoint, found a bare state_dict of 2 tensors (model.load_state_dict takes it)",
        ),
        (
            lambda path: torch.save({"epoch": 1, "net": {}}, path),
            "found a dict with the keys ['epoch', 'net']; read it with torch.load(path, weights_only=True), and save",
        ),
        (lambda path: torch.save([torch.ones(1)], path), "expected a file of save_checkpoint, found a list; read it"),
        (lambda path: torch.save(torch.ones(1), path), "expected a file of save_checkpoint, found a Tensor; read it"),
        (lambda path: torch.save({}, path), "expected a file of save_checkpoint, found a dict with the keys []; read"),
        (
            lambda path: torch.save(nn.Linear(1, 1), path),
            "expected tensors and plain values, found torch.nn.modules.linear.Linear, and loading that can run any",
        ),
    ],
    ids=["text", "empty", "legacy", "zip", "state_dict", "dict", "list", "tensor", "empty dict", "module"],
)
def test_load_checkpoint_says_what_a_file_is_instead(write, words, tmp_path):
    """A file that is no checkpoint is described, each kind in its own words."""
    path, net = tmp_path / "file.pt", nn.Linear(1, 1)
    write(path)
    before = everything(net)

    message = message_of(load_checkpoint, path, net)

    assert message.startswith(f"{path}: ")
    assert words in message
    assert everything(net) == before


def test_load_checkpoint_reports_a_file_that_cannot_be_read(saved, monkeypatch):
    """A file that the system does not hand out is a CheckpointError with the system's reason."""

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(_container, "open", refuse, raising=False)

    message = message_of(load_checkpoint, saved[0], small()[0])

    assert "(PermissionError: [Errno 13] Permission denied)" in message


# --- hostile files ---------------------------------------------------------------------------------------------------


class Reduce:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Build:
    """Pickles as an object that makes a folder when its state is set."""

    def __init__(self, path):
        self.path = path

    def __setstate__(self, state):
        os.mkdir(state["path"])


class Layer(nn.Linear):
    """A whole model with code in it."""

    def __init__(self, path):
        super().__init__(1, 1)
        self.path = path

    def __setstate__(self, state):
        os.mkdir(state["path"])


class Sorted(dict):
    """A dict that calls something for each of its items."""

    def __reduce__(self):
        return os.mkdir, (self["path"],)


def opcodes(path):
    """Write a pickle by hand, in the oldest protocol: a global, a string, a tuple, a call."""
    return b"cos\nmkdir\n(V" + str(path).replace("\\", "\\u005c").encode("raw_unicode_escape") + b"\ntR."


HOSTILE = {
    "reduce": lambda content, path: content.update(extra={"loss": Reduce(os.mkdir, path)}),
    "eval": lambda content, path: content.update(extra={"x": Reduce(eval, f"__import__('os').mkdir({path!r})")}),
    "exec": lambda content, path: content.update(step=Reduce(exec, f"import os; os.mkdir({path!r})")),
    "build": lambda content, path: content.update(extra={"settings": Build(path)}),
    "nested": lambda content, path: content["extra"].update(a=[({"b": [{"c": (1, Reduce(os.mkdir, path))}]},)]),
    "key": lambda content, path: content["extra"].update({(Reduce(os.mkdir, path), 1): 2}),
    "model": lambda content, path: content["model"].update({"0.weight": Reduce(os.mkdir, path)}),
    "optimizer": lambda content, path: content["optimizer"]["state_dict"]["state"][0].update(x=Reduce(os.mkdir, path)),
    "options": lambda content, path: content["optimizer"]["state_dict"]["param_groups"][0].update(lr=Build(path)),
    "subclass": lambda content, path: content.update(model=Sorted(path=path)),
    "module": lambda content, path: content.update(model=Layer(path)),
}


@pytest.mark.parametrize("kind", [*HOSTILE, "opcodes"])
def test_load_checkpoint_runs_no_code(kind, saved, monkeypatch):
    """A pickle that would run code, anywhere in the file, is refused and does not run; unsafe loading runs it."""
    path, trap = saved[0], saved[0].parent / "trap"
    content = torch.load(path, weights_only=True)
    if kind == "opcodes":
        replace_pickle(path, opcodes(trap))
    else:
        HOSTILE[kind](content, str(trap))
        torch.save(content, path)
    net, optimizer = small()
    before = everything(net, optimizer)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

    for options in ({}, {"verify": False}):
        message = message_of(load_checkpoint, path, net, optimizer, **options)
        assert re.search(r"expected tensors and plain values, found \S+, and loading that can run any code", message)
        assert "Nothing was run." in message
        assert "weights_only" not in message

    assert not trap.exists()
    assert everything(net, optimizer) == before
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)
    assert trap.exists()


def replace_pickle(path, data):
    """Put another pickle into an archive, with right checksums."""
    with zipfile.ZipFile(path) as old:
        records = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, record in records.items():
            new.writestr(name, data if name.endswith("data.pkl") else record)


@pytest.mark.parametrize("data", [b"", b".", b"\x80\x02}q\x00", b"\x80\x04\x95", pickle.dumps({}, 5), b"\xff" * 9])
def test_load_checkpoint_refuses_a_pickle_without_sense(data, saved):
    """A pickle that cannot be decoded, with right checksums, is an error like any other."""
    replace_pickle(saved[0], data)
    net, optimizer = small()
    before = everything(net, optimizer)

    message_of(load_checkpoint, saved[0], net, optimizer)

    assert everything(net, optimizer) == before


# --- other processes -------------------------------------------------------------------------------------------------

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


# From Python 3.12 on, forking warns of threads that hold locks; these processes only save.
forking = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@forking
def test_save_checkpoint_survives_being_killed(processes, tmp_path):
    """A process killed at any moment while it saves leaves the old checkpoint or the new one, whole."""
    generator, path = random.Random(0), tmp_path / "net.pt"

    steps = []
    for _ in range(KILL_ROUNDS):
        ready, stop = processes.Event(), processes.Event()
        process = processes.Process(target=save_numbered, args=(path, 1, ready, stop), daemon=True)
        process.start()
        assert ready.wait(60)
        time.sleep(generator.uniform(0, 0.05))
        process.kill()
        process.join()
        steps.append(step_of(path))

    assert all(step >= 1 for step in steps)
    assert {name for name in os.listdir(tmp_path) if not re.fullmatch(r"\.net\.pt\.[0-9a-f]{16}\.tmp", name)} == {
        "net.pt"
    }


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


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to replace a file that is being read")
def test_torch_load_mixes_two_files(tmp_path, monkeypatch):
    """What the test above rules out does happen to torch.load: values of the old file, weights of the new one."""
    path, other = tmp_path / "net.pt", tmp_path / "other.pt"
    for place, step in ((path, 0), (other, 1)):
        save_checkpoint(place, numbered(step)[0], step=step, durable=False)
    opened = torch.UntypedStorage.from_file
    monkeypatch.setattr(
        torch.UntypedStorage, "from_file", lambda *arguments: (os.replace(other, path), opened(*arguments))[1]
    )

    content = torch.load(path, weights_only=True, mmap=True)

    assert content["step"] == 0
    assert content["model"]["weight"].unique().tolist() == [1]


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
