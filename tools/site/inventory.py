"""Inventory: where torch's documentation has what the reference links to.

torch's own inventory cannot be fetched while the site is built without a network, and lists thirty thousand names.
``docs/torch.txt`` lists those that are linked, with their kind and place; Sphinx reads the file that is made of it.
"""

import zlib
from pathlib import Path

__all__ = ["LISTED", "content", "write"]

LISTED = Path(__file__).resolve().parents[2] / "docs" / "torch.txt"


def content(listed: str) -> bytes:
    r"""Return an inventory of Sphinx, version 2, of lines such as ``torch.load function generated/torch.load.html``.

    Raises:
        ValueError: if a line has not three parts.

    Example:
        >>> content("torch.load function generated/torch.load.html").partition(b"zlib.\n")[0].decode().splitlines()[1]
        '# Project: torch'
    """
    lines = []
    for line in listed.splitlines():
        if line and not line.startswith("#"):
            try:
                name, kind, place = line.split()
            except ValueError as error:
                raise ValueError(f"{line!r}: expected a name, a kind and a place") from error
            lines.append(f"{name} py:{kind} 1 {place}#{name} -\n")
    head = "# Sphinx inventory version 2\n# Project: torch\n# Version: stable\n"
    head += "# The remainder of this file is compressed using zlib.\n"
    return head.encode() + zlib.compress("".join(lines).encode())


def write(target: Path) -> Path:
    """Write the inventory, and return where."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content(LISTED.read_text(encoding="utf-8")))
    return target
