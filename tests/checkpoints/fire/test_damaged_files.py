"""Damaged checkpoints: cut, flipped, filled and packed anew."""

import collections
import copy
import itertools
import os
import random
import warnings
import zipfile

import pytest
import torch

from d2lcompute.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import (
    bits,
    everything,
    message_of,
    small,
)

FLIP_ROUNDS = int(os.environ.get("D2LCOMPUTE_FLIP_ROUNDS", "200"))


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
