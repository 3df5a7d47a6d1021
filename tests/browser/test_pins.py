"""What the site and its tests are made with is pinned, as is all else; only here are these extras installed."""

from packaging.requirements import Requirement

from tests.packaging_support import OF_THE_SITE as EXTRAS
from tests.packaging_support import PROJECT, ROOT, closure


def unpinned(names, constraints):
    """Return which of these packages, and of those that they need here, a constraints file does not pin."""
    pinned = {Requirement(line).name.lower().replace("_", "-") for line in constraints.splitlines() if "==" in line}
    return sorted(set(closure(names)) - pinned)


def test_extras_of_the_site_are_pinned_with_all_that_they_need():
    """Nothing that the pages are made with is left to chance."""
    names = [Requirement(line).name for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra]]
    constraints = "\n".join(line.split(" #")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
                            if not line.startswith("#"))  # fmt: skip

    assert unpinned(names, constraints) == []
    assert unpinned(names, constraints.replace("docutils==", "other==")) == ["docutils"]
