"""The runner of the notebooks: which edition it executes, and the language that the package speaks there."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import execute

SPOKEN = "from d2lcompute._translation import language\nlanguage()"


@pytest.fixture
def editions(tmp_path, monkeypatch):
    """Let the course be one notebook in two languages, whose cell says which language the package speaks."""
    for code in ("en", "zh"):
        (tmp_path / code).mkdir()
        nbformat.write(
            new_notebook(cells=[new_code_cell(SPOKEN, id="language-run")]), tmp_path / code / f"{code}.ipynb"
        )
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path)
    return tmp_path


@pytest.fixture
def executed(monkeypatch):
    """Return what has been executed: notebook → the language of its kernel's environment, without any kernel."""
    spoken = {}

    def note(path):
        spoken[path.stem] = execute.os.environ["D2LCOMPUTE_LANG"]
        return execute.Outcome(path, nbformat.read(path, as_version=4), 1, 0.0, None)

    monkeypatch.setattr(execute, "execute", note)
    return spoken


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], {"en": "en"}), (["--language", "en"], {"en": "en"}), (["--language", "zh"], {"zh": "zh"})],
)
def test_the_edition_in_the_language_is_executed(editions, executed, monkeypatch, arguments, expected):
    """English without a word on it, whatever the learner's own language is, which is put back."""
    monkeypatch.setenv("D2LCOMPUTE_LANG", "xx")

    assert execute.main(arguments) == 0

    assert executed == expected
    assert execute.os.environ["D2LCOMPUTE_LANG"] == "xx"


def test_a_notebook_that_is_named_hears_the_language_too(editions, executed):
    """One need not run the whole edition."""
    assert execute.main(["--language", "zh", str(editions / "en" / "en.ipynb")]) == 0

    assert executed == {"en": "zh"}


@pytest.mark.slow
def test_the_kernel_speaks_the_language(editions):
    """The package in the kernel, not only its environment."""
    (outcome,) = execute.execute_all([editions / "zh" / "zh.ipynb"], jobs=1, language="zh")

    assert outcome.notebook.cells[0].outputs[0].data["text/plain"] == "'zh'"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--store", "--language", "zh"], "--store is for the edition in 'en', whose outputs the others take over"),
        (["--language", "fr"], "--language must be one of en, zh; got 'fr'"),
    ],
)
def test_a_language_that_cannot_be_is_refused(editions, executed, capsys, arguments, words):
    """Outputs are stored in one edition only, and a language without notebooks is none; nothing is executed."""
    with pytest.raises(SystemExit, match="2"):
        execute.main(arguments)

    assert words in capsys.readouterr().err
    assert executed == {}
