"""Lessons: a notebook as the site shows it. Predictions stay open, long outputs are folded, exercises have hints."""

import ast
import copy
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["MAX_LINES", "PREDICT", "anchor", "linked", "prepared"]

PREDICT = {"en": "**Predict.**", "zh": "**先猜一猜**"}
"""Language → how a Markdown cell says that it asks for a prediction."""

SHOW = {
    "en": ("Show the answer", "Hide the answer", "Show the output ({lines} lines)", "Hide the output"),
    "zh": ("看答案", "收起答案", "看输出（{lines} 行）", "收起输出"),
}
MAX_LINES = 16
"""Outputs with more lines than this are folded."""

CAPTION = """<div class="cell tag_prediction"><details class="admonition hide">
<summary><p class="collapsed admonition-title">{}</p><p class="expanded admonition-title">{}</p></summary>

{words}

</details></div>"""
"""What a caption becomes that answers a prediction: folded as myst-nb folds cells."""

Cell = dict[str, Any]
NOTEBOOK = re.compile(r"(?<![\[`])`(\d\d_[a-z_]+)`(?:[,，、]\s*`([a-z][a-z0-9-]*-[a-z0-9-]*)`)?(?![\]`])")


def anchor(notebook: str, cell: str) -> str:
    """Return the anchor of a cell, the same in every language; notebooks have cells of the same name.

    Example:
        >>> anchor("01_blocks", "mlp-why")
        'blocks-mlp-why'
    """
    return f"{notebook.partition('_')[2].replace('_', '-')}-{cell}"


def prepared(
    notebook: dict[str, Any], name: str, language: str, there: Sequence[str], hints: Callable[[str], str]
) -> dict[str, Any]:
    """Return a notebook as Sphinx is to read it; the one that is given stays as it is.

    Args:
        notebook: the notebook, as it lies in its file.
        name: its name, such as ``"01_blocks"``.
        language: ``"en"`` or ``"zh"``.
        there: the names of the notebooks that the site has in this language.
        hints: returns the Markdown of an exercise's hints and solution.
    """
    made = copy.deepcopy(notebook)
    made["metadata"].pop("mystnb", None)
    folded = dict(_folded(made["cells"], language))
    cells = []
    for cell in made["cells"]:
        source, target = "".join(cell["source"]), f"({anchor(name, cell['id'])})="
        if cell["cell_type"] == "markdown":
            words = f"{target}\n{linked(source, there, name)}"
            cell["source"] = CAPTION.format(*SHOW[language][:2], words=words) if cell["id"] in folded else words
        else:
            cells.append(_words(f"at-{cell['id']}", target))
        if cell["cell_type"] == "code" and cell["id"] in folded:
            _fold(cell, folded[cell["id"]], SHOW[language][:2], ["prediction"])
        elif (lines := _lines(cell)) > MAX_LINES:
            show, hide = SHOW[language][2:]
            _fold(cell, "hide-output", (show.format(lines=lines), hide), [])
        cells.append(cell)
        if cell["id"].startswith("exercise-") and cell["id"].endswith("-check"):
            exercise = cell["id"].removeprefix("exercise-").removesuffix("-check").replace("-", "_")
            cells.append(_words(f"hints-{exercise}", hints(exercise)))
    made["cells"] = cells
    return made


def linked(text: str, there: Sequence[str], own: str = "") -> str:
    """Let the name of a notebook, with or without that of a cell, lead to it.

    Example:
        >>> linked("see `07_gpu`, `async-why`, and `01_blocks`", ["01_blocks", "07_gpu"])
        'see [`07_gpu`, `async-why`](#gpu-async-why), and [`01_blocks`](01_blocks.ipynb)'
    """

    def link(match: re.Match[str]) -> str:
        name, cell = match.groups()
        if name not in there or (name == own and not cell):
            return match[0]
        return f"[{match[0]}](#{anchor(name, cell)})" if cell else f"[{match[0]}]({name}.ipynb)"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else NOTEBOOK.sub(link, part) for part in parts)


def _folded(cells: Sequence[Cell], language: str) -> Iterator[tuple[str, str]]:
    """Yield what answers predictions: the id of a cell, and ``hide-output``, or ``hide-cell`` for checks and captions.

    An answer ends where words begin again; a caption, which is in italics, says what its figure shows.
    """
    asked = False
    for cell in cells:
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            if asked and source.startswith("*") and not source.startswith("**"):
                yield cell["id"], "hide-cell"
            else:
                asked = PREDICT[language] in source
        elif asked and _asserts("".join(cell["source"])):
            yield cell["id"], "hide-cell"
        elif asked and cell["outputs"]:
            yield cell["id"], "hide-output"


def _asserts(source: str) -> bool:
    """Return whether a cell gives its answer away in an assert."""
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))


def _words(name: str, text: str) -> Cell:
    """Return a Markdown cell."""
    return {"cell_type": "markdown", "id": name[:64], "metadata": {}, "source": text}


def _lines(cell: Cell) -> int:
    """Return how many lines of text a cell puts out, pictures aside."""
    count = 0
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        text = output.get("text", "" if "image/png" in data else data.get("text/plain", ""))
        count += len("".join(text).splitlines())
    return count


def _fold(cell: Cell, tag: str, prompts: tuple[str, str], more: Sequence[str]) -> None:
    """Fold a cell or its output, under words of the reader's language."""
    metadata = cell["metadata"]
    metadata["tags"] = [*metadata.get("tags", []), tag, *more]
    show, hide = prompts
    metadata["mystnb"] = {**metadata.get("mystnb", {}), "code_prompt_show": show, "code_prompt_hide": hide}
