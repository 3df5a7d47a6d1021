"""The command that alters stored outputs: it alters each, sees what validation sees, and reports what it does not."""

import random

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.evidence import alter, page

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def executed(source, *outputs, name="sum-run", tags=()):
    """Return a code cell that has been executed."""
    cell = new_code_cell(source, id=name, execution_count=1, outputs=list(outputs))
    cell.metadata = nbformat.from_dict({"tags": list(tags)} if tags else {})
    return cell


def result(text, **data):
    """Return the output of a cell whose last line has a value."""
    return new_output("execute_result", {"text/plain": text, **data}, execution_count=1)


def stored(path, *cells):
    """Write a notebook of these cells."""
    notebook = new_notebook(cells=list(cells))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("text", ["", "3", "x", " ", "tensor([1., 2.])\nshape (2,)\n", "日本"])
def test_alter_text_changes_any_text(text):
    """Whatever a text holds, each alteration gives another text, one character or one line apart."""
    for seed in range(50):
        kind, changed = alter.alter_text(text, random.Random(seed))

        assert changed != text
        assert kind == "a line dropped" or abs(len(changed) - len(text)) <= 1


def test_alter_text_uses_every_kind():
    """A text that has digits, letters, lines and spaces is altered in each of the ways, the same for the same seed."""
    text = "loss 0.25\nloss 0.13\n"

    kinds = {alter.alter_text(text, random.Random(seed))[0] for seed in range(100)}

    assert kinds == set(alter._KINDS)
    assert alter.alter_text(text, random.Random(7)) == alter.alter_text(text, random.Random(7))


def test_alterations_take_each_part_in_turn():
    """Each text, each output, one more, and an expected error: an alteration each, and the cell itself stays."""
    error = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
    figure = new_output("display_data", {"text/plain": "<Figure>", "image/png": PNG})
    cell = executed("f()", new_output("stream", name="stdout", text="a\n"), figure, error, tags=["raises-exception"])
    before = nbformat.from_dict(cell)

    made = list(alter.alterations(5, cell, random.Random(0)))

    assert [each.part for each in made] == [
        *("stdout", "text/plain", "error name", "error value"),
        *["output"] * 4,
        "error",
    ]
    assert [each.kind for each in made[4:]] == ["removed", "removed", "removed", "added", "no longer raised"]
    assert all(each.result != cell and each.cell == 5 for each in made)
    assert cell == before


def test_alterations_add_an_output_where_there_is_none():
    """A cell without outputs is altered too: it gets one."""
    (only,) = alter.alterations(0, executed("x = 1"), random.Random(0))

    assert (only.part, only.kind, len(only.result.outputs)) == ("output", "added", 1)


@pytest.mark.slow
def test_main_reports_an_output_that_is_not_compared(tmp_path, capsys, monkeypatch):
    """A cell whose output nbval ignores is named, with what was altered; the status is 1; the notebook stays."""
    ignored = executed("1 + 2", result("3"), name="sum-ignored", tags=["nbval-ignore-output"])
    path = stored(tmp_path / "small.ipynb", executed("2 + 2", result("4")), new_markdown_cell("Text."), ignored)
    before = path.read_bytes()
    only_texts = alter.alterations
    monkeypatch.setattr(alter, "alterations", lambda *args: [next(only_texts(*args))])  # one round is enough here

    status = alter.main([str(path), "--jobs", "1"])

    printed = capsys.readouterr().out
    assert status == 1
    assert "FAIL small                         2 altered,    1 seen" in printed
    assert "small: sum-ignored: text/plain, " in printed
    assert "small: sum-run" not in printed
    assert "2 alterations, 1 seen, 1 missed, 0 failures elsewhere" in printed
    assert path.read_bytes() == before


def test_main_reports_a_failure_elsewhere(tmp_path, capsys, monkeypatch):
    """A cell that fails in a round in which it was left alone is named too."""
    path = stored(tmp_path / "small.ipynb", executed("1 + 2", result("3")), executed("x = 1", name="set-run"))
    monkeypatch.setattr(alter, "failing_cells", lambda path: {0, 1})  # the second cell has fewer alterations

    status = alter.main([str(path)])

    printed = capsys.readouterr().out
    assert status == 1
    assert printed.count("small: set-run: fails, though nothing was altered in this round") == 2
    assert "4 alterations, 4 seen, 0 missed, 2 failures elsewhere" in printed


def test_main_is_content_where_all_is_seen(tmp_path, capsys, monkeypatch):
    """Where exactly the altered cells fail the status is 0, and the table goes to the page if asked for."""
    path = stored(tmp_path / "small.ipynb", executed("1 + 2", result("3", **{"image/png": PNG})))
    monkeypatch.setattr(alter, "failing_cells", lambda path: {0})
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "validation.md").write_text("# T\n\n<!-- outputs: begin -->\nold\n<!-- outputs: end -->\nafter\n")

    status = alter.main([str(path), "--write"])

    assert status == 0
    assert "1 images are not compared by nbval" in capsys.readouterr().out
    written = (tmp_path / "validation.md").read_text()
    assert "old" not in written
    assert written.endswith("| all | | 3 | 3 |\n<!-- outputs: end -->\nafter\n")
    assert list(page.rows("validation.md", "outputs")) == ["output", "text/plain", "all"]


def test_put_refuses_a_page_without_a_place(tmp_path, monkeypatch):
    """A page that lacks the two marks is an error that names them, and stays as it is."""
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "page.md").write_text("# T\n")

    with pytest.raises(ValueError, match=r"page\.md must hold the lines '<!-- outputs: begin -->'"):
        page.put("page.md", "outputs", ["| a |"])

    assert (tmp_path / "page.md").read_text() == "# T\n"


def test_failing_cells_refuses_a_notebook_that_was_not_validated(tmp_path):
    """A notebook that pytest cannot read is an error, not one in which nothing fails."""
    path = tmp_path / "broken.ipynb"
    stored(path, executed("1 + 2", result("3")))
    path.with_name("conftest.py").write_text("raise ImportError('no conftest today')")

    with pytest.raises(RuntimeError, match="broken: 0 of 1 cells were reported"):
        alter.failing_cells(path)


PASSED_OVER = {
    "an image": executed("1", result("1", **{"image/png": PNG})),
    "a traceback": executed(
        "1 / 0",
        new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["quite another"]),
        tags=["raises-exception"],
    ),
    "the count": new_code_cell("2", execution_count=77, outputs=[result("2")]),
    "displayed, not returned": executed("3", new_output("display_data", {"text/plain": "3"})),
    "the order of two kinds": executed("print(4); 4", result("4"), new_output("stream", name="stdout", text="4\n")),
    "before a carriage return": executed(r"print('a\rb')", new_output("stream", name="stdout", text="old\rb\n")),
    "the marker in a comment": executed("# NBVAL_IGNORE_OUTPUT\n5", result("6")),
    "never executed": new_code_cell("6"),
}
CAUGHT = {
    "a number": executed("7", result("8")),
    "another stream": executed("print(8)", new_output("stream", name="stderr", text="8\n")),
    "a space at the end": executed("9", result("9 ")),
    "HTML": executed("10", result("10", **{"text/html": "<b>10</b>"})),
}


@pytest.mark.slow
def test_nbval_passes_over_what_the_rules_name(tmp_path):
    """What nbval does not compare is known, each by a cell that differs and passes; beside them, some that fail."""
    names = [*PASSED_OVER, *CAUGHT]
    cells = [{**cell, "id": f"cell-{i}"} for i, cell in enumerate([*PASSED_OVER.values(), *CAUGHT.values()])]
    path = stored(tmp_path / "limits.ipynb", *map(nbformat.from_dict, cells))

    failing = alter.failing_cells(path)

    assert {names[number] for number in failing} == set(CAUGHT)
