"""Targets: what is measured, how much it may be, and, where the target was missed, what a profiler found.

A reason stands here once, and is shown only when its target is missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LINEAR_SIZES", "MODEL_BYTES", "PROGRAMS", "TARGETS", "Target"]

LINEAR_SIZES = {"32 × 16 → 16": (32, 16, 16), "64 × 256 → 256": (64, 256, 256), "128 × 1024 → 1024": (128, 1024, 1024)}
"""Rows of the batch × in → out, for the comparisons of linear layers."""

MODEL_BYTES = {"1 MB": 10**6, "100 MB": 10**8, "1 GB": 10**9}
"""The sizes of the models that are saved and loaded."""

PROGRAMS = (
    *("X.device", "X + X", "X @ X", "X.T", "X.to(device)"),
    *("X.sum().item()", "torch.ones(device)", "a training step"),
)
"""What runs on a pretended device; the tensors are 8 × 8."""


@dataclass(frozen=True)
class Target:
    """One row of the table.

    Attributes:
        section: the heading that it stands under.
        what: what is held against what.
        unit: of what is measured: ``×`` for a ratio, or ``s``, ``ms``, ``ns``, ``%``.
        at_most: what was promised before it was measured; None where the number is reported and nothing was promised.
        reason: why the target is missed, as a profiler told.
    """

    section: str
    what: str
    unit: str = "×"
    at_most: float | None = None
    reason: str = ""


_FIXED = (
    "each file costs a fixed 0.2 to 0.3 ms, no part of which is above 0.05 ms: the arguments, the values and the path "
    "are checked, and a second name is made and renamed; after torch has moved a megabyte, the code for it is out of "
    "the caches and takes ten times as long as when it is warm"
)
_REPLACING = (
    "ext4 takes 0.6 ms in `os.replace` to release the old file, as it begins to write the new one at that moment, so "
    "that a crash leaves one of them whole; `torch.save` empties the old file in 0.25 ms and keeps neither. In memory "
    "(tmpfs) the ratio is 1.01. The rest is the fixed cost of a new name"
)
_WRITTEN_AT_ONCE = (
    "33 of the 80 ms are `os.replace`: ext4 begins to write the new file at that moment, so that a crash leaves one of "
    "the two whole. A new name for both takes 45 ms; `torch.save` over its own emptied file, which a crash would leave "
    "empty, 65 to 78"
)
_LISTED = (
    "0.12 ms of the 0.88 under the profiler list the archive, which torch's reader does not do: a file that was packed "
    "anew or added to would load other bytes than those that were checked"
)
_PAGE_CACHE = (
    "the time is the system's, which finds memory for the file's pages: a `torch.save` of a gigabyte took 5.9 s where "
    "it needed new pages and 1.6 to 1.9 s where it got back those of the file that it had just emptied; the program's "
    "own code takes 0.24 s in both contestants"
)
_BOTH_FILES = (
    "the old file stays until the new one is whole, so that a crash leaves one of them, and both need memory: "
    f"{_PAGE_CACHE}. `os.replace` takes 0.5 s of ours"
)
_VALIDATION = (
    "the processor is busy, not idle: the kernels need 127 s of it and what starts them 14, the floor 33 in all. Of "
    "the 127, 22 start Python and import torch; 29 are the processes that notebook 13 starts, 14 of which import "
    "torch; 16 are `torch._dynamo`, which torch imports with the first optimizer, in 14 notebooks; 7 are pyplot, 5 "
    "scikit-learn; 48 are the lessons' own cells, 3 a notebook. The first optimizers alone take nearly all that the "
    "target leaves. Mended: the longest notebook begins, so that no worker waits for it at the end"
)


def _modules() -> dict[str, Target]:
    targets = {}
    for how in ("eager", "compiled"):
        for task in ("forward", "forward and backward"):
            what = f"`MySequential` over `nn.Sequential`, 50 tiny layers, {task}, {how}"
            targets[f"MySequential {task} {how}"] = Target("Modules", what, at_most=1.10)
    for how in ("eager", "compiled"):
        for size in LINEAR_SIZES:
            for task in ("forward", "forward and backward"):
                what = f"`MyLinear` over `nn.Linear`, {size}, {task}, {how}"
                targets[f"MyLinear {size} {task} {how}"] = Target("Modules", what, at_most=1.05)
    return targets


def _checkpoints() -> dict[str, Target]:
    targets: dict[str, Target] = {}
    section = "Checkpoints"
    for size in MODEL_BYTES:
        slow = {"1 MB": _FIXED, "1 GB": _PAGE_CACHE}.get(size, "")
        targets |= {
            f"save {size}": Target(
                section,
                f"`save_checkpoint(durable=False)` over `torch.save`, {size}, to a new name",
                at_most=1.15,
                reason=slow,
            ),
            f"overwrite {size}": Target(
                section,
                f"the same, over a file that is there, {size}",
                at_most=1.15,
                reason={"1 MB": _REPLACING, "1 GB": _BOTH_FILES}.get(size, ""),
            ),
            f"load {size}": Target(
                section,
                f"`load_checkpoint(verify=False)` over `torch.load` and `load_state_dict`, {size}",
                at_most=1.15,
                reason=_LISTED if size == "1 MB" else "",
            ),
            f"save safetensors {size}": Target(
                section,
                f"`save_checkpoint(durable=False)` over safetensors' `save_model`, .safetensors, {size}",
                at_most=1.15,
                reason=slow,
            ),
            f"load safetensors {size}": Target(
                section, f"`load_checkpoint` over safetensors' `load_model`, .safetensors, {size}", at_most=1.15
            ),
            f"durable {size}": Target(section, f"what durability costs: `durable=True` over `durable=False`, {size}"),
            f"verify {size}": Target(section, f"what checksums cost: `verify=True` over `verify=False`, {size}"),
        }
    what = "peak memory of `load_checkpoint` over the model's bytes, 1 GB"
    return targets | {"memory": Target(section, what, at_most=1.20)}


_STARTED = (
    "2.7 s are the start, of two processes that import torch; a submission takes 0.125 s (27.6 s for 200, 7.67 s for "
    "40), 22 times less than nbgrader's 2.8 s. The 40 times were measured on three exercises a submission and without "
    "confinement; here they are seven, each tried three times a requirement"
)
_STARTED_TWICE = "each worker imports torch for itself, at the same time; without these 2.7 s it is 1.9 times as many"


def _grading() -> dict[str, Target]:
    section = "Grading a class"
    many = "1,000 submissions of a notebook, `d2lcompute grade --jobs 2`"
    memory = "peak memory of the largest process, 1,000 submissions over 100"
    return {
        "grading nbgrader": Target(
            section,
            "`d2lcompute grade --jobs 1` over `nbgrader autograde`, the same notebooks",
            "%",
            at_most=100 / 40,
            reason=_STARTED,
        ),
        "grading workers": Target(
            section, "`--jobs 2` over `--jobs 1`, the same notebooks", "%", at_most=100 / 1.8, reason=_STARTED_TWICE
        ),
        "grading many": Target(section, many, "s", at_most=180),
        "grading memory": Target(section, memory, at_most=1.10),
    }


TARGETS: Mapping[str, Target] = {
    "import": Target("Import", "`import d2lcompute` after `import torch`", "ms", at_most=30),
    "import pretend": Target("Import", "the first use of `pretend_gpus`, which imports its modules", "ms"),
    "import d2l": Target("Import", "the book's `d2l.torch` after `import torch`", "ms"),
    **_modules(),
    "lap": Target("Timing", "a lap of `Timer` over two readings of `time.perf_counter`", "ns"),
    "lap d2l": Target("Timing", "a lap of d2l's `Timer` over the same", "ns"),
    "accuracy": Target("Timing", "`Timer` off `torch.utils.benchmark`, a product of some milliseconds", "%", at_most=3),
    "accuracy benchmark": Target("Timing", "`benchmark` off `torch.utils.benchmark`, the same product", "%", at_most=3),
    **_checkpoints(),
    "validation": Target(
        "Validation",
        "`pytest --nbval` of the course over starting as many kernels with torch",
        at_most=1.6,
        reason=_VALIDATION,
    ),
    "check": Target("Exercises", "a check of an exercise, the median of all", "ms"),
    "slowest check": Target("Exercises", "the slowest check", "ms"),
    **_grading(),
    **{f"pretend {name}": Target("The pretended machine", f"`{name}` inside over outside") for name in PROGRAMS},
}
