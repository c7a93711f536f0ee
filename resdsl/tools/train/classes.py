"""Which class of the network each label of the data is, and which images are held back for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.runtime.ground_truth import ClassNames
from resdsl.runtime.item import Item
from resdsl.tools.train.labelled import Labelled
from resdsl.untrusted import printable
from resdsl.weights.sampling import generator

Targets = npt.NDArray[np.int64] | npt.NDArray[np.float32]

_MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class Samples:
    """Images and their targets: an index ``int64[N]`` or a row ``float32[N, K]`` for each."""

    name: str
    items: tuple[Item, ...]
    targets: Targets

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a training run: their number, and their names, if they have any. ``are_new``: they are those of
    the data, not those of the network.
    """

    count: int
    names: tuple[str, ...]
    are_new: bool


def classes_of(
    data: Labelled, network: str, labels: Sequence[str], count: int, *, may_change: bool, new: bool
) -> Classes:
    """The classes to train.

    They are those of the network, which has ``count`` of them with the names ``labels``, if every label of the data is
    one of them: a name, an index from 0, or for ImageNet a WordNet ID. Otherwise they are those of the data, in
    alphabetical order: for a network without labels, with ``new``, or if ``may_change`` (the number of classes is that
    of the data) and the data has another number of them.

    Raises ``RunError`` if the data does not fit the network.
    """
    if isinstance(data.labels, np.ndarray):
        return _indexed(data, network, labels, count, data.labels.shape[1], may_change=may_change, exact=True)
    if data.labels and isinstance(data.labels[0], int):
        indices = [int(label) for label in data.labels]
        place = min(range(len(indices)), key=lambda one: indices[one])
        if indices[place] < 0:
            raise _misfit(
                f"the label of `{data.items[place].name}` is {indices[place]}", "labels are integers from 0, or names"
            )
        known = len(data.names) or max(indices) + 1
        if data.names and max(indices) >= known:
            place = indices.index(max(indices))
            raise _misfit(
                f"the label of `{data.items[place].name}` is {indices[place]}, and the data names {known} classes",
                f"labels are integers from 0 to {known - 1}",
            )
        if new and not data.names:
            return Classes(known if may_change else count, (), True)
        return _indexed(data, network, labels, count, known, may_change=may_change, exact=bool(data.names))
    names = tuple(sorted({str(label) for label in data.labels}))
    finder = ClassNames(network, labels, count)
    unknown = [] if new else [name for name in names if finder.find(name) is None]
    if not new and not unknown:
        return Classes(count, tuple(labels), False)
    if new or not labels or (may_change and len(names) != count):
        if len(names) != count and not may_change:
            raise _other_number(data, network, len(names), count)
        return Classes(len(names), names, True)
    near = closest(unknown[0], labels)
    raise _misfit(
        f"`{printable(unknown[0])}` of `{data.name}` is not a class of `{network}`"
        + (f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""),
        *((f"did you mean `{near}`?",) if near else ()),
        f"the first labels of `{network}` are {', '.join(f'`{label}`' for label in labels[:3])}",
        Text("train for the classes of the data instead: ", Option("new_labels", True)),
    )


def _indexed(
    data: Labelled, network: str, labels: Sequence[str], count: int, known: int, *, may_change: bool, exact: bool
) -> Classes:
    """The classes of data whose labels are indices of ``known`` classes, or with ``exact`` of no fewer ones."""
    if known == count or (known < count and not exact):
        return Classes(count, data.names or tuple(labels), bool(data.names))
    if not may_change:
        if isinstance(data.labels, np.ndarray) or known < count:
            raise _other_number(data, network, known, count)
        place = next(place for place, label in enumerate(data.labels) if int(label) >= count)
        raise _misfit(
            f"the label of `{data.items[place].name}` is {data.labels[place]}, and `{network}` has {count} classes",
            f"labels are integers from 0 to {count - 1}",
            Text("or give the network more classes: ", Option("set", {"classes": known})),
        )
    return Classes(known, data.names, True)


def samples_of(data: Labelled, classes: Classes, network: str) -> Samples:
    """The images with their targets. Raises ``RunError`` for a label that is not one of the classes."""
    if isinstance(data.labels, np.ndarray):
        if data.labels.shape[1] != classes.count:
            raise _other_number(data, network, data.labels.shape[1], classes.count)
        return Samples(data.name, data.items, data.labels)
    indices: list[int] = []
    finder = ClassNames(network, classes.names, classes.count)
    known: dict[str, int | None] = {}
    for item, label in zip(data.items, data.labels, strict=True):
        if isinstance(label, int):
            index: int | None = label if 0 <= label < classes.count else None
        else:
            if label not in known:
                # The names of new classes are exact: `a b` and `a_b` may both be classes.
                known[label] = (
                    classes.names.index(label) if classes.are_new and label in classes.names else finder.find(label)
                )
            index = known[label]
        if index is None:
            near = closest(str(label), classes.names) if isinstance(label, str) else None
            raise _misfit(
                f"the label of `{item.name}` is `{printable(label)}`, which is not a class of the run",
                *((f"did you mean `{near}`?",) if near else ()),
                f"there are {classes.count} classes",
            )
        indices.append(index)
    return Samples(data.name, data.items, np.array(indices, np.int64))


def held_back(data: Labelled, share: float, seed: int) -> tuple[Labelled, Labelled | None]:
    """The data without ``share`` of the images of each class, and these; the same ones for the same seed.

    At least one image of each class stays. Images with rows of targets are one class here.
    """
    if share == 0:
        return data, None
    by_class: dict[object, list[int]] = {}
    rows = isinstance(data.labels, np.ndarray)
    for place, label in enumerate(data.labels):
        by_class.setdefault("" if rows else label, []).append(place)
    held: set[int] = set()
    for label, places in by_class.items():
        order = generator(f"validation:{label}", seed).permutation(len(places))
        held.update(places[int(one)] for one in order[: min(round(share * len(places)), len(places) - 1)])
    if not held:
        return data, None
    kept = [place for place in range(len(data)) if place not in held]
    return data.part(kept), data.part(sorted(held))


def without_images(samples: Samples, classes: Classes) -> tuple[Diagnostic, ...]:
    """A warning if there are classes that no image has."""
    targets = samples.targets
    found = targets.sum(axis=0) > 0 if targets.ndim == 2 else np.bincount(targets, minlength=classes.count) > 0
    missing = [index for index in range(classes.count) if not found[index]]
    if not missing:
        return ()
    named = [f"`{classes.names[index]}`" if classes.names else str(index) for index in missing[:_MOST_LISTED]]
    more = f" and {len(missing) - _MOST_LISTED} more" if len(missing) > _MOST_LISTED else ""
    plural = "classes have" if len(missing) > 1 else "class has"
    message = f"{len(missing)} of {classes.count} {plural} no images in `{samples.name}`: {', '.join(named)}{more}"
    advice = (
        "the network learns to never answer them: add images",
        Text("or train for the classes of the data alone: ", Option("new_labels", True)),
    )
    return (Diagnostic(catalogue.EMPTY_CLASS, message, helps=advice),)


def _other_number(data: Labelled, network: str, known: int, count: int) -> RunError:
    return _misfit(
        f"`{data.name}` has {known} classes, and `{network}` has {count}",
        Text("give the network as many: ", Option("set", {"classes": known})),
    )


def _misfit(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.TRAINING_CLASSES, fact, helps=helps)
