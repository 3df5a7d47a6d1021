"""Copying: the course in a folder of the learner's, and what happens to a folder that is not as it should be."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from d2lcompute.course import copying, source, starting
from d2lcompute.course.copying import write_course
from d2lcompute.course.merging import MARK
from d2lcompute.course.source import CourseError, languages, outdated, source_folder
from d2lcompute.doctor.checks import check_copy
from d2lcompute.exercises.registry import find, names

ROOT = Path(__file__).resolve().parents[2]
SIZE = len(list((ROOT / "notebooks" / "en").glob("*.ipynb")))


@pytest.fixture
def folder(tmp_path):
    """Return a folder that is not there yet."""
    return tmp_path / "my course"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Let the course be two notebooks of two cells, in two languages."""
    for language, word in (("en", "one"), ("zh", "一")):
        place = tmp_path / "notebooks" / language
        place.mkdir(parents=True)
        (place / "README.md").write_text(f"# {word}\n", encoding="utf-8")
        for name in ("00_start_here", "01_blocks"):
            save(place / f"{name}.ipynb", cell(f"{name}-a", word), cell(f"{name}-b", "stub"))
    monkeypatch.setattr(source, "_PLACES", (tmp_path / "notebooks",))
    return tmp_path / "notebooks" / "en"


def cell(name, text):
    """Return a code cell that has been run."""
    return nbformat.v4.new_code_cell(
        text, id=name, execution_count=1, outputs=[nbformat.v4.new_output("stream", text="out")]
    )


def save(path, *cells):
    """Write a notebook."""
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)


def change(path, name, text):
    """Change a cell of a notebook, as a learner does."""
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == name).source = text
    nbformat.write(notebook, path)


def texts(path):
    """Return the sources of a notebook by cell id."""
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


def snapshot(folder):
    """Return name → content of everything in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_course_is_written_without_outputs(folder):
    """All notebooks and the README; no output is there, and each notebook is a valid one."""
    written = write_course(folder)

    assert written.is_new
    assert sorted(snapshot(folder)) == sorted(path.name for path in (ROOT / "notebooks" / "en").iterdir())
    for path in folder.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
        assert texts(path) == texts(ROOT / "notebooks" / "en" / path.name)
    assert len(written.changes) == SIZE
    assert outdated(folder) == []


def test_a_second_time_nothing_is_written(small, folder):
    """A copy that is up to date keeps its files as they are, to the moment of their making."""
    write_course(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    written = write_course(folder)

    assert not written.is_new
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_newer_course_comes_in_and_answers_stay(small, folder):
    """The learner's answer, note, own notebook and README stay; the rest is renewed."""
    write_course(folder)
    change(folder / "00_start_here.ipynb", "00_start_here-b", "my answer")
    (folder / "mine.ipynb").write_text("{}", encoding="utf-8")
    (folder / "README.md").write_text("my notes\n", encoding="utf-8")
    for name in ("00_start_here", "01_blocks"):
        change(small / f"{name}.ipynb", f"{name}-a", "newer")
    (small / "README.md").write_text("# newer\n", encoding="utf-8")
    assert outdated(folder) == ["00_start_here", "01_blocks"]

    changes = write_course(folder).changes

    assert texts(folder / "00_start_here.ipynb") == {"00_start_here-a": "newer", "00_start_here-b": "my answer"}
    assert (folder / "mine.ipynb").read_text(encoding="utf-8") == "{}"
    assert (folder / "README.md").read_text(encoding="utf-8") == "my notes\n"
    assert changes["00_start_here.ipynb"].kept == ["00_start_here-b"]
    assert outdated(folder) == []


def test_a_readme_that_was_left_alone_is_renewed(small, folder):
    """It is the course's, as long as the learner does not write into it."""
    write_course(folder)
    (small / "README.md").write_text("# newer\n", encoding="utf-8")

    write_course(folder)

    assert (folder / "README.md").read_text(encoding="utf-8") == "# newer\n"


def test_a_notebook_that_was_taken_out_is_written_anew(small, folder):
    """This is how one begins a notebook again."""
    write_course(folder)
    (folder / "01_blocks.ipynb").rename(folder / "old.ipynb")

    changes = write_course(folder).changes

    assert changes["01_blocks.ipynb"] is None
    assert texts(folder / "01_blocks.ipynb") == texts(small / "01_blocks.ipynb")


def test_the_copy_keeps_its_language(small, folder):
    """Unless another one is asked for; answers stay then too."""
    write_course(folder, "zh")
    change(folder / "01_blocks.ipynb", "01_blocks-b", "答案")

    write_course(folder)
    assert texts(folder / "01_blocks.ipynb") == {"01_blocks-a": "一", "01_blocks-b": "答案"}
    write_course(folder, "en")
    assert texts(folder / "01_blocks.ipynb") == {"01_blocks-a": "one", "01_blocks-b": "答案"}
    assert (folder / "README.md").read_text(encoding="utf-8") == "# one\n"
    assert languages() == ["en", "zh"]


def test_a_language_that_is_not_there_is_refused(folder):
    """The error lists those that are."""
    with pytest.raises(CourseError, match=r"lang must be a language of the course; got 'xx' \(there are: .*en"):
        write_course(folder, "xx")
    assert not folder.exists()


# Folders and files that are not as they should be: a clear error, nothing touched.


def damaged(text):
    """Return what puts this text into a notebook of the copy."""
    return lambda folder: (folder / "01_blocks.ipynb").write_bytes(text)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            damaged(b'{"cells": [<<<<<<< HEAD'),
            r"01_blocks.ipynb: expected a notebook, found a file that is no longer JSON",
        ),
        (damaged(b"\xff\xfe\x00"), "found a file that is no longer JSON"),
        (damaged(b""), "found a file that is no longer JSON"),
        (damaged(b"[1, 2]"), "found JSON of another form; rename it or move it out of the folder"),
        (damaged(b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'), "JSON of another form"),
        (damaged(b'{"cells": [{"cell_type": "code"}], "nbformat": 4, "nbformat_minor": 5}'), "JSON of another form"),
        (damaged(b'{"worksheets": [], "nbformat": 3, "nbformat_minor": 0, "metadata": {}}'), "JSON of another form"),
        (damaged(b"[" * 100_000), "no longer JSON"),
    ],
)
def test_a_damaged_notebook_is_told_and_nothing_is_touched(small, folder, spoil, words):
    """What became of it is for the learner to see; the others are not brought up to date either."""
    write_course(folder)
    change(small / "00_start_here.ipynb", "00_start_here-a", "newer")
    spoil(folder)
    before = snapshot(folder)

    with pytest.raises(CourseError, match=words):
        write_course(folder)
    assert snapshot(folder) == before


def test_a_folder_that_holds_something_else_is_refused(small, folder):
    """The course is not strewn among other files."""
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (folder / name).touch()

    with pytest.raises(CourseError, match=r"holds something else \(a.txt, b.txt, c.txt, …\); give the name of a new"):
        write_course(folder)
    assert sorted(snapshot(folder)) == ["a.txt", "b.txt", "c.txt", "d.txt"]


def test_an_empty_folder_is_a_new_one(small, folder):
    """So is one that holds hidden files alone, such as .git."""
    folder.mkdir()
    (folder / ".git").mkdir()

    assert write_course(folder).is_new


def test_a_file_is_no_folder(small, folder):
    """The error says what to give instead."""
    folder.touch()

    with pytest.raises(CourseError, match="expected a folder, found a file"):
        write_course(folder)


@pytest.mark.parametrize("protected", ["", "01_blocks.ipynb"])
def test_what_is_protected_from_writing_is_left_so(small, folder, monkeypatch, protected):
    """The folder, or one file of the course in it."""
    write_course(folder)
    change(small / "00_start_here.ipynb", "00_start_here-a", "newer")
    before = snapshot(folder)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder / protected and allowed(path, mode))

    with pytest.raises(CourseError, match="is protected from writing"):
        write_course(folder)
    assert snapshot(folder) == before


def test_a_full_disk_leaves_all_as_it_was(small, folder, monkeypatch):
    """Each file is written beside its place first; where one does not fit, none takes its place, and none is left."""
    write_course(folder)
    for name in ("00_start_here", "01_blocks"):
        change(small / f"{name}.ipynb", f"{name}-a", "newer")
    before, write = snapshot(folder), Path.write_bytes
    room = iter([True, False])

    def full(path, data):
        if not next(room):
            write(path, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CourseError, match=r"cannot be written \(No space left on device\); check the space left"):
        write_course(folder)
    assert snapshot(folder) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.slow
def test_killed_at_any_moment_each_file_is_the_old_or_the_new_one(small, folder):
    """And the next start cleans up and finishes."""
    write_course(folder)
    change(folder / "01_blocks.ipynb", "01_blocks-b", "my answer")
    for name in ("00_start_here", "01_blocks"):
        change(small / f"{name}.ipynb", f"{name}-a", "newer")
    old = snapshot(folder)
    code = f"""
import os, signal
from pathlib import Path
from d2lcompute.course import copying, source
source._PLACES = (Path({str(small.parent)!r}),)
steps = int(os.environ["STEPS"])
def dying(function):
    def wrapped(*arguments):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return wrapped
Path.write_bytes, os.replace = dying(Path.write_bytes), dying(os.replace)
copying.write_course({str(folder)!r})
"""
    states = []
    for steps in range(10):
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "STEPS": str(steps)}, check=False)
        states.append(snapshot(folder))
        visible = {name for name in states[-1] if not name.startswith(".")}
        assert visible == set(old)
        assert all(json.loads(states[-1][name]) for name in visible if name.endswith(".ipynb"))
        assert texts(folder / "01_blocks.ipynb")["01_blocks-b"] == "my answer"
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL

    assert done.returncode == 0
    assert outdated(folder) == []
    assert set(snapshot(folder)) == set(old)


def test_cells_without_ids_and_with_those_of_others_are_kept(small, folder):
    """Other programs drop ids, keep them elsewhere, or copy them; no cell is lost for that."""
    write_course(folder)
    path = folder / "01_blocks.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    first, second = content["cells"]
    second["source"] = "mine"
    twin = {**second, "source": "a second try"}
    first["metadata"]["id"] = first.pop("id")  # as Colab does
    content["cells"] += [twin, {key: value for key, value in twin.items() if key != "id"} | {"source": "a third"}]
    path.write_text(json.dumps(content), encoding="utf-8")
    change(small / "01_blocks.ipynb", "01_blocks-a", "newer")

    write_course(folder)

    found = texts(path)
    assert list(found.values()) == ["newer", "mine", "a second try", "a third"]
    assert list(found)[:2] == ["01_blocks-a", "01_blocks-b"]


def test_a_notebook_of_an_older_format_is_understood(small, folder):
    """One that was saved as 4.4, without ids and marks, keeps what the learner wrote."""
    write_course(folder)
    path = folder / "01_blocks.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["nbformat_minor"] = 4
    content["metadata"].pop(MARK)
    for each in content["cells"]:
        each.pop("id")
    content["cells"][1]["source"] = "mine"
    path.write_text(json.dumps(content), encoding="utf-8")

    write_course(folder)

    assert "mine" in texts(path).values()


# What is told, and what is opened.


def test_start_tells_what_it_did_and_opens_lab(small, folder, monkeypatch, capsys):
    """Where the copy is, what was renewed and kept, in a form for people; JupyterLab opens the first notebook."""
    opened = []
    monkeypatch.setattr(subprocess, "call", lambda command, cwd: opened.append((command[1:], cwd)) or 0)

    assert starting.start(folder) == 0
    assert capsys.readouterr().out == f"{folder}: your copy of the course. Notebooks: 2. Begin with 00_start_here.\n"
    change(folder / "01_blocks.ipynb", "01_blocks-b", "my answer")
    change(small / "01_blocks.ipynb", "01_blocks-a", "newer")
    assert starting.start(folder, open_lab=False) == 0
    assert capsys.readouterr().out == (
        f"{folder}: your copy of the course is up to date. Notebooks: 2. Cells renewed: 1. Of yours, kept: 1.\n"
        "  01_blocks: renewed 1, kept 1 of yours\n"
    )
    assert opened == [(["-m", "jupyterlab", "--ip=127.0.0.1", "00_start_here.ipynb"], folder)]


def test_start_tells_it_in_the_language_that_was_asked_for(small, folder, capsys):
    """Also on a computer that speaks English; the next start, without a language, is told in English again."""
    assert starting.start(folder, "zh", open_lab=False) == 0
    assert "从 00_start_here 开始" in capsys.readouterr().out

    assert starting.start(folder, open_lab=False) == 0

    assert "is up to date" in capsys.readouterr().out


def test_start_tells_an_error_in_one_line(small, folder, capsys):
    """No traceback: which folder, what was found, what to do."""
    folder.touch()

    assert starting.start(folder) == 1
    assert capsys.readouterr().err == (
        f"d2lcompute start: {folder}: expected a folder, found a file; give the name of a folder\n"
    )


def test_start_without_lab_says_how_to_get_it(small, folder, monkeypatch, capsys):
    """The copy is there all the same."""
    monkeypatch.setattr(starting, "find_spec", lambda name: None)

    assert starting.start(folder) == 1
    assert 'JupyterLab is not installed: "' in capsys.readouterr().err
    assert (folder / "01_blocks.ipynb").is_file()


def test_start_goes_on_where_its_place_cannot_be_kept(small, folder, monkeypatch):
    """A user folder that cannot be written costs the doctor's line, and nothing else."""
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(folder / "01_blocks.ipynb" / "x"))

    assert starting.start(folder, open_lab=False) == 0


def test_the_readme_names_every_notebook_and_its_minutes():
    """What the copy's README promises is what the notebooks say of themselves."""
    readme = (source_folder("en") / "README.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: int(row.split("|")[3]) for row in readme.splitlines() if row.startswith("| `")}
    said = {}
    for path in sorted(source_folder("en").glob("*.ipynb")):
        title = next(iter(texts(path).values()))
        said[path.stem] = int(title.split("about ")[1].split(" minutes")[0])

    assert rows == said
    hours, chapter = (sum(said.values()) / 60, sum(list(said.values())[1:8]) / 60)
    for text in (readme, (source_folder("en") / "00_start_here.ipynb").read_text(encoding="utf-8")):
        assert f"about {hours:.0f} hours" in text
        assert f"about {chapter:.0f}." in text
    minutes = {notebook: sum(find(name).minutes for name in exercises) for notebook, exercises in names().items()}
    of_chapter = sum(value for notebook, value in minutes.items() if "01" <= notebook[:2] <= "07")
    assert f"about {sum(minutes.values()) / 60:.0f} hours, {of_chapter / 60:.0f} of them the chapter's" in readme


def test_unfinished_files_of_a_killed_run_are_removed(small, folder):
    """And no other hidden file."""
    write_course(folder)
    (folder / f"{copying._UNFINISHED}abc").touch()
    (folder / ".mine").touch()
    change(small / "01_blocks.ipynb", "01_blocks-a", "newer")

    write_course(folder)

    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".mine"]


# The doctor's line.


def test_the_doctor_knows_where_the_copy_is(small, folder, tmp_path):
    """None yet, up to date, behind the course, gone: what was found, and the command that helps."""
    place = tmp_path / "data"
    place.mkdir()

    def found():
        return check_copy(lambda: place)

    assert (found().status, found().found) == ("OK", "none yet")
    write_course(folder)
    (place / "course.json").write_text(json.dumps({"copy": str(folder)}), encoding="utf-8")
    assert (found().status, found().found) == ("OK", f"{folder}, up to date")
    change(small / "01_blocks.ipynb", "01_blocks-a", "newer")
    assert found().status == "WARN"
    assert found().found == f"{folder}; the course has something new in 01_blocks"
    assert found().remedy == f'd2lcompute start "{folder}" brings it in, and keeps what is yours'
    folder.rename(tmp_path / "elsewhere")
    assert (found().status, found().found) == ("WARN", f"was {folder}, which is not there")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"copy": 3}', "\x00"])
def test_the_doctor_says_none_where_the_record_is_damaged(tmp_path, text):
    """It is only a note of a place: nothing is lost with it."""
    (tmp_path / "course.json").write_text(text, encoding="utf-8")

    assert check_copy(lambda: tmp_path).found == "none yet"


def test_start_leaves_a_note_for_the_doctor(small, folder, tmp_path, monkeypatch):
    """The last copy that was started is the one that is meant."""
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(tmp_path / "data"))

    starting.start(folder, open_lab=False)

    assert check_copy(lambda: tmp_path / "data").found == f"{folder}, up to date"


def test_a_notebook_that_is_saved_meanwhile_is_not_overwritten(small, folder, monkeypatch):
    """JupyterLab saves by itself: what came in between reading and writing is kept, and the start is told to wait."""
    write_course(folder)
    change(small / "01_blocks.ipynb", "01_blocks-a", "newer")
    merging = copying.merge

    def slow(mine, course):
        if "01_blocks-a" in str(course):
            change(folder / "01_blocks.ipynb", "01_blocks-b", "saved just now")
        return merging(mine, course)

    monkeypatch.setattr(copying, "merge", slow)
    with pytest.raises(CourseError, match=r"01_blocks.ipynb: was saved while it was brought up to date; try again"):
        write_course(folder)
    assert texts(folder / "01_blocks.ipynb") == {"01_blocks-a": "one", "01_blocks-b": "saved just now"}
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("pages", [3, ["README.md"], {"README.md": {}}, None])
def test_a_damaged_mark_costs_nothing_but_what_it_told(small, folder, pages):
    """Where the fingerprints of the pages were lost, a README that differs is the learner's."""
    write_course(folder)
    for path in folder.glob("*.ipynb"):
        content = json.loads(path.read_text(encoding="utf-8"))
        content["metadata"][MARK]["pages"] = pages
        path.write_text(json.dumps(content), encoding="utf-8")
    (small / "README.md").write_text("# newer\n", encoding="utf-8")

    write_course(folder)

    assert (folder / "README.md").read_text(encoding="utf-8") == "# one\n"


def test_the_doctor_warns_of_a_copy_whose_language_is_not_there(small, folder, tmp_path):
    """It is no reason to say that the course cannot run."""
    write_course(folder, "zh")
    (tmp_path / "course.json").write_text(json.dumps({"copy": str(folder)}), encoding="utf-8")
    (small.parent / "zh" / "README.md").unlink()

    finding = check_copy(lambda: tmp_path)

    assert finding.status == "WARN"
    assert "lang must be a language of the course; got 'zh' (there are: en)" in finding.found
