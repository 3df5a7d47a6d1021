"""The other editions: equal in code, with words of their own, and a list of what has to be translated anew."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import translate

ALT = {"mystnb": {"image": {"alt": "Two curves fall."}}}
FIGURE = new_output("display_data", {"image/png": "AAAA"})


def english():
    """Return a small notebook in English."""
    return new_notebook(
        cells=[
            new_markdown_cell("# Blocks", id="blocks-title"),
            new_code_cell("1 + 2", id="sum-run", metadata={"tags": ["check"]}),
            new_code_cell("draw()", id="first-draw", metadata=ALT, outputs=[FIGURE]),
            new_markdown_cell("### Exercise", id="exercise-parallel-block-task"),
        ]
    )


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Let the course be one small notebook and one page, with an edition in which all is translated."""
    monkeypatch.setattr(translate, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(translate, "ORIGINAL", tmp_path / "en")
    (tmp_path / "en").mkdir()
    nbformat.write(english(), tmp_path / "en" / "01_blocks.ipynb")
    (tmp_path / "en" / "README.md").write_text("# The course\n", "utf-8")
    translate.main([])
    edition = nbformat.read(tmp_path / "zh" / "01_blocks.ipynb", as_version=4)
    edition.cells[0].source = "# 块"
    edition.cells[2].metadata.mystnb.image.alt = "两条曲线下降。"
    nbformat.write(edition, tmp_path / "zh" / "01_blocks.ipynb")
    (tmp_path / "zh" / "README.md").write_text("# 课程\n", "utf-8")
    translate.main(["--accept", "01_blocks", "README.md"])
    return tmp_path


def change(course, edition, name, **values):
    """Change a cell of an edition."""
    path = course / edition / "01_blocks.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == name).update(values)
    nbformat.write(notebook, path)


def cells(course):
    """Return the cells of the edition by id."""
    return {cell.id: cell for cell in nbformat.read(course / "zh" / "01_blocks.ipynb", as_version=4).cells}


def stale(capsys):
    """Return what --stale prints."""
    capsys.readouterr()
    translate.main(["--stale"])
    return capsys.readouterr().out.splitlines()


def test_nothing_is_stale_when_all_is_translated(course, capsys):
    """And nothing is printed."""
    assert stale(capsys) == []
    assert translate.main(["--stale"]) == 0


def test_code_outputs_and_tags_follow_the_original(course):
    """The words stay."""
    change(course, "en", "sum-run", source="1 + 3", metadata={"tags": ["other"]})

    assert translate.main(["--check"]) == 1
    translate.main([])

    assert (cells(course)["sum-run"].source, cells(course)["sum-run"].metadata.tags) == ("1 + 3", ["other"])
    assert cells(course)["blocks-title"].source == "# 块"
    assert cells(course)["first-draw"].metadata.mystnb.image.alt == "两条曲线下降。"
    assert translate.main(["--check"]) == 0


def test_code_that_was_changed_in_the_edition_is_put_back(course):
    """There is one source of code."""
    change(course, "zh", "sum-run", source="1 + 4")

    translate.main([])

    assert cells(course)["sum-run"].source == "1 + 2"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("blocks-title", {"source": "# Blocks and layers"}),
        ("first-draw", {"metadata": {"mystnb": {"image": {"alt": "One curve falls."}}}}),
    ],
)
def test_a_text_that_was_changed_in_english_is_stale(course, capsys, name, values):
    """Until its translation is accepted; the old one stays in its place."""
    change(course, "en", name, **values)
    translate.main([])
    assert stale(capsys) == [f"01_blocks: {name} (changed)"]

    translate.main(["--accept", f"01_blocks:{name}"])

    assert stale(capsys) == []


def test_a_cell_that_is_new_in_english_is_stale(course, capsys):
    """It stands in the edition in English."""
    path = course / "en" / "01_blocks.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(1, new_markdown_cell("More words.", id="more-words"))
    nbformat.write(notebook, path)

    translate.main([])

    assert list(cells(course))[1] == "more-words"
    assert stale(capsys) == ["01_blocks: more-words (new)"]


def test_a_page_that_was_changed_is_stale(course, capsys):
    """As a cell is."""
    (course / "en" / "README.md").write_text("# The whole course\n", "utf-8")
    assert stale(capsys) == ["README.md (changed)"]

    translate.main(["--accept", "README.md"])

    assert stale(capsys) == []
    assert (course / "zh" / "README.md").read_text("utf-8").startswith("# 课程\n\n<!-- translates ")


def test_the_task_of_an_exercise_comes_from_the_catalogue(course, monkeypatch):
    """It is written anew each time, and never stale."""
    monkeypatch.setattr(translate, "posed", lambda cell, language: "任务" if cell.id.startswith("exercise-") else "")

    translate.main([])

    assert cells(course)["exercise-parallel-block-task"].source == "任务"


def test_accepting_what_is_not_there_is_an_error(course, capsys):
    """It names what was asked for."""
    with pytest.raises(SystemExit):
        translate.main(["--accept", "01_blocks:no-such-cell"])

    assert "01_blocks:no-such-cell is no page, notebook or cell" in capsys.readouterr().err
