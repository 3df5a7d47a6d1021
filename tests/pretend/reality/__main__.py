"""Run every program on this computer's CUDA device, and write the answers: ``python -m tests.pretend.reality FILE``."""

import json
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

import torch

from .facts import SECTIONS, fact


def record(path: Path) -> None:
    """Write the answers, and which machine gave them."""
    device = torch.device("cuda", 0)
    machine = {
        "card": torch.cuda.get_device_name(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "driver": _driver(),
        "date": date.today().isoformat(),
    }
    answers: dict[str, object] = {"machine": machine}
    for section, names in SECTIONS.items():
        answers[section] = {name: fact(section, name, device) for name in names}
    path.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _driver() -> str:
    """Return the version of NVIDIA's driver, as its own program says it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


if __name__ == "__main__":
    record(Path(sys.argv[1]))
