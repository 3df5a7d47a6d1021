"""Each rule of the Chinese edition is shown a text that breaks it, and texts that keep it."""

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from tools import chinese

GOOD = (
    "**参数绑定**（parameter tying）让两层共用一份参数。调用 `net(X)` 得到形状为 (2, 3) 的张量。",
    "**先猜一猜**：输出的形状是什么？误差是 3%，很小；见[书](http://a.b/c)。",
    "- 第一，`a`：好\n- 第二，“好”\n\n| 层 | 参数 |\n|---|---|\n| 1 | 2.5 |",
    "*图：左边是 $x^2$，右边是 3 ms。*",
    "**为什么**：**叶子张量**（leaf tensor）没有 `grad_fn`，**计算图**（graph）从这里开始。",
    "```python\nprint('中文,english')\n```",
)
BAD = {
    "half-width punctuation beside Chinese": ("这是层,那是块", "层 (layer)好", "结束."),
    "a straight quote beside Chinese": ('他说"好"',),
    "no space between Chinese and Latin": ("用`net`做", "共3层", "层A"),
    "a space beside full-width punctuation": ("层 ，块", "层。 块"),
    "Chinese characters parted by a space": ("数据 并行",),
    "bold that Markdown does not see": ("**参数绑定（tying）**让", "把**“层”**叫做"),
}


@pytest.mark.parametrize("text", GOOD)
def test_good_typography_is_accepted(text):
    """Code, formulas, addresses and listings are let alone."""
    assert list(chinese.typography(text)) == []


@pytest.mark.parametrize(("what", "text"), [(what, text) for what, texts in BAD.items() for text in texts])
def test_bad_typography_is_found(what, text):
    """By the rule that is meant for it."""
    assert any(finding.startswith(what) for finding in chinese.typography(text))


def test_each_rule_of_typography_is_shown_something_bad():
    """None was never seen to reject anything."""
    assert set(BAD) == {*chinese.TYPOGRAPHY, "bold that Markdown does not see"}


@pytest.mark.parametrize("words", chinese.FORBIDDEN)
def test_other_words_for_a_term_are_found(words):
    """Each of them, with the course's own."""
    for word in words.replace(" ?", "").split("|"):
        (found, *_) = chinese.other_words(f"这里说{word}。")
        assert found.endswith(f"the course says {chinese.FORBIDDEN[words]}")


def test_the_courses_own_words_are_not_forbidden():
    """A word that is asked for is not refused."""
    assert list(chinese.other_words("、".join(chinese.TERMS.values()))) == []


def test_a_term_that_is_never_called_by_its_name_is_found():
    """In a notebook as a whole."""
    said = list(chinese.missing_terms("The backward pass and the epochs.", "反向传播"))

    assert said == ["says 'epochs?' in English, and never 轮 in Chinese"]


def test_a_notebook_is_examined_cell_by_cell():
    """What is not translated, and what is badly."""
    english = new_notebook(
        cells=[
            new_markdown_cell("A sentence that nobody has translated so far.", id="first-words"),
            new_markdown_cell("Short.", id="second-words"),
            new_markdown_cell("Both layers share one tensor of weights.", id="third-words"),
        ]
    )
    words = {"first-words": "A sentence that nobody has translated so far.", "third-words": "两层共用权值。"}
    edition = new_notebook(
        cells=[new_markdown_cell(words.get(cell.id, cell.source), id=cell.id) for cell in english.cells]
    )

    assert list(chinese.of_notebook(english, edition)) == [
        "first-words: is not translated",
        "third-words: says 权值, the course says 权重",
    ]
