"""Run the notebooks and the device tests on this machine's accelerators (``make test-gpu``); without any, say so."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    ("-m", "tools.execute", "--jobs", "1"),
    ("-m", "pytest", "-q", "tests/tools/test_accelerator.py", "tests/pretend/test_reality.py"),
)


def main(run: Callable[..., int] = subprocess.call) -> int:
    """Return the exit status: 0 where all passed, and where there is nothing to run on."""
    if not torch.accelerator.is_available():
        print("no accelerator on this machine: 0 run")
        return 0
    print(f"on {torch.accelerator.device_count()} × {torch.accelerator.current_accelerator()}", flush=True)
    return max(run([sys.executable, *command], cwd=ROOT) for command in COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
