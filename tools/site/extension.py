"""Extension: what Sphinx calls. Formulas become MathML, and each page knows its counterpart in the other language."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

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
        "services": services(repository, language, page) if is_notebook else [],
        "words": WORDS[language],
    }


def services(repository: str, language: str, notebook: str) -> list[tuple[str, str]]:
    """Return the names and addresses of services that open a notebook of a repository; none without a repository.

    Binder opens the learner's copy, which .binder/postBuild writes; Colab reads the repository's own notebook.

    Example:
        >>> services("https://github.com/who/what", "en", "01_blocks")[1]
        ('Colab', 'https://colab.research.google.com/github/who/what/blob/main/notebooks/en/01_blocks.ipynb')
        >>> services("https://example.org/what", "zh", "01_blocks")
        [('Binder', 'https://mybinder.org/v2/git/https%3A%2F%2Fexample.org%2Fwhat/main?urlpath=lab/tree/course-zh/01_b...')]
    """
    if not repository:
        return []
    parts = urlsplit(repository)
    path = parts.path.strip("/").removesuffix(".git")
    on_github = parts.hostname == "github.com"
    there = f"gh/{path}" if on_github else f"git/{quote(repository, safe='')}"
    copy = f"course-{language}/{notebook}.ipynb"
    found = [("Binder", f"https://mybinder.org/v2/{there}/main?urlpath=lab/tree/{copy}")]
    if on_github:
        own = f"notebooks/{language}/{notebook}.ipynb"
        found.append(("Colab", f"https://colab.research.google.com/github/{path}/blob/main/{own}"))
    return found


def _visit_math(translator: Any, node: Any) -> None:
    """Write an inline formula as MathML, which browsers draw without a script or a font of ours."""
    _write(translator, node, "inline", "{}")


def _visit_math_block(translator: Any, node: Any) -> None:
    """Write a displayed formula as MathML."""
    _write(translator, node, "block", '<div class="formula">{}</div>')


def _write(translator: Any, node: Any, display: str, frame: str) -> None:
    """Put a formula into a page, and leave out what docutils would write for it."""
    from docutils.nodes import SkipNode  # here, so that tests of the rest run where the extra `site` is not installed
    from latex2mathml.converter import convert

    translator.body.append(frame.format(convert(node.astext(), display=display)))
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
