"""The pictures of README.md."""

import re

import pytest
from PIL import Image

from tests.packaging_support import ROOT
from tools.pictures import MAX_BYTES, shrink

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_shows_three_small_pictures_with_words():
    """Each picture is there, small, and told in words for those who do not see it."""
    shown = re.findall(r"!\[([^\]]*)\]\((docs/images/[^)]+)\)", README)

    assert len(shown) == len(set(shown)) == 3
    for words, path in shown:
        assert len(words) > 60
        assert 1_000 < (ROOT / path).stat().st_size <= MAX_BYTES
        with Image.open(ROOT / path) as picture:
            assert picture.format == "PNG"
            assert picture.width >= 400


@pytest.mark.parametrize("colours", [2, 64])
def test_shrink_keeps_few_colours(tmp_path, colours):
    """A picture of a thousand colours has no more than asked for afterwards, and the same size."""
    many = Image.linear_gradient("L").convert("RGB")
    many.putpixel((0, 0), (255, 0, 0))
    many.save(tmp_path / "many.png")

    shrink(tmp_path / "many.png", colours)

    with Image.open(tmp_path / "many.png") as few:
        assert few.size == many.size
        assert len(few.convert("RGB").getcolors()) <= colours
