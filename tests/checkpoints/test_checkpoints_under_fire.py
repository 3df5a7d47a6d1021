"""Checkpoints under fire: full disks, cut and flipped files, hostile code, killed processes and two at once."""

import collections
import concurrent.futures
import contextlib
import copy
import copyreg
import ctypes
import errno
import functools
import io
import itertools
import multiprocessing
import os
import pickle
import random
import re
import signal
import sys
import time
import warnings
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from d2lcompute.checkpoints import CheckpointError, files, load_checkpoint, save_checkpoint, state
from d2lcompute.checkpoints import archive as archives
from tests.checkpoints.nets import bits, everything, linear, message_of, save_trained, sgd, small, train

LINUX = sys.platform == "linux"
KILL_ROUNDS = int(os.environ.get("D2LCOMPUTE_KILL_ROUNDS", "10" if LINUX else "3"))  # starting takes seconds elsewhere
FLIP_ROUNDS = int(os.environ.get("D2LCOMPUTE_FLIP_ROUNDS", "200"))
THOROUGH = bool(os.environ.get("D2LCOMPUTE_THOROUGH"))  # minutes: every byte, and lines of torch as well as ours


# From Python 3.12 on, forking warns of threads that hold locks; these processes only save.
forking = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


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
    monkeypatch.setattr(archives, "open", lambda path, mode: io.BufferedWriter(FullDisk(path, "w"), 256), raising=False)

    for room in range(0, len(before) - 64, 1 if THOROUGH else 64):
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


def with_small_disk(folder, kibibytes, function):
    """Run a function in a process of its own that sees a small disk at ``folder``; it is gone when the process is."""
    processes = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=processes) as pool:
        return pool.submit(mounted, folder, kibibytes, function).result(60)


def mounted(folder, kibibytes, function):
    """Mount a small disk that only this process sees, as root or as the root of a namespace of one's own."""
    system, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    private, own_names, own_users = 0x4000 | 0x40000, 0x20000, 0x10000000
    if system.unshare(own_names) != 0:
        if system.unshare(own_names | own_users) != 0:
            return "not permitted"
        for name, text in {"setgroups": "deny", "uid_map": f"0 {user} 1", "gid_map": f"0 {group} 1"}.items():
            Path("/proc/self", name).write_text(text)
    system.mount(None, b"/", None, private, None)
    if system.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={kibibytes}k".encode()) != 0:
        return "not permitted"
    return function(folder)


def save_on_a_disk_that_fills(save, name, folder):
    """Save a larger net over a small one with ever more room; return what is found each time, and what was said."""
    path, filler, found, said = folder / name, folder / "filler", [], set()
    save_checkpoint(path, linear(9, 9), durable=False)
    old = path.read_bytes()
    for pages in range(9):
        path.write_bytes(old)
        filler.unlink(missing_ok=True)
        disk = os.statvfs(folder)
        filler.write_bytes(bytes((disk.f_bavail - pages) * disk.f_frsize))
        try:
            save(path, linear(60, 60))
        except Exception as error:
            said.add(str(error).partition(": ")[2].partition(" (")[0])
        found.append("old" if path.read_bytes() == old else "new" if is_whole(path) else "neither")
        found[-1] += "" if {*os.listdir(folder)} == {"filler", name} else " and a temporary file"
    return found, said


def is_whole(path):
    """Return whether the larger net loads."""
    with contextlib.suppress(CheckpointError):
        return bool(load_checkpoint(path, linear(60, 60)))
    return False


def save_in_place(path, net, *arguments, **options):
    """Save as many programs do: empty the old file, then write the new one into it, in two steps."""
    save_checkpoint(path.parent.parent / path.name, net, *arguments, **options)
    content = (path.parent.parent / path.name).read_bytes()
    with open(path, "wb") as file:
        file.write(content[:3000])
        file.write(content[3000:])


@forking
@pytest.mark.skipif(not LINUX, reason="only Linux lets a process mount a disk of its own")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_keeps_the_old_file_on_a_small_disk_that_is_full(name, tmp_path):
    """On a real disk without room the old file stays, no temporary remains, and with room the new one is saved."""
    (tmp_path / "disk").mkdir()

    safe, careless = (
        with_small_disk(tmp_path / "disk", 64, functools.partial(save_on_a_disk_that_fills, save, name))
        for save in (save_checkpoint, save_in_place)
    )
    if "not permitted" in (safe, careless):
        pytest.skip("this system lets us mount no disk")

    assert safe == (["old"] * safe[0].count("old") + ["new"] * safe[0].count("new"), {"could not be written"})
    assert safe[0].count("old") * safe[0].count("new") > 0
    assert "neither" in careless[0]


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


# --- odd paths and tensors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["n" * 300, "zero\0byte.pt", "\udcff.pt"], ids=["long", "zero byte", "no UTF-8"])
def test_checkpoints_report_a_name_that_no_file_can_have(name, tmp_path):
    """What the system or torch takes for no path is a CheckpointError for both functions, and leaves no file."""
    for call in (save_checkpoint, load_checkpoint):
        message = message_of(call, tmp_path / name, nn.Linear(1, 1))
        assert (
            "is no path that can be used here (" in message
            or "could not be written (" in message
            or (
                call is load_checkpoint and "there is no such file" in message  # as newer Pythons answer
            )
        )

    assert os.listdir(tmp_path) == []


def test_checkpoints_report_a_folder_that_may_not_be_entered(saved, monkeypatch):
    """A file in a folder that is closed to this user is a CheckpointError with the system's reason."""

    def closed(path, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", closed)  # root, as in a container, may enter any folder
    messages = [message_of(call, saved[0], small()[0]) for call in (save_checkpoint, load_checkpoint)]
    monkeypatch.undo()

    words = f"{saved[0]!r} is no path that can be used here (PermissionError: [Errno 13] Permission denied)"
    assert [message.partition(";")[0] for message in messages] == [words] * 2


@pytest.mark.skipif(os.name == "nt", reason="Windows allows links to some users only")
def test_checkpoints_report_links_that_lead_nowhere(tmp_path):
    """Links in a circle are an error and stay links; a link to a file that is not there yet becomes one to a file."""
    first, second, ahead = tmp_path / "a.pt", tmp_path / "b.pt", tmp_path / "ahead.pt"
    first.symlink_to(second)
    second.symlink_to(first)
    ahead.symlink_to(tmp_path / "net.pt")

    messages = [message_of(call, first, nn.Linear(1, 1)) for call in (save_checkpoint, load_checkpoint)]
    save_checkpoint(ahead, nn.Linear(1, 1), step=4, durable=False)

    assert all("no path that can be used here" in message for message in messages)
    assert (first.is_symlink(), second.is_symlink(), ahead.is_symlink()) == (True, True, True)
    assert load_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1)).step == 4


class Located:
    """A path of another library."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, Located])
def test_checkpoints_take_every_kind_of_path(kind, tmp_path, monkeypatch):
    """A string, a Path, an object with __fspath__, relative or not: each names the same file."""
    monkeypatch.chdir(tmp_path)
    net = nn.Linear(1, 1)

    save_checkpoint(kind("net.pt"), net, step=3, durable=False)

    assert load_checkpoint(kind(tmp_path / "net.pt"), net).step == 3
    assert os.listdir(tmp_path) == ["net.pt"]


ODD = {
    "transposed": lambda: torch.randn(3, 4).t(),
    "every other": lambda: torch.randn(10)[::2],
    "a view of more": lambda: torch.randn(9, 9)[:1],
    "empty": lambda: torch.randn(0, 3),
    "a scalar": lambda: torch.randn(()),
    "conjugated": lambda: torch.randn(3, dtype=torch.complex64).conj(),
    "negated": lambda: torch._neg_view(torch.randn(3)),
    "sparse": lambda: torch.eye(3).to_sparse() * torch.randn(()),
    "sparse rows": lambda: (torch.eye(3) * torch.randn(())).to_sparse_csr(),
    "quantized": lambda: torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8),
    "float16": lambda: torch.randn(3).half(),
    "complex32": lambda: torch.randn(3, dtype=torch.complex64).to(torch.complex32),
    "int16": lambda: torch.randint(9, (3,)).short(),
}


NOT_IN_SAFETENSORS = "conjugated", "negated", "sparse", "sparse rows", "quantized"
REFUSED = {(kind, "net.safetensors") for kind in (*NOT_IN_SAFETENSORS, "complex32")}


def with_buffer(kind):
    """Return a net with a buffer of an odd kind."""
    net = nn.Linear(2, 2)
    net.register_buffer("odd", ODD[kind]())
    return net


def values(tensor):
    """Return a tensor's values as bytes, whatever its layout is."""
    tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    return bits(tensor.resolve_conj().resolve_neg())


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch calls most of these experimental, or deprecated
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("kind", ODD)
def test_save_checkpoint_keeps_odd_tensors_or_refuses_them(kind, name, tmp_path):
    """A tensor of any layout comes back with its values in a .pt file; .safetensors may refuse it, and changes none."""
    net, other, before = with_buffer(kind), with_buffer(kind), {*os.listdir(tmp_path)}
    refused = pytest.raises(CheckpointError, match=r"a name that ends in \.pt") if (kind, name) in REFUSED else None

    with refused or contextlib.nullcontext():
        save_checkpoint(tmp_path / name, net, durable=False)
        load_checkpoint(tmp_path / name, other)

    assert ({*os.listdir(tmp_path)} == before) == bool(refused)
    assert refused or other.odd.layout == net.odd.layout
    assert refused or values(other.odd) == values(net.odd)
    assert refused or torch.equal(other.weight, net.weight)


def test_safetensors_changes_values_that_are_marked_only(tmp_path):
    """What the test above rules out does happen to safetensors: a conjugated tensor comes back as it was before."""
    tensor = torch._neg_view(torch.ones(3))

    safetensors.torch.save_file({"odd": tensor}, tmp_path / "net.safetensors")

    assert safetensors.torch.load_file(tmp_path / "net.safetensors")["odd"].tolist() == [1, 1, 1]
    assert "found 'odd' conjugated or negated by a mark on it; call its resolve_conj() or resolve_neg() first" in (
        message_of(save_checkpoint, tmp_path / "marked.safetensors", with_buffer("negated"))
    )


class Special(torch.Tensor):
    """A tensor of a class that torch.load does not know."""


def test_save_checkpoint_refuses_tensors_of_other_classes(tmp_path):
    """A parameter of a class of its own is refused by name when it is saved, since loading it would run its code."""
    net = nn.ParameterDict({"a": nn.Parameter(torch.ones(2).as_subclass(Special))})

    message = message_of(save_checkpoint, tmp_path / "net.pt", net)

    assert "model['a']: expected tensors, numbers" in message
    assert "found a value of type Special, which torch.load refuses" in message
    assert os.listdir(tmp_path) == []


def test_load_checkpoint_keeps_several_optimizers_apart(tmp_path):
    """A net trained by two optimizers takes two files, and neither can be taken for the other."""
    net, _ = small()
    optimizers = [sgd(net[0].parameters()), torch.optim.Adam(net[3].parameters())]
    for optimizer in optimizers:
        train(net, optimizer, 2)
    paths = [tmp_path / "sgd.pt", tmp_path / "adam.pt"]
    for path, optimizer in zip(paths, optimizers, strict=True):
        save_checkpoint(path, net, optimizer, durable=False)
    expected = [bits(optimizer.state_dict()) for optimizer in optimizers]
    again = [sgd(net[0].parameters()), torch.optim.Adam(net[3].parameters())]

    for path, optimizer in zip(paths, again, strict=True):
        load_checkpoint(path, net, optimizer)

    assert [bits(optimizer.state_dict()) for optimizer in again] == expected
    assert "optimizer: 'class': expected SGD, found Adam" in message_of(load_checkpoint, paths[1], net, again[0])


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------

OURS = (str(Path(files.__file__).parent), contextlib.__file__, __file__)
FILES = ("",) if THOROUGH else OURS


def run_by_line(function, number=None, stop=None, files=FILES):
    """Run a function, and call ``stop`` before its line of this number, counted from 1; return the lines that ran."""
    lines, before = [], sys.gettrace()

    def trace(frame, event, _):
        if event == "line":
            lines.append((frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno))
            if len(lines) == number:
                stop()
        return trace if frame.f_code.co_filename.startswith(files) else None

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


def numbers_of_lines(function, *, inside=(), files=FILES):
    """Run a function twice, to fill caches; return a number for each of our lines, or for many of all that run."""
    function()
    lines = run_by_line(function, files=files)
    if THOROUGH:
        return random.Random(0).sample(range(1, len(lines) + 1), min(len(lines), 2000))
    return [lines.index(line) + 1 for line in dict.fromkeys(lines) if not inside or line[0] in inside]


def ctrl_c():
    """Do what Python does when the user presses Ctrl-C."""
    raise KeyboardInterrupt


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


# A file that was interrupted between being opened and being used is closed a moment later, with a warning.
interrupting = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


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
    monkeypatch.setattr(state, "_is_plain", lambda tensor: False)

    assert outcomes_of_ctrl_c_while_loading(load_checkpoint, saved) <= {"old", "new"}


def outcome_on_disk(path, old, new):
    """Return whether a path holds the old file, the new one, or neither, and whether other files stand beside it."""
    content = path.read_bytes()
    found = "old" if content == old else "new" if content == new else "neither"
    return found if os.listdir(path.parent) == [path.name] else f"{found} and a temporary file"


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


def flip(data, places, bit):
    """Flip one bit."""
    data[places[0]] ^= 1 << bit


def change(data, places, bit):
    """Give a few bytes other values."""
    for place in places:
        data[place] = (data[place] + 1 + bit) % 256


def clear(data, places, bit):
    """Clear a block, as a disk does that lost power."""
    data[places[0] // 64 * 64 : places[0] // 64 * 64 + 64] = bytes(len(data[places[0] // 64 * 64 :][:64]))


def swap(data, places, bit):
    """Swap two blocks."""
    first, second = (slice(place // 64 * 64, place // 64 * 64 + 64) for place in places[:2])
    data[first], data[second] = data[second], data[first]


def insert(data, places, bit):
    """Slip in a byte."""
    data.insert(places[0], bit)


def drop(data, places, bit):
    """Lose a few bytes."""
    del data[places[0] : places[0] + 1 + bit]


def repeat(data, places, bit):
    """Write a part twice."""
    data[places[0] : places[0]] = data[places[0] : places[1]]


DAMAGE = [flip, change, clear, swap, insert, drop, repeat]


def outcomes_of_damage(saved, kinds, rounds, **options):
    """Damage a file at random, each time in one way, and return what came of loading it."""
    path, expected = saved
    whole, (net, optimizer), generator = path.read_bytes(), small(), random.Random(0)
    before = net.state_dict(), optimizer.state_dict()
    outcomes = collections.Counter()
    for kind in itertools.islice(itertools.cycle(kinds), rounds):
        damaged = bytearray(whole)
        kind(damaged, [generator.randrange(len(whole)) for _ in range(4)], generator.randrange(8))
        path.write_bytes(damaged)
        outcomes[outcome(path, expected, before, **options)] += 1
    return outcomes


@pytest.mark.parametrize(
    ("kinds", "rounds"), [([flip], FLIP_ROUNDS), (DAMAGE, FLIP_ROUNDS // 2)], ids=["flips", "all kinds"]
)
def test_load_checkpoint_notices_damage(kinds, rounds, saved):
    """A file damaged at random is refused, or loads equal where the damage means nothing, never anything else."""
    outcomes = outcomes_of_damage(saved, kinds, rounds)

    assert {*outcomes} == {"refused", "equal"}
    assert outcomes["refused"] > rounds / 2


def test_load_checkpoint_without_verifying_loads_all_or_nothing(saved):
    """With verify=False a damaged weight loads in silence, but nothing loads by halves and no other error gets out."""
    outcomes = outcomes_of_damage(saved, DAMAGE, FLIP_ROUNDS // 2, verify=False)

    assert {*outcomes} == {"refused", "equal", "silent"}


def test_load_checkpoint_misses_damaged_safetensors(tmp_path):
    """A damaged .safetensors file is refused or loads in silence, as it has no checksums; nothing is half loaded."""
    path, generator, outcomes = tmp_path / "net.safetensors", random.Random(0), set()
    net, other = small()[0], small()[0]
    save_checkpoint(path, net, durable=False)
    whole, old, new = path.read_bytes(), everything(other), everything(net)
    states = copy.deepcopy(other.state_dict())

    for kind in itertools.islice(itertools.cycle(DAMAGE), FLIP_ROUNDS // 2):
        damaged = bytearray(whole)
        kind(damaged, [generator.randrange(len(whole)) for _ in range(4)], generator.randrange(8))
        path.write_bytes(damaged)
        other.load_state_dict(states)
        try:
            load_checkpoint(path, other)
            outcomes.add("equal" if everything(other) == new else "silent")
        except CheckpointError:
            outcomes.add("refused" if everything(other) == old else "half loaded")

    assert outcomes <= {"refused", "equal", "silent"}
    assert {"refused", "silent"} <= outcomes


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


def repack(path, method=zipfile.ZIP_STORED, *, twice=()):
    """Pack an archive anew, with its records compressed, or some of them twice."""
    with zipfile.ZipFile(path) as old:
        records = [(name, old.read(name)) for name in old.namelist()]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as new:
        warnings.simplefilter("ignore")
        for name, record in records:
            for content in [bytes(len(record))] * (name in twice) + [record]:
                new.writestr(name, content)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: repack(path, zipfile.ZIP_DEFLATED),
        lambda path: repack(path, zipfile.ZIP_LZMA),
        lambda path: repack(path, twice=["archive/data/0"]),
        lambda path: path.write_bytes(path.read_bytes() * 2),
        lambda path: path.write_bytes(b"#!" + path.read_bytes()),
    ],
    ids=["deflated", "LZMA", "record twice", "file twice", "prefix"],
)
def test_load_checkpoint_refuses_an_archive_packed_anew(change, saved):
    """Where torch may read other bytes than those whose checksum is compared, a file is refused, verified or not."""
    path, (net, optimizer) = saved[0], small()
    change(path)
    before = everything(net, optimizer)

    for options in ({}, {"verify": False}):
        message = message_of(load_checkpoint, path, net, optimizer, **options)
        assert message == f"{path}: was packed anew or added to; take the file that save_checkpoint wrote"

    assert everything(net, optimizer) == before


@pytest.mark.parametrize("change", [repack, lambda path: path.write_bytes(path.read_bytes() + b"\n")])
def test_load_checkpoint_accepts_an_archive_with_the_same_records(change, saved):
    """Records that stand there as they were saved are loaded, also from an archive that another program wrote."""
    path, expected = saved
    net, optimizer = small()
    change(path)

    load_checkpoint(path, net, optimizer)

    assert everything(net, optimizer) == expected


def test_torch_load_takes_compressed_bytes_for_weights(saved):
    """What the test above rules out does happen to torch.load when it maps a compressed file: other weights."""
    repack(saved[0], zipfile.ZIP_DEFLATED)
    net = small()[0]

    net.load_state_dict(torch.load(saved[0], weights_only=True, mmap=True)["model"])

    assert everything(net)[0] != saved[1][0]


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
        (legacy, "found a file in torch's format before 1.6: read it with torch.load(path, weights_only=True)"),
        (archive, "expected a file of save_checkpoint, found one that is damaged or something else (RuntimeError: "),
        (
            lambda path: zipfile.ZipFile(path, "w").close(),
            "found one that is damaged or something else (RuntimeError: ",
        ),
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
    ids=["text", "empty", "legacy", "zip", "empty zip", "state_dict", "dict", "list", "tensor", "empty dict", "module"],
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


def test_load_checkpoint_says_what_to_do_with_a_whole_model(tmp_path):
    """A file that holds code is told with the two things that its reader can do."""
    path = tmp_path / "file.pt"
    torch.save(nn.Linear(1, 1), path)

    message = message_of(load_checkpoint, path, nn.Linear(1, 1))

    assert message.endswith(
        "Nothing was run. If you saved a whole model yourself, save it again with save_checkpoint; otherwise do not "
        "load it"
    )


def test_load_checkpoint_reports_a_file_that_cannot_be_read(saved, monkeypatch):
    """A file that the system does not hand out is a CheckpointError with the system's reason."""

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "open", refuse, raising=False)

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


class Born:
    """An object whose class makes a folder when it is created."""

    def __new__(cls, path):
        os.mkdir(path)
        return super().__new__(cls)


def text(path):
    """Write a string as the oldest protocol does."""
    return b"V" + str(path).replace("\\", "\\u005c").encode("raw_unicode_escape") + b"\n"


def inner(path):
    """Return a file that runs code, as bytes to be loaded by another one."""
    torch.save(Reduce(os.mkdir, str(path)), buffer := io.BytesIO(), _use_new_zipfile_serialization=False)
    return buffer.getvalue()


MKDIR, BORN = b"cos\nmkdir\n", f"c{__name__}\nBorn\n".encode()
# Whole pickles: each opcode that can call something, then calls that are hidden, or go by names that look harmless.
PICKLES = {
    "GLOBAL, REDUCE": lambda path: MKDIR + b"(" + text(path) + b"tR.",
    "STACK_GLOBAL": lambda path: b"\x8c\x02os\x8c\x05mkdir\x93(" + text(path) + b"tR.",
    "EXT1": lambda path: b"\x80\x02\x82\xf0(" + text(path) + b"tR.",
    "INST": lambda path: b"(" + text(path) + b"ios\nmkdir\n.",
    "OBJ": lambda path: b"(" + MKDIR + text(path) + b"o.",
    "NEWOBJ": lambda path: b"\x80\x02" + BORN + text(path) + b"\x85\x81.",
    "NEWOBJ_EX": lambda path: BORN + text(path) + b"\x85}\x92.",
    "BUILD": lambda path: pickle.dumps(Build(str(path)), 2),
    "thrown away": lambda path: MKDIR + b"(" + text(path) + b"tR0}.",
    "persistent": lambda path: MKDIR + b"(" + text(path) + b"tRQ.",
    "memoized": lambda path: MKDIR + b"q\x000h\x00(" + text(path) + b"tR.",
    "getattr": lambda path: b"cbuiltins\ngetattr\n(" + MKDIR + b"V__call__\ntR(" + text(path) + b"tR.",
    "partial": lambda path: b"cfunctools\npartial\n(" + MKDIR + text(path) + b"tR(tR.",
    "torch loads": lambda path: pickle.dumps(Reduce(torch.storage._load_from_bytes, inner(path)), 2),
    "torch trusts": lambda path: (
        b"ctorch.serialization\nadd_safe_globals\n((l" + MKDIR + b"atR0" + MKDIR + b"(" + text(path) + b"tR."
    ),
}


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


@pytest.fixture
def extension():
    """The number of a global that a program has registered, as pickles may name it."""
    copyreg.add_extension("os", "mkdir", 240)
    yield
    copyreg.remove_extension("os", "mkdir", 240)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("kind", [*HOSTILE, *PICKLES])
def test_load_checkpoint_runs_no_code(kind, saved, monkeypatch):
    """A pickle that would run code, anywhere in the file, is refused and does not run; unsafe loading runs it."""
    path, trap = saved[0], saved[0].parent / "trap"
    content = torch.load(path, weights_only=True)
    if kind in PICKLES:
        replace_pickle(path, PICKLES[kind](trap))
    else:
        HOSTILE[kind](content, str(trap))
        torch.save(content, path)
    net, optimizer = small()
    before = everything(net, optimizer)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

    for options in ({}, {"verify": False}):
        message = message_of(load_checkpoint, path, net, optimizer, **options)
        found = r"found (\S+|what cannot be decoded), and loading that can run any code"
        assert re.search(f"expected tensors and plain values, {found}", message)
        assert "Nothing was run." in message
        assert "weights_only" not in message

    assert not trap.exists()
    assert everything(net, optimizer) == before
    with contextlib.suppress(Exception), torch.serialization.safe_globals([]):
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
    for number in numbers_of_lines(
        lambda: save(path, nets[1]), inside=("replace_file", "_flush", "write", "save_in_place")
    ):
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
