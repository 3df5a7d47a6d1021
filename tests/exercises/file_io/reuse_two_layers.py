"""Wrong answers to ``reuse_two_layers``."""

from pathlib import Path

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _everything(path: Path, new_net: nn.Module) -> None:
    new_net.load_state_dict(torch.load(path), strict=False)


def _all_that_fits(path: Path, new_net: nn.Module) -> None:
    own = new_net.state_dict()
    stored = torch.load(path)
    fitting = {key: value for key, value in stored.items() if value.shape == own[key].shape}
    new_net.load_state_dict(fitting, strict=False)


def _fixed_names(path: Path, new_net: nn.Module) -> None:
    stored = torch.load(path)
    chosen = {key: value for key, value in stored.items() if key.startswith(("0.", "2."))}
    new_net.load_state_dict(chosen, strict=False)


def _without_the_dot(path: Path, new_net: nn.Module) -> None:
    linear = [name for name, module in new_net.named_modules() if isinstance(module, nn.Linear)]
    stored = torch.load(path)
    chosen = {key: value for key, value in stored.items() if key.startswith(tuple(linear[:2]))}
    new_net.load_state_dict(chosen, strict=False)


def _two_entries(path: Path, new_net: nn.Module) -> None:
    stored = torch.load(path)
    new_net.load_state_dict(dict(list(stored.items())[:2]), strict=False)


def _weights_alone(path: Path, new_net: nn.Module) -> None:
    linear = [name for name, module in new_net.named_modules() if isinstance(module, nn.Linear)]
    stored = torch.load(path)
    new_net.load_state_dict({f"{name}.weight": stored[f"{name}.weight"] for name in linear[:2]}, strict=False)


def _assigned(path: Path, new_net: nn.Module) -> None:
    stored = torch.load(path)
    new_net.load_state_dict(dict(list(stored.items())[:4]), strict=False, assign=True)


def _new_parameters(path: Path, new_net: nn.Module) -> None:
    for key, value in list(torch.load(path).items())[:4]:
        name, _, kind = key.rpartition(".")
        setattr(new_net.get_submodule(name), kind, nn.Parameter(value))


WRONG_ANSWERS = (
    WrongAnswer(_everything, "strict=False forgives names", "strict=False sounds as if it would skip what differs."),
    WrongAnswer(_all_that_fits, "and no third", "What fits seems to be what can be reused."),
    WrongAnswer(_fixed_names, "by the net's own names", "In an nn.Sequential with ReLU these are the names."),
    WrongAnswer(_without_the_dot, "and no third", "fc10 begins with fc1."),
    WrongAnswer(_two_entries, "each with weight and bias", "Two layers are taken for two entries."),
    WrongAnswer(_weights_alone, "each with weight and bias", "The bias is forgotten."),
    WrongAnswer(_assigned, "others in their place", "assign=True saves a copy."),
    WrongAnswer(_new_parameters, "others in their place", "A new Parameter is the plainest way to set a value."),
)
