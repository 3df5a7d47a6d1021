"""Run every program on this computer's CUDA device, and write the answers: ``python -m tests.pretend.reality FILE``."""

import json
import sys
from pathlib import Path

import torch

from .facts import SECTIONS, described, fact


def record(path: Path) -> None:
    """Write the answers, and which machine gave them."""
    answers: dict[str, object] = {"machine": described()}
    for section, names in SECTIONS.items():
        answers[section] = {name: fact(section, name, torch.device("cuda", 0)) for name in names}
    path.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
