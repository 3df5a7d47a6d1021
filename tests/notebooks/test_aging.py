"""Facts that age: what a notebook says of another package names the version that it is true of."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]

# Package → the version that was looked at, and the cells that say something of it which a newer one may change.
# torch itself is not here: what is said of it stands beside a cell whose output is compared.
CLAIMS = {
    "torchinfo": ("1.8.0", {"10_visualization": ("summary-why", "summary-tied-why", "summary-lazy-why")}),
    "torchao": ("0.18.0", {"12_quantization": ("imports-extra", "safe-why")}),
}


def stale(constraints, claims=CLAIMS):
    """Return a line for each package whose pin has moved since its claims were looked at."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", constraints, re.MULTILINE))
    return [
        f"{package} is now pinned at {pins.get(package)}, its claims are of {version}: read "
        + "; ".join(f"{', '.join(cells)} in {notebook}" for notebook, cells in notebooks.items())
        + ", mend what is no longer true, and put the new version there and here"
        for package, (version, notebooks) in claims.items()
        if pins.get(package) != version
    ]


def test_claims_are_of_the_pinned_versions():
    """Where a pin moves, the failure says which cells to read again."""
    assert stale((ROOT / "constraints.txt").read_text(encoding="utf-8")) == []


def test_a_moved_pin_is_noticed():
    """The message names the package, both versions and the cells."""
    (told,) = stale("torchinfo==1.9.0\ntorchao==0.18.0\n")

    assert told.startswith("torchinfo is now pinned at 1.9.0, its claims are of 1.8.0: read summary-why, ")
    assert "in 10_visualization" in told


@pytest.mark.parametrize("package", CLAIMS)
def test_a_claim_names_its_version(package):
    """A reader with another version knows what to make of it."""
    version, notebooks = CLAIMS[package]
    for notebook, names in notebooks.items():
        content = nbformat.read(ROOT / "notebooks" / "en" / f"{notebook}.ipynb", as_version=4)
        texts = {cell.id: cell.source for cell in content.cells}
        assert [name for name in names if version not in texts[name]] == []
