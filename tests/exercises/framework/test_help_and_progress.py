"""Names, hints, solutions, and the record of progress."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from torch import nn

from d2lcompute.exercises import check, hint, progress, solution
from d2lcompute.exercises.learner import store
from d2lcompute.exercises.registry import find, names


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """The folder in which progress is kept."""
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_check_unknown_name_suggests_a_near_one():
    """A misspelt name is answered with those that are near."""
    with pytest.raises(ValueError, match=r"got 'paralel_blok': did you mean 'parallel_block'"):
        check("paralel_blok", None)


def test_check_unknown_name_lists_all():
    """A name that is near none is answered with the list."""
    with pytest.raises(ValueError, match=r"got 'xyz': the exercises are .*parallel_block"):
        check("xyz", None)


def test_check_name_must_be_text():
    """An answer in the name's place is a TypeError that shows the right order."""
    with pytest.raises(
        TypeError, match=r"as in check\(\"parallel_block\", ParallelBlock\); got an object of type type"
    ):
        check(nn.Linear, "parallel_block")


def test_import_is_lazy():
    """The package imports no exercise, the exercises' module none, and a check only its own."""
    code = """
        import sys
        import d2lcompute
        assert not any(name.startswith("d2lcompute.exercises") for name in sys.modules)
        from d2lcompute.exercises import check, progress
        progress()
        def loaded():
            parts = [name.split(".") for name in sys.modules if name.startswith("d2lcompute.exercises.lessons.")]
            return [name[-1] for name in parts if len(name) == 5]
        assert loaded() == [], loaded()
        check("parallel_block", None)
        assert loaded() == ["parallel_block"], loaded()
    """

    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)

    assert run.returncode == 0, run.stderr


def test_hint_goes_from_one_to_three_and_stays():
    """Each call gives the next hint; the last one stays, and tells of the solution."""
    hints = find("parallel_block").hints

    texts = [repr(hint("parallel_block")) for _ in range(4)]

    assert texts[0] == f"Hint 1 of 3: {hints[0]}"
    assert texts[1] == f"Hint 2 of 3: {hints[1]}"
    assert texts[2] == f'Hint 3 of 3: {hints[2]}\nThis is the last one. solution("parallel_block") shows a solution.'
    assert texts[3] == texts[2]


def test_hint_counts_each_exercise_by_itself():
    """A hint for one exercise takes none from another."""
    hint("parallel_block")

    assert repr(hint("block_factory")).startswith("Hint 1 of 3")


def test_solution_says_why():
    """Under the source stands why it works, as comments, so that all of it can be pasted."""
    source, _, why = repr(solution("parallel_block")).partition("\n\n# ")

    assert source.startswith("class ParallelBlock(nn.Module):")
    assert why.startswith("Why it works: A module that is assigned to an attribute is registered")
    assert all(line.startswith("# ") for line in why.split("\n")[1:])


def test_solution_of_a_value_is_an_assignment():
    """A solution that is a value is shown as the cell that sets it."""
    assert repr(solution("first_size_only")).startswith("first_size_only = ['0.weight', '0.bias']\n")


def test_solution_unknown_name():
    """Hints and solutions know the same names as checks."""
    for ask in (hint, solution):
        with pytest.raises(ValueError, match="did you mean 'block_factory'"):
            ask("block_facory")


def _pass(name):
    return check(name, find(name).solution)


def test_progress_shows_a_table(data_folder):
    """A row for each notebook, with a bar; where one has begun, what is still open."""
    _pass("why_share")

    rows = repr(progress()).split("\n")

    count = len(names()["02_parameters"])
    row = next(row for row in rows if row.startswith("02_parameters"))
    assert len(rows) == len(names()) + 1
    assert f"   1 of {count:>2}  open: " in row
    assert "nest_mlp_shapes" in row
    assert "why_share" not in row
    assert rows[-1].startswith("all ")
    assert f"   1 of {sum(map(len, names().values())):>2}" in rows[-1]


def test_progress_bar_is_full_when_all_are_passed(data_folder):
    """A notebook whose exercises are all passed has a full bar, and nothing open."""
    for name in names()["04_lazy_initialization"]:
        store.record(name)

    row = next(row for row in repr(progress()).split("\n") if row.startswith("04_lazy"))
    assert "##########" in row
    assert "open" not in row


def test_progress_without_exercises(data_folder, monkeypatch):
    """Where there is no exercise at all, there is an empty bar."""
    monkeypatch.setattr("d2lcompute.exercises.learner.progress.names", dict)

    assert repr(progress()) == "all  ----------   0 of  0"


def test_progress_is_kept(data_folder):
    """What is passed is in a file, sorted; failing and trying again change nothing."""
    _pass("why_share")
    _pass("list_blocks")
    _pass("why_share")
    check("parallel_block", 3)

    assert json.loads((data_folder / "progress.json").read_text()) == {
        "format": 1,
        "passed": ["list_blocks", "why_share"],
    }
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]


def test_progress_reset(data_folder):
    """Reset forgets all that was passed."""
    _pass("why_share")

    table = progress(reset=True)

    assert " 0 of " in repr(table).split("\n")[-1]
    assert json.loads((data_folder / "progress.json").read_text())["passed"] == []


def test_progress_keeps_names_it_does_not_know(data_folder):
    """An exercise of another version stays in the file, and is not counted."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text('{"format": 1, "passed": ["of_tomorrow"]}')

    _pass("why_share")

    assert json.loads((data_folder / "progress.json").read_text())["passed"] == ["of_tomorrow", "why_share"]
    assert " 1 of " in repr(progress()).split("\n")[-1]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"passed": 3}', b'{"passed": [3]}', b"\xff\xfe", b"[" * 100_000]
)
def test_progress_sets_a_damaged_file_aside(data_folder, content):
    """A damaged file is renamed, byte for byte the same, with a message; then a new one begins."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_bytes(content)

    result = _pass("why_share")

    assert result
    assert "The record of progress was damaged. It is now called progress.damaged-1.json" in result.message
    assert (data_folder / "progress.damaged-1.json").read_bytes() == content
    assert repr(progress()).split("\n")[-1].startswith("all ")
    assert " 1 of " in repr(progress()).split("\n")[-1]


@pytest.mark.parametrize(("length", "passed"), [(1_000_000, 1), (1_000_001, 0)])
def test_progress_reads_no_file_that_is_far_too_long(data_folder, length, passed):
    """A file of more than a million characters is no record of progress, even if it begins like one."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text('{"format": 1, "passed": ["why_share"]}'.ljust(length))

    row = next(row for row in repr(progress()).split("\n") if row.startswith("all "))

    assert f" {passed} of " in row
    assert (data_folder / "progress.damaged-1.json").exists() == (not passed)


def test_progress_sets_each_damaged_file_aside(data_folder):
    """A second damaged file does not replace the first."""
    data_folder.mkdir()

    for content in ("one", "two"):
        (data_folder / "progress.json").write_text(content)
        assert "was damaged" in repr(progress())

    assert (data_folder / "progress.damaged-1.json").read_text() == "one"
    assert (data_folder / "progress.damaged-2.json").read_text() == "two"


def test_progress_without_a_folder_goes_on_in_memory(data_folder):
    """Where nothing can be written, progress lasts until the session ends, and the message says what to do."""
    data_folder.write_text("a file where the folder should be")

    result = _pass("why_share")
    table = repr(progress())

    assert result
    for text in (result.message, table):
        assert "Progress is kept only until this session ends" in text
        assert "Set the environment variable D2LCOMPUTE_DATA to a folder of yours to keep it." in text
    assert " 1 of " in table.split("\n")[-2]
    assert data_folder.read_text() == "a file where the folder should be"
    assert " 0 of " in repr(progress(reset=True)).split("\n")[-2]


def test_progress_without_a_home(tmp_path, monkeypatch):
    """A user without a home gets no folder called ~ in the working directory."""
    monkeypatch.delenv("D2LCOMPUTE_DATA")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *args, **kwargs: "~/.local/share/d2lcompute")
    monkeypatch.chdir(tmp_path)

    result = _pass("why_share")

    assert "Progress is kept only until this session ends" in result.message
    assert " 1 of " in repr(progress()).split("\n")[-2]
    assert list(tmp_path.iterdir()) == []


def test_progress_is_in_the_users_data_folder(tmp_path, monkeypatch):
    """Without the environment variable the file lies where the system keeps a program's data."""
    monkeypatch.delenv("D2LCOMPUTE_DATA")
    asked = []

    def user_data_dir(name, appauthor):
        asked.append((name, appauthor))
        return str(tmp_path / name)

    monkeypatch.setattr("platformdirs.user_data_dir", user_data_dir)

    _pass("why_share")

    assert set(asked) == {("d2lcompute", False)}, "on Windows anything but False adds a folder for the author"
    assert (tmp_path / "d2lcompute" / "progress.json").exists()


def test_progress_is_written_in_one_step(data_folder, monkeypatch):
    """If writing fails at the last moment the old file is there as it was, and no half of a new one."""
    _pass("why_share")
    before = (data_folder / "progress.json").read_bytes()

    def refuse(source, target):
        raise PermissionError(13, "in use", str(target))

    monkeypatch.setattr("os.replace", refuse)
    result = _pass("list_blocks")

    assert "cannot be used (PermissionError)" in result.message
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]
    assert (data_folder / "progress.json").read_bytes() == before
    assert " 2 of " in repr(progress()).split("\n")[-1]


def test_progress_is_written_beside_the_file_under_a_lock(tmp_path, monkeypatch):
    """The new file grows in the old one's folder, which is made if it is missing, while a lock keeps others away."""
    folder = tmp_path / "new" / "folders"
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(folder))
    replace, seen = os.replace, []

    def spy(source, target):
        seen.append((Path(source).parent, Path(source).suffix, (folder / "progress.lock").is_dir()))
        replace(source, target)

    monkeypatch.setattr("os.replace", spy)
    _pass("why_share")

    assert seen == [(folder, ".part", True)]
    assert [file.name for file in folder.iterdir()] == ["progress.json"]


def test_progress_waits_for_a_lock_but_not_for_ever(data_folder, monkeypatch):
    """A lock that nobody takes away, since its process died, is taken for one's own after a while."""
    (data_folder / "progress.lock").mkdir(parents=True)
    monkeypatch.setattr(store, "_WAIT_SECONDS", 0.05)
    started = time.monotonic()

    _pass("why_share")

    assert 0.05 <= time.monotonic() - started < 5
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]
