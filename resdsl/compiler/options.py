"""How a network becomes a model file: one object, from the command line and from Python, for passes and emitter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from resdsl.ir.operator import OPSET
from resdsl.ir.types import DType
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.initial import Scheme

_BFLOAT16_OPSET = 22
"""From this operator set on ONNX has convolutions and pooling of bfloat16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """How a network is compiled. Raises ``ValueError`` for an ``init`` or a ``precision`` that does not exist."""

    weights: str | os.PathLike[str] | Checkpoint | None = None
    """A file, an address, or a checkpoint that ``resdsl.read_weights`` opened; its tensors are found by name."""

    renames: Mapping[str, str] = field(default_factory=dict)
    """Parts of the checkpoint's names, and what the network calls them: ``{"backbone.body": "", "norm1": "bn1"}``."""

    ignore: tuple[str, ...] = ()
    """Patterns of tensor names that the checkpoint has and the network leaves out: ``("aux.*",)``."""

    partial: bool = False
    """Tensors that do not fit keep their initial values, with a warning; otherwise all must fit."""

    keep_preprocess: bool = False
    """Keep the specification's preprocessing and labels where the weights come with others (timm's ``config.json``)."""

    init: Scheme = Scheme.HE_NORMAL
    """How kernels are initialised, from ``seed`` and each tensor's own name."""

    seed: int = 0

    zero_init_residual: bool = False
    """Start every residual block as the identity (Goyal et al. 2017, section 5.1)."""

    optimize: int = 0
    """The level: 0 is the graph as written, 1 folds batch norms and drops what computes nothing, 2 also folds scales,
    pads and normalisation into weights."""

    aux: bool = False
    """Heads that only training needs (``aux``) are part of the model, and what they give are outputs."""

    precision: DType = DType.F32
    """Of weights and arithmetic: ``f32``, ``f16`` or ``bf16``. Inputs and outputs stay 32-bit floats."""

    embed_preprocess: bool = False
    """The model takes raw images, bytes ``[N, rows, columns, channels]``, and does its own preprocessing."""

    opset: int = OPSET
    """The ONNX operator set, from ``resdsl.ir.operator.OPSET`` to ``NEWEST_OPSET``; ``bf16`` raises it to 22."""

    external_data: bool | None = None
    """Weights go to a file beside the model; ``None`` does that for models of more than 2 GB."""

    for_runtime: bool = False
    """ONNX Runtime optimises the model for this machine's processor: it loads faster, and runs only here."""

    def __post_init__(self) -> None:
        # Python users write plain strings.
        object.__setattr__(self, "init", Scheme(self.init))
        object.__setattr__(self, "precision", DType(self.precision))

    @property
    def written_opset(self) -> int:
        """The operator set to write: ``opset``, or the first that has the precision."""
        return max(self.opset, _BFLOAT16_OPSET) if self.precision is DType.BF16 else self.opset


INFERENCE = CompileOptions(optimize=1)
"""For a specification that is compiled to be run at once."""
