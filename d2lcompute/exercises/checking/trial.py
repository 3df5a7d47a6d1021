"""One trial of an answer: fresh sizes, dtypes and values, and the words for what goes wrong."""

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch

from ..._translation import tr
from .compare import difference, shown

__all__ = ["Counterexample", "Trial"]

_T = TypeVar("_T")
# The global generator gets the seed itself: with the same one here, inputs could equal what an answer draws. A CPU
# generator heeds the last 32 bits of its seed, so that a greater number would change nothing.
_FAR = 2**31


class Counterexample(Exception):  # noqa: N818  (it is a finding, not a fault of the program)
    """A requirement's finding: here the answer does something else than it should.

    Args:
        expected: what was expected, in one line.
        got: what came, in one line.
        remark: the mistake's name, or a nudge that names the idea and not the code.
    """

    def __init__(self, *, expected: str, got: str, remark: str) -> None:
        super().__init__(expected, got, remark)
        self.expected, self.got, self.remark = expected, got, remark


class Trial:
    """One fresh situation in which a requirement tries an answer.

    What it draws comes from generators of its own, so an answer that sets the global seed cannot make two trials equal.
    The global generators are seeded before each trial too: layers that a requirement builds are fresh each time.

    Args:
        seed: decides everything that is drawn.

    Attributes:
        input: what is being tried, in one line; the report shows it.
        nudge: the remark of the report, unless a known mistake is recognised.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.input = ""
        self.nudge = ""
        self._dice = random.Random(seed)  # noqa: S311  (sizes, not secrets)
        self._generator = torch.Generator().manual_seed(seed + _FAR)
        self._drawn: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._cleanup = ExitStack()

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, *exception: object) -> None:
        self._cleanup.close()

    def size(self, low: int = 2, high: int = 6) -> int:
        """Draw a size from ``low`` to ``high``, both included."""
        return self._dice.randint(low, high)

    def sizes(self, count: int, low: int = 2, high: int = 9) -> list[int]:
        """Draw sizes that all differ, so that no mistake in the axes goes unseen."""
        return self._dice.sample(range(low, high + 1), count)

    def choice(self, options: Sequence[_T]) -> _T:
        """Draw one of several options."""
        return self._dice.choice(options)

    def dtype(self) -> torch.dtype:
        """Draw ``torch.float32`` or ``torch.float64``."""
        return self.choice((torch.float32, torch.float64))

    def tensor(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Draw a tensor of standard normal values; :meth:`call` sees to it that the answer leaves it as it is."""
        values = torch.randn(shape, generator=self._generator, dtype=dtype)
        self._drawn.append((values, values.clone()))
        return values

    def folder(self) -> Path:
        """Make an empty folder that is gone after the trial."""
        made = tempfile.TemporaryDirectory(prefix="d2lcompute-", ignore_cleanup_errors=True)
        return Path(self._cleanup.enter_context(made))

    def plan(self, tried: str, *, nudge: str) -> None:
        """Say what is tried next, and what to think about if it goes wrong."""
        self.input, self.nudge = tried, nudge

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the answer, or a part of it, and see that the drawn tensors are as they were."""
        came = function(*args, **kwargs)
        for values, before in self._drawn:
            if not torch.equal(values, before):
                raise Counterexample(
                    expected=tr("the tensor that was handed over is left as it was"),
                    got=tr("its values were changed in place"),
                    remark=tr("The caller still needs its tensor: make a new one instead of writing into it."),
                )
        return came

    def same(self, came: Any, expected: Any, *, what: str = "", mistakes: Mapping[str, Any] | None = None) -> None:
        """Require that a value is the expected one.

        Args:
            came: what the answer gave.
            expected: what the plain reference gives.
            what: the value's name, such as ``"the gradient of net1.weight"``, if it is not the result itself.
            mistakes: remark → what an answer with this mistake gives; the first that fits replaces the nudge.
        """
        found = difference(came, expected)
        if found is None:
            return
        known = (remark for remark, value in (mistakes or {}).items() if difference(came, value) is None)
        prefix = tr("{what}: ", what=what) if what else ""
        self.fail(expected=prefix + found[0], got=prefix + found[1], remark=next(known, _about(came) or self.nudge))

    def require(self, condition: bool, *, expected: str, got: Any, remark: str = "") -> None:
        """Require that something holds; ``got`` is text, or any value, which is then described."""
        if not condition:
            self.fail(expected=expected, got=got if isinstance(got, str) else shown(got), remark=remark)

    def fail(self, *, expected: str, got: str, remark: str = "") -> NoReturn:
        """Report a counter-example; without a remark the nudge of the plan stands."""
        raise Counterexample(expected=expected, got=got, remark=remark or self.nudge)


def _about(came: Any) -> str:
    """Return a remark on values that no requirement expects: nothing at all, and NaN."""
    if came is None:
        return tr("It gave None: is a return missing?")
    if isinstance(came, torch.Tensor) and came.is_floating_point() and bool(came.isnan().any()):
        return tr("There is NaN among its values: look for a division by zero, or for memory that was never filled.")
    return ""
