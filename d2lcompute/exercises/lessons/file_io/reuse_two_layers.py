"""Old layers in a new net."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def reuse_two_layers(path, new_net):
    raise NotImplementedError
"""

Answer = Callable[[Path, nn.Module], Any]


def reuse_two_layers(path: "Path", new_net: nn.Module) -> None:
    """Copy the stored values of the first two linear layers into those of the same names."""
    stored = torch.load(path)
    linear = [name for name, module in new_net.named_modules() if isinstance(module, nn.Linear)]
    chosen = {key: value for key, value in stored.items() if key.rpartition(".")[0] in linear[:2]}
    new_net.load_state_dict(chosen, strict=False)


def takes_both_layers(answer: Answer, trial: Trial) -> None:
    """Weight and bias of the first two linear layers are those of the file, whatever the layers are called."""
    for names in _NAMES[:2]:
        old, new, path = _nets_and_file(trial, names, same_output=False)
        trial.nudge = tr("Which keys belong to these layers? strict=False forgives names, and never shapes.")
        before = {name: value.clone() for name, value in new.state_dict().items()}

        answer(path, new)

        for key in [f"{name}.{kind}" for name in names[:2] for kind in ("weight", "bias")]:
            remark = tr(
                "{key} is as it was: two layers were asked for, each with weight and bias, by the net's own names.",
                key=key,
            )
            trial.same(new.state_dict()[key], old.state_dict()[key], what=key, mistakes={remark: before[key]})


def leaves_the_rest(answer: Answer, trial: Trial) -> None:
    """All other layers keep their values, also one of the same name and shape as in the file."""
    for names in _NAMES:
        old, new, path = _nets_and_file(trial, names, same_output=True)
        trial.nudge = tr("Which keys were asked for, and which others fit as well?")
        last = [f"{names[2]}.weight", f"{names[2]}.bias"]
        before = {key: new.state_dict()[key].clone() for key in last}

        answer(path, new)

        for key in last:
            remark = tr(
                "{key} was taken from the file: the first two linear layers were asked for, and no third.", key=key
            )
            mistakes = {remark: old.state_dict()[key]}
            trial.same(new.state_dict()[key], before[key], what=key, mistakes=mistakes)


def keeps_the_parameters(answer: Answer, trial: Trial) -> None:
    """The new net's parameters stay the same objects, so that an optimizer made before goes on working."""
    _, new, path = _nets_and_file(trial, _NAMES[0], same_output=False)
    trial.nudge = tr("Does the new net get new tensors, or new values in its own?")
    before = list(new.parameters())

    answer(path, new)

    came = list(new.parameters())
    trial.require(
        len(came) == len(before) and all(one is other for one, other in zip(came, before, strict=True)),
        expected=tr("the Parameter objects that were there before"),
        got=tr("others in their place"),
        remark=tr("An optimizer that was made before would go on training parameters that are no longer the net's."),
    )


_NAMES = (("0", "2", "4"), ("0", "3", "6"), ("fc1", "fc2", "fc10"))


def _nets_and_file(
    trial: Trial, names: tuple[str, str, str], *, same_output: bool
) -> tuple[nn.Sequential, nn.Sequential, Path]:
    """Build two nets that agree in their first two layers, and store the state_dict of the first."""
    width, hidden, middle, out, other = trial.sizes(5)
    outs = (out, out if same_output else other)
    old, new = (_net(names, (width, hidden, middle, each)) for each in outs)
    path = trial.folder() / "old.pt"
    torch.save(old.state_dict(), path)
    trial.plan(
        tr(
            "linear layers {names}: ({width}, {hidden}), ({hidden}, {middle}), and ({middle}, {out}) "
            "in the file, ({middle}, {outs}) in the new net",
            names=", ".join(map(repr, names)),
            width=width,
            hidden=hidden,
            middle=middle,
            out=out,
            outs=outs[1],
        ),
        nudge="",
    )
    return old, new, path


def _net(names: tuple[str, str, str], widths: tuple[int, int, int, int]) -> nn.Sequential:
    """Build an MLP whose linear layers have these names."""
    layers: list[tuple[str, nn.Module]] = []
    for i, name in enumerate(names):
        while name.isdigit() and len(layers) < int(name):
            layers.append((str(len(layers)), nn.ReLU()))
        layers.append((name, nn.Linear(widths[i], widths[i + 1])))
        layers.extend([] if name.isdigit() else [(f"relu{i}", nn.ReLU())])
    return nn.Sequential(OrderedDict(layers))


EXERCISE = Exercise(
    name="reuse_two_layers",
    notebook="06_file_io",
    section="When file and net do not match",
    book=("5.5.2", "6.6.2"),
    difficulty=2,
    minutes=15,
    task="Write a function that fills the first two linear layers of new_net with the values that a stored state_dict, "
    "of another net, has under the same names, and leaves the rest of new_net untouched.",
    stub=STUB,
    form=a_function,
    requirements=(takes_both_layers, leaves_the_rest, keeps_the_parameters),
    rounds=1,
    hints=(
        "What are the keys of a state_dict made of, and what does strict=False do about keys that are not there?",
        "Find the names of the first two linear layers, keep the entries of the file that belong to them, load these.",
        "named_modules() gives the names; keep key and value if key.rpartition('.')[0] is one of the first two, then "
        "load_state_dict(..., strict=False).",
    ),
    solution=reuse_two_layers,
    why="The part of a key before its last dot is the layer's name; with only the chosen entries strict=False leaves "
    "all else alone, and values are copied into the parameters that are there.",
)
