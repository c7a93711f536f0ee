"""Moving pixels into channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Refusal, Steps, Window
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType, Word
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.identity import Identity
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class SpaceToDepth(Operator):
    """Each block of ``block x block`` pixels becomes one pixel with ``block * block`` times as many channels.

    The value of channel ``c`` at row ``u`` and column ``v`` of a block goes to channel ``(u * block + v) * C + c``, as
    in ONNX, TensorFlow and timm's ``SpaceToDepth``. With ``order = channels`` it goes to channel
    ``(c * block + u) * block + v``, as in PyTorch's ``PixelUnshuffle``. Height and width are multiples of ``block``.
    """

    name: ClassVar[str] = "space_to_depth"
    aliases: ClassVar[tuple[str, ...]] = ("spacetodepth",)
    examples: ClassVar[tuple[Example, ...]] = (
        Example("space_to_depth(2)", (2, 3, 4, 6), any_size=False),
        Example("space_to_depth(block = 3, order = channels)", (1, 2, 6, 3), any_size=False),
        Example("space_to_depth(1)", (1, 3, 2, 5)),
    )

    block: int = arg(doc="height and width of the blocks")
    order: Word = arg(
        Word("pixels"),
        doc="which channels of the result are neighbours: those of one pixel, or those of one channel of the input",
        words=("pixels", "channels"),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "`space_to_depth`")
        batch, _, rows, columns = x.shape
        channels = known_channels(x) * self.block * self.block
        return x.with_shape(batch, channels, self._blocks(rows, "height"), self._blocks(columns, "width"))

    def canonical(self, *inputs: TensorType) -> Operator:
        return Identity() if self.block == 1 else self

    def _blocks(self, size: Dim, what: str) -> Dim:
        blocks = size // self.block
        if blocks * self.block == size:
            return blocks
        if isinstance(size, int):
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"blocks of {self.block} do not divide a {what} of {size}",
                argument="block",
                helps=("write `pad` before it, or another block",),
            )
        raise Refusal(
            catalogue.SYMBOLIC_SIZE,
            f"the {what} must be a multiple of {self.block}, and {size} is not known",
            argument="block",
            helps=("give the input a fixed size",),
        )

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return Window(Steps(self.block, self.block), Steps(self.block, self.block))

    def label(self) -> str:
        return f"space to depth, {self.block}"

    def in_torch(self, to: TorchCode) -> str:
        y = f"F.pixel_unshuffle({to.input}, {self.block})"
        if self.order == "channels":
            return y
        # From all pixels of a channel side by side to all channels of a pixel.
        return f"{y}.unflatten(1, ({known_channels(to.types[0])}, -1)).transpose(1, 2).flatten(1, 2)"

    def lower(self, to: Lowering) -> None:
        y = to("SpaceToDepth", to.input, blocksize=self.block)
        if self.order == "channels":
            channels, pixels = known_channels(to.types[0]), self.block * self.block
            order = [pixel * channels + channel for channel in range(channels) for pixel in range(pixels)]
            to("Gather", y, to.integers(order), axis=1)

    def gradient(self, to: Gradient) -> None:
        mode = "CRD" if self.order == "channels" else "DCR"
        to.give(to("DepthToSpace", to.gradient, blocksize=self.block, mode=mode))
