"""What the project asks for, and what that needs in turn."""

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT_FILE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PROJECT_FILE["project"]


OF_THE_SITE = ("site", "browser")
"""The extras that only `make site` and `make test-browser` install."""


def requirements(*, without=()):
    """Return what pyproject.toml asks for, to build, to run and as extras, without the package's own extras."""
    lines = [*PROJECT_FILE["build-system"]["requires"], *PROJECT["dependencies"]]
    for name, extra in PROJECT["optional-dependencies"].items():
        lines += extra if name not in without else ()
    return [line for line in lines if not line.startswith(PROJECT["name"])]


def closure(names):
    """Return the installed packages with these names and all that they need here: canonical name → distribution."""
    found, waiting = {}, [(name, "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        distribution = found[canonicalize_name(name)] = metadata.distribution(name)
        for needed in map(Requirement, distribution.requires or ()):
            here = needed.marker is None or needed.marker.evaluate({"extra": extra})
            new = canonicalize_name(needed.name) not in found or needed.extras
            if here and new:
                waiting += [(needed.name, extra) for extra in ("", *needed.extras)]
    return found
