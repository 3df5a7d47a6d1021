"""Sentences that once stood in a notebook and are false: none may come back."""

import re
from pathlib import Path

import nbformat
import pytest
import torch

from d2lcompute import pretend_gpus

COURSE = sorted((Path(__file__).resolve().parents[2] / "notebooks" / "en").glob("*.ipynb"))

# What was said → why it is false.
REFUTED = {
    r"optimizer that was made before goes on working": "Adam's and momentum's state stays on the old device",
    r"False until the first step": "Adagrad makes its state when it is made itself",
    r"set_detect_anomaly\(True\)` finds the operation that first gave": "it looks at the backward pass only",
    r"bfloat16 reaches as far as float32 in both": "its smallest number is 65,536 times larger",
    r"large weights nothing\b": "their copies in 16 bits come on top",
    r"is_bf16_supported\(\)`": "without including_emulation=False it is True on cards that emulate it",
    r"the version above goes on with it\.": "it raises an AttributeError or a RuntimeError",
    r"never the parameters": "wrapping sends them, and buffers travel at every forward pass",
    r"and the others fall": "eleven hold in part",
    r"random weights keep the distances": "one ratio agrees; the distances correlate with 0.65",
    r"At step 0 uniform between -1/8 and 1/8, a straight": "the histogram was written after the first update",
    r"store `output\.detach\(\)`": "a later layer that works in place changes it: detach().clone()",
}


def refuted(texts):
    """Return which of the sentences stand in some texts, by name: ``01_blocks: cell: sentence``."""
    joined = {name: " ".join(text.split()) for name, text in texts.items()}
    return [f"{name}: {said}" for said in REFUTED for name, text in joined.items() if re.search(said, text)]


def texts(paths):
    """Return the Markdown of notebooks: notebook and cell → text."""
    return {
        f"{path.stem}: {cell.id}": cell.source
        for path in paths
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    }


def test_no_refuted_sentence_stands_in_a_notebook():
    """What was measured to be false is not said."""
    assert refuted(texts(COURSE)) == []


def test_a_refuted_sentence_is_found_across_lines():
    """However it is broken into lines."""
    assert refuted({"07_gpu: to-why": "so an optimizer that was\nmade before goes on working."}) == [
        "07_gpu: to-why: optimizer that was made before goes on working"
    ]


# The reasons, where no cell of a notebook asserts them.


def test_bfloat16_is_wider_below_too_but_not_by_as_much():
    """The captions of 11's first figure."""
    single, brain = (info.tiny * info.eps for info in map(torch.finfo, (torch.float32, torch.bfloat16)))

    assert brain / single == 2**16


@pytest.mark.parametrize("layer", [torch.nn.LayerNorm(4), lambda x: x.softmax(-1), lambda x: x.sum()])
def test_what_sums_up_runs_in_float32_on_cuda(layer):
    """11 says so of LayerNorm, softmax and sum."""
    with pretend_gpus(1), torch.autocast("cuda", torch.bfloat16):
        layer = layer.cuda() if isinstance(layer, torch.nn.Module) else layer
        assert layer(torch.ones(2, 4, dtype=torch.bfloat16, device="cuda")).dtype == torch.float32


def test_one_example_suffices_where_a_map_has_several_pixels():
    """08 says which batch normalization refuses a batch of one."""
    assert torch.nn.BatchNorm2d(2)(torch.ones(1, 2, 8, 8)).shape == (1, 2, 8, 8)
    for layer, shape in ((torch.nn.BatchNorm1d(2), (1, 2)), (torch.nn.BatchNorm2d(2), (1, 2, 1, 1))):
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            layer(torch.ones(shape))
