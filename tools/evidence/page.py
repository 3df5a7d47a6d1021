"""Pages of docs/ whose prose is written by hand and whose tables by the commands that measure."""

import re
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def put(page: str, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the two marks of this name in a page.

    Args:
        page: the file's name in docs/.
        name: the marks are ``<!-- name: begin -->`` and ``<!-- name: end -->``.
        lines: what stands there from now on, in Markdown.

    Raises:
        ValueError: if the page has no place for it.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    before, after = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    pattern = re.compile(f"(?<={re.escape(before)}).*?(?={re.escape(after)})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page} must hold the lines {before.strip()!r} and {after!r}")
    body = "\n".join(lines) + "\n"
    (DOCS / page).write_text(pattern.sub(lambda _: body, text), encoding="utf-8", newline="\n")


def rows(page: str, name: str) -> dict[str, str]:
    """Return the rows of a table: the text of the first cell → the whole line, without the two lines of the head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(f"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", text, re.DOTALL)
    lines = found[1].splitlines()[2:] if found else []
    return {line.split("|")[1].strip(): line for line in lines if line.count("|") > 1}
