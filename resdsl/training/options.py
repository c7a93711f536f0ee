"""What a training step computes."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

LOSSES = ("cross_entropy", "binary")
OPTIMIZERS = ("sgd", "adamw")
PRECISIONS = ("float32", "mixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """How a network is trained. Raises ``ValueError`` for values that have no meaning."""

    loss: str = "cross_entropy"
    """``cross_entropy`` of the classes of each image, or ``binary`` cross entropy of each class on its own."""

    label_smoothing: float = 0.0
    """The share of the target that all classes have in common; as in ``torch.nn.CrossEntropyLoss``."""

    aux_weight: float = 0.3
    """What the loss of each head for training (``aux``) counts; 0 leaves these heads out (GoogLeNet, section 5)."""

    optimizer: str = "sgd"
    """``sgd`` or ``adamw``, as in ``torch.optim``."""

    momentum: float = 0.9
    """Of ``sgd``."""

    nesterov: bool = False
    """Of ``sgd``."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Of ``adamw``: how much of the mean and of the mean square of the gradients is kept."""

    eps: float = 1e-8
    """Of ``adamw``: added to the root of the mean square."""

    weight_decay: float = 0.0
    """In ``sgd`` a part of the gradient, in ``adamw`` apart from it."""

    decay_norms_and_biases: bool = True
    """Whether tensors of one axis decay too."""

    clip_norm: float | None = None
    """The largest norm of all gradients together; as ``torch.nn.utils.clip_grad_norm_``."""

    accumulate: int = 1
    """Runs whose mean gradient makes one update."""

    frozen: tuple[str, ...] = ()
    """Patterns of names of tensors that keep their values: ``("layer1.*",)``. A batch norm whose running statistics
    are frozen normalises by them, as at inference."""

    precision: str = "float32"
    """``float32``, or ``mixed``: layers in float16 and weights in float32, with a loss scale that adapts."""

    def __post_init__(self) -> None:
        for value, choices in (
            (self.loss, LOSSES),
            (self.optimizer, OPTIMIZERS),
            (self.precision, PRECISIONS),
        ):
            if value not in choices:
                raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        _require(0 <= self.label_smoothing < 1, "label_smoothing", "from 0 to below 1")
        _require(self.loss != "binary" or not self.label_smoothing, "label_smoothing", "0 with the loss `binary`")
        _require(self.aux_weight >= 0, "aux_weight", "at least 0")
        _require(0 <= self.momentum < 1, "momentum", "from 0 to below 1")
        _require(not self.nesterov or self.momentum > 0, "momentum", "above 0 with `nesterov`")
        _require(all(0 <= beta < 1 for beta in self.betas), "betas", "from 0 to below 1")
        _require(self.eps > 0, "eps", "above 0")
        _require(self.weight_decay >= 0, "weight_decay", "at least 0")
        _require(self.clip_norm is None or self.clip_norm > 0, "clip_norm", "above 0")
        _require(self.accumulate >= 1, "accumulate", "at least 1")
        object.__setattr__(self, "frozen", tuple(self.frozen))
        object.__setattr__(self, "betas", tuple(self.betas))

    def freezes(self, tensor: str) -> bool:
        """Whether the tensor of this name keeps its values."""
        return any(fnmatchcase(tensor, pattern) for pattern in self.frozen)


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise ValueError(f"`{name}` must be {what}")
