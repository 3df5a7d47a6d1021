"""The glossary: each term is explained in bold in the cell that it names, and every notebook links to it."""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "en"
COURSE = {path.stem: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}
ROW = re.compile(
    r"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| `(?P<notebook>\w+)`, `(?P<cell>[\w-]+)` \|$", re.MULTILINE
)
GLOSSARY = (FOLDER / "glossary.md").read_text(encoding="utf-8")
ROWS = [(found["term"], found["notebook"], found["cell"]) for found in ROW.finditer(GLOSSARY)]


def bold(text):
    """Return the words in bold."""
    return [" ".join(words.lower().split()) for words in re.findall(r"\*\*([^*]+)\*\*", text)]


def same(term, words):
    """Tell whether a word in bold is the term, in whatever form: overfitting, overfits; leaf, leaves."""
    stem = term.lower()[: max(3, len(term) - 5)]
    return words.startswith(stem)


def unexplained(rows, course):
    """Return the terms that their cell does not explain, with a word in bold for each term of the row."""
    found = []
    for terms, notebook, name in rows:
        text = next((cell.source for cell in course[notebook].cells if cell.id == name), "")
        found += [term for term in terms.split(", ") if not any(same(term, words) for words in bold(text))]
    return found


def test_each_term_stands_in_bold_where_the_glossary_says():
    """A term that was moved, or whose cell lost its explanation, is noticed."""
    assert len(ROWS) == len([line for line in GLOSSARY.splitlines() if line.startswith("| ")]) - 1
    assert unexplained(ROWS, COURSE) == []


def test_a_term_without_its_explanation_is_noticed():
    """Another cell, a word that is not in bold, one of two terms."""
    assert unexplained([("stream", "07_gpu", "async-run")], COURSE) == ["stream"]
    assert unexplained([("scale, zebra", "12_quantization", "hand-intro")], COURSE) == ["zebra"]


def test_terms_stand_in_alphabetical_order():
    """So that a reader finds them."""
    terms = [term for term, _, _ in ROWS]

    assert terms == sorted(terms)


@pytest.mark.parametrize("name", COURSE)
def test_each_notebook_links_to_the_glossary(name):
    """In its first cell."""
    assert "](glossary.md)" in COURSE[name].cells[0].source
