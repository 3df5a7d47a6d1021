"""All that a device answers to the programs of this folder, as plain values that JSON can hold."""

import platform
import subprocess
import warnings
from datetime import date
from typing import Any

import torch

from .autocast import FLOAT32, LOWER_PRECISION, UNLISTED, WIDEST, dtype_of
from .behaviour import BEHAVIOUR
from .memory import MEMORY
from .mixing import MIXING, words
from .waiting import WAITING, waits

__all__ = ["SECTIONS", "described", "fact"]

_OPERATIONS = LOWER_PRECISION | FLOAT32 | UNLISTED
_HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
_DTYPES = {"float32": torch.float32, "16 bits": None, "float64": torch.float64}

SECTIONS: dict[str, tuple[str, ...]] = {
    "mixing": tuple(MIXING),
    "autocast": tuple(f"{half} {name} of {given}" for half in _HALVES for given in _DTYPES for name in _OPERATIONS),
    "widest": tuple(f"{half} {name} {order}" for half in _HALVES for name in WIDEST for order in ("16+32", "32+16")),
    "waiting": tuple(WAITING),
    "memory": tuple(MEMORY),
    "behaviour": tuple(BEHAVIOUR),
}


def described() -> dict[str, str]:
    """Say which machine answers, and when: its card, its versions, the date."""
    return {
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "python": platform.python_version(),
        "driver": _driver(),
        "date": date.today().isoformat(),
    }


def _driver() -> str:
    """Return the version of NVIDIA's driver, as its own program says it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def fact(section: str, name: str, device: torch.device) -> Any:
    """Run one program on a device.

    Args:
        section: one of ``SECTIONS``.
        name: one of its programs.
        device: the device.
    """
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _answer(section, name, device)


def _answer(section: str, name: str, device: torch.device) -> Any:
    if section == "mixing":
        return words(MIXING[name], device)
    if section == "waiting":
        return waits(WAITING[name], device)
    if section == "memory":
        return MEMORY[name](device)
    if section == "behaviour":
        return BEHAVIOUR[name](device)
    half, rest = name.split(" ", 1)
    with torch.autocast("cuda", dtype=_HALVES[half]):
        if section == "widest":
            operation, order = rest.rsplit(" ", 1)
            pair = (_HALVES[half], torch.float32) if order == "16+32" else (torch.float32, _HALVES[half])
            return dtype_of(WIDEST[operation], device, *pair)
        operation, given = rest.rsplit(" of ", 1)
        return dtype_of(_OPERATIONS[operation], device, _DTYPES[given] or _HALVES[half])
