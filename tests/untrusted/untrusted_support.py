"""Hostile texts, and what is plain text."""

import re
from pathlib import Path

import d2lcompute

PACKAGE = Path(d2lcompute.__file__).parent


SCRIPT = "<script>alert(1)</script>"


HOSTILE = {
    "HTML": SCRIPT,
    "a formula": r"$\frac$",
    "a colour": "\x1b[31mred\x1b[0m",
    "a window's title": "\x1b]0;title\x07red",
    "a link": "\x1b]8;;file:///etc\x1b\\red\x1b]8;;\x1b\\",
    "half a command": "red\x1b[3",
    "a bell, a backspace, a null": "a\x07b\x08c\x00",
    "lines": "one\ntwo\r\nthree\u2028four",
    "backwards": "\u202eevil\u202c \u2066x\u2069 \u200f",
    "half a character": "\ud800",
    "10 MB": "x" * 10_000_000,
    "10 MB of colours": "\x1b[31m" * 2_000_000,
    "braces and percents": "{0} {name} %s %(x)s",
}


UNSEEN = re.compile(
    "[^\n\x20-\x7e\xa0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\uffff\U00010000-\U0010ffff]"
)


def is_plain(text):
    """Tell whether a message can be shown anywhere: no command, nothing unseen, no endless length."""
    return not UNSEEN.search(text) and len(text) < 3000
