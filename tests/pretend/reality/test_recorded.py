"""The pretended machine answers as a real card did: every program of this folder, held against recorded.json."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from d2lcompute import pretend_gpus

from .facts import SECTIONS, fact

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))

TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])

# What the pretended machine answers otherwise, and why: section → program → reason.
OTHERWISE: dict[str, dict[str, str]] = {
    "mixing": {
        "bilinear": "Its operands meet in a batched product inside; the pretended machine sees the whole operation.",
        "mm fp16/fp32": "The CPU's kernel compares the dtypes, and calls the operands m1 and m2.",
        **({} if TORCH >= (2, 11) else {"cosine_similarity": "Before 2.11 it was made of other operations."}),
    },
    "waiting": {
        "to cuda pageable nb": "The model lets the host wait for a copy from memory that is not pinned.",
        "mask assign scalar": "The model counts each mask as a wait; a card fills where a mask holds without one.",
        "index cpu idx": "The model does not count the copy of a few indices.",
        "index list": "The model does not count the copy of a few indices.",
        "clip_grad": "The CPU's kernel asks for the norm; a card clamps without.",
        "inv": "A card waits to see whether the matrix is singular.",
        "solve": "A card waits to see whether the matrix is singular.",
    },
    "memory": {"checkpointed": "The card's libraries take workspace, so that another block is the first to be free."},
    "behaviour": {
        "generators": "Without a generator of their own, devices draw from the CPU's.",
    },
    "widest": {"batch_norm": "The CPU's batch norm refuses 16-bit statistics beside a float32 input."},
}


def programs():
    """Name the programs of each section; those of one operation under autocast count as one."""
    for section, names in SECTIONS.items():
        if section in ("autocast", "widest"):
            for operation in dict.fromkeys(name.split(" ")[1] for name in names):
                yield section, operation
        else:
            yield from ((section, name) for name in names)


def answers(section: str, program: str) -> dict[str, Any]:
    """Run a program, or all of one operation, on a pretended device."""
    names = [name for name in SECTIONS[section] if program == name or name.split(" ")[1:2] == [program]]
    found = {}
    for name in names if section in ("autocast", "widest") else [program]:
        with pretend_gpus(1) as machine:
            try:
                found[name] = fact(section, name, torch.device("cuda", 0), machine)
            except (NotImplementedError, RuntimeError, TypeError) as error:
                found[name] = f"{type(error).__name__}: {error}"
    return found


@pytest.mark.parametrize(("section", "program"), list(programs()))
def test_program_is_answered_as_by_a_real_card(section, program):
    """Words, dtypes, waits, bytes and behaviour equal the recorded ones."""
    found = json.loads(json.dumps(answers(section, program)))

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
