"""Eager: a dispatch mode that does not wake torch's compiler."""

from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["EagerDispatchMode"]


class EagerDispatchMode(TorchDispatchMode):
    """A mode for programs that are not compiled: its first operation imports no compiler, which would take seconds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that the compiler need not be told to leave this mode alone."""
        return False
