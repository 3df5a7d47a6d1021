"""Points: how many an exercise earns, by its difficulty or by the teacher's own table."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from ..exercises.registry import find, names

__all__ = ["points_for"]


def points_for(exercises: Iterable[str], table: Path | None = None) -> dict[str, float]:
    """Return the points of each exercise that is passed.

    Args:
        exercises: the exercises' names.
        table: a TOML file with lines such as ``parallel_block = 3``; by default each earns its difficulty, 1 to 5. What
            the table leaves out earns that, too.

    Raises:
        ValueError: if the table cannot be read, or names an exercise that there is not, or holds something else than a
            number of at least 0.
    """
    own = _read(table) if table else {}
    return {name: own.get(name, float(find(name).difficulty)) for name in exercises}


def _read(table: Path) -> dict[str, float]:
    """Read the teacher's table."""
    try:
        found = tomllib.loads(table.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{table} cannot be read as TOML: {error}") from error
    known = {name for exercises in names().values() for name in exercises}
    for name, points in found.items():
        if name not in known:
            raise ValueError(f"{table}: there is no exercise called {name!r}")
        if isinstance(points, bool) or not isinstance(points, int | float) or points < 0:
            raise ValueError(f"{table}: {name} must be a number of at least 0; got {points!r}")
    return {name: float(points) for name, points in found.items()}
