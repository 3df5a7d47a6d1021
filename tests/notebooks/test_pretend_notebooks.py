"""Whole programs on a pretended machine: the notebooks' own, and a training run; each number is a CPU run's."""

import ast
import contextlib
import io
import json
import re
import tempfile
from pathlib import Path

import pytest
import torch
from IPython.lib.pretty import pretty
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

from d2lcompute import pretend_gpus, try_gpu

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "en"
TRAINING = [name for name in ("06_file_io", "08_training", "13_distributed") if (FOLDER / f"{name}.ipynb").exists()]
OTHER_PROCESSES = ("subprocess.", "d2lcompute.launching")  # from here on a notebook is about several processes


def cells(name):
    """Return the code cells of a notebook that run in this process: id → (source, the text of its outputs)."""
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    found = {}
    for cell in code:
        source = "".join(cell["source"])
        if any(word in source for word in OTHER_PROCESSES):
            break
        found[cell["id"]] = source, without_addresses("".join(map(text_of, cell["outputs"])))
    return found


def text_of(output):
    """Return the text of a stored output, which is that of a run on the CPU; of a figure, nothing."""
    match output["output_type"]:
        case "stream":
            return "".join(output["text"])
        case "execute_result":
            return "".join(output["data"]["text/plain"]) + "\n"
        case "error":
            return f"{output['ename']} {output['evalue']}\n"
        case _:
            return ""


def without_addresses(text):
    """Return a text without addresses, which are others in every run."""
    return re.sub(r"0x[0-9a-f]+", "0x…", text)


def printed(program):
    """Run cells one after the other as a notebook does; return what each prints, shows or raises."""
    names, outputs = {"__name__": "__main__"}, {}
    for cell_id, (source, _) in program.items():
        body = ast.parse(source).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                exec(compile(ast.Module(body, []), cell_id, "exec"), names)
                value = eval(compile(ast.Expression(last.value), cell_id, "eval"), names) if last else None
                if value is not None:
                    print(pretty(value))
            except Exception as error:  # a lesson may raise on purpose: alike in both runs
                print(type(error).__name__, error)
        outputs[cell_id] = without_addresses(out.getvalue())
    for value in names.values():
        if isinstance(value, tempfile.TemporaryDirectory):  # of a notebook that is left before its last cell
            value.cleanup()
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING)
def test_a_notebook_prints_the_same_on_a_pretended_machine(name, tmp_path, monkeypatch):
    """With ``try_gpu()`` answering ``cuda:0``, every number of the notebook is the stored one, of a CPU run."""
    monkeypatch.chdir(tmp_path)
    program = cells(name)

    with pretend_gpus(2) as machine:
        found = printed(program)

    assert found == {cell_id: stored for cell_id, (_, stored) in program.items()}
    asks_for_a_device = any("try_gpu" in source for source, _ in program.values())
    assert asks_for_a_device <= ("cuda:0" in {event.lane for event in machine.timeline}), "nothing ran on the device"


def trained_on_digits(device, folder):
    """Train on the handwritten digits as a course would: batches, validation, a checkpoint, and going on from it."""
    torch.manual_seed(0)
    digits = load_digits()
    X = torch.tensor(digits.data[:400] / 16, dtype=torch.float32)
    data = TensorDataset(X, torch.tensor(digits.target[:400]))
    train, validation = random_split(data, [320, 80], generator=torch.Generator().manual_seed(1))
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    numbers = []
    for epoch in range(4):
        net.train()
        for X, y in DataLoader(train, batch_size=64, shuffle=True):
            loss = F.cross_entropy(net(X.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            numbers += [loss.item(), norm.item()]
        schedule.step()
        net.eval()
        with torch.no_grad():
            right = sum((net(X.to(device)).argmax(1).cpu() == y).sum().item() for X, y in DataLoader(validation, 64))
        numbers.append(right)
        if epoch == 1:
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, folder / "checkpoint.pt")
            stored = torch.load(folder / "checkpoint.pt")
            net.load_state_dict(stored["net"])
            optimizer.load_state_dict(stored["optimizer"])
    return numbers, [p.detach().cpu() for p in net.parameters()]


def test_a_training_program_gives_the_same_numbers_on_a_pretended_device(tmp_path):
    """Losses, gradient norms, accuracies and final weights of a whole program are a CPU run's, bit for bit."""
    expected, weights = trained_on_digits("cpu", tmp_path)

    with pretend_gpus(2) as machine:
        found, moved_weights = trained_on_digits(try_gpu(1), tmp_path)

    assert found == expected
    assert all(torch.equal(a, b) for a, b in zip(moved_weights, weights, strict=True))
    assert expected[-1] > 40, "it has learned: guessing gets 8 of 80"
    assert "cuda:1" in {event.lane for event in machine.timeline}


def test_a_program_that_prints_its_device_is_told_apart():
    """The comparison sees a difference where there is one: a device's name, or a number that depends on it."""
    program = {
        "imports": ("import torch\nfrom d2lcompute import try_gpu", ""),
        "device": ("X = torch.ones(2, device=try_gpu())\nX", ""),
        "same": ("X.sum().item()", ""),
        "raises": ("X.numpy().sum()", ""),
    }

    expected = printed(program)
    with pretend_gpus(1):
        found = printed(program)

    assert {name for name, text in found.items() if text != expected[name]} == {"device", "raises"}
    assert expected["same"] == "2.0\n"
