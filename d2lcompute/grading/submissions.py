"""Submissions: the notebooks that learners handed in, and the exercises in each.

The learner's name is the first part of the path below the folder: the name of a folder, or of a notebook without
``.ipynb``. So it is with a notebook for each learner, a folder for each learner, and nbgrader's ``submitted`` folder;
of the names that Moodle gives its folders, what stands before ``_12345_assignsubmission_`` is the learner's. Where two
would have the same name, the whole first part is theirs.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..exercises.registry import find
from ..exercises.stubs import names_in
from .program import OF_AN_EXERCISE, Cell

__all__ = ["MOST_BYTES", "Submission", "learner_of", "submissions_in"]

MOST_BYTES = 20_000_000
"""A notebook that is larger is not read: those of the course have less than one million."""

_MOODLE = re.compile(r"_\d+_assignsubmission_.*$")
_LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


@dataclass(frozen=True)
class Submission:
    """What a learner handed in.

    Attributes:
        learner: the learner's name, from the path.
        cells: the code cells of each notebook, by the notebook's path below the folder.
        unreadable: what is wrong with those that cannot be read, by path.
    """

    learner: str
    cells: dict[str, list[Cell]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def posing(self, exercise: str) -> list[str]:
        """Return the notebooks that seem to hold an exercise: one of their cells has its id, or binds its names."""
        return [path for path, cells in self.cells.items() if _seems_to_pose(cells, exercise)]

    def untouched(self, exercise: str) -> list[bool]:
        """Tell of each notebook that poses an exercise whether all it has of it is the stub, letter by letter."""
        stub = find(exercise).stub.strip()
        return [
            all(cell.source.strip() == stub for cell in self.cells[path] if _seems_to_pose([cell], exercise))
            for path in self.posing(exercise)
        ]


def submissions_in(folder: Path) -> Iterator[Submission]:
    """Yield the submissions in a folder, by the learners' names, each read only when its turn comes.

    Raises:
        ValueError: if the folder is not there, or holds no notebook.
    """
    paths = sorted(path for path in folder.rglob("*.ipynb") if not _LEFT_OUT.intersection(path.parts))
    if not paths:
        what = "holds no notebook" if folder.is_dir() else "is not there"
        raise ValueError(f"{folder} {what}; expected the folder with the submissions: a notebook or a folder a learner")
    by_part: dict[str, list[Path]] = {}
    for path in paths:
        by_part.setdefault(path.relative_to(folder).parts[0], []).append(path)
    learners = Counter(learner_of(Path(part)) for part in by_part)
    named = {learner_of(Path(part)) if learners[learner_of(Path(part))] == 1 else part: part for part in by_part}
    for learner in sorted(named):
        yield _read(_printable(learner), by_part[named[learner]], folder)


def learner_of(path: Path) -> str:
    """Return the learner's name, from a notebook's path below the folder of submissions, or the first part of it.

    Example:
        >>> learner_of(Path("ada.ipynb")), learner_of(Path("ada/week-3/01_blocks.ipynb"))
        ('ada', 'ada')
        >>> learner_of(Path("Ada Lovelace_4711_assignsubmission_file/01_blocks.ipynb"))
        'Ada Lovelace'
    """
    return _MOODLE.sub("", path.parts[0].removesuffix(".ipynb"))


def _printable(name: str) -> str:
    """Return a name in which bytes that are no text, as old systems put into names, are written out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _seems_to_pose(cells: Sequence[Cell], exercise: str) -> bool:
    """Tell whether a cell is, or may be, that of an answer; the text alone is looked at, which nobody can abuse."""
    posed = f"exercise-{exercise.replace('_', '-')}-stub"
    binding = [
        re.compile(rf"^(async def|def|class)\s+{name}\b|^{name}\s*[=:]", re.MULTILINE) for name in _names(exercise)
    ]
    free = (cell for cell in cells if not OF_AN_EXERCISE.fullmatch(cell.id))
    return any(cell.id == posed for cell in cells) or any(
        all(each.search(cell.source) for each in binding) for cell in free
    )


@cache
def _names(exercise: str) -> tuple[str, ...]:
    """Return the names that an exercise's stub binds."""
    return tuple(names_in(find(exercise).stub))


def _read(learner: str, paths: Sequence[Path], folder: Path) -> Submission:
    """Read a learner's notebooks; one that cannot be read is noted."""
    submission = Submission(learner)
    for path in paths:
        name = _printable(path.relative_to(folder).as_posix())
        try:
            submission.cells[name] = list(_code_cells(path))
        except (OSError, ValueError, RecursionError) as error:
            submission.unreadable[name] = _why(error)
    return submission


def _code_cells(path: Path) -> Iterator[Cell]:
    """Yield the code cells of a notebook.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no notebook.
    """
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is no file, but a link or a device")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"it has {size / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are read")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("it is no notebook: there is no list of cells in it")
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            yield Cell(_id(cell), _source(cell))


def _id(cell: dict[str, Any]) -> str:
    """Return a cell's id; Colab keeps it in the metadata."""
    metadata = cell.get("metadata")
    return str(cell.get("id") or (metadata.get("id") if isinstance(metadata, dict) else "") or "")


def _source(cell: dict[str, Any]) -> str:
    """Return a cell's text, which a file may hold as a list of lines."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _why(error: Exception) -> str:
    """Say what is wrong with a file."""
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "it is damaged: it holds no JSON"
    return str(error.strerror if isinstance(error, OSError) else error)
