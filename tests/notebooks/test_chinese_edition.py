"""The Chinese edition: the English one's code and outputs, nothing untranslated, its words where its glossary says.

tools/translate.py finds what has to be translated anew, and tools/chinese.py what is wrong in a Chinese text. Both have
tests of their own; here they look at the edition as it stands.
"""

import copy
import random
import re
from pathlib import Path

import nbformat
import pytest

from tools import chinese, translate
from tools.execute import execute

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = translate.ORIGINAL, translate.NOTEBOOKS / "zh"
NAMES = [path.name for path in sorted(ENGLISH.glob("*.ipynb"))]
CHOSEN = 2  # so many notebooks are executed each time
NOT_ATTEMPTED = "还没有作答"


def edition(folder, name):
    """Return a notebook of an edition; one without cells if it is not there."""
    return translate.read(folder / name) or nbformat.v4.new_notebook()


def page(folder, name):
    """Return the text of a page; nothing if it is not there."""
    path = folder / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


# ---- the notebooks


def differences(english, chinese_one):
    """Return the ids of the cells that differ in more than their words, each with what differs."""
    expected, found = ([(cell.id, cell.cell_type) for cell in each.cells] for each in (english, chinese_one))
    if expected != found:
        place = next((i for i, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), len(found))
        return [f"cell {place}: expected {expected[place:][:1]}, found {found[place:][:1]}"]
    told = []
    for one, other in zip(english.cells, chinese_one.cells, strict=True):
        parts = {"tags": (one.metadata.get("tags"), other.metadata.get("tags"))}
        if one.cell_type == "code":
            parts |= {part: (one[part], other[part]) for part in ("source", "outputs", "execution_count")}
        told += [f"{one.id}: {part}" for part, (expected, found) in parts.items() if expected != found]
    return told


def test_the_edition_has_the_same_files():
    """Each notebook and each page of the English course, and nothing else."""
    names = (
        {path.name for path in folder.iterdir() if path.suffix in (".md", ".ipynb")} for folder in (ENGLISH, CHINESE)
    )
    expected, found = names

    assert (sorted(expected - found), sorted(found - expected)) == ([], [])


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_differs_in_its_words_alone(name):
    """The cells are the same ones in the same order; code, outputs, tags and execution counts are equal."""
    assert differences(edition(ENGLISH, name), edition(CHINESE, name)) == []


SPOILT = {
    "a cell less": ("expected [('sum-why', 'markdown')]", lambda cells: cells.pop(-1)),
    "another order": ("cell 0: expected", lambda cells: cells.reverse()),
    "another id": ("found [('other-id', 'code')]", lambda cells: cells[0].update(id="other-id")),
    "another type": ("found [('sum-run', 'raw')]", lambda cells: cells[0].update(cell_type="raw")),
    "other code": ("sum-run: source", lambda cells: cells[0].update(source="1 + 3")),
    "another output": ("sum-run: outputs", lambda cells: cells[0].outputs[0].update(text="4\n")),
    "no output": ("sum-run: outputs", lambda cells: cells[0].update(outputs=[])),
    "another count": ("sum-run: execution_count", lambda cells: cells[0].update(execution_count=2)),
    "no tag": ("sum-run: tags", lambda cells: cells[0].metadata.pop("tags")),
    "a tag too many": ("sum-why: tags", lambda cells: cells[1].metadata.update(tags=["check"])),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_differs_beside_the_words_is_noticed(what):
    """Each kind of difference is shown one, in a pair that was equal but for its words."""
    printed = nbformat.v4.new_output("stream", text="3\n")
    cells = [
        nbformat.v4.new_code_cell(
            "1 + 2", id="sum-run", outputs=[printed], execution_count=1, metadata={"tags": ["x"]}
        ),
        nbformat.v4.new_markdown_cell("Three.", id="sum-why"),
    ]
    english = nbformat.v4.new_notebook(cells=cells)
    other = copy.deepcopy(english)
    other.cells[1].source = "三。"
    assert differences(english, other) == []
    words, spoil = SPOILT[what]

    spoil(other.cells)

    (told,) = differences(english, other)
    assert words in told


def test_nothing_waits_to_be_translated():
    """Neither a cell, nor what a figure shows, nor a page."""
    assert [str(each) for each in translate.stale("zh")] == []


def test_the_edition_is_in_step():
    """``python -m tools.translate`` would change nothing: the tasks of the exercises are those of the catalogue."""
    files = translate.synchronized("zh")

    assert [path.name for path, text in files.items() if page(path.parent, path.name) != text] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_keeps_to_words_and_typography(name):
    """One word for a term, Chinese punctuation, nothing left in English."""
    assert list(chinese.of_notebook(edition(ENGLISH, name), edition(CHINESE, name))) == []


@pytest.mark.parametrize("path", [*(CHINESE / name for name in translate.pages()), ROOT / "README.zh-CN.md"], ids=str)
def test_a_page_keeps_to_words_and_typography(path):
    """As the notebooks do."""
    text = page(path.parent, path.name)

    assert text
    assert [*chinese.typography(text), *chinese.other_words(text)] == []


# ---- two of them executed


def unanswered(notebook):
    """Return the cells that check an exercise: id → what the cell puts out."""
    checks = [cell for cell in notebook.cells if re.fullmatch(r"exercise-.*-check", cell.id)]
    return {
        cell.id: "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs) for cell in checks
    }


def not_in_chinese(notebook):
    """Return the ids of the cells whose check does not say in Chinese that nothing was attempted yet."""
    return [name for name, text in unanswered(notebook).items() if NOT_ATTEMPTED not in text]


@pytest.mark.slow
def test_two_notebooks_run_and_their_checks_answer_in_chinese(tmp_path, monkeypatch):
    """Others each time, without an accelerator; an exercise that was left alone says so in Chinese."""
    monkeypatch.setenv("D2LCOMPUTE_LANG", "zh")
    monkeypatch.setenv("D2LCOMPUTE_DEVICE", "cpu")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    chosen = random.SystemRandom().sample(NAMES, CHOSEN)

    outcomes = {name: execute(CHINESE / name, folder=tmp_path) for name in chosen if (CHINESE / name).is_file()}

    assert sorted(outcomes) == sorted(chosen), f"chosen: {chosen}; the others are missing"
    errors = {name: outcome.error for name, outcome in outcomes.items() if outcome.error}
    assert errors == {}, f"chosen: {chosen}"
    assert all(unanswered(outcome.notebook) for outcome in outcomes.values()), f"chosen: {chosen}"
    assert [not_in_chinese(outcome.notebook) for outcome in outcomes.values()] == [[]] * CHOSEN, f"chosen: {chosen}"


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_in_english_is_noticed(name):
    """The stored outputs, which are those of the English edition, would not do; no notebook is without an exercise."""
    notebook = edition(ENGLISH, name)

    assert not_in_chinese(notebook) == list(unanswered(notebook)) != []


# ---- the glossary and the minutes

ROW = re.compile(
    r"^\| (?P<term>[^|]+) \| (?P<english>[^|]+) \| (?P<meaning>[^|]+) \| `(?P<notebook>\w+)`, `(?P<cell>[\w-]+)` \|$",
    re.M,
)
ENGLISH_ROW = re.compile(r"^\| (?P<english>[^|]+) \| [^|]+ \| `(?P<notebook>\w+)`, `(?P<cell>[\w-]+)` \|$", re.M)
GLOSSARY = page(CHINESE, "glossary.md")
COURSE = {Path(name).stem: edition(CHINESE, name) for name in NAMES}


def unexplained(text, course):
    """Return the Chinese terms of a glossary that the cell of their row does not have in bold."""
    told = []
    for row in ROW.finditer(text):
        source = next((cell.source for cell in course[row["notebook"]].cells if cell.id == row["cell"]), "")
        bold = re.findall(r"\*\*([^*]+)\*\*", source)
        told += [term for term in row["term"].split("、") if term not in bold]
    return told


def places(pattern, text):
    """Return the rows of a glossary as (English term, notebook, cell)."""
    return [(row["english"], row["notebook"], row["cell"]) for row in pattern.finditer(text)]


def test_the_glossary_has_each_english_term():
    """In the same order, explained in the same cell, and with a meaning in Chinese."""
    expected = places(ENGLISH_ROW, page(ENGLISH, "glossary.md"))

    assert len(expected) > 50
    assert places(ROW, GLOSSARY) == expected
    assert len([line for line in GLOSSARY.splitlines() if line.startswith("| ")]) - 1 == len(expected)
    assert [row["english"] for row in ROW.finditer(GLOSSARY) if not re.search("[\u4e00-\u9fff]", row["meaning"])] == []


def test_a_glossary_that_lost_a_term_is_noticed():
    """Or names another cell, or has a row of another form."""
    row = "| 流 | stream | 设备上的核函数队列 | `07_gpu`, `async-why` |"

    assert places(ROW, row) == [("stream", "07_gpu", "async-why")]
    assert places(ROW, row.replace("async-why", "async-run")) == [("stream", "07_gpu", "async-run")]
    assert places(ROW, row.replace(" stream |", "")) == []


def test_each_chinese_term_stands_in_bold_where_the_glossary_says():
    """The word of the glossary is the word of the lesson."""
    assert unexplained(GLOSSARY, COURSE) == []


@pytest.mark.parametrize(
    ("term", "cell", "told"),
    [
        ("流", "async-why", []),
        ("串流", "async-why", ["串流"]),
        ("启动、发射", "async-why", ["发射"]),
        ("流", "async-run", ["流"]),
        ("流", "no-such-cell", ["流"]),
    ],
)
def test_a_term_without_its_explanation_is_noticed(term, cell, told):
    """Another word, one of two, a cell that does not explain it."""
    explained = "**核函数**（kernel）由 CPU **启动**（launch），放进**流**（stream）。"
    cells = [nbformat.v4.new_markdown_cell(explained, id="async-why"), nbformat.v4.new_code_cell("流", id="async-run")]
    course = {"07_gpu": nbformat.v4.new_notebook(cells=cells)}

    assert unexplained(f"| {term} | stream | 队列 | `07_gpu`, `{cell}` |", course) == told


@pytest.mark.parametrize("name", COURSE)
def test_each_notebook_links_to_the_glossary(name):
    """In its first cell."""
    assert COURSE[name].cells, f"{name} is missing"
    assert "](glossary.md)" in COURSE[name].cells[0].source


def promised(readme):
    """Return the minutes in the table of a README: notebook → minutes."""
    return {row.split("`")[1]: int(row.split("|")[3]) for row in readme.splitlines() if row.startswith("| `")}


def said(course):
    """Return the minutes in the titles of the notebooks; None where there is no word of them."""
    titles = {name: notebook.cells[0].source if notebook.cells else "" for name, notebook in course.items()}
    found = {name: re.search(r"约 (\d+) 分钟", title) for name, title in titles.items()}
    return {name: int(minutes[1]) if minutes else None for name, minutes in found.items()}


def test_the_readme_names_every_notebook_and_its_minutes():
    """What the copy's README promises is what the Chinese notebooks say of themselves, and the English README too."""
    readme = page(CHINESE, "README.md")

    assert promised(readme) == said(COURSE)
    assert promised(readme) == promised(page(ENGLISH, "README.md"))


def test_minutes_that_differ_are_noticed():
    """In the table, in a title, and in a title without any."""
    titles = {"01_blocks": "# 块\n\n约 50 分钟", "02_parameters": "# Parameters\n\nabout 60 minutes"}
    course = {
        name: nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(title)]) for name, title in titles.items()
    }

    assert said(course) == {"01_blocks": 50, "02_parameters": None}
    assert promised("| `01_blocks` | 块 | 40 |") == {"01_blocks": 40}


# ---- the page of the project


def commands(readme):
    """Return the listings of a page without comments and without the choice of a language."""
    listings = re.findall(r"```\w*\n(.*?)```", readme, re.DOTALL)
    bare = [
        re.sub(r" *#.*| LANGUAGE=zh| --lang(uage)? zh", "", line) for text in listings for line in text.splitlines()
    ]
    return [line for line in bare if line.strip()]


def links(readme):
    """Return where a page links to, pictures apart, the Chinese edition's notebooks as the English ones."""
    return sorted(
        re.sub("^notebooks/zh/", "notebooks/en/", link) for link in re.findall(r"(?<!!)\[[^]]*\]\(([^)]+)\)", readme)
    )


def test_the_projects_page_has_the_same_commands_and_links_in_chinese():
    """What one can do there, one can do here; each page links to the other, and nothing leads nowhere."""
    english, chinese_one = (page(ROOT, name) for name in ("README.md", "README.zh-CN.md"))

    assert commands(chinese_one) == commands(english)
    there, here = (links(text) for text in (english, chinese_one))
    assert [link for link in here if link != "README.md"] == [link for link in there if link != "README.zh-CN.md"]
    assert ("README.md" in here, "README.zh-CN.md" in there) == (True, True)
    named = re.findall(r"\]\((?!https:)([^)]+)\)", chinese_one)
    assert [link for link in named if not (ROOT / link).is_file()] == []
    assert all(f"notebooks/zh/{name}" in named for name in NAMES)


def test_another_command_and_another_link_are_noticed():
    """The choice of Chinese makes no difference, anything else does."""
    english, chinese_one = (
        "```\nmake lab  # a copy\n```\n[a](b.md)",
        "```\nmake lab LANGUAGE=zh  # 副本\n```\n[甲](b.md)",
    )
    assert (commands(chinese_one), links(chinese_one)) == (commands(english), links(english))

    other = chinese_one.replace("make lab", "make run").replace("b.md", "c.md")

    assert (commands(other), links(other)) == (["make run"], ["c.md"])
