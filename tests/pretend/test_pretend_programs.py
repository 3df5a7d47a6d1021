"""Random programs on random devices: equal to the CPU's numbers, or refused exactly where devices mix."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lcompute import pretend_gpus

DEVICES = ["cpu", "cuda:0", "cuda:1"]
SHAPES = [(), (3,), (3, 3)]
MIXED = "Expected all tensors to be on the same device, but "  # how it goes on is compared with a real card's words
INDEXED = "indices should be either on cpu or on the same device as the indexed tensor"

UNARY = {
    "neg": lambda a, _: -a,
    "relu": lambda a, _: torch.relu(a),
    "sum": lambda a, _: a.sum(),
    "clone": lambda a, _: a.clone(),
    "detach": lambda a, _: a.detach(),
    "like": lambda a, _: torch.ones_like(a) + a,
    "view": lambda a, _: a.t() if a.dim() == 2 else a[None],
    "largest": lambda a, _: a.reshape(-1).max(0).values,
    "sorted": lambda a, _: torch.stack(a.reshape(-1).sort().values.split(1)).flatten()[:3],
}
ELEMENTWISE = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "rsub": lambda a, b: 1 - a - b,
    "maximum": torch.maximum,
    "lerp": lambda a, b: torch.lerp(a, b, 0.25),
}
JOINING = {
    "mm": torch.matmul,
    "cat": lambda a, b: torch.cat([a, b]),
    "stack": lambda a, b: torch.stack([a, b]),
    "index": lambda a, b: a[(b.detach().reshape(-1).abs() * 7).long() % a.shape[0]],
    "gather": lambda a, b: a.gather(0, (b.detach().abs() * 7).long() % a.shape[0]),
}
WRITING = {"add_": torch.Tensor.add_, "mul_": torch.Tensor.mul_, "copy_": torch.Tensor.copy_}
OPERATIONS = UNARY | ELEMENTWISE | JOINING | WRITING


@dataclass(frozen=True)
class Step:
    """One line of a program: an operation on two earlier values, or a copy of the first to a device."""

    name: str
    operands: tuple[int, int]
    device: str


def fits(name, a, b):
    """Return whether an operation takes operands of these shapes, devices aside."""
    shapes = a.shape, b.shape
    if name in UNARY:
        return True
    if name in WRITING:
        apart = a.data_ptr() != b.data_ptr()
        return apart and broadcasts(*shapes) and torch.broadcast_shapes(*shapes) == a.shape
    if name in ELEMENTWISE:
        return broadcasts(*shapes)
    if name == "mm":
        return a.dim() in (1, 2) and b.dim() in (1, 2) and a.shape[-1] == b.shape[0]
    if name == "stack":
        return a.shape == b.shape
    if name == "index":
        return a.dim() >= 1
    same_dim = a.dim() == b.dim() >= 1
    if name == "cat":
        return same_dim and a.shape[1:] == b.shape[1:]
    return same_dim and all(i <= j for i, j in zip(b.shape[1:], a.shape[1:], strict=True))


def broadcasts(first, second):
    """Return whether two shapes go together element by element."""
    return all(i == j or 1 in (i, j) for i, j in zip(first[::-1], second[::-1], strict=False))


def verdict(name, a, b, first, second):
    """Say by brute force on which device a result belongs, or which error the operands deserve.

    Written down case by case from what real devices do; it asks the package nothing.
    """
    if name in UNARY or name == "copy_":
        return first
    if name == "index":
        return first if second in ("cpu", first) else INDEXED
    if first == second:
        return first
    may_mix = name in ELEMENTWISE or name in WRITING
    if may_mix and second == "cpu" and b.dim() == 0:
        return first
    if name in ELEMENTWISE and first == "cpu" and a.dim() == 0:
        return second
    return MIXED


def run(leaves, devices, steps, *, pretended):
    """Run a program; return its values and where brute force says they are.

    Without ``pretended`` all tensors are the CPU's, their devices are only written down, and what would be refused is
    left out.
    """
    values, where = list(leaves), list(devices)
    for step in steps:
        i, j = (k % len(values) for k in step.operands)
        a, b = values[i], values[j]
        if step.name == "to":
            copied = a.to(step.device) if pretended else a
            values.append(a.clone() if not pretended and where[i] != step.device else copied)
            where.append(step.device)
        elif fits(step.name, a, b):
            expected = verdict(step.name, a, b, where[i], where[j])
            if expected in DEVICES:
                values.append(OPERATIONS[step.name](a, b))
                where.append(expected)
            elif pretended:
                with pytest.raises(RuntimeError, match=expected):
                    OPERATIONS[step.name](a, b)
    return values, where


def programs(*names):
    """Draw up to twelve steps among the operations of these names, and copies."""
    number = st.integers(0, 50)
    step = st.builds(Step, st.sampled_from([*names, "to"]), st.tuples(number, number), st.sampled_from(DEVICES))
    return st.lists(step, min_size=1, max_size=12)


placed_shapes = st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from(DEVICES)), min_size=2, max_size=5)


def drawn(shapes, seed):
    """Return the numbers that a program starts from."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def summed(values, copy):
    """Return one number on the CPU that each value with a gradient has a part in."""
    return sum((copy(v).sum() for v in values if v.requires_grad), start=torch.zeros(()))


@settings(max_examples=300, deadline=None)
@given(placed_shapes, programs(*OPERATIONS), st.integers(0, 99))
def test_a_random_program_equals_the_cpu_or_is_refused_where_devices_mix(leaves, steps, seed):
    """Every value is the CPU's, bit for bit, and where brute force puts it; every mixture is refused, nothing else."""
    shapes, devices = zip(*leaves, strict=True)
    expected, _ = run(drawn(shapes, seed), devices, steps, pretended=False)

    with pretend_gpus(2) as machine:
        start = [t.to(device) for t, device in zip(drawn(shapes, seed), devices, strict=True)]
        values, where = run(start, devices, steps, pretended=True)
        found, before = [str(v.device) for v in values], machine.host_reads
        numbers = [v.tolist() for v in values]
        reads = machine.host_reads - before

    assert found == where
    assert numbers == [v.tolist() for v in expected]
    assert reads == sum(device != "cpu" for device in where)


@settings(max_examples=200, deadline=None)
@given(placed_shapes, programs(*UNARY, *ELEMENTWISE, *JOINING), st.integers(0, 99))
def test_a_random_programs_gradients_equal_the_cpus_and_are_where_their_leaves_are(leaves, steps, seed):
    """The gradient of every leaf is the CPU's, bit for bit, and has come back to the leaf's own device."""
    shapes, devices = zip(*leaves, strict=True)
    cpu_leaves = [t.requires_grad_() for t in drawn(shapes, seed)]
    summed(run(cpu_leaves, devices, steps, pretended=False)[0], torch.clone).backward()

    with pretend_gpus(2):
        start = [t.to(d).requires_grad_() for t, d in zip(drawn(shapes, seed), devices, strict=True)]
        summed(run(start, devices, steps, pretended=True)[0], torch.Tensor.cpu).backward()
        found = [str(leaf.grad.device) for leaf in start]
        grads = [leaf.grad.cpu() for leaf in start]

    assert found == list(devices)
    assert all(torch.equal(grad, leaf.grad) for grad, leaf in zip(grads, cpu_leaves, strict=True))


@pytest.mark.parametrize("name", [*ELEMENTWISE, *JOINING, "add_"])
def test_brute_force_is_strict_enough_to_fail(name):
    """The verdict that programs are held to names an error for each operation that joins two devices."""
    a, b = torch.ones(3, 3), torch.ones(3, 3)

    assert verdict(name, a, b, "cuda:0", "cuda:1") in (MIXED, INDEXED)
    assert verdict(name, a, b, "cuda:1", "cuda:1") == "cuda:1"
