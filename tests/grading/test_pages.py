"""What the teacher and the learners read: the same bytes for the same grades, and nothing of a learner's is obeyed."""

import csv
import json
import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from d2lcompute._translation import speaking
from d2lcompute.grading.grades import Grades
from d2lcompute.grading.pages import file_names, write_pages
from d2lcompute.grading.verdict import Verdict

EVIL = "<script>alert(1)</script> ``` </pre> # x\n[a](javascript:1) {{ 7 * 7 }}"


def grades(*learners, message="✗ parallel_block: not yet", remark="The outputs are added up."):
    """Return the grades of some learners who failed one exercise and passed another."""
    verdicts = {"parallel_block": Verdict("failed", message, remark), "untie": Verdict("passed", "✓ untie: passed.")}
    return Grades(["parallel_block", "untie"], {"parallel_block": 2.0, "untie": 4.0}, dict.fromkeys(learners, verdicts))


class Tags(HTMLParser):
    """Notes which tags a page has."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        assert not any(name.startswith("on") or (value or "").startswith("javascript") for name, value in attrs)


def test_the_table_has_a_row_a_learner(tmp_path):
    """And the points of each exercise, the total, and how many there are to earn."""
    write_pages(grades("ada", "bo"), tmp_path)

    with open(tmp_path / "grades.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["learner", "parallel_block", "untie", "total", "of"],
            ["ada", "0", "4", "4", "6"],
            ["bo", "0", "4", "4", "6"],
        ]


def test_a_name_is_no_formula(tmp_path):
    """Spreadsheets run what begins with an equals sign."""
    write_pages(grades("=HYPERLINK(1)"), tmp_path)

    assert "\n'=HYPERLINK(1),0" in (tmp_path / "grades.csv").read_text(encoding="utf-8")


def test_everything_is_in_the_json(tmp_path):
    """Also what was said, for other programs."""
    write_pages(grades("ada"), tmp_path)

    kept = json.loads((tmp_path / "grades.json").read_text(encoding="utf-8"))

    assert kept["learners"]["ada"]["exercises"]["parallel_block"] == {
        "status": "failed",
        "message": "✗ parallel_block: not yet",
        "remark": "The outputs are added up.",
        "points": 0.0,
    }


def test_the_summary_counts_the_mistakes(tmp_path):
    """So that the teacher knows what to explain tomorrow."""
    write_pages(grades("ada", "bo"), tmp_path)

    text = re.sub(r"<[^>]+>|\s+", " ", (tmp_path / "summary.html").read_text(encoding="utf-8"))

    assert re.search(r"parallel_block +0 +failed 2", text)
    assert re.search(r"2 +The outputs are added up\.", text)


def test_nothing_of_a_learners_is_html(tmp_path):
    """Name, message and remark are text."""
    write_pages(grades(EVIL, message=EVIL, remark=EVIL), tmp_path)

    for path in tmp_path.rglob("*.html"):
        assert Tags(path.read_text(encoding="utf-8")).found <= {
            *(
                "html",
                "head",
                "meta",
                "title",
                "style",
                "body",
                "main",
                "section",
                "h1",
                "h2",
                "h3",
                "p",
                "pre",
                "code",
            ),
            *("table", "tr", "th", "td", "span", "a"),
        }


def test_nothing_of_a_learners_is_markdown(tmp_path):
    """A fence in the message ends no listing."""
    write_pages(grades(EVIL, message=EVIL), tmp_path)

    (path,) = tmp_path.rglob("*.md")
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))

    assert [token.content for token in tokens if token.type == "fence"] == [EVIL + "\n", "✓ untie: passed.\n"]
    inline = [child.type for token in tokens for child in token.children or ()]
    assert not {"link_open", "html_inline"}.intersection(inline)
    assert "html_block" not in {token.type for token in tokens}


def test_files_have_safe_names_and_no_two_the_same():
    """Also where names differ in what a file's name cannot hold, or in case alone."""
    names = file_names(["ada", "Ada", "a/b", "a-b", "..", "", "x" * 300])

    assert len({name.casefold() for name in names.values()}) == len(names)
    assert all(re.fullmatch(r"[\w.-]{1,90}", name) and not name.startswith(".") for name in names.values())


def test_the_same_grades_give_the_same_bytes(tmp_path):
    """No date, no order of chance."""
    for folder in ("one", "two"):
        write_pages(grades("ada", "bo"), tmp_path / folder)

    one, two = ({path.name: path.read_bytes() for path in (tmp_path / each).rglob("*.*")} for each in ("one", "two"))
    assert one == two


def test_pages_are_chinese_where_the_teacher_is(tmp_path):
    """With the task in Chinese too."""
    with speaking("zh"):
        write_pages(grades("ada"), tmp_path)

    text = (tmp_path / "feedback" / "ada.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in text
    assert "4 分（满分 6 分）" in text
