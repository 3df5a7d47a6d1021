"""Two processes under torchrun: they do what one does with the combined batch, also when one of them is killed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
import torch
import torch.distributed.checkpoint
from torch import nn
from torch.nn import functional as F

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this build of torch has no gloo, so processes on the CPU cannot talk",
)

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "en" / "13_distributed.ipynb"

WORKER = dedent("""
    import os, signal, sys
    from datetime import timedelta
    from pathlib import Path

    import torch
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch import nn
    from torch.distributed.checkpoint.state_dict import get_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.nn import functional as F
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

    from d2lcompute import load_checkpoint, save_checkpoint

    folder, attempt = Path(sys.argv[1]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = dist.FileStore(str(folder / f"meeting-{attempt}"), size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=60))


    def build():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))


    def optimizer_of(net):
        return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


    def batches():
        data = TensorDataset(*torch.load(folder / "data.pt"))
        sampler = DistributedSampler(data)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            yield from DataLoader(data, 16 // size, sampler=sampler)


    def train(net, optimizer, done=0, after=lambda step: None):
        for step, (X, y) in enumerate(batches(), start=1):
            if step > done:
                optimizer.zero_grad()
                F.cross_entropy(net(X), y).backward()
                optimizer.step()
                after(step)
        return {name: value.clone() for name, value in net.state_dict().items()}


    def resume(path, *, with_optimizer=True):
        net = DistributedDataParallel(build())
        optimizer = optimizer_of(net)
        checkpoint = load_checkpoint(path, net.module, optimizer) if path.exists() else None
        if not with_optimizer:
            optimizer = optimizer_of(net)
        done = checkpoint.step if checkpoint else 0

        def after(step):
            with open(folder / f"diary-{rank}.txt", "a") as diary:
                print(attempt, step, file=diary)
            if rank == 0 and step % 4 == 0 and with_optimizer:
                save_checkpoint(path, net.module, optimizer, step=step)
            if rank == 1 and step == 6 and attempt == 0:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

        train(net, optimizer, done, after if with_optimizer else lambda step: None)
        return net.module.state_dict()


    def sharded():
        net = build()
        for module in (net[0], net[2], net):
            fully_shard(module, mesh=init_device_mesh("cpu", [size]))
        train(net, optimizer_of(net))
        dcp.save(get_model_state_dict(net), checkpoint_id=folder / "parts")
        return {name: tuple(p.to_local().shape) for name, p in net.named_parameters()}


    path = folder / "checkpoint.pt"
    result = {"attempt": attempt}
    if attempt:  # before the good run replaces the checkpoint
        result["without momentum"] = resume(path, with_optimizer=False)
    result["resumed"] = resume(path)
    net = DistributedDataParallel(build())
    result["undisturbed"] = {k.removeprefix("module."): v for k, v in train(net, optimizer_of(net)).items()}
    result["parts"] = sharded()
    torch.save(result, folder / f"result-{rank}.pt")
    dist.destroy_process_group()
    os._exit(0)  # gloo's threads outlive the group, and an interpreter that tidies up around them can abort
""")


def data():
    """Return 64 examples of 5 numbers with their classes."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 5, generator=generator), torch.randint(4, (64,), generator=generator)


def build():
    """Return the net with which the workers begin."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run two workers of which one is killed once, and return the folder with what they left."""
    folder = tmp_path_factory.mktemp("distributed")
    script = folder / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    torch.save(list(data()), folder / "data.pt")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2", "--max-restarts=1"]
    meeting = ["--rdzv-backend=c10d", "--rdzv-conf=store_type=file", f"--rdzv-endpoint={folder / 'agents'}"]
    own = {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    if os.name == "posix":
        own["GLOO_SOCKET_IFNAME"] = "lo" if sys.platform == "linux" else "lo0"

    ran = subprocess.run(
        [*launcher, *meeting, "--local-addr=localhost", script, folder],
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture(scope="module")
def results(folder):
    """Return what each rank left."""
    return [torch.load(folder / f"result-{rank}.pt") for rank in range(2)]


def equal(one, other):
    """Return whether two state dicts agree bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def close(one, other):
    """Return whether two state dicts agree up to rounding."""
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


@pytest.mark.slow
def test_a_killed_worker_is_restarted_from_the_checkpoint(folder, results):
    """Rank 1 dies after step 6; both begin again after step 4, where the last checkpoint is."""
    diary = [tuple(map(int, line.split())) for line in (folder / "diary-1.txt").read_text().splitlines()]

    assert [each["attempt"] for each in results] == [1, 1]
    assert [step for attempt, step in diary if attempt == 0] == [1, 2, 3, 4, 5, 6]
    assert [step for attempt, step in diary if attempt == 1] == list(range(5, 13))


@pytest.mark.slow
def test_nothing_is_lost_by_the_kill(results):
    """The resumed run ends with the undisturbed run's weights, bit for bit, on both ranks; without momentum not."""
    undisturbed = results[0]["undisturbed"]

    assert equal(results[0]["resumed"], undisturbed)
    assert equal(results[1]["resumed"], undisturbed)
    assert not close(results[0]["without momentum"], undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "same"), [(16, True), (8, False)])
def test_two_ranks_train_as_one_process_with_the_combined_batch(results, batch, same):
    """Two ranks with 8 examples each do what one process does with 16, and not what it does with 8."""
    X, y = data()
    net = build()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    for epoch in range(3):
        order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(batch):
            optimizer.zero_grad()
            F.cross_entropy(net(X[rows]), y[rows]).backward()
            optimizer.step()

    assert close(net.state_dict(), results[0]["undisturbed"]) is same
    assert equal(results[0]["undisturbed"], results[1]["undisturbed"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # one process loads: that is the point
def test_one_process_loads_what_two_have_saved(folder, results):
    """Each rank holds half of each parameter; their checkpoint, loaded by one process, is DDP's net."""
    net = build()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = net.state_dict()

    torch.distributed.checkpoint.load(state, checkpoint_id=folder / "parts", no_dist=True)

    assert results[0]["parts"] == {"0.weight": (4, 5), "0.bias": (4,), "2.weight": (2, 8), "2.bias": (2,)}
    assert close(net.state_dict(), results[0]["undisturbed"])
    assert not close(before, results[0]["undisturbed"])


# The script on the page.

SHIM = """
import os, sys
import torch.distributed as dist

begin = dist.init_process_group
rank = int(sys.argv[1])
store = dist.FileStore("meeting", 2)  # no port is opened
dist.init_process_group = lambda: begin("gloo", store=store, rank=rank, world_size=2)
exec(compile(open("train.py").read(), "train.py", "exec"))
sys.stdout.flush()
os._exit(0)  # gloo's threads, which outlive the group, can abort a normal shutdown
"""


def test_the_whole_script_trains_and_tests_in_two_processes(tmp_path):
    """What 13 shows as a listing runs as it stands: two ranks train, count together, and one saves."""
    pytest.importorskip("sklearn.datasets")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    listing = next(cell.source for cell in notebook.cells if cell.id == "script-whole")
    (tmp_path / "train.py").write_text(re.search("```python\n(.*?)```", listing, re.DOTALL)[1], encoding="utf-8")
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", SHIM, str(rank)],
            cwd=tmp_path,
            env={**os.environ, "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120) for process in ranks]

    assert [process.returncode for process in ranks] == [0, 0], said
    told = re.search(r"^accuracy (0\.\d\d) of 128 test digits$", said[0][0], re.MULTILINE)  # gloo may say things too
    assert told, said
    assert float(told[1]) > 0.9
    assert "accuracy" not in said[1][0]
    assert set(torch.load(tmp_path / "net.pt")) == {"0.weight", "0.bias", "2.weight", "2.bias"}
