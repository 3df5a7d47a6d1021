"""Events, streams, generators, scaling and the rest: what small programs answer, without a number that varies."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["BEHAVIOUR"]


def _told(work: Callable[[], Any]) -> str:
    try:
        return f"no error: {type(work()).__name__}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def events(device: torch.device) -> list[Any]:
    """Record two events around work, too early and in time."""
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    told: list[Any] = [first.query(), repr(first), _told(lambda: first.elapsed_time(last))]
    first.record()
    X = torch.rand(64, 64, device=device)
    X @ X
    last.record()
    torch.cuda.synchronize()
    told += [first.query(), last.query(), first.elapsed_time(last) > 0, last.elapsed_time(first) < 0]
    untimed = torch.cuda.Event()
    untimed.record()
    torch.cuda.synchronize()
    return [*told, _told(lambda: untimed.elapsed_time(last))]


def streams(device: torch.device) -> list[Any]:
    """Ask streams what they are."""
    stream, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    told: list[Any] = [stream == current, current == torch.cuda.default_stream(device), str(stream.device)]
    told += [hasattr(current, "x"), _told(lambda: current.x), stream.priority, isinstance(stream, torch.Stream)]
    with torch.cuda.stream(stream):
        told.append(torch.cuda.current_stream(device) == stream)
        X = torch.ones(3, device=device)
    told.append(torch.cuda.current_stream(device) == current)
    current.wait_stream(stream)
    event = stream.record_event()
    current.wait_event(event)
    stream.synchronize()
    return [*told, stream.query(), type(event).__name__, (X + 1).tolist()]


def generators(device: torch.device) -> list[Any]:
    """Seed generators: equal seeds give equal numbers, each device has its own."""
    generator, other = torch.Generator(device=device), torch.Generator(device=device)
    generator.manual_seed(3)
    other.manual_seed(3)
    draw = torch.rand(4, generator=generator, device=device)
    told: list[Any] = [generator.device.type, generator.initial_seed(), draw.device.type]
    told.append(torch.equal(draw, torch.rand(4, generator=other, device=device)))
    state = generator.get_state()
    again = torch.rand(4, generator=generator, device=device)
    generator.set_state(state)
    told.append(torch.equal(again, torch.rand(4, generator=generator, device=device)))
    torch.manual_seed(5)
    first = torch.rand(4, device=device)
    torch.rand(4)  # the CPU's generator is another one
    torch.cuda.manual_seed(5)
    told.append(torch.equal(first, torch.rand(4, device=device)))
    told += [torch.cuda.initial_seed(), len(torch.cuda.get_rng_state_all()) == torch.cuda.device_count()]
    here = torch.get_rng_state()
    torch.rand(4, device=device)
    return [*told, torch.equal(here, torch.get_rng_state())]


def scaling(device: torch.device) -> list[Any]:
    """Three steps under a GradScaler, the second with an infinite loss: it is skipped, and the scale halves."""
    weight = nn.Parameter(torch.ones(2, device=device))
    optimizer, scaler = torch.optim.SGD([weight], lr=0.5), torch.amp.GradScaler("cuda", init_scale=2.0**16)
    told: list[Any] = [scaler.state_dict()]
    for factor in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale((weight * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        told.append([scaler.get_scale(), weight.tolist()])
    return told


def autocast_region(device: torch.device) -> list[Any]:
    """Enter and leave regions, nested and disabled."""

    def dtype() -> str:
        X = torch.ones(2, 2, device=device)
        return str((X @ X).dtype)

    told: list[Any] = [dtype()]
    with torch.autocast("cuda"):
        told += [
            dtype(),
            torch.is_autocast_enabled("cuda"),
            torch.is_autocast_enabled(),
            torch.is_autocast_cache_enabled(),
        ]
        told.append(str(torch.get_autocast_dtype("cuda")))
        with torch.autocast("cuda", enabled=False):
            told.append(dtype())
        with torch.autocast("cuda", dtype=torch.bfloat16):
            told.append(dtype())
        told.append(str((torch.ones(2, 2) @ torch.ones(2, 2)).dtype))
        told.append(str(torch.ones(2, dtype=torch.int32, device=device).sum().dtype))
        told.append(str(torch.sum(torch.ones(2, device=device).half(), dtype=torch.float16).dtype))
        layer = nn.Linear(4, 3).to(device)
        Y = layer(torch.ones(2, 4, device=device))
        told.append(
            _told(
                lambda: nn.functional.binary_cross_entropy(torch.rand(2, device=device), torch.ones(2, device=device))
            )
        )
    Y.sum().backward()
    gradients = [parameter.grad for parameter in layer.parameters()]
    return [*told, dtype(), str(Y.dtype), [str(each.dtype) for each in gradients if each is not None]]


def old_types(device: torch.device) -> list[Any]:
    """Use the constructors and the type names of old programs."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = torch.cuda.FloatTensor([1.0, 2.0])
        told = [torch.cuda.FloatTensor(2, 3).shape == (2, 3), old.tolist(), old.type(), old.device.type]
    X = torch.ones(2, device=device)
    told += [isinstance(X, torch.cuda.FloatTensor), isinstance(X.cpu(), torch.cuda.FloatTensor), repr(X)]
    from torch.nn.parallel import comm

    return [*told, [str(copy.device) for copy in comm.broadcast(X, [0])]]


BEHAVIOUR: dict[str, Callable[[torch.device], Any]] = {
    "events": events,
    "streams": streams,
    "generators": generators,
    "scaling": scaling,
    "autocast region": autocast_region,
    "old types": old_types,
}
