"""What the tests say of each mutant: pytest collects once, and a process is forked for each; see ``tools.mutants``."""

import contextlib
import functools
import gc
import importlib
import os
import random
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import pytest

from tools.mutants_report import Row, read, write
from tools.mutations import Mutant, judging, mutants_of

__all__ = ["Hunt"]

ROOT = Path(__file__).resolve().parent.parent


class Hunt:
    """A pytest plugin: run the tests once and note the lines that each reaches, then let them loose on the mutants.

    Args:
        files: the files to change, by the name of their row.
        report: where the rows go.
        progress: where a line for each step is written.
        share: how many of a row's mutants are drawn, from 0 to 1.
        seed: what they are drawn with.
        slowest_seconds: tests that take longer are left out.
        again: judge only what survived the last time, by the same draw, where the files are still as they were.
    """

    def __init__(
        self,
        files: dict[str, list[Path]],
        report: Path,
        progress: Any,
        *,
        share: float = 1.0,
        seed: int = 0,
        slowest_seconds: float = 3.0,
        again: bool = False,
    ) -> None:
        self.files, self.report, self.progress = files, report, progress
        self.share, self.seed, self.slowest_seconds, self.again = share, seed, slowest_seconds, again
        self.seconds: dict[Any, float] = {}
        self.reached: dict[Any, set[tuple[str, int]]] = {}
        self.globals: dict[Any, dict[str, Any]] = {}
        self.kills: Counter[Any] = Counter()
        self.functions: dict[str, list[FunctionType]] = defaultdict(list)
        self.caches: list[Any] = []
        self.pipe: int | None = None

    def pytest_sessionstart(self) -> None:
        """Let hypothesis try the same few examples each time."""
        from hypothesis import Phase, settings  # pytest wants to be the first to import it

        settings.register_profile(
            "mutants", derandomize=True, max_examples=20, database=None, deadline=None, phases=[Phase.generate]
        )
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """In a mutant's process the first failure is the end, before anybody formats it."""
        if call.excinfo and not isinstance(call.excinfo.value, pytest.skip.Exception):
            if self.pipe is not None:
                os.write(self.pipe, item.nodeid.encode())
                os._exit(1)
            self.seconds[item] = float("inf")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Take the place of pytest's own loop."""
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        session.config.pluginmanager.unregister(reporter)
        for path in (path for paths in self.files.values() for path in paths):
            if path.is_relative_to(ROOT):
                importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        self._rehearse(session.items)
        items = sorted((item for item in session.items if self.seconds[item] <= self.slowest_seconds), key=self._cost)
        left_out = [item.nodeid for item in session.items if item not in items]
        self._say(f"{len(items)} tests in {sum(map(self._cost, items)):.1f} s, left out: {left_out or 'none'}")
        while killer := self._verdict(None, items)[1]:
            self._say(f"left out, since it fails the second time: {killer}")
            items = [item for item in items if item.nodeid != killer]
        for each in gc.get_objects():
            if type(each) is FunctionType:
                self.functions[each.__code__.co_filename].append(each)
            elif type(each) is functools._lru_cache_wrapper:
                self.caches.append(each)
        gc.freeze()  # a process that looks through all objects would copy the memory that it shares
        for name, paths in self.files.items():
            write(self.report, self._row(name, paths, items))
        return True

    def _rehearse(self, items: Sequence[Any]) -> None:
        """Run each test as it is, and note how long it takes and which lines it reaches."""
        files = {str(path) for paths in self.files.values() for path in paths}
        reached: set[tuple[str, int]] = set()

        def trace(frame: FrameType, _event: str, _value: object) -> Any:
            if (name := frame.f_code.co_filename) not in files:
                return None
            reached.add((name, frame.f_lineno))
            return trace

        for item in items:
            self.globals[item] = dict(item.dtest.globs) if hasattr(item, "dtest") else {}
            for _ in range(2):  # the first time may include imports
                self.seconds[item] = 0.0
                started = time.perf_counter()
                sys.settrace(trace)
                self._run(item, None)
                sys.settrace(None)
                self.seconds[item] += time.perf_counter() - started
                if self.seconds[item] < 0.5:
                    break
            self.reached[item] = set(reached)
            reached.clear()

    def _row(self, name: str, paths: Sequence[Path], items: Sequence[Any]) -> Row:
        """Judge the mutants of some files, all or as many as are to be drawn."""
        started = time.perf_counter()
        found = [(path, each) for path in paths for each in self._mutants(path)]
        former = read(self.report).get(name) if self.again else None
        if former and former.found == len(found):
            drawn = _draw(found, former.mutants, f"{former.seed} {name}")
            drawn = [pair for pair in drawn if _shown(*pair, among=paths) in former.survivors]
        else:
            former, drawn = None, _draw(found, round(self.share * len(found)), f"{self.seed} {name}")
        counts: Counter[str] = Counter()
        survivors = []
        for number, (path, mutant) in enumerate(drawn, start=1):
            near = [item for item in items if any((str(path), line) in self.reached[item] for line in mutant.lines)]
            near.sort(key=self._cost)
            verdict, killer = self._verdict((mutant, self.functions[str(path)]), near)
            counts[verdict] += 1
            if killer:
                self.kills[next(item for item in near if item.nodeid == killer)] += 1
            if verdict == "survived":
                survivors.append(_shown(path, mutant, among=paths))
            self._say(f"{name} {number}/{len(drawn)} {verdict}: {mutant.function} {mutant.change} {killer}")
        seconds = round(time.perf_counter() - started)
        if former:
            return former.with_survivors(tuple(survivors), more_timeouts=counts["timeout"], more_seconds=seconds)
        return Row(
            name,
            found=len(found),
            mutants=len(drawn),
            killed=counts["killed"],
            timeouts=counts["timeout"],
            survivors=tuple(survivors),
            seconds=seconds,
            seed=self.seed if self.share < 1 else None,
        )

    def _mutants(self, path: Path) -> list[Mutant]:
        """Return the mutants of a file: of an exercise's file, those of the code that judges."""
        module = next((each for each in sys.modules.values() if getattr(each, "__file__", None) == str(path)), None)
        only = judging(module, path.read_text("utf-8")) if hasattr(module, "EXERCISE") else None
        return mutants_of(path, only=only)

    def _verdict(self, change: tuple[Mutant, list[FunctionType]] | None, items: Sequence[Any]) -> tuple[str, str]:
        """Run the tests in a process of their own with this change; return what came of it and which test failed."""
        limit_seconds = 5 + 3 * sum(self.seconds[item] for item in items)
        reader, writer = os.pipe()
        if not (child := os.fork()):
            self._suffer(change, items, writer, limit_seconds)
        os.close(writer)
        deadline = time.monotonic() + 10 + 4 * limit_seconds
        while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # also what the tests started
        status = ended[1] if ended[0] else os.waitpid(child, 0)[1]
        with os.fdopen(reader) as pipe:
            killer = pipe.read()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
            return "timeout", ""
        return ("killed" if status else "survived"), killer

    def _suffer(self, change: Any, items: Sequence[Any], writer: int, limit_seconds: float) -> None:
        """Change this process, run the tests, and end it: with 1 at the first that fails, else with 0."""
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_seconds) + 1, int(limit_seconds) + 2))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            self.pipe = writer
            if change:
                _apply(*change)
                for cache in self.caches:
                    cache.cache_clear()  # what the old code has answered
            for item, following in zip(items, [*items[1:], None], strict=True):
                self._run(item, following)
            os._exit(0)
        except BaseException:  # whatever it is, it did not come without the change
            os._exit(1)

    def _run(self, item: Any, following: Any) -> None:
        if hasattr(item, "dtest"):
            item.dtest.globs.update(self.globals[item])  # a doctest clears them when it is done
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _cost(self, item: Any) -> float:
        """Tests that are quick or have noticed much come first."""
        return self.seconds[item] / (1 + self.kills[item])

    def _say(self, text: str) -> None:
        print(text, file=self.progress, flush=True)


def _draw(found: Sequence[Any], count: int, seed: str) -> list[Any]:
    """Draw so many, in the order in which they stand."""
    choice = random.Random(seed)  # noqa: S311  # nothing is kept secret with it
    return [found[i] for i in sorted(choice.sample(range(len(found)), count))]


def _shown(path: Path, mutant: Mutant, *, among: Sequence[Path]) -> str:
    """Return the mutant as the report shows it, with its file's name where the row has several."""
    return f"`{f'{path.stem}.' if len(among) > 1 else ''}{mutant.function}` {mutant.change}"


def _apply(mutant: Mutant, functions: Iterable[FunctionType]) -> None:
    """Give the functions of this process the mutant's code."""
    for function in functions:
        if function.__code__.co_qualname == mutant.function and mutant.defaults:
            positional = list(function.__defaults__ or ())
            for key, value in mutant.defaults.items():
                if isinstance(key, int):
                    positional[key] = value
                elif function.__kwdefaults__:
                    function.__kwdefaults__[key] = value
            function.__defaults__ = tuple(positional) or None
        if new := mutant.codes.get(function.__code__):
            function.__code__ = new.replace(co_freevars=function.__code__.co_freevars)
