"""In which language the package speaks, and what it says where there is no translation."""

import gettext
import json

import pytest

from d2lcompute import _translation
from d2lcompute._translation import N_, language, speaking, tr
from d2lcompute.course.copying import write_course


@pytest.fixture
def nothing_said(monkeypatch, tmp_path):
    """Nothing tells the language: no variable, no copy, no locale; the current folder is empty."""
    for name in (_translation.VARIABLE, "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_translation.locale, "getlocale", lambda: (None, None))
    monkeypatch.chdir(tmp_path)
    _translation._found.cache_clear()
    yield monkeypatch
    _translation._found.cache_clear()


@pytest.fixture
def copy_in(tmp_path):
    """Return a function that writes a copy of the course in English and says that it is in another language."""

    def write(name, code):
        folder = tmp_path / name
        write_course(folder, "en")
        for path in folder.glob("*.ipynb"):
            notebook = json.loads(path.read_text(encoding="utf-8"))
            notebook["metadata"]["d2lcompute"]["language"] = code
            path.write_text(json.dumps(notebook), encoding="utf-8")
        _translation._found.cache_clear()  # writing has spoken
        return folder

    return write


def test_the_variable_decides(nothing_said):
    """Before the locale, in each of its forms."""
    nothing_said.setenv("LANG", "en_US.UTF-8")
    nothing_said.setenv(_translation.VARIABLE, "zh_CN")

    assert language() == "zh"


def test_without_anything_it_is_english(nothing_said):
    """Also where the locale is that of C."""
    assert language() == "en"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("zh_CN.UTF-8", "zh"),
        ("zh", "zh"),
        ("en_GB.UTF-8", "en"),
        ("C.UTF-8", "en"),
        ("fr_FR.UTF-8", "en"),
        ("enochian", "en"),
    ],
)
def test_the_locale_decides_where_there_is_no_copy(nothing_said, name, code):
    """A language that the course does not speak is English."""
    nothing_said.setenv("LANG", name)

    assert language() == code


def test_windows_names_its_locale_otherwise(nothing_said):
    """There no variable names it."""
    nothing_said.setattr(_translation.locale, "getlocale", lambda: ("Chinese (Simplified)_China", "936"))

    assert language() == "zh"


def test_the_copy_decides_before_the_locale(nothing_said, copy_in):
    """Who chose Chinese reads Chinese on a computer that is set to English."""
    nothing_said.setenv("LANG", "en_US.UTF-8")
    nothing_said.chdir(copy_in("course", "zh"))

    assert language() == "zh"


def test_the_copy_in_the_current_folder_comes_before_the_last_started(nothing_said, copy_in, tmp_path):
    """Two copies, two languages."""
    nothing_said.setenv("D2LCOMPUTE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    started = {"copy": str(copy_in("english", "en"))}
    (tmp_path / "data" / "course.json").write_text(json.dumps(started), encoding="utf-8")
    assert language() == "en"

    nothing_said.chdir(copy_in("chinese", "zh"))

    assert language() == "zh"


def test_a_message_is_said_in_the_language(monkeypatch):
    """With its values in the places that the translation gives them; in English where there is no translation."""
    known = gettext.NullTranslations()
    known.gettext = {"{count} of {total}": "共 {total}，{count}"}.get
    monkeypatch.setattr(_translation, "_catalogue", lambda code: known if code == "zh" else gettext.NullTranslations())

    with speaking("zh"):
        assert tr("{count} of {total}", count=1, total=2) == "共 2，1"

    assert tr("{count} of {total}", count=1, total=2) == "1 of 2"
    assert tr(N_("no value: {}")) == "no value: {}"


def test_a_catalogue_that_cannot_be_opened_costs_the_translation_alone(monkeypatch):
    """An error is told in English, rather than that another one hides it, as where no file is left to open."""

    def refuse(*args, **kwargs):
        raise OSError(24, "Too many open files")

    _translation._catalogue.cache_clear()
    with monkeypatch.context() as broken, speaking("zh"):
        broken.setattr(_translation.gettext, "translation", refuse)
        assert tr("{count} of {total}", count=1, total=2) == "1 of 2"

    with speaking("zh"):
        assert tr("written anew") != "written anew"


def test_nothing_is_nothing():
    """Gettext answers an empty message with the head of its catalogue."""
    with speaking("zh"):
        assert tr("") == ""


def test_speaking_puts_back_what_was(monkeypatch):
    """Also nothing."""
    monkeypatch.delenv(_translation.VARIABLE)

    with speaking("zh"):
        assert language() == "zh"

    assert _translation.VARIABLE not in _translation.os.environ
