"""Which tensor of a checkpoint is which of a network: by name, after undoing what wrappers did to the names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product

from resdsl.diagnostics import Diagnostic, Diagnostics, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.ir.graph import Graph, Stored
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.mismatch import Mismatch, Pairing, explain
from resdsl.weights.renaming import rename

WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
"""What DataParallel, `torch.compile`, Lightning and detectors put before every name."""

_COUNTERS = ("num_batches_tracked", "n_averaged")
_TRAINING = ("optimizer.", "optim.", "lr_scheduler.", "scheduler.", "scaler.")

# torchvision renames its published DenseNets in this way as it loads them: they were saved before `norm.1` was `norm1`.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")


@dataclass(frozen=True, slots=True)
class MatchReport:
    """What became of a checkpoint's tensors. Names are the network's, ``unexpected`` and ``ignored`` the checkpoint's.

    ``reshaped`` had other axes of size 1. ``renamed`` counts names that were changed otherwise than by ``prefixes``.
    ``values`` are the elements loaded.
    """

    checkpoint: str
    wrapper: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    reshaped: tuple[str, ...]
    ignored: tuple[str, ...]
    prefixes: tuple[str, ...]
    renamed: int
    values: int

    @property
    def is_complete(self) -> bool:
        """Whether every tensor of the network came from the checkpoint, and none was left over."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        """One line: what was loaded, then all that was not plain."""
        parts = [f"{_count(len(self.loaded), 'tensor')} ({self.values:,} values) from `{self.checkpoint}`"]
        if self.wrapper:
            parts.append(f"found under `{self.wrapper}`")
        parts += [f"`{prefix}` taken off the names" for prefix in self.prefixes]
        if self.renamed:
            parts.append(f"{self.renamed} renamed")
        if self.reshaped:
            more = f" and {len(self.reshaped) - 1} more" if len(self.reshaped) > 1 else ""
            parts.append(f"`{self.reshaped[0]}`{more} reshaped")
        if self.ignored:
            parts.append(f"{_count(len(self.ignored), 'training counter')} ignored")
        for names, what in (
            (self.missing, "missing"),
            (self.mismatched, "of another shape"),
            (self.unexpected, "left over"),
        ):
            if names:
                parts.append(f"{len(names)} {what}")
        return "; ".join(parts)


def match(
    graph: Graph,
    checkpoint: Checkpoint,
    diagnostics: Diagnostics,
    *,
    partial: bool = False,
    renames: Mapping[str, str] | None = None,
) -> tuple[Graph, MatchReport]:
    """The graph with the checkpoint's tensors as sources of its parameters, and an account of it.

    ``renames`` are whole parts of names in the checkpoint and what the network calls them: ``{"backbone.body": "",
    "norm1": "bn1"}``; an empty key puts its value before every name. Each cause of a misfit is one diagnostic: an
    error, or with ``partial`` a warning, and what does not fit keeps its initial value. Nothing is read yet.
    """
    kept = {key: key for key in checkpoint.tensors if not _is_training_state(key)}
    ignored = tuple(key for key in checkpoint.tensors if key not in kept)
    kept, by_user = _rename(kept, renames or {}, checkpoint, diagnostics)
    kept, prefixes = _strip(kept, graph.parameters)
    kept, by_age = _rename_densenet(kept, graph.parameters)

    pairing, reshaped = _pair(graph, checkpoint, kept, diagnostics)
    for diagnostic in explain(graph, checkpoint, pairing, partial=partial):
        diagnostics.report(diagnostic)
    parameters = dict(graph.parameters)
    for name, key in pairing.loaded.items():
        parameters[name] = replace(parameters[name], source=Stored(checkpoint, key))
    report = MatchReport(
        checkpoint=checkpoint.name,
        wrapper=checkpoint.wrapper,
        loaded=tuple(pairing.loaded),
        missing=pairing.missing,
        unexpected=tuple(kept[name] for name in pairing.unexpected),
        mismatched=tuple(mismatch.name for mismatch in pairing.mismatched),
        reshaped=reshaped,
        ignored=ignored,
        prefixes=prefixes,
        renamed=by_user + by_age,
        values=sum(graph.parameters[name].count for name in pairing.loaded),
    )
    return replace(graph, parameters=parameters), report


Names = dict[str, str]
"""Tensors of a checkpoint: the name that is compared with the network's, and the key in the file."""


def _is_training_state(key: str) -> bool:
    return key.rpartition(".")[2] in _COUNTERS or key.startswith(_TRAINING)


def _rename(
    names: Names, renames: Mapping[str, str], checkpoint: Checkpoint, diagnostics: Diagnostics
) -> tuple[Names, int]:
    changed = 0
    # Dots at the ends are no part of the parts.
    for old, new in ((old.strip("."), new.strip(".")) for old, new in renames.items()):
        result: Names = {}
        for name, key in names.items():
            result.setdefault(rename(name, old, new), key)
        different = sum(name not in names for name in result)
        if len(result) < len(names):
            diagnostics.report(
                Diagnostic(
                    catalogue.BAD_RENAME,
                    f"renaming `{old}` to `{new}` gives {len(names) - len(result)} tensors of `{checkpoint.name}` names"
                    " that others have",
                    helps=("write more of the name, so that it is the only one: `layer1.0.norm=layer1.0.bn`",),
                )
            )
        elif not different:
            parts = {part for name in names for part in name.split(".")} | {name.rpartition(".")[0] for name in names}
            guess = closest(old, sorted(parts))
            diagnostics.report(
                Diagnostic(
                    catalogue.BAD_RENAME,
                    f"`{checkpoint.name}` has no tensor with `{old}` in its name",
                    helps=(
                        f"did you mean `{guess}`?"
                        if guess
                        else f"whole parts between dots are renamed; its first tensor is `{next(iter(names), '')}`",
                    ),
                )
            )
        else:
            names = result
            changed += different
    return names, changed


def _strip(names: Names, known: Collection[str]) -> tuple[Names, tuple[str, ...]]:
    """Take those wrappers' prefixes off, up to three around each other, that make the most names fit."""
    best: Names = names
    taken: tuple[str, ...] = ()
    fitting = sum(name in known for name in names)
    outermost = [prefix for prefix in WRAPPER_PREFIXES if any(name.startswith(prefix) for name in names)]
    for depth in range(3):
        for prefixes in product(outermost, *[WRAPPER_PREFIXES] * depth):
            prefix = "".join(prefixes)
            if not any(name.startswith(prefix) for name in names):
                continue
            shorter = {name.removeprefix(prefix): key for name, key in names.items()}
            count = sum(name in known for name in shorter)
            # A name that is there with and without the prefix is two tensors.
            if len(shorter) == len(names) and count > fitting:
                best, taken, fitting = shorter, prefixes, count
    return best, taken


def _rename_densenet(names: Names, known: Collection[str]) -> tuple[Names, int]:
    renamed: Names = {}
    changed = 0
    for name, key in names.items():
        modern = _OLD_DENSENET.sub(r"\1", name)
        if modern != name and modern in known and modern not in names:
            renamed[modern] = key
            changed += 1
        else:
            renamed[name] = key
    return renamed, changed


def _pair(
    graph: Graph, checkpoint: Checkpoint, names: Names, diagnostics: Diagnostics
) -> tuple[Pairing, tuple[str, ...]]:
    loaded: dict[str, str] = {}
    missing: list[str] = []
    reshaped: list[str] = []
    mismatched: list[Mismatch] = []
    not_floats: list[str] = []
    for name, parameter in graph.parameters.items():
        key = names.get(name)
        if key is None:
            missing.append(name)
            continue
        info = checkpoint.tensors[key]
        if not info.is_float:
            not_floats.append(f"`{key}` ({info.dtype})")
        elif info.shape == parameter.shape:
            loaded[name] = key
        elif _without_ones(info.shape) == _without_ones(parameter.shape):
            loaded[name] = key
            reshaped.append(name)
        else:
            mismatched.append(Mismatch(name, info.shape, parameter.shape))
    if not_floats:
        more = f" and {len(not_floats) - 3} more" if len(not_floats) > 3 else ""
        diagnostics.report(
            Diagnostic(
                catalogue.CHECKPOINT_DTYPE,
                f"weights in `{checkpoint.name}` are not floating point: {', '.join(not_floats[:3])}{more}",
                helps=("use the checkpoint from before it was quantised",),
            )
        )
    unexpected = tuple(name for name in names if name not in graph.parameters)
    return Pairing(loaded, tuple(missing), unexpected, tuple(mismatched), names), tuple(reshaped)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1x1 convolution's ``[out, in, 1, 1]`` and a linear layer's ``[out, in]`` hold the same numbers in order.

    Ones at other places are not taken away: ``[1, 1, 64, 64]`` is a convolution in TensorFlow's order of axes.
    """
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
