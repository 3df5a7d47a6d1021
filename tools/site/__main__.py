"""Build the site: ``python -m tools.site`` (``make site``). The notebooks are not executed; warnings are errors."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.messages import compile_all
from tools.site import finishing, icons, inventory
from tools.site.preparing import ROOT, notebooks_of, write_sources

LANGUAGES = ("en", "zh")


def build(output: Path, language: str) -> int:
    """Build one language, and return Sphinx's exit status."""
    source, html = output / "source" / language, output / "html" / language
    pages = write_sources(source, language)
    shutil.rmtree(html, ignore_errors=True)  # no page outlives its source
    icons.write(output / "static")
    environment = {
        **os.environ,
        "D2LCOMPUTE_SITE_LANGUAGE": language,
        "D2LCOMPUTE_SITE_STATIC": str(output / "static"),
        "D2LCOMPUTE_SITE_INVENTORY": str(inventory.write(output / "torch.inv")),
    }
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-q",
        "-E",
        "-a",
        "-W",
        "--keep-going",
        "-j",
        "2",
        "-c",
        "docs",
    ]
    places = map(str, ["-d", output / "doctrees" / language, source, html])
    status = subprocess.call([*command, *places], cwd=ROOT, env=environment)
    if status == 0:
        finishing.finish(html, notebooks_of(language), language)
        print(f"{language}: {pages} pages", flush=True)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Build both languages and the page that leads to them; return 0 if all went well."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "_build", help="the folder (docs/_build)")
    parser.add_argument("languages", nargs="*", choices=[*LANGUAGES, []], help="one language only")
    options = parser.parse_args(arguments)
    compile_all()
    output = options.output.resolve()
    for language in options.languages or LANGUAGES:
        if status := build(output, language):
            return status
    finishing.write_entrance(output / "html")
    print(f"open {output / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
