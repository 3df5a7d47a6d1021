"""The page on the pretended machine lists what the code answers and refuses."""

import re
from pathlib import Path

import pytest
import torch

from tools import pretended
from tools.evidence import page

CONSTRAINTS = (Path(__file__).resolve().parents[2] / "constraints.txt").read_text(encoding="utf-8")
PINNED = re.search(r"^torch==(\S+)", CONSTRAINTS, re.MULTILINE)[1]


@pytest.mark.skipif(torch.__version__.split("+")[0] != PINNED, reason=f"the page was written with torch {PINNED}")
def test_page_lists_what_the_code_says(tmp_path, monkeypatch):
    """A function that gained or lost its answer shows as a difference; ``python -m tools.pretended`` mends it."""
    text = (page.DOCS / "pretending.md").read_text(encoding="utf-8")
    (tmp_path / "pretending.md").write_text(text.replace("`mem_get_info`", "`mem_give_info`"), encoding="utf-8")
    monkeypatch.setattr(page, "DOCS", tmp_path)

    assert pretended.main([]) == 0
    assert (tmp_path / "pretending.md").read_text(encoding="utf-8") == text


def test_each_function_is_answered_or_refused_and_not_both():
    """What is refused by name is no function that the other list promises."""
    answered, refused = (set(re.findall("`(\\w+)`", lines[0])) for _, lines in pretended.lists())

    assert {"mem_get_info", "set_device", "empty_cache"} <= answered
    assert {"memory_snapshot", "utilization"} <= refused
    assert not answered & refused
