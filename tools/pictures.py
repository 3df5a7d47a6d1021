"""Draw the pictures of README.md anew: ``python -m tools.pictures`` (``make pictures``), into docs/images.

Nested blocks of a real net, the timeline of two pretended devices, and an exercise's answer in JupyterLab, which needs
Chromium. Each is a PNG of few colours, so that it is small.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from PIL import Image
from torch import nn

from d2lcompute import FixedHiddenMLP, NestMLP, pretend_gpus
from d2lcompute.figures import draw_blocks, plot_timeline
from tools.browser import ROOT, chromium
from tools.laboratory import answer, lab, open_notebook, run_all, start_copy

__all__ = ["MAX_BYTES", "draw", "shrink"]

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 60_000
WRONG = """class ParallelBlock(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()
        self.net1, self.net2 = net1, net2

    def forward(self, X):
        return self.net1(X) + self.net2(X)"""


def shrink(path: Path, colours: int = 64) -> None:
    """Keep a picture with few colours."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def draw(folder: Path) -> None:
    """Draw the net and the timeline from live objects."""
    net = nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
    _save(draw_blocks(net), folder / "blocks.png")
    with pretend_gpus(2) as machine:
        for _ in range(3):
            parts = [torch.ones(3000, 3000, device=f"cuda:{number}") for number in range(2)]
            products = [part @ part for part in parts]
            _ = products[0] + products[1].to("cuda:0", non_blocking=True)
        torch.cuda.synchronize()
    _save(plot_timeline(machine), folder / "timeline.png")


def photograph(folder: Path, language: str = "en") -> None:
    """Answer an exercise wrongly in JupyterLab, and keep a picture of what it says."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        course, home = Path(place) / "course", Path(place) / "home"
        home.mkdir()
        start_copy(course, home, language)
        with lab(course, home) as (address, token):
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1260, "height": 900})
            open_notebook(page, address, token, "01_blocks")
            run_all(page)
            answer(page, "parallel_block", WRONG)
            page.wait_for_timeout(500)
            cells = [
                page.locator(".jp-Cell", has=page.get_by_text(text, exact=False)).first.bounding_box()
                for text in ("class ParallelBlock", 'check("parallel_block"')
            ]
            page.screenshot(path=str(folder / "feedback.png"), clip=_around(cells))
            browser.close()
    shrink(folder / "feedback.png")


def _around(boxes: Sequence[Any]) -> dict[str, float]:
    """Return the rectangle that holds all boxes."""
    left, top = min(box["x"] for box in boxes), min(box["y"] for box in boxes)
    right = max(box["x"] + box["width"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top - 3}


def _save(ax: Any, path: Path) -> None:
    """Write a figure."""
    ax.figure.savefig(path, dpi=110, facecolor="white", metadata={"Software": None})
    shrink(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all three, print their sizes, and return 1 if one is too large."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__.split("\n")[0])
    parser.parse_args(arguments)
    if chromium() is None:
        print("no browser: install Debian's package chromium, or put Chromium on PATH", file=sys.stderr)
        return 1
    mpl.use("agg")
    IMAGES.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    draw(IMAGES)
    photograph(IMAGES)
    sizes = {path.name: path.stat().st_size for path in sorted(IMAGES.glob("*.png"))}
    print(" · ".join(f"{name}: {size:,} bytes" for name, size in sizes.items()))
    return int(any(size > MAX_BYTES for size in sizes.values()))


if __name__ == "__main__":
    sys.exit(main())
