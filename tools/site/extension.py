"""Extension: what Sphinx calls. Formulas become MathML, and each page knows its counterpart in the other language."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

__all__ = ["course_of", "services", "setup"]

OTHER = {"en": ("zh", "zh-CN", "中文"), "zh": ("en", "en", "English")}
WORDS = {
    "en": {"download": "Notebook", "unfold": "Show answers"},
    "zh": {"download": "下载笔记本", "unfold": "展开答案"},
}


def course_of(page: str, language: str, repository: str = "") -> dict[str, Any]:
    """Return what the buttons of a page need: the other language, the download, and services that open the notebook.

    Args:
        page: the page's name, such as ``"api/blocks"``.
        language: the language of this site.
        repository: the address of the repository; without it no service is offered.
    """
    other, code, name = OTHER[language]
    top = "../" * page.count("/")
    is_notebook = page[:2].isdigit()
    return {
        "other": f"{top}../{other}/{page}.html",
        "other_code": code,
        "other_name": name,
        "download": f"{top}notebooks/{page}.ipynb" if is_notebook else "",
        "services": services(repository, f"notebooks/{language}/{page}.ipynb") if is_notebook else [],
        "words": WORDS[language],
    }


def services(repository: str, notebook: str) -> list[tuple[str, str]]:
    """Return the names and addresses of services that open a notebook of a repository; none without a repository.

    Example:
        >>> services("https://github.com/who/what", "notebooks/en/01_blocks.ipynb")[1]
        ('Colab', 'https://colab.research.google.com/github/who/what/blob/main/notebooks/en/01_blocks.ipynb')
        >>> [name for name, _ in services("https://example.org/who/what", "notebooks/en/01_blocks.ipynb")]
        ['Binder']
    """
    if not repository:
        return []
    path = urlsplit(repository).path.strip("/").removesuffix(".git")
    if urlsplit(repository).hostname != "github.com":
        there = f"git/{quote(repository, safe='')}"
        return [("Binder", f"https://mybinder.org/v2/{there}/main?urlpath=lab/tree/{notebook}")]
    return [
        ("Binder", f"https://mybinder.org/v2/gh/{path}/main?urlpath=lab/tree/{notebook}"),
        ("Colab", f"https://colab.research.google.com/github/{path}/blob/main/{notebook}"),
    ]


def _visit_math(translator: Any, node: Any) -> None:
    """Write an inline formula as MathML, which browsers draw without a script or a font of ours."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def _visit_math_block(translator: Any, node: Any) -> None:
    """Write a displayed formula as MathML."""
    translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def _page_context(_app: Any, page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Hand each page's buttons to its template."""
    language: str = os.environ["D2LCOMPUTE_SITE_LANGUAGE"]
    context["course"] = course_of(page, language, os.environ.get("D2LCOMPUTE_REPOSITORY", ""))


def setup(app: Any) -> Mapping[str, Any]:
    """Tell Sphinx what to call."""
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math_block, None))
    app.connect("html-page-context", _page_context)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
