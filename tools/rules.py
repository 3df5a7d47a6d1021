"""What nbval lets through: rules for the stored notebooks, each a function that yields what it finds wrong.

``python -m tools.rules`` prints the findings for the whole course, or for the notebooks that are named.
"""

import ast
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nbformat

COURSE = Path(__file__).resolve().parent.parent / "notebooks" / "en"

TAGS = frozenset({"raises-exception", "nbval-ignore-output", "exercise-stub", "exercise-check"})
FOR_THE_READER = {"check", "hint", "progress", "solution"}
MAX_LINES, MAX_CLASS_LINES, MAX_MEDIAN_LINES, MAX_WORDS = 10, 20, 5, 120
MIN_ALT, MAX_ALT = 60, 500

_ID = re.compile(r"[a-z]+(-([a-z]+|\d{1,2}))+")
_UNSTABLE = {
    "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}\b"),
    "a file's path": re.compile(r"(?<![\w.])(/(home|root|tmp|usr|var|Users|work|private)/|[A-Za-z]:\\\\?\w)"),
    "a duration": re.compile(r"\d\s?(ns|µs|us|ms|seconds|sec|s)\b(?!\s*[=:(])"),
    "the name of a device": re.compile(r"\b(cuda|mps|xpu):\d|device=|device\(type="),
    "the time of day": re.compile(r"\b\d{1,2}:\d{2}:\d{2}\b|\b20\d\d-\d\d-\d\d\b"),
    "a process id": re.compile(r"\bpid[ =:]*\d+|ipykernel_\d+"),
    "a version": re.compile(r"\b\d+\.\d+\.\d+(\+\w+)?\b"),
    "a carriage return, before which nbval compares nothing": re.compile("[\r\b]"),
}
_OF_A_MACHINE = frozenset({"a duration", "the name of a device"})  # the same everywhere if the machine is pretended
_COMPARED = frozenset({"text/plain", "image/png"})

Rule = Callable[[nbformat.NotebookNode], Iterator[str]]


def executed_in_order(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Every code cell was executed, in order, from 1: a cell stored without running is compared with nothing."""
    for number, cell in enumerate(_code(notebook), start=1):
        if cell.execution_count != number:
            yield f"{cell.id}: execution count is {cell.execution_count}, expected {number}: run `make notebooks`"


def stable_outputs(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """No output holds what changes from run to run or from machine to machine, or a kind that nbval passes over."""
    for cell in _code(notebook):
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            for kind in output.get("data", {}):
                if kind not in _COMPARED:
                    yield f"{cell.id}: an output of kind {kind}, which is not compared (allowed: {sorted(_COMPARED)})"
            if output.get("name") == "stderr":
                yield f"{cell.id}: writes to stderr: {output.text[:60]!r}"
            text = _text(output)
            for what, pattern in _UNSTABLE.items():
                if what in _OF_A_MACHINE and re.search(r"pretend_gpus\(|\bmachine\b", cell.source):
                    continue
                if found := pattern.search(text):
                    yield f"{cell.id}: the output holds {what}: {found[0]!r}"


def ids_are_words(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Cell ids are two or more words, unique: translations and reports refer to them."""
    seen = set()
    for cell in notebook.cells:
        if not _ID.fullmatch(cell.id):
            yield f"{cell.id}: the id must be words joined by hyphens, such as 'sequential-predict'"
        if cell.id in seen:
            yield f"{cell.id}: the id appears twice"
        seen.add(cell.id)


def tags_are_known(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Tags come from a closed list; a cell whose output is ignored says why, and an expected error is there."""
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if unknown := tags - TAGS:
            yield f"{cell.id}: unknown tags {sorted(unknown)}; the list is {sorted(TAGS)}"
        if found := re.search(r"#\s*(NBVAL_\w+|PYTEST_VALIDATE_\w+)", cell.source):
            yield f"{cell.id}: the comment {found[1]} turns the comparison off unseen; a tag does it in sight"
        if "nbval-ignore-output" in tags and "# ignored because" not in cell.source:
            yield f"{cell.id}: is tagged nbval-ignore-output without a comment '# ignored because …'"
        raised = any(output.output_type == "error" for output in cell.get("outputs", []))
        if ("raises-exception" in tags) != raised:
            yield f"{cell.id}: {'an error without' if raised else 'no error in spite of'} the tag raises-exception"


def short_cells(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """A code cell has 10 lines at most (a class, the imports, an exercise 20), and half of them have 5 or fewer."""
    lengths = []
    for cell in _code(notebook):
        lines = len(cell.source.splitlines())
        lengths.append(lines)
        defines = any(isinstance(node, ast.ClassDef) for node in ast.parse(_plain(cell.source)).body)
        longer = defines or cell.id.startswith(("exercise-", "imports-"))
        limit = MAX_CLASS_LINES if longer else MAX_LINES
        if lines > limit:
            yield f"{cell.id}: {lines} lines of code, at most {limit}"
    if lengths and statistics.median(lengths) > MAX_MEDIAN_LINES:
        yield f"half of the code cells have more than {MAX_MEDIAN_LINES} lines (median {statistics.median(lengths)})"


def imports_what_it_uses(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Each import is used. A notebook with exercises also imports, for its reader, what helps with them."""
    trees = [(cell.id, ast.parse(_plain(cell.source))) for cell in _code(notebook)]
    used = {node.id for _, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    has_exercises = any(name.startswith("exercise-") for name, _ in trees)
    imported: dict[str, str] = {}
    for name, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported |= {(alias.asname or alias.name).split(".")[0]: name for alias in node.names}
    for alias, name in imported.items():
        if alias not in used and not (has_exercises and alias in FOR_THE_READER):
            yield f"{name}: imports {alias}, which nothing uses"
    if has_exercises and (missing := FOR_THE_READER - imported.keys()):
        yield f"no cell imports {', '.join(sorted(missing))}, and there are exercises"


def short_prose(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Between two code cells stand 120 words at most; title and summary are free, an exercise's task counts alone."""
    words, first = 0, True
    for cell in notebook.cells:
        if cell.id.startswith("exercise-") and cell.id.endswith("-task"):
            words = 0
        if cell.cell_type == "code":
            if words > MAX_WORDS and not first:
                yield f"{cell.id}: {words} words of prose before it, at most {MAX_WORDS}"
            words, first = 0, False
        elif not cell.id.endswith("-summary"):
            words += len(re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL).split())  # a listing is no prose


def checks_itself(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Predict, run, check: every prediction is followed by a cell that asserts, and every assert can be read."""
    cells = list(notebook.cells)
    for i, cell in enumerate(cells):
        if "**Predict.**" not in cell.source:
            continue
        rest = cells[i + 1 :]
        until = next((k for k, other in enumerate(rest) if "**Predict.**" in other.source), len(rest))
        settled = (c for c in rest[:until] if c.cell_type == "code")
        if not any("assert" in c.source or "raises-exception" in c.metadata.get("tags", []) for c in settled):
            yield f"{cell.id}: asks for a prediction that no cell settles with an assert"


def shows_figures(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Each section has two figures or more, each with a caption in italics after it, and asserts about its data."""
    code, figures = _code(notebook), 0
    for i, cell in enumerate(notebook.cells):
        if not any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            continue
        figures += 1
        following = [c.source.strip() for c in notebook.cells[i + 1 : i + 4] if c.cell_type == "markdown"]
        if not any(source.startswith("*") and not source.startswith("**") for source in following):
            yield f"{cell.id}: a figure without a caption (a Markdown cell in *italics*) within the next three cells"
        at = code.index(cell)
        if not any("assert " in near.source for near in code[max(0, at - 2) : at + 3]):
            yield f"{cell.id}: a figure, which nbval does not compare, without an assert in the two cells around it"
    if figures < 2:
        yield f"{figures} figures; at least 2 are expected"


def figures_in_words(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Each figure says in words what it shows, for those who cannot see it; no other cell does, and no two alike."""
    seen = set()
    for cell in notebook.cells:
        words = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            if not MIN_ALT <= len(words) <= MAX_ALT:
                yield f"{cell.id}: mystnb.image.alt has {len(words)} characters, expected {MIN_ALT} to {MAX_ALT}"
            if words in seen:
                yield f"{cell.id}: the same words stand at another figure: {words[:40]!r}"
            seen.add(words)
        elif "mystnb" in cell.metadata:
            yield f"{cell.id}: words for a figure (mystnb), and the cell shows none"


def no_semicolons(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """No cell hides its value behind a semicolon: under nbval, which keeps no history, IPython does not honour it."""
    for cell in _code(notebook):
        if cell.source.rstrip().endswith(";"):
            yield f"{cell.id}: ends with a semicolon; assign the value to a name instead, such as ax = …"


def stays_at_home(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """No cell names an absolute path, a home folder or a shell command: what is written goes to a temporary folder."""
    for cell in _code(notebook):
        if re.search(r"^\s*[!%]", cell.source, re.MULTILINE):
            yield f"{cell.id}: a shell command or a magic; use Python"
        for node in ast.walk(ast.parse(_plain(cell.source))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if re.match(r"(/\w|~|\.\./|[A-Za-z]:\\)", text):
                yield f"{cell.id}: the path {text!r}; use a temporary folder"


def has_its_parts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """First the title with what you will do and need, then imports and seed; at the end summary, exercises, further."""
    cells = notebook.cells
    title = cells[0].source if cells else ""
    for part in ("# ", "**You will**", "**You need**", "minutes"):
        if part not in title:
            yield f"the first cell lacks {part!r}"
    if len(cells) < 2 or cells[1].cell_type != "code" or "torch.manual_seed(" not in cells[1].source:
        yield "the second cell must hold the imports and torch.manual_seed(...)"
    headings = [line.lstrip("# ") for c in cells if c.cell_type == "markdown" for line in c.source.splitlines()[:1]]
    for part in ("Summary", "Exercises", "Going further"):
        if part not in headings:
            yield f"no cell begins with the heading {part!r}"


RULES: tuple[Rule, ...] = (
    executed_in_order,
    stable_outputs,
    ids_are_words,
    tags_are_known,
    short_cells,
    imports_what_it_uses,
    short_prose,
    checks_itself,
    shows_figures,
    figures_in_words,
    no_semicolons,
    stays_at_home,
    has_its_parts,
)


def findings(notebook: nbformat.NotebookNode) -> list[str]:
    """Return everything that the rules find wrong in a notebook."""
    return [f"{rule.__name__}: {finding}" for rule in RULES for finding in rule(notebook)]


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _text(output: nbformat.NotebookNode) -> str:
    """Return the text of an output that nbval compares."""
    parts = (output.get("text", ""), output.get("data", {}).get("text/plain", ""), output.get("evalue", ""))
    return "\n".join(parts)


def _plain(source: str) -> str:
    """Return a cell's source without magics, so that it parses."""
    return "\n".join("pass" if re.match(r"\s*[!%]", line) else line for line in source.splitlines())


def main(arguments: Sequence[str]) -> int:
    """Print the findings and return 1 if there are any."""
    paths = [Path(argument) for argument in arguments] or sorted(COURSE.glob("*.ipynb"))
    found = [f"{path.stem}: {finding}" for path in paths for finding in findings(nbformat.read(path, as_version=4))]
    print("\n".join(found) or f"{len(paths)} notebooks keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
