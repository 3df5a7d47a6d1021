"""Counts: what crossed between memories, and how often the host waited for a value."""

from dataclasses import dataclass

__all__ = ["Transfers"]


@dataclass
class Transfers:
    """What crossed between memories. A pretended machine and :func:`record_transfers` report it alike.

    Attributes:
        host_reads: how often the host waited for values: ``.item()``, ``.tolist()``, ``float(X)``, ``if X:``,
            ``print(X)``, ``X.cpu()``, each element of ``torch.tensor([X, Y])``, and operations whose result's size
            depends on values.
        copies: how many tensors were copied from one memory to another.
        bytes_copied: how many bytes reads and copies moved in all.
    """

    host_reads: int = 0
    copies: int = 0
    bytes_copied: int = 0

    def __str__(self) -> str:
        return f"{self.host_reads} host reads, {self.copies} copies, {self.bytes_copied} bytes copied"

    def add_read(self, nbytes: int) -> None:
        """Count one read by the host."""
        self.host_reads += 1
        self.bytes_copied += nbytes

    def add_copy(self, nbytes: int, *, is_read: bool) -> None:
        """Count one copy; ``is_read`` if the host waited to have it."""
        self.copies += 1
        self.host_reads += is_read
        self.bytes_copied += nbytes
