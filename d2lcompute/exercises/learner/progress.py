"""Where one stands: a table of the exercises by notebook."""

import wcwidth

from ..._translation import tr
from ..registry import names
from . import store
from .help import Text

__all__ = ["progress"]

_BAR_WIDTH = 10


def progress(*, reset: bool = False) -> Text:
    """Show how many exercises of each notebook have been passed, today or earlier.

    Args:
        reset: forget what has been passed, and begin anew.

    Returns:
        A table, with a bar for each notebook and, where a notebook has been begun, the exercises still open.

    Example:
        >>> "01_blocks" in repr(progress())
        True
    """
    note = store.reset() if reset else ""
    passed, further_note = store.passed_names()
    everything = {name for exercises in names().values() for name in exercises}
    width = max(map(wcwidth.width, names()), default=0)
    lines = [_row(notebook, set(exercises), passed, width) for notebook, exercises in names().items()]
    lines.append(_row(tr("all"), everything, passed, width, list_open=False))
    return Text("\n".join([*lines, *filter(None, [note or further_note])]))


def _row(title: str, exercises: set[str], passed: set[str], width: int, *, list_open: bool = True) -> str:
    """Return one line of the table."""
    done, everything = len(exercises & passed), len(exercises)
    filled = _BAR_WIDTH * done // everything if everything else 0
    bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
    row = f"{wcwidth.ljust(title, width)}  {bar}  " + tr(
        "{done:>2} of {everything:>2}", done=done, everything=everything
    )
    still_open = ", ".join(sorted(exercises - passed))
    return row + "  " + tr("open: {names}", names=still_open) if list_open and done and still_open else row
