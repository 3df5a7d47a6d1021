"""Beside the book: what a reader of the section on GPUs (zh 5.6, en 6.7) types, with d2l's helpers and with ours.

The programs are our own. They need d2l (`make d2l`) and hold with torchvision and without.
"""

import copy
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from torch import nn

import d2lcompute
from d2lcompute import MLP, CenteredLayer, MyLinear, MySequential, NestMLP, init_constant, init_normal, init_xavier
from d2lcompute.interop import load_d2l
from tools.execute import execute

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "from-the-book.md").read_text(encoding="utf-8")
W, B = torch.tensor([2.0, -3.4]), 4.2


@pytest.fixture(scope="module")
def d2l():
    """The book's own module."""
    return load_d2l()


@pytest.fixture
def without_gpu(monkeypatch):
    """Let d2l find no CUDA device, as on a laptop; ours are hidden in all tests."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def regression(d2l, net):
    """Return a model in the book's manner around a net: mean squared error, no plots."""

    class Regression(d2l.Module):
        def __init__(self):
            super().__init__()
            self.net, self.lr = net, 0.05
            self.board.display = False

        def loss(self, y_hat, y):
            return nn.functional.mse_loss(y_hat, y)

    return Regression()


def classifier(d2l, net):
    """Return one of the book's classifiers around a net, without plots."""

    class Classifier(d2l.Classifier):
        def __init__(self):
            super().__init__()
            self.net, self.lr = net, 0.1
            self.board.display = False

    return Classifier()


def fit(d2l, model, *, epochs=3, num_gpus=1, gpus=None):
    """Train a model with the book's trainer on points of a plane, and return the model and its last losses."""
    torch.manual_seed(1)
    data = d2l.SyntheticRegressionData(w=W, b=B, num_train=128, num_val=32, batch_size=16)
    trainer = d2l.Trainer(max_epochs=epochs, num_gpus=num_gpus)
    if gpus is not None:
        trainer.gpus = gpus
    trainer.fit(model, data)
    return model, {label: points[-1].y.item() for label, points in model.board.data.items()}


# The cells of the section, in a notebook.

CELLS = {
    "import torch\nfrom torch import nn\nfrom d2lcompute.interop import load_d2l\nd2l = load_d2l()": None,
    "from d2l import torch as d2l\nfrom d2lcompute import try_all_gpus, try_gpu\nd2l is load_d2l()": "True",
    "X = torch.ones(2, 3, device=d2l.try_gpu())\nX.device == try_gpu()": "True",
    "Y = torch.full((2, 3), 2.0, device=d2l.try_gpu(1))\nZ = X.to(Y.device)\n(Y + Z).sum().item()": "18.0",
    "net = nn.Sequential(nn.LazyLinear(1)).to(try_gpu())\nnet(X).shape, net[0].weight.device == X.device": (
        "(torch.Size([2, 1]), True)"
    ),
    "data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2, num_train=64, num_val=64)": None,
    "model = d2l.LinearRegression(lr=0.1)\ntrainer = d2l.Trainer(max_epochs=2, num_gpus=1)": None,
    "trainer.fit(model, data)": "<svg",
    "from matplotlib import pyplot as plt\nplt.plot([1, 2])": "<svg",
    "len(trainer.gpus) == d2l.num_gpus(), model.net.weight.device == try_gpu()": "(True, True)",
}


@pytest.mark.slow
def test_cells_of_the_section_run_in_a_notebook(tmp_path, monkeypatch):
    """In a fresh kernel the section's cells run with both packages; d2l draws SVG, as all figures then do."""
    monkeypatch.delenv("MPLBACKEND")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "section.ipynb")

    outcome = execute(tmp_path / "section.ipynb")

    assert outcome.error is None
    shown = [[output.data for output in cell.outputs if "data" in output] for cell in outcome.notebook.cells]
    for (source, expected), data in zip(CELLS.items(), shown, strict=True):
        found = [entry.get("image/svg+xml", entry.get("text/plain")) for entry in data]
        assert (expected or "") in "".join(found[-1:]), source
        assert bool(found) == bool(expected), source


# Devices.


def test_devices_equal_those_of_the_book(d2l, without_gpu):
    """Where there is no accelerator, both packages give the same devices, but for the list of all."""
    assert (d2lcompute.cpu(), d2lcompute.num_gpus()) == (d2l.cpu(), d2l.num_gpus()) == (torch.device("cpu"), 0)
    assert d2lcompute.gpu(1) == d2l.gpu(1) == torch.device("cuda:1")
    assert d2lcompute.try_gpu() == d2l.try_gpu() == d2lcompute.try_gpu(10) == d2l.try_gpu(10) == d2l.cpu()


def test_try_all_gpus_is_never_empty_where_the_books_is(d2l, without_gpu):
    """Without an accelerator d2l 1.0.3 returns an empty list, against its docstring; ours returns the CPU."""
    assert "[cpu(),]" in d2l.try_all_gpus.__doc__
    assert (d2l.try_all_gpus(), d2lcompute.try_all_gpus()) == ([], [d2l.cpu()])


def test_try_gpu_says_what_is_wrong_where_the_book_does_not(d2l, without_gpu):
    """A negative number reaches PyTorch's parser of device names in the book; ours names the argument."""
    with pytest.raises(RuntimeError, match="Invalid device string: 'cuda:-1'"):
        d2l.try_gpu(-1)
    with pytest.raises(ValueError, match="i must be 0 or more, the number of an accelerator, counted from 0; got -1"):
        d2lcompute.try_gpu(-1)


def test_try_gpu_finds_apples_gpu_where_the_book_does_not(d2l, without_gpu, monkeypatch):
    """On a machine with MPS the book computes on the CPU, and ours on the GPU."""
    monkeypatch.delenv("D2LCOMPUTE_DEVICE")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))

    assert (d2l.try_gpu(), d2lcompute.try_gpu()) == (torch.device("cpu"), torch.device("mps", 0))


# Timers.


def test_timer_agrees_with_the_books(d2l):
    """Around the same work on the CPU both timers show the same lap, within a millisecond (the median of five)."""
    X = torch.ones(300, 300)
    theirs, ours = d2l.Timer(), d2lcompute.Timer()

    for _ in range(5):
        theirs.start()
        ours.start()
        for _ in range(20):
            X @ X
        ours.stop()
        theirs.stop()

    differences = sorted(abs(a - b) for a, b in zip(theirs.times, ours.times, strict=True))
    assert differences[2] < 0.001
    assert min(ours.times) > 0


def test_timer_has_the_books_statistics(d2l):
    """From the same laps both compute the same mean, sum and running sum."""
    theirs, ours = d2l.Timer(), d2lcompute.Timer()
    theirs.times, ours.times = [0.5, 0.25, 1.0], [0.5, 0.25, 1.0]

    assert [theirs.avg(), theirs.sum(), theirs.cumsum()] == [ours.avg(), ours.sum(), ours.cumsum()]


def test_timer_says_what_is_missing_where_the_book_divides_by_zero(d2l):
    """Before the first lap d2l's mean is a division by zero; ours tells what to call first."""
    with pytest.raises(ZeroDivisionError):
        d2l.Timer().avg()
    with pytest.raises(RuntimeError, match=r"there is none yet: call start\(\) and stop\(\) first"):
        d2lcompute.Timer().avg()


def test_timer_refuses_a_second_stop_where_the_book_counts_twice(d2l, monkeypatch):
    """A second stop() without start() is a lap that holds the first one in d2l's timer; ours refuses it."""
    monkeypatch.setattr(d2l, "time", SimpleNamespace(time=itertools.count().__next__))
    theirs, ours = d2l.Timer(), d2lcompute.Timer()

    laps = [theirs.stop(), theirs.stop()]
    ours.stop()

    assert laps == [1, 2]
    with pytest.raises(RuntimeError, match=r"stop\(\) ends a lap, and none is running"):
        ours.stop()


def test_timer_is_not_moved_by_a_clock_that_is_set_back(d2l, monkeypatch):
    """If the system's time is set back an hour in between, d2l's lap is negative; ours is not."""
    monkeypatch.setattr(d2l, "time", SimpleNamespace(time=iter([7200.0, 3601.0]).__next__))
    theirs, ours = d2l.Timer(), d2lcompute.Timer()

    assert theirs.stop() == -3599
    assert ours.stop() > 0


def test_timer_knows_the_pretended_clock_where_the_book_cannot(d2l, monkeypatch):
    """On a pretended machine ours reads the model, the same in each run; d2l's reads this computer's own clock."""
    monkeypatch.setattr(d2l, "time", SimpleNamespace(time=lambda: 0.0))

    def laps():
        with d2lcompute.pretend_gpus(1):
            X = torch.ones(1000, 1000, device=d2l.try_gpu())
            theirs, ours = d2l.Timer(), d2lcompute.Timer()
            X @ X
            return theirs.stop(), ours.stop()

    first, second = laps(), laps()

    assert first == second
    assert first[0] == 0 < first[1]


# Nets in the book's training loop.


def test_trainer_trains_the_books_regression(d2l, without_gpu):
    """d2l's own model, data and trainer run beside current libraries and find the plane."""
    model = d2l.LinearRegression(lr=0.05)
    model.board.display = False

    fit(d2l, model, epochs=10)

    weight, bias = model.get_w_b()
    torch.testing.assert_close(weight, W.unsqueeze(0), atol=0.05, rtol=0)
    torch.testing.assert_close(bias, torch.tensor([B]), atol=0.05, rtol=0)


def test_trainer_trains_on_try_gpu_whatever_it_is(d2l, without_gpu):
    """The trainer takes a device of ours in its list: with one line it trains where d2l's own helpers find nothing."""
    model, losses = fit(d2l, regression(d2l, nn.Linear(2, 1)), gpus=[d2lcompute.try_gpu()])

    assert model.net.weight.device == d2lcompute.try_gpu()
    assert losses["val_loss"] < 0.5


PAIRS = {
    "MySequential": (
        lambda: MySequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)),
        lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)),
    ),
    "MLP": (
        lambda: MLP(in_features=2, hidden_features=8, out_features=1),
        lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)),
    ),
    "MyLinear": (lambda: MySequential(MyLinear(2, 1)), lambda: nn.Sequential(nn.Linear(2, 1))),
}


def with_equal_values(net, like):
    """Give a net the parameters of another, transposed where ours holds them the other way round."""
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), like.parameters(), strict=True):
            mine.copy_(theirs if mine.shape == theirs.shape else theirs.T)
    return net


@pytest.mark.parametrize("name", PAIRS)
def test_our_nets_train_in_the_books_trainer_as_torchs_do(d2l, without_gpu, name):
    """Where d2l expects a net, ours gives the losses of its counterpart in torch.nn, to the last digits."""
    ours, theirs = (build() for build in PAIRS[name])
    with_equal_values(ours, theirs)

    _, our_losses = fit(d2l, regression(d2l, ours))
    _, their_losses = fit(d2l, regression(d2l, theirs))

    assert our_losses == pytest.approx(their_losses, rel=1e-5)
    assert our_losses["val_loss"] < 20


@pytest.mark.parametrize(
    "net",
    [
        MySequential(nn.Linear(20, 8), nn.ReLU(), MyLinear(8, 3)),
        MySequential(CenteredLayer(dim=1), MyLinear(20, 3)),
        MySequential(NestMLP(), MyLinear(16, 3)),
        MLP(out_features=3),
    ],
    ids=["MyLinear", "CenteredLayer", "NestMLP", "MLP"],
)
def test_our_nets_serve_the_books_classifiers(d2l, without_gpu, net):
    """d2l's classifier trains on each of ours: loss and accuracy are its own, and the loss falls."""
    X = torch.randn(64, 20)
    y = X[:, :3].argmax(1)
    model = classifier(d2l, copy.deepcopy(net))

    class Data(d2l.DataModule):
        batch_size = 16

        def get_dataloader(self, train):
            return self.get_tensorloader((X, y), train)

    before = model.loss(model(X), y).item()
    d2l.Trainer(max_epochs=10, num_gpus=1).fit(model, Data())

    assert model.loss(model(X), y).item() < before
    assert 0 <= model.accuracy(model(X), y) <= 1


def test_layer_summary_lists_the_blocks_of_mysequential(d2l, capsys):
    """d2l's table of output shapes goes through our container as through nn.Sequential."""
    classifier(d2l, MySequential(nn.Linear(20, 8), nn.ReLU(), MyLinear(8, 3))).layer_summary((2, 20))

    rows = [line.split()[0] + line[line.index("torch.Size") :] for line in capsys.readouterr().out.splitlines()]
    assert rows == ["Lineartorch.Size([2, 8])", "ReLUtorch.Size([2, 8])", "MyLineartorch.Size([2, 3])"]


def test_apply_init_takes_our_initializers(d2l):
    """d2l's apply_init shows a lazy net its first batch and then fills it with our functions."""
    model = classifier(d2l, nn.Sequential(nn.LazyLinear(50), nn.ReLU(), nn.LazyLinear(3)))

    model.apply_init([torch.randn(2, 200)], init_normal)

    assert model.net[0].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert model.net[2].bias.count_nonzero() == 0


def test_initializers_refuse_where_the_books_pass_over_in_silence():
    """One that tests for exactly nn.Linear, as the book's do, skips lazy layers and subclasses; ours do not."""

    def exact(module):
        if type(module) is nn.Linear:
            nn.init.ones_(module.weight)

    class Wider(nn.Linear):
        pass

    skipped = Wider(2, 2).apply(exact)
    nn.LazyLinear(2).apply(exact)

    assert not torch.equal(skipped.weight, torch.ones(2, 2))
    assert torch.equal(Wider(2, 2).apply(init_constant).weight, torch.ones(2, 2))
    with pytest.raises(RuntimeError, match="Run the net once on a batch"):
        nn.LazyLinear(2).apply(init_xavier)


def test_mylinear_learns_in_the_books_trainer_where_data_does_not(d2l, without_gpu):
    """A layer that uses `.data` in forward, as the book's, stays as it was while the rest is trained; ours moves."""

    class Detached(MyLinear):
        def forward(self, X):
            return X @ self.weight.data + self.bias.data

    moved = {}
    for kind in (Detached, MyLinear):
        net = nn.Sequential(nn.Linear(2, 4), kind(4, 1))
        before = [parameter.detach().clone() for parameter in net.parameters()]
        fit(d2l, regression(d2l, net), epochs=1)
        moved[kind] = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]

    assert moved == {Detached: [True, True, False, False], MyLinear: [True] * 4}


def test_mysequential_runs_a_shared_layer_twice_where_children_does_not():
    """A loop over children(), as in the English book, meets a layer that stands in two places once; ours twice."""

    class Once(nn.Sequential):
        def forward(self, X):
            for block in self.children():
                X = block(X)
            return X

    shared = nn.Linear(3, 3)
    X = torch.randn(2, 3)

    assert torch.equal(Once(shared, shared)(X), shared(X))
    assert torch.equal(MySequential(shared, shared)(X), shared(shared(X)))


def test_checkpoint_keeps_a_model_of_the_book(d2l, without_gpu, tmp_path):
    """A trained d2l model, with its trainer and board, is saved and loaded into a new one; losses are equal."""
    model, _ = fit(d2l, regression(d2l, MLP(in_features=2, out_features=1)))
    again = regression(d2l, MLP(in_features=2, out_features=1))

    d2lcompute.save_checkpoint(tmp_path / "model.pt", model, step=3)
    step = d2lcompute.load_checkpoint(tmp_path / "model.pt", again).step

    X = torch.randn(5, 2)
    assert step == 3
    assert torch.equal(again(X), model(X))


# Two GPUs that are not there.


def test_pretended_gpus_are_found_by_the_books_helpers(d2l):
    """Inside pretend_gpus d2l's helpers answer as on a machine with two GPUs, and its two-GPU cells run."""
    with d2lcompute.pretend_gpus(2):
        assert d2l.num_gpus() == 2
        assert d2l.try_all_gpus() == d2lcompute.try_all_gpus() == [d2l.gpu(0), d2l.gpu(1)]
        assert (d2l.try_gpu(1), d2l.try_gpu(2)) == (torch.device("cuda:1"), torch.device("cpu"))

        X, Y = torch.ones(2, 3, device=d2l.try_gpu()), torch.ones(2, 3, device=d2l.try_gpu(1))
        Z = X.cuda(1)

        assert (X.device, Z.device, (Y + Z).device) == (d2l.gpu(0), d2l.gpu(1), d2l.gpu(1))
        assert Z.cuda(1) is Z
        with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cuda:1"):
            X + Y

    assert d2l.num_gpus() == torch.cuda.device_count()


def test_trainer_trains_on_a_pretended_gpu_with_the_numbers_of_the_cpu(d2l, without_gpu):
    """d2l's trainer moves net and batches to a GPU that is not there; each loss is that of a CPU run, bit for bit."""
    net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    _, on_cpu = fit(d2l, regression(d2l, copy.deepcopy(net)))

    with d2lcompute.pretend_gpus(2):
        model, pretended = fit(d2l, regression(d2l, copy.deepcopy(net)), num_gpus=2)
        gpus, place = model.trainer.gpus, model.net[0].weight.device

    assert pretended == on_cpu
    assert (gpus, place) == ([d2l.gpu(0), d2l.gpu(1)], d2l.gpu(0))


# The page "From the book to here".


def blocks(page):
    """Return the Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def absent_tests(page):
    """Return the tests that a page names and that no file of tests holds."""
    defined = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    return set(re.findall(r"`(test_\w+)`", page)) - defined


def test_page_runs_from_top_to_bottom(tmp_path, monkeypatch, without_gpu):
    """Every Python block of the page runs, in order, in one notebook's worth of names; its assertions hold."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}

    for block in blocks(PAGE):
        exec(compile(block, "from-the-book.md", "exec"), names)

    assert len(blocks(PAGE)) >= 8
    assert sum("assert " in block for block in blocks(PAGE)) >= 8


def test_page_names_tests_that_exist():
    """Each claim of the page names a test of this project, by its present name."""
    assert absent_tests(PAGE) == set()
    assert len(set(re.findall(r"`(test_\w+)`", PAGE))) > 20


def test_absent_tests_sees_a_name_that_is_gone():
    """A renamed test is noticed."""
    assert absent_tests("`test_page_names_tests_that_exist` and `test_that_was`") == {"test_that_was"}
