"""Change the package in small ways, one at a time, and count the changes that its tests notice.

``python -m tools.mutants timing blocks`` takes the modules that are named, ``python -m tools.mutants`` all of them;
``docs/mutants.md`` gets a row for each as soon as it is done, and keeps what stands there of the others.

The changes are mutmut's. Its runner is not used: it puts all mutants of a function beside the function, so that sources
that the exercises show are others; it leaves out whatever has a decorator; and it starts pytest for each mutant. Here
pytest collects once, a process is forked for each mutant (so Linux or macOS), and the functions of that process get the
mutant's code. Only functions change: constants and tables of a module do not. No file is written but the report.
"""

import argparse
import ast
import contextlib
import functools
import gc
import importlib
import itertools
import os
import random
import resource
import signal
import sys
import threading
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from tools.mutants_report import Row, write

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "mutants.md"
CHECKPOINTS = ("tests/test_checkpoints.py", "tests/test_checkpoints_under_fire.py")
FIGURES = ("tests/test_figures.py", "tests/test_pretend_figures.py", "tests/test_timeline.py")
PRETEND = tuple(
    f"tests/test_{name}.py" for name in ("pretend", "pretend_clock", "pretend_coverage", "pretend_transfers")
)
TESTS = {  # where it is not tests/test_<module>.py
    "_container": CHECKPOINTS,
    "_restoring": CHECKPOINTS,
    "checkpoints": CHECKPOINTS,
    "_boxes": FIGURES,
    "_outline": FIGURES,
    "figures": FIGURES,
    "__main__": ("tests/test_main.py",),
    "doctor": ("tests/test_doctor.py", "tests/test_main.py"),
    "devices": ("tests/test_devices.py", "tests/test_pretend.py"),
    "pretend": PRETEND,
    "exercises": ("tests/test_exercise_framework.py",),
}
QUIET = ["-q", *(word for name in ("cacheprovider", "xdist", "nbval", "benchmark") for word in ("-p", f"no:{name}"))]


# --- What may be changed ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A function's changed code: what to put in the place of what, and the lines that a test must run to notice."""

    function: str
    change: str
    lines: range
    codes: dict[CodeType, CodeType]
    defaults: dict[int | str, Any]


class _Everywhere(MutationVisitor):
    """mutmut's visitor, for functions with decorators too: they are changed in place, so none is applied twice."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)


def mutants_of(path: Path, *, only: frozenset[str] | None = None) -> list[Mutant]:
    """Return each change to the functions of a file; ``only`` names the functions and classes that count."""
    source = path.read_text("utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = _Everywhere(mutation_operators, IgnoredCode(set(), set(), set()))
    module = wrapper.visit(visitor)
    positions = wrapper.resolve(WhitespaceInclusivePositionProvider)
    starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    found = []
    for each in visitor.mutations:
        if isinstance(each.contained_by_top_level_function, cst.FunctionDef):
            place = positions[each.original_node]
            line = place.start.line
            around = [one for one in statements if _first_line(one) <= line <= _last_line(one)]
            least = min(around, key=lambda one: _last_line(one) - _first_line(one))
            lines = range(_first_line(least), _last_line(least) + 1)
            start, end = (starts[each.line - 1] + each.column for each in (place.start, place.end))
            changed = source[:start] + module.code_for_node(each.mutated_node) + source[end:]
            found.append(_compiled(source, changed, path, line, lines))
    return [each for each in found if each and (only is None or each.function.split(".")[0] in only)]


def _compiled(source: str, changed: str, path: Path, line: int, lines: range) -> Mutant | None:
    """Return the mutant of the function at that line; None if the change cannot be compiled or makes no difference."""
    with warnings.catch_warnings(action="ignore"):
        try:
            after = _functions_of(changed, path)
        except SyntaxError:
            return None
    for (node, old), (new_node, new) in zip(_functions_of(source, path), after, strict=True):
        if _first_line(node) <= line <= _last_line(node):
            defaults = _changed_defaults(node.args, new_node.args)
            codes = {one: other for one, other in _paired(old, new) if one != other}
            change = _difference(ast.unparse(node), ast.unparse(new_node))
            return Mutant(old.co_qualname, change, lines, codes, defaults) if codes or defaults else None
    return None


@functools.lru_cache(maxsize=2)
def _functions_of(source: str, path: Path) -> list[tuple[ast.FunctionDef, CodeType]]:
    return list(_functions(ast.parse(source), compile(source, path, "exec", dont_inherit=True)))


def _functions(tree: ast.AST, code: CodeType) -> Iterator[tuple[ast.FunctionDef, CodeType]]:
    """Yield each function of a module and each method of its classes, with its code."""
    inner = {(each.co_name, each.co_firstlineno): each for each in code.co_consts if isinstance(each, CodeType)}
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            its_code = inner.get((node.name, _first_line(node))) or inner[node.name, node.lineno]
            if isinstance(node, ast.FunctionDef):
                yield node, its_code
            elif isinstance(tree, ast.Module):
                yield from _functions(node, its_code)


def _paired(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield a function's code and those of the functions inside it, each with its new one."""
    yield old, new
    inner = [[each for each in one.co_consts if isinstance(each, CodeType)] for one in (old, new)]
    if len(inner[0]) == len(inner[1]):
        for one, other in zip(*inner, strict=True):
            yield from _paired(one, other)


def _changed_defaults(old: ast.arguments, new: ast.arguments) -> dict[int | str, Any]:
    """Return the changed default values, by their number among the positional ones or by their name."""
    names = [each.arg for each in old.kwonlyargs]
    pairs: list[tuple[int | str, Any]] = [*enumerate(zip(old.defaults, new.defaults, strict=True))]
    named = zip(names, zip(old.kw_defaults, new.kw_defaults, strict=True), strict=True)
    return {
        key: ast.literal_eval(other)
        for key, (one, other) in [*pairs, *named]
        if one and other and ast.dump(one) != ast.dump(other)
    }


def _difference(old: str, new: str) -> str:
    """Show what changed in which line, with some characters around it; comments and line breaks do not count."""
    one, other = old.splitlines(), new.splitlines()
    head, tail = _common(one, other)
    texts = [" ".join(line.strip() for line in lines[head : len(lines) - tail]) for lines in (one, other)]
    head, tail = _common(*texts)
    clipped = [text[max(head - 40, 0) : len(text) - max(tail - 25, 0)] for text in texts]
    return " → ".join(f"`` {text} ``" for text in clipped)


def _common(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Count how many items are the same at the head and, apart from these, at the tail."""
    shorter = min(len(one), len(other))
    head = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    return head, next((at for at in range(shorter - head) if one[-1 - at] != other[-1 - at]), shorter - head)


def _first_line(node: ast.stmt) -> int:
    return min(each.lineno for each in (node, *getattr(node, "decorator_list", ())))


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def judging(module: Any, source: str) -> frozenset[str]:
    """Name what of an exercise's file judges and is shown: requirements, solution, and all that these use.

    The wrong answers, the stub and the hints are not code that checks.
    """
    exercise = module.EXERCISE
    solution = exercise.solution if isinstance(exercise.solution, tuple) else (exercise.solution,)
    names = {each.__name__ for each in (*exercise.requirements, exercise.form, *solution) if hasattr(each, "__name__")}
    defined = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    wanted = names & defined.keys()
    while True:
        used = {name.id for each in wanted for name in ast.walk(defined[each]) if isinstance(name, ast.Name)}
        if used & defined.keys() <= wanted:
            return frozenset(wanted)
        wanted |= used & defined.keys()


# --- What the tests say of it ----------------------------------------------------------------------------------------


class Hunt:
    """A pytest plugin: run the tests once and note the lines that each reaches, then let them loose on the mutants.

    Args:
        files: the files to change, by the name of their row.
        report: where the rows go.
        progress: where a line for each step is written.
        share: how many of a row's mutants are drawn, from 0 to 1.
        seed: what they are drawn with.
        slowest_seconds: tests that take longer are left out.
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
    ) -> None:
        self.files, self.report, self.progress = files, report, progress
        self.share, self.seed, self.slowest_seconds = share, seed, slowest_seconds
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
                threading.settrace(trace)
                sys.settrace(trace)
                self._run(item, None)
                sys.settrace(None)
                threading.settrace(None)
                self.seconds[item] += time.perf_counter() - started
                if self.seconds[item] < 0.5:
                    break
            self.reached[item] = set(reached)
            reached.clear()

    def _row(self, name: str, paths: Sequence[Path], items: Sequence[Any]) -> Row:
        """Judge the mutants of some files, all or as many as are to be drawn."""
        started = time.perf_counter()
        found = [(path, each) for path in paths for each in self._mutants(path)]
        choice = random.Random(f"{self.seed} {name}")  # noqa: S311  # nothing is kept secret with it
        drawn = [found[i] for i in sorted(choice.sample(range(len(found)), round(self.share * len(found))))]
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
                place = f"{path.stem}.{mutant.function}" if len(paths) > 1 else mutant.function
                survivors.append(f"`{place}` {mutant.change}")
            self._say(f"{name} {number}/{len(drawn)} {verdict}: {mutant.function} {mutant.change} {killer}")
        return Row(
            name,
            found=len(found),
            mutants=len(drawn),
            killed=counts["killed"],
            timeouts=counts["timeout"],
            survivors=tuple(survivors),
            seconds=round(time.perf_counter() - started),
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


# --- The command -----------------------------------------------------------------------------------------------------


def modules() -> dict[str, list[Path]]:
    """Return the files of each row: a module, or a folder of exercises."""
    found = defaultdict(list)
    package = ROOT / "d2lcompute"
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] != "__init__":
            found[".".join(parts[:2])].append(path)
    return dict(found)


def tests_of(name: str) -> tuple[str, ...]:
    """Return what pytest is given to judge a row's mutants."""
    top, _, rest = name.partition(".")
    if top == "exercises" and not rest.startswith("_"):
        return ("tests/test_exercises.py", "-k", " or ".join(f"[{path.stem}" for path in modules()[name]))
    doctests = [f"d2lcompute/{name.replace('.', '/')}.py"] if not rest else []
    return (*TESTS.get(top, (f"tests/test_{top}.py",)), *doctests)


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt through the modules that are named; those with the same tests share one run of pytest."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__.split("\n\n")[0])
    parser.add_argument("modules", nargs="*", help="such as timing, pretend.clock, exercises._trial, exercises.gpu")
    parser.add_argument("--list", action="store_true", help="name the modules and stop")
    parser.add_argument("--share", type=float, default=1.0, help="draw this share of a module's mutants, from 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn with")
    parser.add_argument("--report", type=Path, default=REPORT, help="the file to keep up to date")
    parser.add_argument("--file", type=Path, help="judge this file instead, by the tests in --tests")
    parser.add_argument("--tests", nargs="+", help="what pytest is given; by default the module's own tests")
    options = parser.parse_args(arguments)
    files = {options.file.stem: [options.file.resolve()]} if options.file else modules()
    if options.list:
        print(*files, sep="\n")
        return 0
    if unknown := set(options.modules) - files.keys():
        parser.error(f"no such module: {', '.join(sorted(unknown))}; --list names them")
    sessions: dict[tuple[str, ...], dict[str, list[Path]]] = defaultdict(dict)
    for name in options.modules or files:
        sessions[tuple(options.tests or tests_of(name))][name] = files[name]
    return max(_session(tests, part, options) for tests, part in sessions.items())


def _session(tests: Sequence[str], files: dict[str, list[Path]], options: argparse.Namespace) -> int:
    """Run pytest in a process of its own, since it is made to run once in each."""
    if not (child := os.fork()):
        os.environ |= {"D2LCOMPUTE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
        with os.fdopen(os.dup(sys.stdout.fileno()), "w") as progress:
            hunt = Hunt(files, options.report, progress, share=options.share, seed=options.seed)
            try:
                status = int(pytest.main([*QUIET, *tests], plugins=[hunt]))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=progress, flush=True)
                status = 2
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
