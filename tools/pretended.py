"""What ``pretend_gpus`` answers of torch.cuda and torch.accelerator, and what it refuses, for docs/pretending.md.

``python -m tools.pretended`` reads them off the code, with the pinned torch, and writes them into the page.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import torch

from d2lcompute.pretend.torch_hooks.handler import ANSWERS
from d2lcompute.pretend.torch_hooks.patches import FRONT_DOORS, refusals
from tools.evidence import page


def lists() -> Iterator[tuple[str, list[str]]]:
    """Yield ``answered`` and ``refused`` with their lines, by module."""
    answered = [(owner, name) for owner, name, _ in ANSWERS]
    refused = [(owner, name) for owner, name, _ in refusals()]
    for title, functions in (("answered", answered), ("refused", refused)):
        yield title, [f"- `{owner.__name__}`: {_told(owner, functions)}" for owner in FRONT_DOORS]


def _told(owner: object, functions: Sequence[tuple[object, str]]) -> str:
    names = sorted({name for there, name in functions if there is owner and not name.startswith("_")}, key=str.lower)
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both lists into the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.pretended", description=__doc__.split("\n")[0])
    parser.parse_args(arguments)
    for title, lines in lists():
        page.put("pretending.md", title, [f"With torch {torch.__version__.split('+')[0]}:", "", *lines])
    return 0


if __name__ == "__main__":
    sys.exit(main())
