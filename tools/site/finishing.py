"""Finishing: what is done to the pages that Sphinx has written. Learners' copies, lighter icons, the entrance."""

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from d2lcompute.course.merging import cleared
from tools.site.icons import lighten

__all__ = ["finish", "with_sizes", "write_entrance"]

ENTRANCE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>d2lcompute</title>
<style>
:root { color-scheme: light dark; }
body { font: 1.2rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto 0; padding: 0 1.5rem; }
a { display: block; padding: 1rem 1.25rem; margin: 1rem 0; border: 1px solid; border-radius: .5rem; color: inherit; }
</style>
</head>
<body>
<main>
<h1>d2lcompute</h1>
<a href="en/index.html">Deep learning computation: the course in English</a>
<a href="zh/index.html" lang="zh-CN" hreflang="zh-CN">深度学习计算：中文课程</a>
</main>
</body>
</html>
"""


def finish(html: Path, notebooks: dict[str, Any], language: str) -> None:
    """Put the learner's copies beside the pages, and take away what no page needs."""
    folder = html / "notebooks"
    folder.mkdir(exist_ok=True)
    mark = {"version": metadata.version("d2lcompute"), "language": language}
    for name, notebook in notebooks.items():
        joined = {**notebook, "cells": [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]]}
        text = json.dumps(cleared(joined, mark), indent=1, ensure_ascii=False)
        (folder / f"{name}.ipynb").write_text(text + "\n", encoding="utf-8")
    lighten(html)
    for page in html.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        if (sized := with_sizes(text, html)) != text:
            page.write_text(sized, encoding="utf-8")
    for map_of_a_script in (html / "_static").rglob("*.map"):
        map_of_a_script.unlink()


def with_sizes(text: str, folder: Path) -> str:
    """Return a page whose pictures say how large they are, so that nothing moves when they arrive."""

    def sized(match: re.Match[str]) -> str:
        head = (folder / match[2]).read_bytes()[:24]
        width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        return f'<img width="{width}" height="{height}" loading="lazy"{match[1]}src="{match[2]}"'

    return re.sub(r'<img((?: alt="[^"]*")? )src="(_images/[^"]+\.png)"', sized, text)


def write_entrance(html: Path) -> None:
    """Write the page that leads to both languages."""
    (html / "index.html").write_text(ENTRANCE, encoding="utf-8")
