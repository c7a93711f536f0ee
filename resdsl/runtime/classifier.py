"""A session with its preprocessing: images in, class probabilities or features out."""

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
from resdsl.runtime.item import Item
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import at_scale, invalid_reason, output_size, prepare, prepare_ten
from resdsl.runtime.results import FeatureType, Pool
from resdsl.runtime.session import Port, Session

Array = npt.NDArray[Any]

_RAW = "tensor(uint8)"
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    _RAW: np.uint8,
}
_OUTPUT_DTYPES = frozenset(_DTYPES) - {_RAW}
# A batch smaller than a fixed batch size is padded: a limit, so that no model makes us fill memory.
_BATCHES = range(1, 4097)
_PROBABILITIES = "probabilities"


@dataclass(frozen=True, slots=True)
class Classifier:
    """A session, its input and output, and how images are preprocessed for it.

    ``output`` holds class probabilities or logits; with ``features`` its values are returned unchanged. ``preprocess``
    is ``None`` for a model without preprocessing in its metadata, which takes preprocessed inputs only, and for a
    ``raw`` model, which takes images as ``uint8[N, H, W, C]``. ``pool`` is applied to features that are maps,
    ``[N, C, H, W]``, which become ``[N, C]``.
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
    pool: Pool = "none"

    @classmethod
    def of(
        cls,
        session: Session,
        *,
        output: str | None = None,
        preprocess: Preprocess | None = None,
        labels: Sequence[str] | None = None,
        max_pixels: int = MAX_PIXELS,
        pool: Pool = "none",
    ) -> Classifier:
        """The classifier of ``session``; with ``output``, the features of that name instead of the classes.

        ``preprocess`` and ``labels`` replace those of the metadata. Raises ``RunError`` if the model takes no images,
        has no such output, or has invalid metadata.
        """
        port = _image_input(session)
        result = _class_output(session) if output is None else _named_output(session, output)
        metadata = read_metadata(session.metadata, session.name, channels=channels(port))
        labels = labels if labels is not None else metadata.labels or ()
        classes = result.shape[-1]
        if output is None and labels and isinstance(classes, int) and len(labels) != classes:
            raise RunError.of(
                catalogue.METADATA,
                f"`{session.name}` has {classes} classes and {len(labels)} labels",
                helps=("correct `labels` in its specification and compile it again",),
            )
        # A model with embedded preprocessing takes images unchanged.
        preprocess = None if port.dtype == _RAW else preprocess or metadata.preprocess
        size = output_size(preprocess) if preprocess else None
        if size and not _fits(port, size):
            raise _misfit(session.name, port, size)
        return cls(session, port, result, preprocess, labels, output is not None, max_pixels, pool=pool)

    def with_views(self, crops: int, scales: tuple[int, ...]) -> Classifier:
        """The same, averaging over several views of an image. Raises ``RunError`` if the model does not allow that."""
        if crops == 1 and not scales:
            return self
        if crops not in (1, 10):
            raise _untestable(f"the number of crops is 1 or 10, not {crops}", "use `crops = 10`, or leave it out")
        if crops == 10 and scales:
            raise _untestable(
                "`crops = 10` and `scales` cannot be combined: crops are parts of the image, scales the whole image",
                "use one of them",
            )
        if self.raw:
            raise _untestable(
                f"`{self.session.name}` has its preprocessing embedded, so it runs one view of each image",
                Text("compile it without ", Option("embed_preprocess")),
            )
        if crops == 10 and not (self.preprocess and any(isinstance(step, Crop) for step in self.preprocess.steps)):
            raise _untestable(
                f"`{self.session.name}` has no `crop` in its preprocessing, which sets the size of the ten crops",
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
                f"`{self.session.name}` takes only {_shape(self.input)}, so it cannot run at several scales",
                Text("compile it with a symbolic height and width: ", Option("input_shape", ("N", 3, "H", "W"))),
                "`resdsl compile resnet50_conv` is ResNet-50 in its fully convolutional form",
            )
        if len(self.output.shape) != 2 and not self._is_pooled:
            raise _untestable(
                f"`{self.output.name}` is {_shape(self.output)}, whose size depends on the scale",
                "use an output after global pooling, `[N, channels]`",
            )
        assert self.preprocess is not None
        for scale in scales:
            reason = invalid_reason(at_scale(self.preprocess, scale), channels(self.input))
            if reason:
                raise _untestable(f"scale {scale!r} cannot be used: {reason}", "use other scales")

    @property
    def feature_type(self) -> FeatureType | None:
        """What the features are; ``None`` if the output holds classes."""
        if not self.features:
            return None
        sizes = self.output.shape[1:2] if self._is_pooled else self.output.shape[1:]
        shape = tuple(size if isinstance(size, int) else None for size in sizes)
        return FeatureType(self.output.name, shape, np.dtype(_DTYPES[self.output.dtype]), self.pool)

    @property
    def _is_pooled(self) -> bool:
        """Whether ``pool`` applies: to maps, ``[N, C, H, W]``, only."""
        return self.pool != "none" and len(self.output.shape) == 4

    def require_preprocess(self) -> None:
        """Raise ``RunError`` if the model has no preprocessing, so images cannot become its input."""
        if self.preprocess is None and not self.raw:
            raise _no_preprocess(self.session, self.input)

    @property
    def raw(self) -> bool:
        """Whether the model takes images unchanged, ``uint8[N, H, W, C]``."""
        return self.input.dtype == _RAW

    @property
    def views(self) -> int:
        """The number of views of an image that results are averaged over."""
        return len(self.scales) or self.crops

    def batch_size(self, requested: int) -> int:
        """The fixed batch size of the model, or the requested one."""
        fixed = self.input.shape[0]
        return fixed if isinstance(fixed, int) else max(requested, 1)

    def read(self, item: Item) -> list[Array]:
        """The views of one image as the model takes them, each without the batch dimension.

        Thread-safe. Raises ``RunError`` for an image that cannot be read or does not fit the input.
        """
        image = item.load(self.max_pixels)
        arrays = [self._checked_input(image, item.name)] if isinstance(image, np.ndarray) else self._preprocessed(image)
        dtype = _DTYPES[self.input.dtype]
        for array in arrays:
            size = (array.shape[0], array.shape[1]) if self.raw else (array.shape[1], array.shape[2])
            if not _fits(self.input, size):
                raise _misfit(self.session.name, self.input, size)
        return [array.astype(dtype, copy=False) for array in arrays]

    def _preprocessed(self, image: Image.Image) -> list[Array]:
        depth = channels(self.input)
        if self.raw:
            mode = "RGB" if depth == 3 else "L"
            pixels = np.asarray(image if image.mode == mode else image.convert(mode))
            return [pixels.reshape(*pixels.shape[:2], depth)]
        self.require_preprocess()
        assert self.preprocess is not None
        if self.crops == 10:
            return [*prepare_ten(image, self.preprocess, channels=depth, max_pixels=self.max_pixels)]
        variants = [at_scale(self.preprocess, scale) for scale in self.scales] or [self.preprocess]
        return [prepare(image, variant, channels=depth, max_pixels=self.max_pixels) for variant in variants]

    def _checked_input(self, values: Array, name: str) -> Array:
        if self.views > 1 or self.raw:
            why = "takes images, uint8" if self.raw else "needs images to make several views of them"
            raise RunError.of(
                catalogue.TESTING,
                f"`{name}` is already preprocessed, and `{self.session.name}` {why}",
                helps=("pass images: files, or uint8 arrays [N, H, W, 3]",),
            )
        if values.shape[0] != channels(self.input):
            sizes = ", ".join(map(str, values.shape))
            raise RunError.of(
                catalogue.PREPROCESS_SIZE,
                f"`{name}` is [{sizes}], and `{self.session.name}` takes {_shape(self.input)}",
                helps=("put the channels first: `array.transpose(0, 3, 1, 2)`",) if values.shape[-1] <= 3 else (),
            )
        return np.ascontiguousarray(values)

    def run(self, images: Sequence[Sequence[Array]], batch_size: int) -> Array:
        """The probabilities or features ``[len(images), ..]``, each the mean over the views of its image.

        At most ``batch_size`` views run at once; views of different sizes run in different batches.
        """
        views = [view for image in images for view in image]
        indices_by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, view in enumerate(views):
            indices_by_shape.setdefault(view.shape, []).append(index)
        values: dict[int, Array] = {}
        for batch in _batches(indices_by_shape.values(), batch_size):
            values.update(zip(batch, self._run_batch([views[index] for index in batch], batch_size), strict=True))
        in_order = np.stack([values[index] for index in range(len(views))])
        if self.views == 1:
            return in_order
        means: Array = in_order.reshape(len(images), self.views, *in_order.shape[1:]).mean(axis=1)
        return means

    def _run_batch(self, arrays: Sequence[Array], batch_size: int) -> Array:
        """The probabilities or features ``[len(arrays), ..]`` of inputs of one size."""
        missing = batch_size - len(arrays) if isinstance(self.input.shape[0], int) else 0
        # A fixed batch size is filled with copies, whose results are dropped.
        batch = np.stack([*arrays, *[arrays[-1]] * missing])
        values = self.session.run({self.input.name: batch}, [self.output.name])[self.output.name][: len(arrays)]
        return self._pooled(values) if self.features else self.probabilities(values)

    def probabilities(self, values: Array) -> Array:
        """The probabilities ``[N, classes]`` of values of the output: these, or the softmax of logits; float64."""
        values = values.astype(np.float64)
        # Values that are not finite stay so: they are reported for each image.
        with np.errstate(invalid="ignore"):
            return values if self.output.name == _PROBABILITIES else _softmax(values)

    def _pooled(self, maps: Array) -> Array:
        if not self._is_pooled:
            return maps
        if self.pool == "max":
            greatest: Array = maps.max(axis=(2, 3))
            return greatest
        # In float64, so that the sum of a large map in float16 does not overflow.
        means: Array = maps.mean(axis=(2, 3), dtype=np.float64).astype(maps.dtype)
        return means


def _batches(groups: Iterable[list[int]], size: int) -> Iterator[list[int]]:
    for group in groups:
        for start in range(0, len(group), size):
            yield group[start : start + size]


def channels(port: Port) -> int:
    """The number of channels of an image input: 3, or 1 for greyscale."""
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
        raise _not_a_classifier(session, f"its outputs are {_listed(session.outputs)}, and none is [N, classes]")
    return (named or flat)[-1]


def _named_output(session: Session, name: str) -> Port:
    port = next((port for port in session.outputs if port.name == name), None)
    if port is None:
        near = closest(name, [port.name for port in session.outputs])
        raise RunError.of(
            catalogue.NO_SUCH_OUTPUT,
            f"`{session.name}` has no output `{name}`",
            helps=(
                *((f"did you mean `{near}`?",) if near else ()),
                f"its outputs are {_listed(session.outputs)}",
                f"write `output {name if name.isidentifier() else 'NAME'}` in its specification, after the layer that "
                "computes it, and compile it again",
            ),
        )
    if len(port.shape) < 2 or port.dtype not in _OUTPUT_DTYPES:
        raise RunError.of(
            catalogue.NO_SUCH_OUTPUT,
            f"the output `{name}` of `{session.name}` is {_shape(port)} of {port.dtype}, not features of images",
            helps=("features are floating-point values of shape [N, ..]",),
        )
    return port


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(f"`{port.name}` {_shape(port)}" for port in ports)


def _not_a_classifier(session: Session, fact: str) -> RunError:
    return RunError.of(
        catalogue.NOT_A_CLASSIFIER,
        f"`{session.name}` is not an image classifier: {fact}",
        helps=("an image classifier has one f32 input [N, 3, H, W] and an output [N, classes]",),
    )


def _no_preprocess(session: Session, port: Port) -> RunError:
    size = port.shape[2] if isinstance(port.shape[2], int) else 224
    return RunError.of(
        catalogue.NO_PREPROCESS,
        f"`{session.name}` has no preprocessing in its metadata, so images cannot become its input",
        notes=("preprocessing that differs from training gives wrong classes, so none is guessed",),
        helps=(
            f"write `preprocess {{ resize({size * 8 // 7}); crop({size}); normalize(mean = [...], std = [...]) }}` "
            "in its specification, with the values used in training, and compile it again",
            "or pass `.npy` files of preprocessed inputs",
        ),
    )


def _untestable(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.TESTING, fact, helps=helps)


def _misfit(name: str, port: Port, size: tuple[int, int]) -> RunError:
    wanted = next((size for size in port.shape[2:] if isinstance(size, int)), 224)
    return RunError.of(
        catalogue.PREPROCESS_SIZE,
        f"preprocessing makes images of {size[0]} x {size[1]}, and `{name}` takes {_shape(port)}",
        helps=(f"end `preprocess` with `crop({wanted})`, or make the size of the input symbolic: `[N, 3, H, W]`",),
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
