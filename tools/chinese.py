"""What the Chinese edition keeps to: one word for a term, and Chinese typography.

``python -m tools.chinese`` prints what it finds in ``notebooks/zh`` and in the catalogue of messages.
"""

import re
import sys
from collections.abc import Iterator, Mapping

import nbformat

from tools import messages, translate

TERMS = {  # English, as a regular expression → the Chinese word; the book's own words come first
    r"activation function": "激活函数",
    r"all-gather": "all-gather",
    r"autograd|automatic differentiation": "自动微分|autograd",
    r"backward pass": "反向传播",
    r"batch normali[sz]ation": "批量规范化",
    r"broadcast(s|ing)?": "广播",
    r"buffers?": "缓冲区",
    r"checkpoints?": "检查点",
    r"checksums?": "校验和",
    r"computational graph": "计算图",
    r"cross entropy": "交叉熵",
    r"data parallel(ism)?": "数据并行",
    r"dry run": "试运行",
    r"dropout": "暂退",
    r"epochs?": "轮",
    r"fine-tun(e|ing)": "微调",
    r"forward pass": "前向传播",
    r"freeze|frozen": "冻结",
    r"gradient accumulation": "梯度累积",
    r"gradient clipping": "梯度裁剪",
    r"hooks?": "钩子",
    r"in.place": "原地",
    r"initiali[sz]ation": "初始化",
    r"kernel launch(es)?": "核函数启动|启动",
    r"learning rate": "学习率",
    r"leaf tensors?": "叶子",
    r"learning-rate schedule": "学习率调度",
    r"loss scaling": "损失缩放",
    r"master weights": "主权重",
    r"mini-?batch(es)?": "小批量",
    r"mixed precision": "混合精度",
    r"momentum": "动量",
    r"optimizers?": "优化器",
    r"overfit(s|ting)?": "过拟合",
    r"process group": "进程组",
    r"profiler": "性能分析器|profiler",
    r"quantiz(ation|ed|e)": "量化",
    r"residual": "残差",
    r"state_dict": "state_dict",
    r"storage": "存储",
    r"streams?": "流",
    r"synchroni[sz]\w+": "同步",
    r"validation": "验证",
    r"weight decay": "权重衰减",
    r"zero point": "零点",
}
FORBIDDEN = {  # what other books say → what this course says
    "权值": "权重",
    "正向传播|前向计算|前馈传播": "前向传播",
    "后向传播|逆向传播|反传": "反向传播",
    "自动求导|自动求微分": "自动微分",
    "运算图|计算图形": "计算图",
    "叶张量|叶节点张量": "叶子张量",
    "就地": "原地",
    "拼接|串联|级联": "连结",
    "惰性初始化|延迟初始化|懒初始化": "延后初始化",
    "惰性层|懒惰层|懒加载层": "延后初始化的层",
    "权重共享|参数共享|权重绑定|参数捆绑": "参数绑定、共享层",
    "全链接|稠密层|密集层": "全连接层",
    "迷你批|小批次|微批": "小批量",
    "批归一化|批标准化|批量归一化|批规范化": "批量规范化",
    "丢弃法|随机失活": "暂退法",
    "梯度剪裁|梯度截断": "梯度裁剪",
    "损失放大": "损失缩放",
    "GPU ?内存|图形内存|设备内存": "显存",
    "检验和|校验码": "校验和",
    "挂钩": "钩子",
    "存盘点|断点文件|快照点": "检查点",
    "比例因子": "缩放因子",
    "集体通信|聚合通信": "集合通信",
    "性能剖析|剖析器": "性能分析器",
    "热身": "预热",
    "残余块|残差模块": "残差块",
    "评价模式|估计模式|测试模式": "评估模式",
    "周期数|世代": "轮",
    "滑动均值|滑动方差|滑动平均": "移动均值、移动方差、移动平均",
    "解答|标准答案": "参考答案",
    "网路|张數|矩陣": "（简体字）",
}

_HAN = "\u4e00-\u9fff"
_FULL = "，。；：？！、（）“”《》…—"
_MARKS = rf"[{_FULL}.,:;!?()]"
_HIDDEN = "\ue000"  # stands for code and formulas, which count as Latin text
TYPOGRAPHY = {  # what is wrong → where it is seen
    "half-width punctuation beside Chinese": re.compile(rf"[{_HAN}][,;:?!()]|[,;:?!()][{_HAN}]|[{_HAN}]\.(?![\w.])"),
    "a straight quote beside Chinese": re.compile(rf"[{_HAN}][\"']|[\"'][{_HAN}]"),
    "no space between Chinese and Latin": re.compile(rf"[{_HAN}][A-Za-z0-9{_HIDDEN}]|[A-Za-z0-9%{_HIDDEN}][{_HAN}]"),
    "a space beside full-width punctuation": re.compile(
        rf"[^\S\n][{_FULL}]|(?<![|>*\-\d.])[，。；：？！、）”][^\S\n]+(?![|*→=·\-])"
    ),
    "Chinese characters parted by a space": re.compile(rf"[{_HAN}] [{_HAN}]"),
}


def plain(text: str) -> str:
    """Return Markdown without listings, addresses and tags, and with a mark in the place of code and formulas."""
    text = re.sub(r"```.*?```|<!--.*?-->|<[^>\n]+>|^\$\$.*?\$\$$", "\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$\n]+\$", _HIDDEN, text)
    return re.sub(r"\]\([^)\n]*\)|https?://\S+|!?\[(?=[^\]\n]*\])", "", text).replace("]", "")


def unseen_bold(text: str) -> Iterator[str]:
    """Yield the words in bold that Markdown does not see as such: a mark between punctuation and a word is none."""
    for line in text.splitlines():
        for found in re.finditer(r"\*\*(?P<words>.+?)\*\*", line):
            before, after = line[: found.start()][-1:], line[found.end() :][:1]
            opens = not (re.match(_MARKS, found["words"]) and re.match(r"\w", before))
            closes = not (re.search(rf"{_MARKS}$", found["words"]) and re.match(r"\w", after))
            if not (opens and closes):
                yield before + found[0] + after


def typography(text: str) -> Iterator[str]:
    """Yield what is wrong in the typography of a Chinese text, with the characters around it."""
    bare = plain(text)
    unmarked = re.sub(r"\*+|(?<!\w)_|_(?!\w)", "", bare)
    for what, pattern in TYPOGRAPHY.items():
        if found := pattern.search(unmarked):
            around = unmarked[max(0, found.start() - 8) : found.end() + 8].replace("\n", " ").replace(_HIDDEN, "`…`")
            yield f"{what}: {around!r}"
    yield from (f"bold that Markdown does not see: {words!r}" for words in unseen_bold(bare))


def other_words(text: str) -> Iterator[str]:
    """Yield the words of a Chinese text that are not this course's for the thing."""
    for words, ours in FORBIDDEN.items():
        if found := re.search(words, text):
            yield f"says {found[0]}, the course says {ours}"


def untranslated(english: str, chinese: str) -> bool:
    """Tell whether a text of more than 20 letters outside code, names and formulas has no Chinese character."""
    letters = re.sub(r"[A-Z]\w*|\w*[_.]\w+", "", plain(english))
    return len(re.findall(r"[a-z]", letters)) > 20 and not re.search(f"[{_HAN}]", plain(chinese))


def missing_terms(english: str, chinese: str, terms: Mapping[str, str] = TERMS) -> Iterator[str]:
    """Yield the terms that a notebook uses in English, and its Chinese edition does not call by their name."""
    for term, word in terms.items():
        if re.search(rf"\b(?:{term})\b", english, re.IGNORECASE) and not re.search(word, chinese):
            yield f"says {term!r} in English, and never {word} in Chinese"


def of_notebook(english: nbformat.NotebookNode, chinese: nbformat.NotebookNode) -> Iterator[str]:
    """Yield everything that is wrong in the words of a Chinese notebook."""
    there = {cell.id: translate.words_of(cell) for cell in chinese.cells}
    for cell in english.cells:
        words = translate.words_of(cell)
        if untranslated(words, there.get(cell.id, "")):
            yield f"{cell.id}: is not translated"
        for finding in (*typography(there.get(cell.id, "")), *other_words(there.get(cell.id, ""))):
            yield f"{cell.id}: {finding}"
    lessons = ([cell for cell in each.cells if not cell.id.startswith("exercise-")] for each in (english, chinese))
    english_words, chinese_words = ("\n".join(map(translate.words_of, cells)) for cells in lessons)
    yield from missing_terms(english_words, chinese_words)


def of_messages() -> Iterator[str]:
    """Yield what is wrong in the Chinese messages of the package."""
    for message in messages.read("zh"):
        text = re.sub(r"\{[^}]*\}", _HIDDEN, str(message.string)) if message.id else ""
        for finding in (*typography(text), *other_words(text)):
            yield f"{message.id!r}: {finding}"


def main() -> int:
    """Print the findings and return 1 if there are any."""
    found = [f"messages: {finding}" for finding in of_messages()]
    for path in sorted(translate.ORIGINAL.glob("*.ipynb")):
        english, chinese = translate.read(path), translate.read(translate.NOTEBOOKS / "zh" / path.name)
        if english and chinese:
            found += [f"{path.stem}: {finding}" for finding in of_notebook(english, chinese)]
    for name in translate.pages():
        text = (translate.NOTEBOOKS / "zh" / name).read_text("utf-8")
        found += [f"{name}: {finding}" for finding in (*typography(text), *other_words(text))]
    print("\n".join(found) or "the Chinese edition keeps to its words and its typography")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
