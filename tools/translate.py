"""Keep the editions of the course in other languages in step with the English one, which alone is executed.

``python -m tools.translate`` brings the code, the outputs, the tags and the order of the cells from ``notebooks/en``
into each other edition, cell by cell, and keeps the words that are translated there. Each translated text holds a short
hash of the English text that it translates. ``--stale`` lists what has to be translated anew; ``--accept`` says of a
text that its translation is up to date.
"""

import argparse
import copy
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from d2lcompute._translation import speaking
from d2lcompute.exercises.registry import find
from tools import exercises

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
ORIGINAL = NOTEBOOKS / "en"
KEY = "translates"
"""In the metadata of a translated cell: the hash of the English text."""

_TASK = re.compile("exercise-.*-task")  # the cell that poses an exercise, which is written from the catalogue
_PAGE_MARK = re.compile(r"\n<!-- translates (?P<hash>[0-9a-f]+) -->\n\Z")


@dataclass(frozen=True)
class Stale:
    """A text that has to be translated, or translated anew.

    Attributes:
        place: the notebook and the cell, or the page: ``01_blocks: sequential-predict``.
        why: ``new`` or ``changed``.
    """

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place} ({self.why})"


def digest(text: str) -> str:
    """Return a short hash of an English text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def words_of(cell: nbformat.NotebookNode) -> str:
    """Return what of a cell is translated: its Markdown, or what its figure shows, told in words."""
    if cell.cell_type == "markdown":
        return str(cell.source)
    return str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))


def with_words(cell: nbformat.NotebookNode, words: str) -> nbformat.NotebookNode:
    """Return a cell with other words in the place of its own."""
    changed = copy.deepcopy(cell)
    if cell.cell_type == "markdown":
        changed.source = words
    else:
        changed.metadata.mystnb.image.alt = words
    return changed


def translated(
    original: nbformat.NotebookNode, before: nbformat.NotebookNode | None, language: str
) -> nbformat.NotebookNode:
    """Return a notebook's edition in a language: the original's cells with the words of the edition before.

    Args:
        original: the English notebook.
        before: its edition as it is now; None if there is none. Cells that are not translated yet stay English.
        language: the language, of which the tasks of the exercises are written anew.
    """
    known = {cell.id: cell for cell in before.cells} if before else {}
    made = copy.deepcopy(original)
    made.cells = [_with_translation(cell, known.get(cell.id), language) for cell in original.cells]
    return made


def _with_translation(
    cell: nbformat.NotebookNode, before: nbformat.NotebookNode | None, language: str
) -> nbformat.NotebookNode:
    """Return a cell with its words in the language, if they are translated."""
    if task := posed(cell, language):
        return with_words(cell, task)
    if not words_of(cell) or before is None or KEY not in before.metadata or before.cell_type != cell.cell_type:
        return copy.deepcopy(cell)
    changed = with_words(cell, words_of(before))
    changed.metadata[KEY] = before.metadata[KEY]
    return changed


def posed(cell: nbformat.NotebookNode, language: str) -> str:
    """Return the task of an exercise in a language, from the catalogue of messages; nothing for any other cell."""
    if not _TASK.fullmatch(cell.id):
        return ""
    name = cell.id.removeprefix("exercise-").removesuffix("-task").replace("-", "_")
    with speaking(language):
        return str(exercises.cells(find(name))[0].source)


def stale_cells(original: nbformat.NotebookNode, edition: nbformat.NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield the id of each cell that has to be translated, and why."""
    there = {cell.id: cell for cell in edition.cells}
    for cell in original.cells:
        words = words_of(cell)
        if not words or _TASK.fullmatch(cell.id):
            continue
        marked = there[cell.id].metadata.get(KEY) if cell.id in there else None
        if marked != digest(words):
            yield cell.id, "changed" if marked else "new"


def pages() -> list[str]:
    """Return the names of the pages beside the notebooks."""
    return sorted(path.name for path in ORIGINAL.glob("*.md"))


def languages() -> list[str]:
    """Return the languages of the other editions."""
    return sorted(
        path.name
        for path in NOTEBOOKS.iterdir()
        if path.is_dir() and re.fullmatch("[a-z]{2}", path.name) and path != ORIGINAL
    )


def read(path: Path) -> nbformat.NotebookNode | None:
    """Read a notebook; None if there is none."""
    return nbformat.read(path, as_version=4) if path.is_file() else None


def synchronized(language: str) -> Mapping[Path, str]:
    """Return the files of an edition as they should be: path → text."""
    folder = NOTEBOOKS / language
    files = {}
    for path in sorted(ORIGINAL.glob("*.ipynb")):
        made = translated(nbformat.read(path, as_version=4), read(folder / path.name), language)
        files[folder / path.name] = nbformat.writes(made, indent=1, ensure_ascii=False) + "\n"
    return files


def stale(language: str) -> Iterator[Stale]:
    """Yield what has to be translated in an edition."""
    folder = NOTEBOOKS / language
    for path in sorted(ORIGINAL.glob("*.ipynb")):
        edition = read(folder / path.name) or nbformat.v4.new_notebook()
        for name, why in stale_cells(nbformat.read(path, as_version=4), edition):
            yield Stale(f"{path.stem}: {name}", why)
    for name in pages():
        found = _PAGE_MARK.search((folder / name).read_text("utf-8")) if (folder / name).is_file() else None
        if not found or found["hash"] != digest((ORIGINAL / name).read_text("utf-8")):
            yield Stale(name, "changed" if found else "new")


def accept(language: str, places: Sequence[str]) -> None:
    """Say of texts that their translation is up to date.

    Args:
        language: the edition.
        places: notebooks (``01_blocks``), cells (``01_blocks:sequential-predict``) or pages (``glossary.md``).

    Raises:
        ValueError: if a place is not there.
    """
    folder = NOTEBOOKS / language
    for place in places:
        name, _, cell_id = place.replace(" ", "").partition(":")
        if name in pages():
            text = _PAGE_MARK.sub("", (folder / name).read_text("utf-8")).rstrip("\n") + "\n"
            mark = digest((ORIGINAL / name).read_text("utf-8"))
            (folder / name).write_text(f"{text}\n<!-- translates {mark} -->\n", "utf-8", newline="\n")
            continue
        original, edition = (read(where / f"{name}.ipynb") for where in (ORIGINAL, folder))
        words = {cell.id: words_of(cell) for cell in original.cells} if original else {}
        wanted = [cell for cell in (edition.cells if edition else ()) if cell_id in ("", cell.id)]
        if not wanted or not all(cell.id in words for cell in wanted):
            raise ValueError(f"{place} is no page, notebook or cell of the {language} edition: write 01_blocks:cell-id")
        for cell in wanted:
            if words[cell.id] and not _TASK.fullmatch(cell.id):
                cell.metadata[KEY] = digest(words[cell.id])
        (folder / f"{name}.ipynb").write_text(
            nbformat.writes(edition, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the editions in step, list what is stale, or accept translations; 1 if something is stale or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.translate", description=__doc__.split("\n")[0])
    parser.add_argument("--language", default="zh", choices=languages() or ["zh"], help="the edition (default: zh)")
    parser.add_argument("--stale", action="store_true", help="only list what has to be translated anew")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if an edition is out of step")
    parser.add_argument("--accept", nargs="+", metavar="ID", help="mark 01_blocks:cell-id, 01_blocks or README.md")
    options = parser.parse_args(arguments)
    if options.accept:
        try:
            accept(options.language, options.accept)
        except ValueError as error:
            parser.error(str(error))
    waiting = list(stale(options.language))
    if options.stale:
        print("".join(f"{each}\n" for each in waiting), end="")
        return int(bool(waiting))
    files = synchronized(options.language)
    behind = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    if options.check:
        print("".join(f"{path.name} is out of step: run python -m tools.translate\n" for path in behind), end="")
        return int(bool(behind))
    for path in behind:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path], "utf-8", newline="\n")
    print(f"{options.language}: {len(behind)} of {len(files)} notebooks changed, {len(waiting)} texts to translate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
