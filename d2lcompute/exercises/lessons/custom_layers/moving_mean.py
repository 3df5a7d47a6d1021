"""A layer that remembers a mean."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class MovingMean(nn.Module):
    def __init__(self, features, momentum=0.1):
        super().__init__()  # the layer remembers a mean, of shape (features,), as self.mean

    def forward(self, X):
        raise NotImplementedError
"""


class MovingMean(nn.Module):
    """Subtracts the mean of the batch and notes it; in eval mode subtracts the mean that it has noted."""

    mean: torch.Tensor

    def __init__(self, features: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Centre X of shape (n, features)."""
        if not self.training:
            return X - self.mean
        batch_mean = X.mean(dim=0)
        self.mean.lerp_(batch_mean.detach(), self.momentum)
        return X - batch_mean


def subtracts_the_mean_of_the_batch(answer: type[nn.Module], trial: Trial) -> None:
    """In train mode the output is X minus the mean of its examples, for each feature, and gradients go through it."""
    size, momentum = trial.size(3, 6), trial.choice(_MOMENTA)
    layer = answer(size, momentum=momentum)
    trial.plan(
        tr(
            "MovingMean({size}, momentum={momentum}) in train mode, on two batches of shape {shape}",
            size=size,
            momentum=momentum,
            shape=(size, size),
        ),
        nudge="",
    )
    trial.nudge = tr("Which mean is subtracted in train mode: over which axis, and of which data?")
    mean = torch.zeros(size)
    for _ in range(2):
        X = trial.tensor(size, size) + 1
        mean = mean.lerp(X.mean(0), momentum)
        remembered = tr(
            "In train mode the mean of this very batch is subtracted, the one that is remembered in eval mode."
        )
        mistakes = {
            remembered: X - mean,
            tr("This is one mean for all numbers: each feature has its own."): X - X.mean(),
            tr("These are the means of the rows: a mean over the examples runs along dim=0."): X
            - X.mean(1, keepdim=True),
        }
        out = trial.call(layer, X.requires_grad_())
        trial.same(out, X - X.mean(0), mistakes=mistakes)
        G = trial.tensor(size, size)
        (gradient,) = torch.autograd.grad((out * G).sum(), X, allow_unused=True)
        remark = tr("The batch's mean depends on X as well: only what goes into the buffer is detached.")
        trial.same(gradient, G - G.mean(0), what=tr("the gradient of X"), mistakes={remark: G})


def remembers(answer: type[nn.Module], trial: Trial) -> None:
    """Each batch moves the mean from zero by momentum towards its own: (1 - momentum) mean + momentum batch mean."""
    layer, batches, momentum = _layer_and_batches(answer, trial)
    trial.nudge = tr("Work out the first two updates on paper, beginning with zeros.")
    steps = [torch.zeros(batches[0].shape[1])]
    trial.same(layer.mean, steps[0], what=tr("mean, before the first batch"))
    for X in batches:
        before = steps[-1]
        steps.append((1 - momentum) * before + momentum * X.mean(0))

        trial.call(layer, X)

        mistakes = {
            tr("The two parts are swapped: the new batch counts with momentum, the old mean with 1 - momentum."): (
                momentum * before + (1 - momentum) * X.mean(0)
            ),
            tr("The old mean is forgotten: only the last batch counts."): X.mean(0),
            tr("The old mean does not shrink: the two parts add up to more than 1."): before + momentum * X.mean(0),
            tr("The mean is not updated."): before,
        }
        trial.same(
            layer.mean,
            steps[-1],
            what=tr("mean, after batch {steps_count}", steps_count=len(steps) - 1),
            mistakes=mistakes,
        )


def uses_what_it_remembers(answer: type[nn.Module], trial: Trial) -> None:
    """In eval mode the remembered mean is subtracted, and stays as it is."""
    layer, batches, _ = _layer_and_batches(answer, trial)
    trial.nudge = tr("What does self.training say, and which mean is it that was learned?")
    for X in batches[:-1]:
        trial.call(layer, X)
    layer.eval()
    trial.input += tr(", then eval(), and one more")
    mean, X = layer.mean.clone(), batches[-1]

    came = trial.call(layer, X)

    remark = tr("In eval mode the other examples of the batch do not matter: use the mean that is remembered.")
    trial.same(came, X - mean, mistakes={remark: X - X.mean(0)})
    trial.require(
        torch.equal(layer.mean, mean),
        expected=tr("the mean that was remembered, unchanged"),
        got=tr("another mean"),
        remark=tr(
            "In eval mode nothing is learned: one wants the same result for the same input, whatever came before."
        ),
    )


def holds_a_buffer(answer: type[nn.Module], trial: Trial) -> None:
    """The mean is a buffer of the layer: saved and cast with it, and not trained."""
    features = trial.size()
    trial.plan(
        f"MovingMean({features})", nudge=tr("Parameter, buffer or plain attribute: what is saved and not trained?")
    )

    layer: Any = answer(features)

    trial.require(
        "mean" not in dict(layer.named_parameters()),
        expected=tr("no parameter"),
        got=tr("'mean' among the parameters"),
        remark=tr("A parameter is handed to the optimizer, and counted: this tensor is not trained."),
    )
    trial.require(
        "mean" in layer.state_dict(),
        expected=tr("'mean' in the state_dict"),
        got=tr("the keys {state_dict}", state_dict=list(layer.state_dict())),
        remark=tr("A plain tensor is not saved with the layer, nor moved or cast: the module knows nothing of it."),
    )


def keeps_no_history(answer: type[nn.Module], trial: Trial) -> None:
    """No history is left in the mean: what goes into the buffer is detached from the batch."""
    layer, batches, _ = _layer_and_batches(answer, trial)
    trial.nudge = tr("Where would a second backward() lead, if the mean remembers how it was computed?")
    for number, batch in enumerate(batches, start=1):
        trial.call(layer, batch.clone().requires_grad_())

        trial.require(
            not layer.mean.requires_grad,
            expected=tr("a mean without history, after batch {number}", number=number),
            got=tr("one that leads back to the batch"),
            remark=tr(
                "The next batch would lead back through all batches before it: detach what goes into the buffer."
            ),
        )


_MOMENTA = (0.1, 0.2, 0.3)


def _layer_and_batches(answer: type[nn.Module], trial: Trial) -> tuple[Any, list[torch.Tensor], float]:
    """Build the layer, and draw three batches of different sizes whose means are not zero."""
    features, *rows = trial.sizes(4)
    momentum = trial.choice(_MOMENTA)
    trial.plan(
        tr(
            "MovingMean({features}, momentum={momentum}) in train mode, on batches of {rows} examples",
            features=features,
            momentum=momentum,
            rows=rows,
        ),
        nudge="",
    )
    return answer(features, momentum=momentum), [trial.tensor(n, features) + 1 for n in rows], momentum


EXERCISE = Exercise(
    name="moving_mean",
    notebook="05_custom_layers",
    section="A layer with a running mean",
    book=None,
    difficulty=3,
    minutes=20,
    task="Write a layer that subtracts the batch's mean over dim 0 in train mode, and moves a buffer, mean, from 0 "
    "towards it: (1 - momentum) mean + momentum batch mean; in eval mode it subtracts the buffer.",
    stub=STUB,
    form=a_module_class,
    requirements=(
        subtracts_the_mean_of_the_batch,
        remembers,
        uses_what_it_remembers,
        holds_a_buffer,
        keeps_no_history,
    ),
    hints=(
        "Which of the two means is learned, and which belongs to the data of the moment?",
        "register_buffer for the mean; in forward ask self.training, and detach what goes into the buffer.",
        "In train mode batch_mean = X.mean(dim=0), self.mean.lerp_(batch_mean.detach(), self.momentum), and X minus "
        "batch_mean; else X minus self.mean.",
    ),
    solution=MovingMean,
    why="A buffer is saved, moved and cast with the layer and is no parameter; lerp_ writes into it, and detach() "
    "keeps the graph of the batch out of it, while the output's own graph goes through the batch's mean.",
)
