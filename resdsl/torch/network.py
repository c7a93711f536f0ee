"""The modules that a plan becomes. Their ``forward`` is source text, compiled once for all equal blocks."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from resdsl.ir.operator import ParameterSpec
from resdsl.ir.preprocess import Preprocess
from resdsl.torch.plan import Block, Leaf, Plan


class Group(nn.Module):
    """Holds modules. Those whose names are numbers are its items: ``layer1[0]`` is ``layer1.0``."""

    def __getitem__(self, index: int) -> nn.Module:
        return self._numbered()[index]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._numbered())

    def __len__(self) -> int:
        return len(self._numbered())

    def __bool__(self) -> bool:
        # Without numbered modules it is not empty.
        return True

    def _numbered(self) -> list[nn.Module]:
        return [module for name, module in self._modules.items() if name.isdigit() and module is not None]


class Network(Group):
    """A network of a specification.

    ``preprocess`` says how an image becomes its input, ``labels`` are the names of the classes, both ``None`` where
    they are not known; ``outputs`` are the names of what ``forward`` gives in training mode. ``input_channels`` are
    those of the images that ``preprocess`` makes: 3, or 1 for greyscale.
    """

    preprocess: Preprocess | None
    labels: tuple[str, ...] | None
    outputs: tuple[str, ...]
    input_channels: int


class Generated:
    """Mixed into a module whose ``forward`` was generated: its class is made again when it is unpickled."""

    made_of: tuple[type[nn.Module], str, str]

    def __reduce__(self) -> tuple[Callable[..., nn.Module], tuple[object, ...], object]:
        return _new, self.made_of, self.__dict__

    def _get_name(self) -> str:
        return type(self).__name__


@cache
def generated(base: Any, name: str, source: str) -> type[nn.Module]:
    """The class with this ``forward``. Blocks that compute the same have one class."""
    digest = sha256(source.encode()).hexdigest()[:12]
    file = f"<resdsl {name} {digest}>"
    space: dict[str, Any] = {"torch": torch, "F": nn.functional}
    exec(compile(source, file, "exec"), space)
    # So that tracebacks and inspect.getsource show it.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    made_of = (base, name, source)
    made: type[nn.Module] = type(
        name, (Generated, base), {"forward": space["forward"], "made_of": made_of, "__module__": __name__}
    )
    return made


def _new(base: Any, name: str, source: str) -> nn.Module:
    made: Any = generated(base, name, source)
    module: nn.Module = made.__new__(made)
    return module


def build(plan: Plan) -> Network:
    """The modules of a plan, on the device that is current; the tensors have no values of the network yet."""
    made: dict[str, nn.Module] = {}
    for path, one in plan.modules.items():
        module = made[path] = _leaf(one) if isinstance(one, Leaf) else _block(one, is_network=not path)
        if path:
            parent, _, name = path.rpartition(".")
            # Not add_module, which refuses names of attributes such as `half`.
            made[parent]._modules[name] = module
    network = made[""]
    assert isinstance(network, Network)
    return network


def _block(block: Block, *, is_network: bool) -> nn.Module:
    if block.is_sequence:
        return nn.Sequential()
    if not block.source:
        return Group()
    return generated(Network if is_network else Group, _class_name(block.name), block.source)()


def _leaf(leaf: Leaf) -> nn.Module:
    if leaf.made is not None:
        module: nn.Module = getattr(nn, leaf.made.type)(*leaf.made.arguments, **leaf.made.options)
        return module
    module = generated(nn.Module, leaf.name, leaf.source)()
    for spec in leaf.tensors:
        _register(module, spec)
    return module


def _register(module: nn.Module, spec: ParameterSpec) -> None:
    if spec.trainable:
        module.register_parameter(spec.name, nn.Parameter(torch.empty(spec.shape)))
    else:
        module.register_buffer(spec.name, torch.empty(spec.shape))


def _class_name(name: str) -> str:
    """``basic_block`` as ``BasicBlock``."""
    parts = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return joined if joined.isidentifier() else f"Block{joined}"


def counters(module: nn.Module) -> Mapping[str, torch.Tensor]:
    """The counters of batches, which PyTorch's batch norms have beside the tensors of a specification, at 0."""
    names = (name for name, _ in module.named_buffers())
    return {name: torch.zeros((), dtype=torch.long) for name in names if name.endswith(".num_batches_tracked")}
