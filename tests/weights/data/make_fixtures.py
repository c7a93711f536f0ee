"""Make the PyTorch files beside this script, and what torch itself reads in them (``expected.npz``).

Needs torch, which the project does not: run it by hand where torch is installed, from any folder.
"""

import argparse
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent


def small() -> OrderedDict[str, torch.Tensor]:
    """A few layers with every kind of tensor that a residual network has."""
    net = torch.nn.Sequential(
        OrderedDict(
            conv1=torch.nn.Conv2d(3, 4, 3, bias=False),
            bn1=torch.nn.BatchNorm2d(4),
            fc=torch.nn.Linear(4, 5),
        )
    )
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape))
    return net.state_dict()


def views() -> dict[str, torch.Tensor]:
    """Tensors that share a storage or do not lie in it in order."""
    base = torch.arange(24, dtype=torch.float32)
    return {
        "whole": base,
        "part": base[5:11],
        "matrix": base.view(4, 6)[1:3, ::2],
        "transposed": base.view(4, 6).t(),
        "permuted": base.view(2, 3, 4).permute(2, 0, 1),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "repeated": torch.tensor([7.0]).expand(3),
    }


def training(state: OrderedDict[str, torch.Tensor]) -> dict[str, object]:
    """What a training script keeps beside the weights."""
    net = torch.nn.Linear(4, 5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(2, 4)).sum().backward()
    optimizer.step()
    return {
        "epoch": 90,
        "arch": "resnet50",
        "best_acc1": torch.tensor(76.1),
        "state_dict": OrderedDict((f"module.{name}", tensor) for name, tensor in state.items()),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, out=FOLDER.name, betas=(0.9, 0.99), dist=None),
        "rng": np.random.RandomState(0).get_state()[1][:4],
        "loss": np.float64(1.5),
    }


class Evil:
    """Asks for code to be run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never be seen",)


def main() -> None:
    torch.manual_seed(0)
    expected: dict[str, np.ndarray] = {}

    def save(name: str, content: object, tensors: dict[str, torch.Tensor], **how: object) -> None:
        torch.save(content, FOLDER / name, **how)
        for key, tensor in tensors.items():
            value = tensor.detach()
            expected[f"{name}/{key}"] = (value.float() if value.is_floating_point() else value).contiguous().numpy()

    state = small()
    save("zip.pth", state, state)
    save("legacy.pth", state, state, _use_new_zipfile_serialization=False)
    save("protocol4.pt", state, state, pickle_protocol=4)
    save("legacy_protocol4.pt", state, state, pickle_protocol=4, _use_new_zipfile_serialization=False)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        cast = {name: tensor.to(dtype) for name, tensor in state.items() if tensor.is_floating_point()}
        name = str(dtype).removeprefix("torch.")
        save(f"{name}.pth", cast, cast)
        save(f"{name}_legacy.pth", cast, cast, _use_new_zipfile_serialization=False)
    parameter = {"weight": torch.nn.Parameter(torch.randn(3, 2)), "bias": torch.nn.Parameter(torch.randn(3))}
    save("parameter.pth", parameter, parameter)
    shared = views()
    save("views.pth", shared, shared)
    save("views_legacy.pth", shared, shared, _use_new_zipfile_serialization=False)
    save("training.pth", training(state), {f"module.{name}": tensor for name, tensor in state.items()})
    save("training_legacy.pth", training(state), {}, _use_new_zipfile_serialization=False)
    integers = {
        "uint16": torch.arange(3, dtype=torch.int64).to(torch.uint16),
        "int64": torch.arange(3),
        "bool": torch.tensor([True, False]),
        "float": torch.ones(2),
    }
    save("integers.pth", integers, {name: value for name, value in integers.items() if name != "uint16"})
    save("complex.pth", {"weight": torch.ones(2, dtype=torch.complex64), "bias": torch.ones(2)}, {})
    save("list.pth", [torch.ones(2)], {})
    save("whole_module.pth", torch.nn.Linear(2, 3), {})
    save("evil.pth", {"state_dict": state, "extra": Evil()}, {})
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), FOLDER / "torchscript.pt")
    big_endian(FOLDER / "zip.pth", FOLDER / "big_endian.pth")
    np.savez_compressed(FOLDER / "expected.npz", **expected)


def big_endian(source: Path, target: Path) -> None:
    """The same file as a big-endian machine writes it; torch reads it back, which is checked."""
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as write:
        for member in read.infolist():
            data = read.read(member)
            if member.filename.endswith("byteorder"):
                data = b"big"
            elif "/data/" in member.filename:
                # All storages but the step counter, an int64, are float32.
                data = np.frombuffer(data, "<i8" if len(data) == 8 else "<f4").byteswap().tobytes()
            write.writestr(member.filename, data)
    for key, tensor in torch.load(target).items():
        assert torch.equal(tensor, torch.load(source)[key]), key


if __name__ == "__main__":
    sys.exit(main())
