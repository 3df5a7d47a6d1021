"""Interop: the book's own package ``d2l``, beside current numpy and matplotlib and without torchvision."""

import ast
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any

import torch

__all__ = ["load_d2l"]

_D2L, _PIP = "d2l.torch", f'"{sys.executable}" -m pip install'
_DISTRIBUTIONS = {"IPython": "ipython", "PIL": "pillow", "matplotlib_inline": "matplotlib-inline"}
_loading = threading.RLock()


def load_d2l() -> ModuleType:
    """Return the book's module ``d2l.torch`` as ``from d2l import torch`` would, also where that fails.

    The package is the real one, installed without its pins. With a torchvision that works, this is a plain import.
    Without, d2l's file runs but for the lines that import torchvision, and what needs torchvision raises an
    ImportError when it is used. From then on ``from d2l import torch as d2l`` gives this same module in every cell.
    If loading fails, everything is left as it was, but for parts of numpy and torch, which load only once.

    It takes over a second: d2l imports pandas, scipy, matplotlib, requests and IPython, whose warning filters come
    along. Nothing is drawn or downloaded, and no setting of torch or matplotlib changes.

    Raises:
        ImportError: if d2l or a library that it imports is missing (all are named), if another ``d2l`` hides it, or if
            its import fails. The message says what to do.

    Example:
        >>> d2l = load_d2l()
        >>> d2l.Trainer(max_epochs=3).max_epochs
        3

    Source:
        The package ``d2l``, which every notebook of the book imports.
    """
    with _loading:
        with suppress(ImportError):
            if _D2L in sys.modules:
                module = import_module(_D2L)  # waits if another thread is importing it
                if all(hasattr(module, name) for name in ("Timer", "try_gpu", "transpose")):  # from its top to its end
                    return module
        with _undone_on_failure() as finder:
            finder.spec = _spec()
            sys.modules.pop(_D2L, None)  # half a module, or none of the book's
            try:
                return import_module(_D2L)
            except Exception as error:
                cause = f"{type(error).__name__}: {error}"
                raise ImportError(f"d2l does not load here: {finder.spec.origin} raised {cause}", name="d2l") from error


class _Absent(ModuleType):
    """Stands in for torchvision, or a part of it, inside d2l alone: its public names raise."""

    def __init__(self, name: str, trouble: str) -> None:
        super().__init__(name)
        self._trouble = trouble

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what IPython and inspect ask of any object
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        caller, version = sys._getframe(1), torch.__version__.partition("+")[0]
        user = f"{caller.f_code.co_qualname} of d2l" if caller.f_globals.get("__name__") == _D2L else "this line"
        raise ImportError(
            f"{user} needs {self.__name__}.{name}, and torchvision {self._trouble}. Choose torch and torchvision "
            f'together with the selector on pytorch.org: {_PIP} "torch=={version}" torchvision, with the index that it '
            "shows for your build; then restart Python",
            name="torchvision",
        )


class _Loader(SourceFileLoader):
    """Runs d2l's file but for the statements that import torchvision; the names that they bind are stand-ins."""

    def __init__(self, path: str, tree: ast.Module, trouble: str) -> None:
        super().__init__(_D2L, path)
        lines = [line for line in _imports(tree) if _library(line[2]) == "torchvision"]
        self._stand_ins = {name: _Absent(source, trouble) for _, name, source in lines}
        self._tree = ast.Module([node for node in tree.body if node not in [line[0] for line in lines]], [])

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # the name is importlib's; nothing is cached
        return compile(self._tree, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._stand_ins)
        super().exec_module(module)


class _Finder:
    """Finds ``d2l.torch`` and nothing else, and notes what other threads import meanwhile."""

    def __init__(self) -> None:
        self.spec: ModuleSpec | None = None
        self.thread, self.asked_by_others = threading.get_ident(), set[str]()

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        if threading.get_ident() != self.thread:
            self.asked_by_others.add(fullname)
        return self.spec if fullname == _D2L else None


@contextmanager
def _undone_on_failure() -> Iterator[_Finder]:
    """Let a finder go first in the block; if the block fails, take out what its imports brought."""
    finder, before, filters = _Finder(), dict(sys.modules), list(warnings.filters)
    try:
        sys.meta_path.insert(0, finder)
        yield finder
    except BaseException:
        for name in sys.modules.keys() - before.keys() - finder.asked_by_others:
            if _library(name) == "d2l" or _library(name) not in before:  # more of numpy or torch stays: they load once
                del sys.modules[name]
        if _D2L in before:
            sys.modules[_D2L] = before[_D2L]
        elif "d2l" in before:
            vars(before["d2l"]).pop("torch", None)
        warnings.filters[:] = filters  # type: ignore[index]  # it is a list
        raise
    finally:
        with suppress(ValueError):
            sys.meta_path.remove(finder)


def _spec() -> ModuleSpec:
    """Find d2l's file, and make sure that it can run before anything is imported."""
    package = _find("d2l")
    spec = PathFinder.find_spec(_D2L, package.submodule_search_locations) if package else None
    if package is None or (spec is None and package.origin is None):  # a folder without Python files hides nothing
        raise ImportError(
            f"d2l is not installed: {_PIP} --no-deps d2l==1.0.3, without its pins, which are of 2023 (in the folder of "
            "this course, `make d2l` does so and installs what d2l imports); then call load_d2l() again",
            name="d2l",
        )
    where = package.origin or next(iter(package.submodule_search_locations or ()), None)
    loader = spec.loader if spec else None
    tree = ast.parse(loader.get_source(_D2L) or "" if isinstance(loader, SourceFileLoader) else "")
    if spec is None or {"Timer", "try_gpu"} - {getattr(statement, "name", "") for statement in tree.body}:
        raise ImportError(
            f"`import d2l` finds {where}, which is not the book's package: rename that file or its "
            "folder, or start Python in another folder, then restart it",
            name="d2l",
        )
    needed = {_library(source) for _, _, source in _imports(tree)} - {"torchvision"}
    if missing := sorted(_DISTRIBUTIONS.get(name, name) for name in needed if not _is_there(name)):
        raise ImportError("d2l imports what is not installed here: " + " ".join([_PIP, *missing]), name=missing[0])
    if trouble := _trouble_with_torchvision():
        spec.loader = _Loader(str(spec.origin), tree, trouble)
    return spec


def _trouble_with_torchvision() -> str | None:
    """Import torchvision, and say what is wrong with it; None if nothing is."""
    if not _is_there("torchvision"):
        return "is not installed"
    before = set(sys.modules)
    try:
        import_module("torchvision.transforms")
    except Exception as error:
        for name in sys.modules.keys() - before:
            if _library(name) == "torchvision":  # what the failed import of a package leaves behind
                del sys.modules[name]
        return f"is installed, but its import fails ({type(error).__name__}: {error})"
    return None


def _is_there(name: str) -> bool:
    return sys.modules.get(name) is not None or _find(name) is not None


def _find(name: str) -> ModuleSpec | None:
    with suppress(ImportError, ValueError):  # ValueError: something without a spec took the name
        return find_spec(name)
    return None


def _imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, str]]:
    """Yield each import at a file's top level: the statement, the name that it binds, and what it binds."""
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            prefix = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
            for alias in statement.names:
                yield statement, alias.asname or alias.name, prefix + alias.name


def _library(module: str) -> str:
    return module.partition(".")[0]
