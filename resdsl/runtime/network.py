"""How images go into a model, and classes or features come out of it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.ir.preprocess import Crop, Preprocess
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import at_scale, output_size, prepare, prepare_ten, refusal
from resdsl.runtime.session import Port, Session
from resdsl.runtime.sources import Item

Array = npt.NDArray[Any]

_RAW = "tensor(uint8)"
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    _RAW: np.uint8,
}
_OUTPUT_DTYPES = frozenset(_DTYPES) - {_RAW}
# A fixed batch is filled up to its size: no file may make us fill memory.
_BATCHES = range(1, 4097)
_PROBABILITIES = "probabilities"


@dataclass(frozen=True, slots=True)
class Network:
    """A session, and what goes into it and comes out of it.

    ``output`` is read as probabilities of classes, or with ``features`` as it is. ``preprocess`` is ``None`` for a
    model that does not say how an image becomes its input, which can be given inputs that are prepared already, and
    for one that is ``raw``: it takes images as they are, bytes ``[N, H, W, C]``.
    """

    session: Session
    input: Port
    output: Port
    preprocess: Preprocess | None
    labels: Sequence[str] = ()
    features: bool = False
    max_pixels: int = MAX_PIXELS
    crops: int = 1
    scales: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        session: Session,
        *,
        output: str | None = None,
        preprocess: Preprocess | None = None,
        labels: Sequence[str] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Network:
        """The model of ``session``; ``output`` names what to take as features in place of the classes.

        ``preprocess`` and ``labels`` stand in for what its metadata says. Raises ``RunError`` where it takes no
        images, has no such output, or says of itself what cannot be.
        """
        port = _image_input(session)
        answer = _class_output(session) if output is None else _named_output(session, output)
        metadata = read_metadata(session.metadata, session.name, channels=channels(port))
        labels = labels if labels is not None else metadata.labels or ()
        classes = answer.shape[-1]
        if output is None and labels and isinstance(classes, int) and len(labels) != classes:
            raise RunError.of(
                catalogue.METADATA,
                f"`{session.name}` has {classes} classes and {len(labels)} names for them",
                helps=("say the right `labels` in its specification and compile it again",),
            )
        # A model that prepares images itself has no steps left to do.
        preprocess = None if port.dtype == _RAW else preprocess or metadata.preprocess
        size = output_size(preprocess) if preprocess else None
        if size and not _fits(port, size):
            raise _misfit(session.name, port, size)
        return cls(session, port, answer, preprocess, labels, output is not None, max_pixels)

    def with_views(self, crops: int, scales: tuple[int, ...]) -> Network:
        """The same, averaging over views of the image; raises ``RunError`` where the model does not allow that."""
        if crops == 1 and not scales:
            return self
        if crops not in (1, 10):
            raise _untestable(
                f"an image is tested with 1 crop or with 10, not with {crops}", "leave `crops` out, or 10"
            )
        if crops == 10 and scales:
            raise _untestable(
                "ten crops and several scales exclude each other: crops are parts of an image, scales take the whole",
                "take one of them",
            )
        if self.raw:
            raise _untestable(
                f"`{self.session.name}` prepares its images itself, and sees each once",
                Text("compile it without ", Option("embed_preprocess")),
            )
        if crops == 10 and not (self.preprocess and any(isinstance(step, Crop) for step in self.preprocess.steps)):
            raise _untestable(
                f"`{self.session.name}` has no `crop` in its preprocessing that would say how large ten crops are",
                "write `crop(224)` in the `preprocess` of its specification and compile it again",
            )
        self._require_scales(scales)
        return replace(self, crops=crops, scales=scales)

    def _require_scales(self, scales: tuple[int, ...]) -> None:
        if not scales:
            return
        self.require_preprocess()
        if any(isinstance(size, int) for size in self.input.shape[2:]):
            raise _untestable(
                f"`{self.session.name}` takes {_shape(self.input)} alone, so that it cannot be run at several scales",
                "compile it with its height and width left open: `resdsl compile SPEC --input 'N,3,H,W'`",
                "`resdsl compile resnet50_conv` is ResNet-50 in its fully convolutional form",
            )
        if len(self.output.shape) != 2:
            raise _untestable(
                f"`{self.output.name}` is {_shape(self.output)}, whose sizes differ from scale to scale",
                "take an output after the global pooling, `[N, channels]`",
            )
        assert self.preprocess is not None
        for scale in scales:
            why_not = refusal(at_scale(self.preprocess, scale), channels(self.input))
            if why_not:
                raise _untestable(f"the image cannot be tested at the scale {scale!r}: {why_not}", "take other scales")

    def require_preprocess(self) -> None:
        """Raise ``RunError`` unless it is known how an image becomes the input."""
        if self.preprocess is None and not self.raw:
            raise _no_preprocess(self.session, self.input)

    @property
    def raw(self) -> bool:
        """Whether the model takes images as they are."""
        return self.input.dtype == _RAW

    @property
    def views(self) -> int:
        """How many views of an image the answer is averaged over."""
        return len(self.scales) or self.crops

    def batch_size(self, asked: int) -> int:
        fixed = self.input.shape[0]
        return fixed if isinstance(fixed, int) else max(asked, 1)

    def read(self, item: Item) -> list[Array]:
        """The views of one image as the model takes them, each without the dimension of the batch.

        May run in any thread. Raises ``RunError`` for an image that cannot be read or does not fit.
        """
        found = item.load(self.max_pixels)
        arrays = [self._prepared_already(found, item.name)] if isinstance(found, np.ndarray) else self._prepared(found)
        dtype = _DTYPES[self.input.dtype]
        for array in arrays:
            size = (array.shape[0], array.shape[1]) if self.raw else (array.shape[1], array.shape[2])
            if not _fits(self.input, size):
                raise _misfit(self.session.name, self.input, size)
        return [array.astype(dtype, copy=False) for array in arrays]

    def _prepared(self, image: Image.Image) -> list[Array]:
        depth = channels(self.input)
        if self.raw:
            pixels = np.asarray(image.convert("RGB" if depth == 3 else "L"))
            return [pixels.reshape(*pixels.shape[:2], depth)]
        self.require_preprocess()
        assert self.preprocess is not None
        if self.crops == 10:
            return [*prepare_ten(image, self.preprocess, channels=depth, max_pixels=self.max_pixels)]
        ways = [at_scale(self.preprocess, scale) for scale in self.scales] or [self.preprocess]
        return [prepare(image, way, channels=depth, max_pixels=self.max_pixels) for way in ways]

    def _prepared_already(self, values: Array, name: str) -> Array:
        if self.views > 1 or self.raw:
            why = "takes images as they are" if self.raw else "is to see several views of each image"
            raise RunError.of(
                catalogue.TESTING,
                f"`{name}` is preprocessed already, and `{self.session.name}` {why}",
                helps=("give it images: files, or uint8 arrays [N, H, W, 3]",),
            )
        if values.shape[0] != channels(self.input):
            sizes = ", ".join(map(str, values.shape))
            raise RunError.of(
                catalogue.PREPROCESS_SIZE,
                f"`{name}` is [{sizes}], and `{self.session.name}` takes {_shape(self.input)}",
                helps=("put the channels first: `array.transpose(0, 3, 1, 2)`",) if values.shape[-1] <= 3 else (),
            )
        return np.ascontiguousarray(values)

    def answers(self, images: Sequence[Sequence[Array]], batch_size: int) -> Array:
        """The probabilities or features ``[len(images), ..]``, each the mean over the views of its image.

        At most ``batch_size`` views run at once, and only such as have one size.
        """
        views = [view for image in images for view in image]
        places: dict[tuple[int, ...], list[int]] = {}
        for place, view in enumerate(views):
            places.setdefault(view.shape, []).append(place)
        rows: dict[int, Array] = {}
        for batch in _batches(places.values(), batch_size):
            rows.update(zip(batch, self._run([views[place] for place in batch], batch_size), strict=True))
        in_order = np.stack([rows[place] for place in range(len(views))])
        if self.views == 1:
            return in_order
        means: Array = in_order.reshape(len(images), self.views, *in_order.shape[1:]).mean(axis=1)
        return means

    def _run(self, arrays: Sequence[Array], batch_size: int) -> Array:
        """The probabilities or features ``[len(arrays), ..]`` of inputs of one size."""
        missing = batch_size - len(arrays) if isinstance(self.input.shape[0], int) else 0
        # A batch of a fixed size is filled up, and what the filling gives is dropped.
        batch = np.stack([*arrays, *[arrays[-1]] * missing])
        values = self.session.run({self.input.name: batch}, [self.output.name])[self.output.name][: len(arrays)]
        if self.features:
            return values
        values = values.astype(np.float64)
        # What is not finite stays so, and is told image by image.
        with np.errstate(invalid="ignore"):
            return values if self.output.name == _PROBABILITIES else _softmax(values)


def _batches(groups: Iterable[list[int]], size: int) -> Iterator[list[int]]:
    for group in groups:
        for start in range(0, len(group), size):
            yield group[start : start + size]


def channels(port: Port) -> int:
    """3, or 1 for an input of grey images."""
    return 1 if port.shape[3 if port.dtype == _RAW else 1] == 1 else 3


def _image_input(session: Session) -> Port:
    port = session.inputs[0] if len(session.inputs) == 1 else None
    if port is None:
        raise _not_a_classifier(session, f"it has {len(session.inputs)} inputs")
    if port.dtype not in _DTYPES:
        raise _not_a_classifier(session, f"its input `{port.name}` holds {port.dtype}")
    if len(port.shape) != 4 or not _is_open_or(port.shape[0], _BATCHES):
        raise _not_a_classifier(session, f"its input `{port.name}` is {_shape(port)}")
    if not _is_open_or(port.shape[3 if port.dtype == _RAW else 1], (1, 3)):
        raise _not_a_classifier(session, f"its input `{port.name}` is {_shape(port)}")
    return port


def _class_output(session: Session) -> Port:
    flat = [port for port in session.outputs if len(port.shape) == 2 and port.dtype in _OUTPUT_DTYPES]
    named = [port for port in flat if port.name == _PROBABILITIES]
    if not flat:
        raise _not_a_classifier(session, f"its outputs are {_told(session.outputs)}, and none is [N, classes]")
    return (named or flat)[-1]


def _named_output(session: Session, name: str) -> Port:
    found = next((port for port in session.outputs if port.name == name), None)
    if found is None:
        near = closest(name, [port.name for port in session.outputs])
        raise RunError.of(
            catalogue.NO_SUCH_OUTPUT,
            f"`{session.name}` has no output `{name}`",
            helps=(
                *((f"did you mean `{near}`?",) if near else ()),
                f"its outputs are {_told(session.outputs)}",
                f"write `output {name if name.isidentifier() else 'NAME'}` in its specification, after the layer whose "
                "result it is, and compile it again",
            ),
        )
    if len(found.shape) < 2 or found.dtype not in _OUTPUT_DTYPES:
        raise RunError.of(
            catalogue.NO_SUCH_OUTPUT,
            f"the output `{name}` of `{session.name}` is {_shape(found)} of {found.dtype}, not values for each image",
            helps=("features are floating-point numbers of the shape [N, ..]",),
        )
    return found


def _told(ports: Sequence[Port]) -> str:
    return ", ".join(f"`{port.name}` {_shape(port)}" for port in ports)


def _not_a_classifier(session: Session, fact: str) -> RunError:
    return RunError.of(
        catalogue.NOT_A_CLASSIFIER,
        f"`{session.name}` does not make classes of an image: {fact}",
        helps=("one input [N, 3, H, W] of f32 and an output [N, classes] are needed",),
    )


def _no_preprocess(session: Session, port: Port) -> RunError:
    size = port.shape[2] if isinstance(port.shape[2], int) else 224
    return RunError.of(
        catalogue.NO_PREPROCESS,
        f"`{session.name}` does not say how an image becomes its input",
        notes=("another resize or normalisation than in training gives wrong classes, so none is guessed",),
        helps=(
            f"write `preprocess {{ resize({size * 8 // 7}); crop({size}); normalize(mean = [...], std = [...]) }}` "
            "in its specification, with the numbers of its training, and compile it again",
            "or give it `.npy` files of inputs that are preprocessed already",
        ),
    )


def _untestable(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.TESTING, fact, helps=helps)


def _misfit(name: str, port: Port, size: tuple[int, int]) -> RunError:
    wanted = next((size for size in port.shape[2:] if isinstance(size, int)), 224)
    return RunError.of(
        catalogue.PREPROCESS_SIZE,
        f"preprocessing gives images of {size[0]} x {size[1]}, and `{name}` takes {_shape(port)}",
        helps=(f"let `preprocess` end with `crop({wanted})`, or leave the size of the input open: `[N, 3, H, W]`",),
    )


def _fits(port: Port, size: tuple[int, int]) -> bool:
    sides = port.shape[1:3] if port.dtype == _RAW else port.shape[2:]
    return all(not isinstance(taken, int) or taken == given for taken, given in zip(sides, size, strict=True))


def _is_open_or(size: int | str | None, allowed: Container[int]) -> bool:
    return not isinstance(size, int) or size in allowed


def _shape(port: Port) -> str:
    return f"[{', '.join('_' if size is None else str(size) for size in port.shape)}]"


def _softmax(values: Array) -> Array:
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    result: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result
