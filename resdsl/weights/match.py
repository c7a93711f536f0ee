"""Match the tensors of a checkpoint to the parameters of a network by name, without the prefixes of wrappers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING

from resdsl.diagnostics import Diagnostic, Diagnostics, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.ir.graph import Derived, DerivedFunction, Graph, Parameter, Stored, ValueSource
from resdsl.ops.linear import Linear
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.mismatch import Pairing, ShapeMismatch, explain
from resdsl.weights.renaming import rename, weights_of_blocks

if TYPE_CHECKING:
    import numpy as np

WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
"""Prefixes that DataParallel, `torch.compile`, Lightning and detectors add to every name."""

_COUNTERS = ("num_batches_tracked", "n_averaged")
_TRAINING = ("optimizer.", "optim.", "lr_scheduler.", "scheduler.", "scaler.")

# torchvision renames its published DenseNets like this: they were saved before `norm.1` was `norm1`.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")


@dataclass(frozen=True, slots=True)
class Transposed(DerivedFunction):
    """A matrix that a checkpoint stores transposed."""

    name = "transpose"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        (array,) = arrays
        return array.T.copy()


@dataclass(frozen=True, slots=True)
class MatchReport:
    """How a checkpoint's tensors were used.

    Names are the network's; those of ``unexpected``, ``ignored`` and ``excluded`` are the checkpoint's. ``reshaped``
    have other axes of size 1 in the checkpoint, ``transposed`` are matrices that it stores transposed. ``ignored`` are
    training state, ``excluded`` matched a pattern to ignore. ``renamed`` counts renamed tensors, without those that
    only lost ``prefixes``. ``heads`` belong to heads that only training needs. ``values`` is the number of loaded
    elements.
    """

    checkpoint: str
    wrapper: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    reshaped: tuple[str, ...]
    transposed: tuple[str, ...]
    ignored: tuple[str, ...]
    excluded: tuple[str, ...]
    prefixes: tuple[str, ...]
    renamed: int
    values: int
    heads: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every parameter was loaded and every tensor of the checkpoint used."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        """One line: what was loaded, then every exception."""
        parts = [f"{_count(len(self.loaded), 'tensor')} ({self.values:,} values) from `{self.checkpoint}`"]
        if self.wrapper:
            parts.append(f"under the key `{self.wrapper}`")
        parts += [f"prefix `{prefix}` removed" for prefix in self.prefixes]
        if self.renamed:
            parts.append(f"{self.renamed} renamed")
        for names, what in ((self.reshaped, "reshaped"), (self.transposed, "transposed")):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                parts.append(f"`{names[0]}`{more} {what}")
        if self.ignored:
            parts.append(f"{_count(len(self.ignored), 'training counter')} ignored")
        if self.excluded:
            parts.append(f"{_count(len(self.excluded), 'tensor')} ignored by pattern")
        if self.heads:
            parts.append(f"{_count(len(self.heads), 'tensor')} of aux heads left out")
        for names, what in (
            (self.missing, "missing"),
            (self.mismatched, "of another shape"),
            (self.unexpected, "unused"),
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
    new_head: bool = False,
    renames: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
    heads: Collection[str] = (),
) -> tuple[Graph, MatchReport]:
    """The graph with the checkpoint's tensors as sources of its parameters, and a report.

    ``renames`` map whole parts of names in the checkpoint to the network's: ``{"backbone.body": "", "norm1": "bn1"}``;
    an empty key prepends its value to every name. Tensors of the checkpoint whose names match a pattern of ``ignore``
    (``aux.*``; ``*`` and ``?`` as in file names) are treated as if the checkpoint lacked them. ``heads`` are names of
    heads that only training needs, and ``graph`` lacks: a checkpoint may have their tensors (``aux1.*``) or not.

    Each cause of a mismatch is one diagnostic: an error, or with ``partial`` a warning, and unmatched parameters keep
    their initial values. With ``new_head``, a classifier with another number of classes is such a warning, and nothing
    else. No tensor is read yet.
    """
    kept = {key: key for key in checkpoint.tensors if not _is_training_state(key)}
    ignored = tuple(key for key in checkpoint.tensors if key not in kept)
    available = dict(kept)
    kept, by_user = _rename(kept, renames or {}, checkpoint, diagnostics)
    kept, prefixes = _strip(kept, graph.parameters)
    kept, by_age = _rename_densenet(kept, graph.parameters)
    of_blocks = weights_of_blocks(kept, graph.parameters)
    kept = {of_blocks.get(name, name): key for name, key in kept.items()}
    kept = _without_ignored(kept, ignore, checkpoint, diagnostics)
    excluded = tuple(key for key in available if key not in set(kept.values()))
    prefixes_of_heads = tuple(f"{head}." for head in heads)
    left_out = {
        name: key for name, key in kept.items() if name.startswith(prefixes_of_heads) and name not in graph.parameters
    }
    kept = {name: key for name, key in kept.items() if name not in left_out}

    pairing, reshaped, transposed = _pair(graph, checkpoint, kept, diagnostics)
    for diagnostic in explain(graph, checkpoint, pairing, partial=partial, new_head=new_head):
        diagnostics.report(diagnostic)
    parameters = dict(graph.parameters)
    for name, key in pairing.loaded.items():
        parameters[name] = replace(
            parameters[name], source=_source(parameters[name], checkpoint, key, name in transposed)
        )
    report = MatchReport(
        checkpoint=checkpoint.name,
        wrapper=checkpoint.wrapper,
        loaded=tuple(pairing.loaded),
        missing=pairing.missing,
        unexpected=tuple(kept[name] for name in pairing.unexpected),
        mismatched=tuple(mismatch.name for mismatch in pairing.mismatched),
        reshaped=reshaped,
        transposed=tuple(
            name for name, key in pairing.loaded.items() if name in transposed or key in checkpoint.transposed
        ),
        ignored=ignored,
        excluded=excluded,
        prefixes=prefixes,
        renamed=by_user + by_age + len(of_blocks),
        heads=tuple(left_out.values()),
        values=sum(graph.parameters[name].count for name in pairing.loaded),
    )
    return replace(graph, parameters=parameters), report


Names = dict[str, str]
"""Tensors of a checkpoint: the name to compare with the network's, and the key in the file."""


def _source(parameter: Parameter, checkpoint: Checkpoint, key: str, transposed: bool) -> ValueSource:
    stored = Stored(checkpoint, key)
    if not transposed:
        return stored
    return Derived(Transposed(), (replace(parameter, shape=parameter.shape[::-1], source=stored),))


def _is_training_state(key: str) -> bool:
    return key.rpartition(".")[2] in _COUNTERS or key.startswith(_TRAINING)


def _rename(
    names: Names, renames: Mapping[str, str], checkpoint: Checkpoint, diagnostics: Diagnostics
) -> tuple[Names, int]:
    changed = 0
    # Leading and trailing dots are not part of a name.
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
                    " that other tensors have",
                    helps=("write more of the name, so that it is unique: `layer1.0.norm=layer1.0.bn`",),
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
                        else f"only whole parts between dots are renamed; one tensor is `{next(iter(names), '')}`",
                    ),
                )
            )
        else:
            names = result
            changed += different
    return names, changed


def _without_ignored(names: Names, patterns: Sequence[str], checkpoint: Checkpoint, diagnostics: Diagnostics) -> Names:
    """The tensors that no pattern matches, by the name to compare or by the key in the file."""
    kept = names
    for pattern in patterns:
        matched = {name for name, key in names.items() if fnmatchcase(name, pattern) or fnmatchcase(key, pattern)}
        if not matched:
            near = closest(pattern.strip("*."), sorted({name.partition(".")[0] for name in names} | set(names)))
            diagnostics.report(
                Diagnostic(
                    catalogue.BAD_IGNORE,
                    f"no tensor of `{checkpoint.name}` matches the pattern `{pattern}` to ignore",
                    helps=(
                        f"did you mean `{near}`?"
                        if near in names
                        else f"did you mean `{near}.*`?"
                        if near
                        else "write `aux.*` for every name that begins with `aux.`",
                    ),
                )
            )
        kept = {name: key for name, key in kept.items() if name not in matched}
    return kept


def _strip(names: Names, known: Collection[str]) -> tuple[Names, tuple[str, ...]]:
    """Remove up to three nested wrapper prefixes: those that make the most names match."""
    best: Names = names
    removed: tuple[str, ...] = ()
    fitting = sum(name in known for name in names)
    outermost = [prefix for prefix in WRAPPER_PREFIXES if any(name.startswith(prefix) for name in names)]
    for depth in range(3):
        for prefixes in product(outermost, *[WRAPPER_PREFIXES] * depth):
            prefix = "".join(prefixes)
            if not any(name.startswith(prefix) for name in names):
                continue
            shorter = {name.removeprefix(prefix): key for name, key in names.items()}
            count = sum(name in known for name in shorter)
            # A name that occurs with and without the prefix belongs to two tensors.
            if len(shorter) == len(names) and count > fitting:
                best, removed, fitting = shorter, prefixes, count
    return best, removed


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
) -> tuple[Pairing, tuple[str, ...], tuple[str, ...]]:
    loaded: dict[str, str] = {}
    missing: list[str] = []
    reshaped: list[str] = []
    mismatched: list[ShapeMismatch] = []
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
            mismatched.append(ShapeMismatch(name, info.shape, parameter.shape))
    if not_floats:
        more = f" and {len(not_floats) - 3} more" if len(not_floats) > 3 else ""
        diagnostics.report(
            Diagnostic(
                catalogue.CHECKPOINT_DTYPE,
                f"weights in `{checkpoint.name}` are not floating-point: {', '.join(not_floats[:3])}{more}",
                helps=("use the checkpoint from before quantization",),
            )
        )
    transposed = _transposed(graph, loaded, mismatched)
    loaded |= {name: names[name] for name in transposed}
    mismatched = [one for one in mismatched if one.name not in loaded]
    unexpected = tuple(name for name in names if name not in graph.parameters)
    return Pairing(loaded, tuple(missing), unexpected, tuple(mismatched), names), tuple(reshaped), transposed


def _transposed(graph: Graph, loaded: Collection[str], mismatched: Sequence[ShapeMismatch]) -> tuple[str, ...]:
    """The weights of linear layers, if the checkpoint stores all of them as ``[in, out]``.

    The shape of a square matrix does not show it, so at least one other must, and none may show the opposite.
    """
    shown = {one.name for one in mismatched if len(one.wanted) == 2 and one.stored == one.wanted[::-1]}
    matrices = [
        (name, parameter.shape)
        for name, parameter in graph.parameters.items()
        if len(parameter.shape) == 2 and isinstance(graph.nodes[parameter.node].operator, Linear)
    ]
    linear = [name for name, shape in matrices if name in shown or (name in loaded and shape[0] == shape[1])]
    opposite = any(name in loaded and shape[0] != shape[1] for name, shape in matrices)
    return tuple(linear) if not opposite and any(name in shown for name in linear) else ()


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1x1 convolution's ``[out, in, 1, 1]`` and a linear layer's ``[out, in]`` hold the same values in order.

    Only trailing ones are removed: ``[1, 1, 64, 64]`` is a convolution in TensorFlow's order of axes.
    """
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
