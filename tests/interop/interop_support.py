"""Stand-ins for d2l and torchvision that the tests of load_d2l share."""

import ast
import importlib
import importlib.util
import sys
import warnings

import torch

SHAPE = """
import torch
import torchvision
from torchvision import transforms, io as reading

class Timer: pass
def try_gpu(): return torch.device("cpu")
def pictures(): return torchvision.datasets.Pictures()
class Prepared:
    def __init__(self): self.trans = transforms.Compose([])
def transpose(): pass
"""


PIP = f'"{sys.executable}" -m pip install'


def write(folder, files):
    """Write Python files, path → text; each folder gets an empty __init__.py where none is given."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if file.parent != folder and not (file.parent / "__init__.py").exists():
            (file.parent / "__init__.py").touch()
    importlib.invalidate_caches()


def write_book(folder, end="", shape=SHAPE):
    """Write a d2l of the book's shape that ends with the given lines."""
    write(folder, {"d2l/torch.py": shape + end})


def everything():
    """Return what a failed attempt must leave as it was."""
    names = set(vars(sys.modules.get("d2l") or torch))
    lists = (sys.path, sys.meta_path, sys.path_hooks, list(warnings.filters))
    return {**sys.modules}, names, [list(entries) for entries in lists], torch.get_default_dtype()


def imports_of(path):
    """Return the libraries that a file imports at its top level, without the standard one."""
    tops = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "names")]
    names = {getattr(node, "module", None) or alias.name for node in tops for alias in node.names}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names
