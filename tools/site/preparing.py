"""Preparing: writes what Sphinx reads, for one language, into a folder of its own."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tools.site import pages
from tools.site.hints import hints_of
from tools.site.lessons import linked, prepared

__all__ = ["ROOT", "notebooks_of", "relinked", "section", "write_sources"]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

CAPTIONS = {
    "en": ("The chapter", "Beyond it", "Look up", "Use and teach", "How it is built"),
    "zh": ("本章各节", "本章之外", "查找", "使用与教学", "实现"),
}
LOOK_UP = ("exercises", "errors", "claims", "glossary", "reference")
USE = ("helpers", "from-the-book", "teaching", "contribute")
BUILT = ("design", "pretending", "validation", "versions", "hardware", "benchmarks")
TITLES = {
    "glossary": "术语表",
    "helpers": "在自己的笔记本里用",
    "from-the-book": "从书到这里",
    "teaching": "用它教学",
    "contribute": "参与贡献",
    "design": "设计",
    "pretending": "模拟的 GPU",
    "validation": "验证",
    "versions": "版本",
    "hardware": "真实的 GPU",
    "benchmarks": "性能比较",
}
"""Page → what the Chinese sidebar calls it; the page itself may still be English."""

ENGLISH_ONLY = "*本页只有英文。*"
README = {
    "en": ("README.md", {"helpers": "The helpers in your own notebook", "contribute": "Contributing"}),
    "zh": ("README.zh-CN.md", {"helpers": "在自己的笔记本里用这些工具", "contribute": "参与贡献"}),
}
"""Language → the file in which some pages stand, each under a heading."""


def notebooks_of(language: str) -> dict[str, Any]:
    """Return the notebooks that there are in a language: name → content."""
    folder = ROOT / "notebooks" / language
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.ipynb"))}


def write_sources(target: Path, language: str) -> int:
    """Write all that Sphinx reads, and return how many pages that is; what was there before is removed."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "api").mkdir(parents=True)
    notebooks = notebooks_of(language)
    for name, notebook in notebooks.items():
        made = prepared(notebook, name, language, list(notebooks), lambda exercise: hints_of(exercise, language))
        (target / f"{name}.ipynb").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    texts = _texts(notebooks, language)
    for name, text in texts.items():
        (target / f"{name}.md").write_text(linked(text, list(notebooks)), encoding="utf-8")
    return len(notebooks) + len(texts)


def _texts(notebooks: dict[str, Any], language: str) -> dict[str, str]:
    """Return all pages that are no notebooks: name → Markdown."""
    texts = {"exercises": pages.exercises_table(notebooks, language), **pages.reference(language)}
    if "14_common_errors" in notebooks:
        texts["errors"] = pages.errors_table(notebooks["14_common_errors"], "14_common_errors", language)
    if "15_fact_check" in notebooks:
        texts["claims"] = pages.claims_table(notebooks["15_fact_check"], "15_fact_check", language)
    for name in ("glossary", *USE, *BUILT):
        if text := _written(name, language):
            texts[name] = text
    known = {name: f"{name}.md" for name in texts} | {name: f"{name}.ipynb" for name in notebooks}
    texts = {name: relinked(text, known) for name, text in texts.items()}
    first = [_entry(name, notebook) for name, notebook in notebooks.items() if name < "08"]
    beyond = [_entry(name, notebook) for name, notebook in notebooks.items() if name >= "08"]
    rest = [[_named(name, language) for name in group if name in texts] for group in (LOOK_UP, USE, BUILT)]
    trees = dict(zip(CAPTIONS[language], [first, beyond, *rest], strict=True))
    front = (DOCS / "pages" / language / "index.md").read_text(encoding="utf-8")
    guide = _written("README", language).replace(ENGLISH_ONLY, "")
    table = "\n".join(line for line in guide.splitlines() if line.startswith("|"))
    texts["index"] = pages.index(front.replace("{course}", table), trees)
    return texts


def _written(name: str, language: str) -> str:
    """Return a page that somebody wrote, in the language or else in English; nothing if there is none."""
    for code in dict.fromkeys((language, "en")):
        folder = DOCS if code == "en" else DOCS / code
        places = [place / f"{name}.md" for place in (folder, ROOT / "notebooks" / code)]
        readme, sections = README[code]
        if found := next((path for path in places if path.is_file()), None):
            text = found.read_text(encoding="utf-8")
        elif name in sections and (ROOT / readme).is_file():
            text = section((ROOT / readme).read_text(encoding="utf-8"), sections[name])
        else:
            continue
        return text if code == language else text.replace("\n", f"\n\n{ENGLISH_ONLY}\n", 1)
    return ""


def section(text: str, heading: str) -> str:
    r"""Return what stands under a heading, the heading itself one level up.

    Raises:
        ValueError: if there is no such heading.

    Example:
        >>> section("# a\n## b\nwords\n## c\n", "b")
        '# b\nwords\n'
    """
    found = re.search(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"there is no heading {heading!r}")
    return found[0][1:]


def relinked(text: str, known: dict[str, str]) -> str:
    """Let links to files of the repository lead to their pages; where the site has none, leave the words alone.

    Example:
        >>> relinked("[a](docs/design.md), [b](tools/rules.py), [c](https://example.org)", {"design": "design.md"})
        '[a](design.md), b, [c](https://example.org)'
    """

    def link(match: re.Match[str]) -> str:
        words, address = match.groups()
        path, _, part = address.partition("#")
        if "://" in address or not path:
            return match[0]
        name = Path(path).stem
        if path.startswith("api/") or name not in known:
            return match[0] if path.startswith("api/") else str(words)
        return f"[{words}]({known[name]}{'#' * bool(part)}{part})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, text)


def _entry(name: str, notebook: Any) -> str:
    """Return a notebook's line in the table of contents: its number and its title."""
    (_, title), *_ = pages.headings(notebook)
    return f"{name[:2]} {title} <{name}>"


def _named(name: str, language: str) -> str:
    """Return a page's line in the table of contents."""
    return f"{TITLES[name]} <{name}>" if language == "zh" and name in TITLES else name
