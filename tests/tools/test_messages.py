"""The catalogues of messages: complete, in step with the package, compiled; and each check of them can fail."""

import ast
import gettext
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from d2lcompute import _translation
from tools import chinese, messages

PACKAGE = Path(_translation.__file__).resolve().parent


def catalogue(**pairs):
    """Return a Chinese catalogue with these messages."""
    made = Catalog(locale="zh")
    for english, translation in pairs.items():
        made.add(english, translation)
    return made


@pytest.mark.parametrize("language", messages.languages())
def test_the_catalogue_is_in_step_and_complete(language):
    """No message of the package lacks a translation, and none is left that it has no more."""
    updated = messages.updated(language)

    assert messages.path_of(language).read_bytes() == messages.written(updated)
    assert list(messages.findings(updated)) == []


def test_chinese_messages_keep_to_words_and_typography():
    """As the notebooks do."""
    assert list(chinese.of_messages()) == []


@pytest.mark.parametrize("language", messages.languages())
def test_what_gettext_reads_is_what_the_catalogue_says(language):
    """The compiled file lies beside its source, and holds the same."""
    spoken = gettext.translation(_translation.DOMAIN, _translation.FOLDER, [language])
    said = [message for message in messages.read(language) if message.id]

    assert len(said) > 1000
    assert all(spoken.gettext(message.id) == message.string for message in said if message.string)


@pytest.mark.parametrize(
    ("english", "translation", "finding"),
    [
        ("a tensor", "", "has no translation"),
        ("{count} tensors", "{number} 个张量", "has other placeholders"),
        ("{share:.2f} of all", "全部的 {share:.3f}", "has other placeholders"),
        ("{key!r} is missing", "缺少 {key}", "has other placeholders"),
        (" at {place}", "在 {place} 处", "begins with a space"),
        ("Return the levels, and with them the scale.", "Return them", "without a Chinese character"),
    ],
)
def test_what_is_wrong_with_a_message_is_found(english, translation, finding):
    """Each finding is shown one."""
    (found,) = messages.findings(catalogue(**{english: translation}))

    assert finding in found


def test_a_good_message_is_accepted():
    """Also one that is nothing but code."""
    good = {"{n} tensors": "{n} 个张量", "Linear({width}, 1)": "Linear({width}, 1)", " at {place}": " 在 {place} 处"}

    assert list(messages.findings(catalogue(**good))) == []


def test_a_message_that_is_not_a_literal_is_noticed():
    """``tr(f"…")`` and ``tr(name)`` stand in no catalogue; the latter is for what ``N_`` or an exercise holds."""
    allowed = {
        "hints",
        "exercise",
        "requirement_of",
        "remedy",
        "purpose",
        "name",
        "get",
        "meaning",
        "kind",
        "what",
        "STATUSES",
    }
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr"):
                continue
            message = node.args[0]
            names = {each.id for each in ast.walk(message) if isinstance(each, ast.Name)}
            names |= {each.attr for each in ast.walk(message) if isinstance(each, ast.Attribute)}
            held = names & allowed or any(each.startswith("_") and each.isupper() for each in names)
            if isinstance(message, ast.JoinedStr) or not (isinstance(message, ast.Constant) or held):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")

    assert found == []
