"""Generators of a pretended device, the classes that stand in for torch's, and the types of old programs."""

import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from d2lcompute import pretend_gpus

CPU, GPU0, GPU1 = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
HAS_CUDA = torch.cuda.is_available()
ORIGINALS = {name: getattr(torch, name) for name in ("Generator", "Stream", "Event")}


@pytest.fixture
def machine():
    """Open a machine with two devices."""
    with pretend_gpus(2) as machine:
        yield machine


def draw(generator):
    """Return a few numbers from a generator, on the CPU."""
    return torch.rand(4, generator=generator, device=generator.device).tolist()


def test_a_generator_is_a_devices_and_its_numbers_the_cpus(machine):
    """Seeded alike, it gives what a CPU's generator gives, and moves no other."""
    before = torch.get_rng_state()
    generator, plain = torch.Generator(device="cuda").manual_seed(3), torch.Generator().manual_seed(3)

    assert (generator.device, plain.device) == (GPU0, CPU)
    assert draw(generator) == draw(plain) == draw(torch.Generator("cuda:1").manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "again",
    [
        lambda generator: generator.clone_state(),
        copy.deepcopy,
        lambda generator: pickle.loads(pickle.dumps(generator)),
        lambda generator: torch.Generator(GPU1).set_state(generator.get_state()),
    ],
)
def test_a_copy_of_a_generator_goes_on_with_its_numbers(machine, again):
    """Whichever way it is copied, it is the same device's."""
    generator = torch.Generator(GPU1).manual_seed(3)
    draw(generator)
    other = again(generator)

    assert other.device == GPU1
    assert draw(other) == draw(generator)


WRONG_ON_CPU = [
    lambda: torch.rand(2, generator=torch.Generator(GPU0)),
    lambda: torch.ones(2).normal_(generator=torch.Generator(GPU0)),
    lambda: torch.randperm(4, generator=torch.Generator(GPU0)),
    lambda: nn.init.kaiming_uniform_(torch.ones(2, 2), generator=torch.Generator(GPU0)),
    lambda: next(iter(DataLoader([1, 2, 3], shuffle=True, generator=torch.Generator(GPU0)))),
]
WRONG_ON_GPU = [
    lambda: torch.rand(2, generator=torch.Generator(), device=GPU0),
    lambda: torch.ones(2, device=GPU0).uniform_(generator=torch.Generator()),
    lambda: nn.init.normal_(torch.ones(2, 2, device=GPU0), generator=torch.Generator()),
]


@pytest.mark.parametrize(
    ("work", "wanted", "found"),
    [*((work, "cpu", "cuda") for work in WRONG_ON_CPU), *((work, "cuda", "cpu") for work in WRONG_ON_GPU)],
)
def test_a_generator_of_the_other_kind_is_refused(machine, work, wanted, found):
    """In torch's words, wherever it is used: the shuffling of a DataLoader is the usual place."""
    with pytest.raises(RuntimeError, match=f"^Expected a '{wanted}' device type for generator but found '{found}'$"):
        work()


def test_a_device_that_is_not_there_has_no_generator(machine):
    """The error is that of every call that names it."""
    with pytest.raises(RuntimeError, match="invalid device ordinal: cuda:2"):
        torch.Generator("cuda:2")


def test_stand_ins_are_the_classes_to_all_who_ask(machine):
    """Instances from before, from inside, and from another thread are instances; the CPU's are torch's own."""
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(torch.Generator()))
    thread.start()
    thread.join()

    for generator in (ORIGINALS["Generator"](), torch.Generator(), torch.Generator("cuda"), *elsewhere):
        assert isinstance(generator, torch.Generator)
    assert type(torch.Generator()) is type(elsewhere[0]) is ORIGINALS["Generator"]
    assert issubclass(torch.Generator, ORIGINALS["Generator"])
    assert (torch.Generator.__name__, torch.Generator.__module__) == ("Generator", "torch")


def test_stand_ins_go_when_the_block_ends():
    """And what they made stays what it is."""
    with pretend_gpus(1):
        generator = torch.Generator("cuda")
        assert all(getattr(torch, name) is not original for name, original in ORIGINALS.items())

    assert all(getattr(torch, name) is original for name, original in ORIGINALS.items())
    assert isinstance(generator, torch.Generator)
    assert generator.device == GPU0


def test_streams_and_events_of_any_accelerator(machine):
    """``torch.Stream`` and ``torch.Event`` make what ``torch.cuda`` makes; for the CPU, torch's own."""
    stream, event = torch.Stream("cuda:1"), torch.Event(enable_timing=True)
    with stream:
        event.record()
        current = torch.accelerator.current_stream()

    assert isinstance(stream, torch.cuda.Stream)
    assert isinstance(event, torch.cuda.Event)
    assert (current, event.device, torch.Stream().device) == (stream, GPU1, GPU0)
    assert type(torch.Stream("cpu")) is ORIGINALS["Stream"]
    assert type(torch.Event("cpu")) is ORIGINALS["Event"]


# Types of old programs.


def test_old_types_make_tensors_on_the_current_device(machine):
    """A list is copied to the device, a size allocates there."""
    torch.cuda.set_device(1)
    numbers, empty = torch.cuda.LongTensor([1, 2]), torch.cuda.HalfTensor(2, 3)

    assert (numbers.tolist(), numbers.dtype, numbers.device) == ([1, 2], torch.int64, GPU1)
    assert (empty.shape, empty.dtype, empty.device) == ((2, 3), torch.float16, GPU1)
    assert machine.transfers.copies == 1
    assert isinstance(numbers, torch.cuda.LongTensor)
    assert not isinstance(numbers.cpu(), torch.cuda.LongTensor)
    assert not isinstance(numbers, torch.cuda.FloatTensor)


@pytest.mark.parametrize("start", [CPU, GPU1])
@pytest.mark.parametrize(
    ("wanted", "device", "dtype"),
    [
        ("torch.cuda.DoubleTensor", "cuda", torch.float64),
        (lambda: torch.cuda.DoubleTensor, "cuda", torch.float64),
        ("torch.FloatTensor", "cpu", torch.float32),
        (torch.FloatTensor, "cpu", torch.float32),
        (torch.float16, None, torch.float16),
    ],
)
def test_a_type_names_device_and_dtype(machine, start, wanted, device, dtype):
    """``X.type`` moves to the kind of device that is named, and stays where it is if it is there already."""
    moved = torch.ones(2, device=start).type(wanted() if callable(wanted) and not isinstance(wanted, type) else wanted)
    expected = {None: start, "cpu": CPU, "cuda": GPU1 if start == GPU1 else GPU0}[device]

    assert (moved.device, moved.dtype) == (expected, dtype)


@pytest.mark.parametrize("name", ["nonsense", "torch.cuda.NonsenseTensor", "torch.NonsenseTensor"])
def test_a_type_that_is_not_there_is_refused(machine, name):
    """In torch's words."""
    with pytest.raises(ValueError, match=f"^invalid type: '{name}'$"):
        torch.ones(2).type(name)


def test_old_types_in_another_thread_are_torchs_own(machine):
    """They refuse as they do where there is no such device."""
    told = []

    def work():
        try:
            torch.cuda.FloatTensor(2)
        except (TypeError, RuntimeError) as error:
            told.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert bool(told) == (not HAS_CUDA)
