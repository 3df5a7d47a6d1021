"""The names of the exercises, and what a report must hold."""

import os
import random
import re
import signal
import sys
import warnings

import torch

from d2lcompute.exercises.registry import names

NAMES = [name for exercises in names().values() for name in exercises]


SENTENCES = ("requirement", "nudge", "remark")


NAMES_IN_CAPITALS = {"CPU", "CUDA", "DDP", "GPU", "MLP", "OSError", "ReLU", "SGD"}


CODE_WORDS = {"argmax", "backward", "isinstance", "net2"}


LABELLED = re.compile(r"  (requirement|input|expected|got|in|printed) {2,}(\S.*)")


def flaws(kind, text):
    """Say what is amiss with the form of a text: a sentence, or the few words that stand beside a label."""
    if not isinstance(text, str):
        return [f"{kind} is no text: {text!r}"]
    capitals = re.findall(r"\w*[A-Z]{2}\w*", text)
    found = [f"{kind}: {word} in {text!r}" for word in capitals if word not in NAMES_IN_CAPITALS]
    if kind == "input" and re.search(r"\bNone\b", text):
        found.append(f"{kind} says None: {text!r}")
    if kind == "unnamed":
        found.append(f"what {text} is stands nowhere")
    if kind in SENTENCES and text:
        first = text.split()[0]
        if re.fullmatch(r"[a-z][^._(]*", first) and first not in CODE_WORDS:
            found.append(f"{kind} begins small: {text!r}")
        if not text.endswith((".", "?")):
            found.append(f"{kind} does not end: {text!r}")
    return found


def entries_of(message):
    """Return what a report says, by its labels; the remark has none."""
    entries = {}
    for line in message.replace("\n" + " " * 15, " ").split("\n")[1:]:
        found = LABELLED.fullmatch(line)
        label, text = found.groups() if found else ("remark", line.strip())
        entries[label] = f"{entries.get(label, '')} {text}".strip()
    return entries


def gaps(message, *, none_is_a_value=False):
    """Say what is amiss with a report's parts: what is missing, says nothing, or says the same as another."""
    said = entries_of(message)
    raised = "expected" not in said and re.match(r"[A-Z]\w+(: |$)", said.get("got", ""))
    wanted = ["requirement", "input", *([] if raised else ["expected"]), "got", "remark"]
    none_is_a_value |= said.get("remark") == "It gave None: is a return missing?"
    found = [f"no {label}" for label in wanted if label not in said or (said[label] == "None" and not none_is_a_value)]
    return found + ["expected is what came"] * ("got" in said and said.get("expected") == said["got"])


def _state():
    """Return all that an answer might have changed."""
    numpy_state = sys.modules["numpy"].random.get_state()[1].tolist() if "numpy" in sys.modules else None
    return {
        "torch": torch.get_rng_state().tolist(),
        "random": random.getstate(),
        "numpy": numpy_state,
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device,
        "grad": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "folder": os.getcwd(),
        "warnings": list(warnings.filters),
        "recursion": sys.getrecursionlimit(),
        "stdout": id(sys.stdout),
        "interrupt": signal.getsignal(signal.SIGINT),
    }
