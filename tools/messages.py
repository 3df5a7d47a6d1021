"""Keep the catalogues of the package's messages: what learners read from checks, hints, the doctor and ``start``.

``python -m tools.messages`` collects the messages from the package, brings each language's ``.po`` file up to date and
compiles it. With --check it changes nothing, and says what is missing or at fault.
"""

import argparse
import re
import string
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from d2lcompute._translation import DOMAIN, FOLDER
from d2lcompute.exercises.checking.examine import requirement_of
from d2lcompute.exercises.checking.exercise import Exercise
from d2lcompute.exercises.registry import find, names

ROOT = Path(__file__).resolve().parent.parent
_KEYWORDS = {"tr": None, "N_": None}
_METHODS = [("**.py", "python"), ("**/templates/**", "jinja2")]
_SOURCES = ("d2lcompute", "tools")
_WIDTH = 118
_HEAD = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
_CJK = re.compile("[\u4e00-\u9fff]")


def collected() -> Catalog:
    """Return the messages of the package: those that pass through ``tr``, and the texts of the exercises."""
    catalogue = Catalog()
    for source in _SOURCES:
        found = extract_from_dir(ROOT / source, _METHODS, keywords=_KEYWORDS)
        for name, _, message, _, _ in sorted(found, key=lambda each: (each[0], each[1])):
            catalogue.add(message, locations=[(f"{source}/{Path(name).as_posix()}", 0)])
    for notebook, exercises in names().items():
        for name in exercises:
            place = f"d2lcompute/exercises/lessons/{notebook.partition('_')[2]}/{name}.py"
            for message in texts(find(name)):
                catalogue.add(message, locations=[(place, 0)])
    return catalogue


def texts(exercise: Exercise) -> list[str]:
    """Return what the object of an exercise says: its task, hints and reason, and its requirements in a sentence."""
    requirements = map(requirement_of, (exercise.form, *exercise.requirements))
    return [exercise.task, *exercise.hints, exercise.why, *requirements]


def path_of(language: str) -> Path:
    """Return the path of a language's catalogue."""
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def languages() -> list[str]:
    """Return the languages that there are catalogues of."""
    return sorted(path.parents[1].name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def read(language: str) -> Catalog:
    """Read a language's catalogue."""
    with open(path_of(language), "rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def updated(language: str) -> Catalog:
    """Return a language's catalogue with the messages that the package has now; translations are never guessed."""
    catalogue = read(language)
    catalogue.update(collected(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def findings(catalogue: Catalog) -> Iterator[str]:
    """Yield what is wrong with a catalogue: a message without a translation, other placeholders, no such language."""
    for message in catalogue:
        if not message.id:
            continue
        if not message.string:
            yield f"has no translation: {message.id!r}"
        elif fields(message.id) != fields(message.string):
            yield f"has other placeholders than the message: {message.id!r}"
        elif str(message.id)[:1].isspace() != str(message.string)[:1].isspace():
            yield f"begins with a space where the message does not, or the other way: {message.id!r}"
        elif catalogue.locale_identifier == "zh" and needs_words(message) and not _CJK.search(str(message.string)):
            yield f"has a translation without a Chinese character: {message.id!r}"


def fields(text: object) -> set[tuple[str, str, str]]:
    """Return the placeholders of a message, with what stands behind their names; none where it holds plain braces.

    Example:
        >>> sorted(fields("{name}: {share:.2f} of {name!r}"))
        [('name', '', ''), ('name', '', 'r'), ('share', '.2f', '')]
    """
    try:
        parsed = list(string.Formatter().parse(str(text)))
    except ValueError:
        return set()
    return {(name, spec or "", conversion or "") for _, name, spec, conversion in parsed if name}


def needs_words(message: Message) -> bool:
    """Tell whether a message is more than names, code and placeholders."""
    plain = re.sub(r"\{[^}]*\}|\w+\([^)]*\)", "", str(message.id))
    return len(re.findall(r"(?<![\w.])[a-z]{2,}(?![\w.(=])", plain)) > 2


def compile_all() -> None:
    """Compile the catalogues into what gettext reads."""
    for language in languages():
        with open(path_of(language).with_suffix(".mo"), "wb") as file:
            write_mo(file, read(language))


def written(catalogue: Catalog) -> bytes:
    """Return the text of a catalogue: in the order of the files, without a date, so that a change shows as itself."""
    buffer = BytesIO()
    write_po(buffer, catalogue, width=_WIDTH, sort_by_file=True, omit_header=True, include_lineno=False)
    return _HEAD.format(language=catalogue.locale_identifier).encode() + buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the catalogues up to date and compile them; 1 if a message lacks a translation, or has a faulty one."""
    parser = argparse.ArgumentParser(prog="python -m tools.messages", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, only say what is wrong")
    options = parser.parse_args(arguments)
    wrong = 0
    for language in languages():
        catalogue, path = updated(language), path_of(language)
        text = written(catalogue)
        if options.check and path.read_bytes() != text:
            print(f"{language}: {path.name} is behind the package: run python -m tools.messages")
            wrong += 1
        elif not options.check:
            path.write_bytes(text)
        for finding in findings(catalogue):
            print(f"{language}: {finding}")
            wrong += 1
        print(f"{language}: {len(catalogue)} messages")
    if not options.check:
        compile_all()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
