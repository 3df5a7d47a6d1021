"""The command ``d2lcompute export``: what it writes, says and refuses."""

import subprocess
import sys

import nbformat
import pytest

from d2lcompute.__main__ import main


def test_export_writes_nbgraders_folder(tmp_path, capsys):
    """A folder for each assignment below source, the settings beside it, and the next command to type."""
    folder = tmp_path / "course"

    status = main(["export", "--nbgrader", str(folder), "--notebooks", "02_parameters", "01_blocks"])

    assert status == 0
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "nbgrader_config.py",
        "source/01_blocks/01_blocks.ipynb",
        "source/02_parameters/02_parameters.ipynb",
    ]
    assert capsys.readouterr().out == (
        f"{folder}: 2 assignments. Next, in this folder: nbgrader generate_assignment 01_blocks\n"
    )
    assert nbformat.read(folder / "source/01_blocks/01_blocks.ipynb", as_version=4).cells


def test_export_writes_otters_notebooks(tmp_path, capsys):
    """A notebook for each assignment, into a folder that was there and empty."""
    status = main(["export", "--otter", str(tmp_path), "--notebooks", "15_fact_check"])

    assert status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["15_fact_check.ipynb"]
    assert capsys.readouterr().out == (
        f"{tmp_path}: 1 assignment. Next, in this folder: otter assign 15_fact_check.ipynb dist/15_fact_check\n"
    )


def test_export_writes_all_notebooks_where_none_is_named(tmp_path):
    """Every notebook that poses exercises becomes an assignment."""
    assert main(["export", "--otter", str(tmp_path), "--lang", "zh"]) == 0

    assert len(list(tmp_path.glob("*.ipynb"))) == 16


def test_export_overwrites_nothing(tmp_path, capsys):
    """A folder that holds something is left alone; the message names it and says what to do."""
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")

    status = main(["export", "--nbgrader", str(tmp_path)])

    assert status == 1
    assert capsys.readouterr().err == (
        f"d2lcompute export: {tmp_path} holds something; expected a new or an empty folder: "
        "name another one, or empty it\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_export_refuses_a_file_in_the_folders_place(tmp_path, capsys):
    """A file is no folder, and stays as it is."""
    file = tmp_path / "file"
    file.write_text("kept", encoding="utf-8")

    assert main(["export", "--otter", str(file)]) == 1

    assert f"{file} is a file; expected a new or an empty folder" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--notebooks", "1_blocks"], "no notebook of the course is called 1_blocks; there are: 00_start_here, 01_b"),
        (["--lang", "fr"], "lang must be a language of the course; got 'fr' (there are: en, zh)"),
    ],
)
def test_export_says_what_there_is(tmp_path, capsys, arguments, message):
    """An unknown notebook or language is answered with those that there are, and nothing is written."""
    folder = tmp_path / "new"

    assert main(["export", "--nbgrader", str(folder), *arguments]) == 1

    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_export_says_where_it_cannot_write(tmp_path, capsys):
    """A folder below a file cannot be made: the message names the place, without a traceback."""
    (tmp_path / "file").touch()

    assert main(["export", "--otter", str(tmp_path / "file" / "below"), "--notebooks", "15_fact_check"]) == 1

    told = capsys.readouterr().err
    assert told.startswith(f"d2lcompute export: {tmp_path / 'file'}")
    assert told.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--nbgrader", "a", "--otter", "b"]])
def test_export_asks_for_one_tool(capsys, arguments):
    """None and both are refused, with the usage."""
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])

    assert ended.value.code == 2
    assert "--nbgrader" in capsys.readouterr().err


def test_export_names_what_is_not_installed(tmp_path):
    """Without nbformat the command says how to get it."""
    code = (
        "import sys; sys.modules['nbformat'] = None; from d2lcompute.__main__ import main; "
        f"sys.exit(main(['export', '--otter', {str(tmp_path)!r}]))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1
    assert "d2lcompute export: JupyterLab is not installed" in done.stderr
    assert 'pip install "d2lcompute[notebooks]"' in done.stderr
    assert "Traceback" not in done.stderr
