"""A whole net in a file that holds no code."""

import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, functions, tr

__all__ = ["EXERCISE"]

STUB = """\
def save(net, path):
    raise NotImplementedError


def load(path):
    raise NotImplementedError
"""

Answer = tuple[Callable[[nn.Module, Path], Any], Callable[[Path], Any]]


def save(net: nn.Sequential, path: "Path") -> None:
    """Write down each layer's sizes, none for a ReLU, and the state_dict."""
    sizes = [(layer.in_features, layer.out_features) if isinstance(layer, nn.Linear) else () for layer in net]
    torch.save({"sizes": sizes, "state": net.state_dict()}, path)


def load(path: "Path") -> nn.Sequential:
    """Build the layers anew, and put the stored tensors in their place."""
    stored = torch.load(path)
    net = nn.Sequential(*[nn.Linear(*pair) if pair else nn.ReLU() for pair in stored["sizes"]])
    net.load_state_dict(stored["state"], assign=True)
    return net


def brings_it_back(answer: Answer, trial: Trial) -> None:
    """The net comes back with its layers, whatever their number, widths and order, and computes the same."""
    width, hidden, other = trial.sizes(3)
    for layers in (
        [nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, other), nn.ReLU(), nn.Linear(other, 1)],
        [nn.Linear(width, hidden), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2), nn.ReLU()],
        [nn.ReLU(), nn.Linear(width, hidden)],
    ):
        net, path = nn.Sequential(*layers), trial.folder() / "net.pt"
        X = torch.randn(trial.size(), width)
        trial.plan(
            f"Sequential({', '.join(map(_text, net))})",
            nudge=tr("Which facts does one need to build each layer again, in its place, besides the tensors?"),
        )
        answer[0](net, path)
        trial.require(path.is_file(), expected=tr("a file at the path that was handed over"), got=tr("none"))

        came = answer[1](path.replace(trial.folder() / "moved.pt"))

        if not isinstance(came, nn.Module):
            trial.fail(expected=tr("a net"), got="None" if came is None else type(came).__name__)
        kinds = [_text(layer) for layer in came.modules() if isinstance(layer, nn.Linear | nn.ReLU)]
        trial.same(kinds, [_text(layer) for layer in layers], what=tr("the layers"))
        trial.same(came(X), net(X), what=tr("the output for X of shape {shape}", shape=tuple(X.shape)))


def keeps_the_numbers(answer: Answer, trial: Trial) -> None:
    """The numbers come back in their own dtype, to the last bit."""
    width, hidden = trial.sizes(2)
    net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1)).double()
    path = trial.folder() / "net.pt"
    trial.plan(f"Sequential({', '.join(map(_text, net))}).double()", nudge="")
    trial.nudge = tr("Loading copies values into the tensors that are there, and rounds what does not fit into them.")

    answer[0](net, path)
    came = list(answer[1](path).parameters())

    expected = list(net.parameters())
    trial.require(
        {each.dtype for each in came} == {torch.float64},
        expected=tr("parameters of torch.float64"),
        got=tr("parameters of {dtype}", dtype=came[0].dtype) if came else tr("no parameters"),
    )
    trial.require(
        len(came) == len(expected) and all(torch.equal(one, other) for one, other in zip(came, expected, strict=True)),
        expected=tr("the same numbers, to the last bit"),
        got=tr("others"),
    )


def runs_no_code(answer: Answer, trial: Trial) -> None:
    """Loading never runs code from the file, whoever wrote it."""
    width = trial.size()
    folder, marker = trial.folder(), trial.folder() / "made-by-the-file"
    path = folder / "net.pt"
    answer[0](nn.Sequential(nn.Linear(width, width), nn.ReLU()), path)
    calls = f"__import__('os').mkdir({str(marker)!r})"
    for text, write in (
        (
            tr("an object that makes a folder when it is loaded, stored by torch.save"),
            lambda: torch.save(_Trap(marker), path),
        ),
        (tr("an object that makes a folder when it is loaded, stored by pickle"), lambda: _pickle(_Trap(marker), path)),
        (tr("a file whose texts are Python code that makes a folder"), lambda: _replace_texts(path, calls)),
        (tr("a file of Python code that makes a folder"), lambda: path.write_text(calls)),
    ):
        trial.plan(
            tr("load(path) of {text}", text=text), nudge=tr("Who decides what is called: your code, or the file?")
        )
        original = path.read_bytes()
        write()

        with suppress(Exception):  # to refuse such a file is right
            answer[1](path)

        trial.require(
            not marker.exists(),
            expected=tr("no folder: the file is refused, or its code is left alone"),
            got=tr("the folder: loading did what the file says"),
            remark=tr(
                "The file decides what is called, and could as well delete your files: store facts, build by code."
            ),
        )
        path.write_bytes(original)


class _Trap:
    """Makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.marker),)


def _pickle(value: Any, path: Path) -> None:
    """Store a value by plain pickle."""
    path.write_bytes(pickle.dumps(value))


def _replace_texts(path: Path, text: str) -> None:
    """Put a text in the place of each text in a file of torch.save, if it is one that can be read safely."""
    with suppress(Exception):
        torch.save(_replaced(torch.load(path, weights_only=True), text), path)


def _replaced(value: Any, text: str) -> Any:
    """Put a text in the place of each text in containers; keys stay."""
    if isinstance(value, dict):
        return {key: _replaced(each, text) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(each, text) for each in value)
    return text if isinstance(value, str) else value


def _text(layer: nn.Module) -> str:
    """Write a layer as it is built."""
    return f"Linear({layer.in_features}, {layer.out_features})" if isinstance(layer, nn.Linear) else "ReLU()"


EXERCISE = Exercise(
    name="save_architecture",
    notebook="06_file_io",
    section="What is safe to load",
    book=("5.5.3", "6.6.3"),
    difficulty=4,
    minutes=30,
    task="Write save(net, path) and load(path) so that an nn.Sequential of nn.Linear and nn.ReLU, in any number, "
    "order, widths and dtype, comes back whole from one file, and loading never runs code from the file.",
    stub=STUB,
    form=functions("save", "load"),
    requirements=(brings_it_back, keeps_the_numbers, runs_no_code),
    rounds=1,
    hints=(
        "Which few numbers would you dictate over the telephone, so that someone could build the same net?",
        "Store a list of facts, one for each layer, beside the state_dict; load builds the layers from them by its "
        "own code.",
        "For a Linear the pair (in_features, out_features), for a ReLU an empty one; build, then load_state_dict with "
        "assign=True, which takes the stored dtype over.",
    ),
    solution=(save, load),
    why="The file holds numbers and tensors, which the default of torch.load lets through; what is built from them "
    "your own code decides. assign=True puts the stored tensors in place, dtype and all.",
)
