"""The page docs/validation.md: its prose is written by hand, its tables by the commands that measure."""

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"


def put(name: str, lines: Sequence[str]) -> None:
    """Replace the table of this name.

    Raises:
        ValueError: if the page has no place for it.
    """
    text = PAGE.read_text(encoding="utf-8")
    before, after = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    pattern = re.compile(f"(?<={re.escape(before)}).*?(?={re.escape(after)})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{PAGE.name} must hold the lines {before.strip()!r} and {after!r}")
    body = "\n".join(lines) + "\n"
    PAGE.write_text(pattern.sub(lambda _: body, text), encoding="utf-8", newline="\n")


def rows(name: str) -> dict[str, str]:
    """Return the rows of a table: the text of the first cell → the whole line, without the two lines of the head."""
    found = re.search(f"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = found[1].splitlines()[2:] if found else []
    return {line.split("|")[1].strip(): line for line in lines if line.count("|") > 1}
