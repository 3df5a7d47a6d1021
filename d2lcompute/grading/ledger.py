"""The ledger: a line for each verdict, written as it comes, so that nothing that is graded is graded again."""

import json
from pathlib import Path
from types import TracebackType
from typing import IO

from .verdict import Verdict

__all__ = ["Ledger"]


class Ledger:
    """The verdicts of this run and of those before it, in a file.

    Args:
        path: the file; it is made if it is not there. A line that is damaged, as by a crash, is passed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, Verdict] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "Ledger":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = self.path.read_bytes() if self.path.exists() else b""
        for line in kept.splitlines():
            try:
                entry = json.loads(line)
                self._known[entry["answer"]] = Verdict(**entry["verdict"])
            except (ValueError, TypeError, KeyError):
                continue
        self._file = open(self.path, "ab", buffering=0)
        if kept and not kept.endswith(b"\n"):
            self._file.write(b"\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, digest: str) -> Verdict | None:
        """Return the verdict on an answer; None if there is none yet."""
        return self._known.get(digest)

    def add(self, digest: str, verdict: Verdict) -> None:
        """Keep a verdict.

        Raises:
            OSError: if the file cannot be written.
        """
        self._known[digest] = verdict
        if self._file:
            line = json.dumps({"answer": digest, "verdict": json.loads(verdict.to_json())}) + "\n"
            rest = line.encode()
            while rest:  # a disk that fills up takes a part first, and refuses the next
                rest = rest[self._file.write(rest) :]
