"""What the site makes of notebooks and pages, without Sphinx: folds, hints, links, tables, icons, sizes."""

import copy
import json
import zlib

import pytest

from tools.exercises import exercises_of
from tools.site import finishing, icons, inventory, pages, preparing
from tools.site.extension import course_of
from tools.site.hints import hints_of
from tools.site.lessons import MAX_LINES, PREDICT, prepared


def cell(name, source, *, kind="code", output="", tags=()):
    """Return a cell as it lies in a notebook's file."""
    made = {"cell_type": kind, "id": name, "source": source, "metadata": {"tags": list(tags)} if tags else {}}
    if kind == "code":
        made["outputs"] = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    return made


def notebook(*cells):
    """Return a notebook of these cells."""
    return {"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": list(cells)}


def folds(made):
    """Return how each code cell is folded: id → the tags that fold."""
    return {
        each["id"]: [tag for tag in each["metadata"].get("tags", ()) if tag.startswith(("hide", "pred"))]
        for each in made["cells"]
        if each["cell_type"] == "code"
    }


@pytest.mark.parametrize("language", ["en", "zh"])
def test_prepared_folds_answers_until_the_next_words(language):
    """After a prediction outputs are folded, checks wholly; what comes after the next Markdown cell is not."""
    given = notebook(
        cell("ask", f"{PREDICT[language]} What?", kind="markdown"),
        cell("define", "x = 1"),
        cell("show", "print(x)", output="1\n"),
        cell("settle", "assert x == 1"),
        cell("why", "Because.", kind="markdown"),
        cell("more", "print(x)", output="1\n"),
    )

    made = prepared(given, "01_blocks", language, [], str)

    assert folds(made) == {
        "define": [],
        "show": ["hide-output", "prediction"],
        "settle": ["hide-cell", "prediction"],
        "more": [],
    }


def test_prepared_folds_a_caption_that_answers():
    """A figure's caption says what was asked for: it is folded with the figure, and so is the check behind it."""
    given = notebook(
        cell("ask", "**Predict.** What?", kind="markdown"),
        cell("draw", "plot()", output="figure"),
        cell("caption", "*It falls.*", kind="markdown"),
        cell("settle", "assert falls"),
        cell("why", "**Why.** It does.", kind="markdown"),
        cell("other", "*A caption of something else.*", kind="markdown"),
    )

    made = {each["id"]: each for each in prepared(given, "01_blocks", "en", [], str)["cells"]}

    assert made["caption"]["source"].startswith('<div class="cell tag_prediction"><details')
    assert "(blocks-caption)=\n*It falls.*" in made["caption"]["source"]
    assert made["settle"]["metadata"]["tags"] == ["hide-cell", "prediction"]
    assert "<details" not in made["other"]["source"]


def test_prepared_asks_in_the_readers_language():
    """The words on a fold are English or Chinese, as the page."""
    given = notebook(cell("ask", "**先猜一猜**：什么？", kind="markdown"), cell("show", "x", output="1"))

    assert prepared(given, "01_blocks", "zh", [], str)["cells"][2]["metadata"]["mystnb"] == {
        "code_prompt_show": "看答案",
        "code_prompt_hide": "收起答案",
    }


@pytest.mark.parametrize(("lines", "folded"), [(MAX_LINES, []), (MAX_LINES + 1, ["hide-output"])])
def test_prepared_folds_long_outputs(lines, folded):
    """An output that fills a screen is folded, one line less is not."""
    made = prepared(notebook(cell("long", "x", output="line\n" * lines)), "01_blocks", "en", [], str)

    assert folds(made)["long"] == folded


def test_prepared_leaves_the_notebook_alone():
    """The stored notebook is not changed."""
    given = notebook(cell("ask", "**Predict.** What?", kind="markdown"), cell("show", "x", output="1"))
    before = copy.deepcopy(given)

    prepared(given, "01_blocks", "en", ["02_parameters"], str)

    assert given == before


def test_every_prediction_of_the_course_folds_something():
    """No prediction of either edition shows its answer, since nothing after it is folded."""
    for language in ("en", "zh"):
        for name, given in preparing.notebooks_of(language).items():
            made = prepared(given, name, language, [], lambda _: "")["cells"]
            asked = [each for each in given["cells"] if PREDICT[language] in "".join(each["source"])]
            groups = sum(
                "prediction" in made[at]["metadata"].get("tags", [])
                and any(PREDICT[language] in "".join(made[back]["source"]) for back in range(max(0, at - 12), at))
                for at in range(len(made))
            )
            assert groups >= len(asked), (language, name)


def test_hints_open_one_after_the_other():
    """Three hints, each inside the one before, and the solution inside the last; nothing is taken for HTML."""
    text = hints_of("parallel_block", "en")

    assert [text.count(part) for part in ("<details", "</details>", "Hint 3 of 3", "Solution")] == [4, 4, 1, 1]
    assert text.index("Hint 1") < text.index("Hint 2") < text.index("Hint 3") < text.index("class ParallelBlock")
    assert "</details>" not in text[: text.index("class ParallelBlock")]


def test_hints_speak_chinese():
    """In the Chinese edition hints are Chinese, and the solution is the same code."""
    text = hints_of("parallel_block", "zh")

    assert "提示 1/3" in text
    assert "If X has shape" not in text
    assert "class ParallelBlock" in text


def test_exercises_table_has_each_exercise_of_its_notebooks():
    """Every exercise has a row, which leads to where it is posed."""
    given = {name: content for name, content in preparing.notebooks_of("en").items() if name < "02"}
    text = pages.exercises_table(given, "en")

    for exercise in [*exercises_of("00_start_here"), *exercises_of("01_blocks")]:
        assert f"[`{exercise.name}`](#" in text
    assert "(#blocks-exercise-parallel-block-task)" in text


@pytest.mark.parametrize(("language", "count"), [("en", 36), ("zh", 36)])
def test_claims_table_has_a_verdict_for_each_claim(language, count):
    """All thirty-six claims are found, in order, each with a verdict."""
    text = pages.claims_table(preparing.notebooks_of(language)["15_fact_check"], "15_fact_check", language)
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ") and "](#" in line]

    assert [int(row[0]) for row in rows] == list(range(1, count + 1))
    assert all(row[-1].strip() for row in rows)


def test_errors_table_leads_to_sections():
    """Most messages of the table lead to the section of their own."""
    text = pages.errors_table(preparing.notebooks_of("en")["14_common_errors"], "14_common_errors", "en")
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]

    assert len(rows) > 30
    assert sum("](#common-errors-" in row for row in rows) > len(rows) / 2


def test_course_of_leads_to_the_same_page():
    """A page knows the way to its counterpart, however deep it lies; only notebooks are offered to take along."""
    assert course_of("api/blocks", "en")["other"] == "../../zh/api/blocks.html"
    assert course_of("01_blocks", "zh")["other"] == "../en/01_blocks.html"
    assert course_of("01_blocks", "zh")["download"] == "notebooks/01_blocks.ipynb"
    assert course_of("glossary", "zh")["download"] == ""


def test_course_of_offers_services_for_a_known_repository_alone():
    """Without the repository's address there is no link that would lead nowhere."""
    assert course_of("01_blocks", "en")["services"] == []
    names = [name for name, _ in course_of("01_blocks", "en", "https://github.com/who/what")["services"]]
    assert names == ["Binder", "Colab"]


def test_style_sheet_has_a_rule_for_each_icon():
    """An icon's path becomes a picture in the style sheet; one that the theme lacks is named."""
    script = 'var a={bars:[448,512,["navicon"],"f0c9","M0 96z"],"chart-bars":[1,2,[],"f0","M1z"]}'

    assert "viewBox='0 0 448 512'%3E%3Cpath d='M0 96z'" in icons.style_sheet(script, ["bars"])
    with pytest.raises(ValueError, match="no icon 'moon'"):
        icons.style_sheet(script, ["moon"])


def test_lighten_refuses_a_page_with_another_icon(tmp_path):
    """A page that shows an icon that the style sheet does not draw stops the build."""
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-bars fa-lg"></i>', encoding="utf-8")
    icons.lighten(tmp_path)
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-rocket"></i>', encoding="utf-8")

    with pytest.raises(ValueError, match="fa-rocket"):
        icons.lighten(tmp_path)


def test_with_sizes_reads_the_picture(tmp_path):
    """A picture's width and height stand in the page."""
    (tmp_path / "_images").mkdir()
    head = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (330).to_bytes(4) + (220).to_bytes(4)
    (tmp_path / "_images" / "a.png").write_bytes(head)

    sized = finishing.with_sizes('<img alt="words" src="_images/a.png" />', tmp_path)

    assert sized == '<img width="330" height="220" loading="lazy" alt="words" src="_images/a.png" />'


def test_finish_writes_learners_copies(tmp_path):
    """What a page offers to take along has no outputs and says its language."""
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    given = notebook(cell("show", ["x = 1\n", "x"], output="1"))

    finishing.finish(tmp_path, {"01_blocks": given}, "zh")

    made = json.loads((tmp_path / "notebooks" / "01_blocks.ipynb").read_text(encoding="utf-8"))
    assert made["cells"][0]["outputs"] == []
    assert made["metadata"]["d2lcompute"]["language"] == "zh"


def test_inventory_lists_what_it_is_given():
    """A line becomes an entry; one that lacks a part is named."""
    body = inventory.content("# why\ntorch.load function generated/torch.load.html\n").split(b"zlib.\n", 1)[1]

    assert zlib.decompress(body) == b"torch.load py:function 1 generated/torch.load.html#torch.load -\n"
    with pytest.raises(ValueError, match="expected a name, a kind and a place"):
        inventory.content("torch.load function")


def test_section_refuses_a_heading_that_is_not_there():
    """A heading of README.md that was renamed is noticed when the site is built."""
    with pytest.raises(ValueError, match="'nowhere'"):
        preparing.section("# a\n## b\n", "nowhere")
