"""The pretended machine answers as a real card did: every program of this folder, held against recorded.json."""

import copy
import json
from pathlib import Path

import pytest

from . import comparing
from .comparing import OTHERWISE, compare, pretended, programs
from .facts import SECTIONS

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("section", "program"), list(programs()))
def test_program_is_answered_as_by_a_real_card(section, program):
    """Words, dtypes, waits, bytes and behaviour equal the recorded ones."""
    found = pretended(section, program)

    if reason := OTHERWISE.get(section, {}).get(program):
        assert found != {name: RECORDED[section][name] for name in found}, f"no longer true: {reason}"
    else:
        assert found == {name: RECORDED[section][name] for name in found}


def test_record_holds_every_program():
    """A program without a recorded answer is noticed, and so is an answer without its program."""
    assert {section: sorted(names) for section, names in SECTIONS.items()} == {
        section: sorted(answers) for section, answers in RECORDED.items() if section != "machine"
    }


def test_what_is_answered_otherwise_is_known():
    """Each exception names a program that there is, and a reason."""
    for section, exceptions in OTHERWISE.items():
        assert set(exceptions) <= {program for kind, program in programs() if kind == section}
        assert all(reason.endswith(".") for reason in exceptions.values())


def test_comparing_tells_what_is_different(monkeypatch):
    """An answer that nobody knew to be another is named, one that is known to be another is not held against it."""
    card = copy.deepcopy(RECORDED)
    card["waiting"]["item"] = "something else"
    few = [("waiting", "item"), ("memory", "checkpointed"), ("mixing", "add(gpu,cpu)")]
    monkeypatch.setattr(comparing, "programs", lambda: few)

    found = compare(card)

    assert found == {
        "same": ["mixing: add(gpu,cpu)"],
        "known": ["memory: checkpointed"],
        "different": ["waiting: item"],
    }
