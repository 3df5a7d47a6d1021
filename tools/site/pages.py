"""Pages: those that are made from objects of the course: the front page, exercises, errors, claims, the reference."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from d2lcompute._translation import speaking, tr
from tools.exercises import exercises_of
from tools.site.lessons import anchor

__all__ = ["API", "claims_table", "errors_table", "exercises_table", "headings", "index", "reference"]

API = {
    "devices": "cpu, gpu, try_gpu",
    "timing": "Timer, benchmark",
    "blocks": "MLP, MySequential",
    "layers": "MyLinear, CenteredLayer",
    "initializers": "init_normal, init_xavier",
    "parameters": "parameter_table, count_parameters",
    "checkpoints": "save_checkpoint, load_checkpoint",
    "pretend": "pretend_gpus, record_transfers",
    "launching": "launch, join",
    "figures": "draw_blocks, plot_timeline",
    "exercises": "check, hint, solution, progress",
    "exercises.authoring": "Exercise, Trial",
    "interop": "load_d2l",
}
"""Modules of the reference, from what notebooks use most → what is in them."""

FORMULAS = {
    "initializers": "`init_xavier` draws weights uniformly from $[-a, a]$ with $a = \\sqrt{6 / (n_\\text{in} + "
    "n_\\text{out})}$, so that their variance is\n\n$$\\operatorname{Var}(w) = \\frac{a^2}{3} = \\frac{2}{n_\\text{in} "
    "+ n_\\text{out}}.$$\n",
}
"""Module → what stands above its members and needs a formula."""

WORDS = {
    "en": {
        "exercises": "The exercises",
        "exercises_head": "| exercise | what to do | book zh / en | level | minutes |",
        "exercises_intro": "{count} exercises in {notebooks} notebooks, about {hours} hours. The level goes from 1, "
        "read one output, to 5, an afternoon. Each has three hints and a solution, which open one after the other.",
        "own": "our own",
        "errors": "Find your error",
        "errors_intro": "What PyTorch says, why, and what to do. A message that is a link leads to the cell that "
        "provokes it, in `14_common_errors`.",
        "claims": "Claims and verdicts",
        "claims_intro": "The claims of `15_fact_check` with their verdicts. Each leads to the cell that settles it; "
        "decide before you look there.",
        "claims_head": "| | claim | verdict |",
        "reference": "Reference",
        "reference_intro": "What the package offers, module by module. `from d2lcompute import …` has the names of the "
        "first seven, and those of `pretend`.",
        "reference_head": "| module | names |",
    },
    "zh": {
        "exercises": "全部练习",
        "exercises_head": "| 练习 | 做什么 | 书中编号 中 / 英 | 难度 | 分钟 |",
        "exercises_intro": "{notebooks} 个笔记本里共有 {count} 道练习，约需 {hours} 小时。难度从 1（看懂一个输出）"
        "到 5（一个下午）。每道题有三条提示和一份参考解答，依次展开。",
        "own": "自编",
        "errors": "查错误",
        "errors_intro": "PyTorch 说了什么、原因是什么、怎么改。带链接的消息通往 `14_common_errors` 里引发它的单元格。",
        "claims": "说法与结论",
        "claims_intro": "`15_fact_check` 里的说法和结论。每条都通往验证它的单元格，先自己判断，再去看。",
        "claims_head": "| | 说法 | 结论 |",
        "reference": "API 参考",
        "reference_intro": "这个包提供的内容，按模块排列（英文）。`from d2lcompute import …` 可以直接导入前七个模块"
        "和 `pretend` 里的名字。",
        "reference_head": "| 模块 | 名字 |",
    },
}


def headings(notebook: Mapping[str, Any], level: str = "#") -> Iterator[tuple[str, str]]:
    """Yield the id of each Markdown cell that begins with a heading of this level or below, and the heading."""
    for cell in notebook["cells"]:
        first = "".join(cell["source"]).partition("\n")[0]
        if cell["cell_type"] == "markdown" and re.match(rf"{level}#* ", first):
            yield cell["id"], first.lstrip("# ")


def exercises_table(notebooks: Mapping[str, Mapping[str, Any]], language: str) -> str:
    """Return the page of all exercises, by notebook; each name leads to where the exercise is posed."""
    words, parts, every = WORDS[language], [], []
    for name, notebook in notebooks.items():
        exercises = exercises_of(name)
        if not exercises:
            continue
        every += exercises
        (_, title), *_ = headings(notebook)
        parts += [f"## {name[:2]} {title}", "", words["exercises_head"], "|---|---|---|---:|---:|"]
        with speaking(language):
            for each in exercises:
                where = anchor(name, f"exercise-{each.name.replace('_', '-')}-task")
                book = " / ".join(each.book) if each.book else words["own"]
                task = re.sub(r"([*_|<])", r"\\\1", tr(each.task))
                parts.append(f"| [`{each.name}`](#{where}) | {task} | {book} | {each.difficulty} | {each.minutes} |")
        parts.append("")
    hours = round(sum(each.minutes for each in every) / 60)
    count = len({each.notebook for each in every})
    intro = words["exercises_intro"].format(count=len(every), notebooks=count, hours=hours)
    return "\n".join([f"# {words['exercises']}", "", intro, "", *parts])


def errors_table(notebook: Mapping[str, Any], name: str, language: str) -> str:
    """Return the page of errors: the table of the notebook, each message a link where a section has its words."""
    words, source = WORDS[language], "".join(notebook["cells"][0]["source"])
    sections = {_plain(title): cell for cell, title in headings(notebook, "##")}
    lines = []
    for line in source.splitlines():
        if not line.startswith("|"):
            continue
        message, *rest = line.strip("|").split("|")
        cell = next((cell for title, cell in sections.items() if _same(title, _plain(message))), None)
        told = f"[{message.strip()}](#{anchor(name, cell)})" if cell else message.strip()
        lines.append(f"| {told} |{'|'.join(rest)}|")
    return "\n".join([f"# {words['errors']}", "", words["errors_intro"], "", *lines, ""])


def claims_table(notebook: Mapping[str, Any], name: str, language: str) -> str:
    """Return the page of claims: number, claim and verdict, each with a link to the claim's section."""
    words, rows = WORDS[language], []
    where, number, claim = "", "", ""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if found := re.match(r"#+ (?:第 )?(\d+)(?:\.| 条：)\s*(.*)", source):
            where, number, claim = cell["id"], found[1], found[2]
        elif claim and (verdict := re.match(r"([^。]{0,40}?)\*\*(.+?)[.。]?\*\*(了?)", source)):
            told = "".join(verdict.groups())
            rows.append(f"| {number} | [{claim}](#{anchor(name, where)}) | {told} |".replace("\\|", "|"))
            claim = ""
    return "\n".join(
        [f"# {words['claims']}", "", words["claims_intro"], "", words["claims_head"], "|---:|---|---|", *rows, ""]
    )


def reference(language: str) -> dict[str, str]:
    """Return the pages of the reference: name → text. Docstrings are English in both languages."""
    words = WORDS[language]
    rows = [f"| [`d2lcompute.{module}`](api/{module}.md) | {names} |" for module, names in API.items()]
    toctree = ["```{toctree}", ":hidden:", "", *(f"{module} <api/{module}>" for module in API), "```"]
    head = [f"# {words['reference']}", "", words["reference_intro"], "", words["reference_head"], "|---|---|"]
    pages = {"reference": "\n".join([*head, *rows, "", *toctree, ""])}
    for module in API:
        directive = [f".. automodule:: d2lcompute.{module}", "   :members:", "   :imported-members:"]
        text = ["```{eval-rst}", *directive, "```", ""]
        pages[f"api/{module}"] = "\n".join([f"# `d2lcompute.{module}`", "", FORMULAS.get(module, ""), *text])
    return pages


def index(text: str, trees: Mapping[str, Sequence[str]]) -> str:
    """Return the front page: its text, and the tables of contents that the sidebar shows, by caption."""
    made = [text, ""]
    for caption, entries in trees.items():
        made += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""]
    return "\n".join(made)


def _plain(text: str) -> str:
    """Return the letters and digits of a message, and a mark where words are left out."""
    return re.sub(r"[^\w…]+", " ", text.replace("...", "…")).strip().lower()


def _same(title: str, message: str) -> bool:
    """Return whether a section's heading has the words of a message, some of which the table leaves out."""
    parts = [part.strip() for part in message.split("…") if part.strip()]
    return bool(parts) and (all(part in title for part in parts) or (len(title) > 12 and title in message))
