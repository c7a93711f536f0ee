"""Exports networks of Keras to ONNX, with random weights; for an interpreter that has keras, tensorflow and tf2onnx.

Reads and answers lines of JSON and writes files as ``export_networks.py`` does. Four exporters:

``tf2onnx``
    tf2onnx of the network as a function of TensorFlow: channels last, the batch open.
``tf2onnx-nchw``
    the same with ``inputs_as_nchw``.
``tf2onnx-batch1``
    the same as the first with a batch of 1.
``keras``
    ``model.export(format = "onnx")``, Keras' own.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import traceback
import warnings
import zlib
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx


def build(name: str, size: int, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """The network with random weights, and four images for it."""
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    image = rng.uniform(0, 255, (4, size, size, 3)).astype(np.float32)
    randomise(model, image, rng)
    return model, image


def randomise(model: Any, image: np.ndarray, rng: np.random.Generator) -> None:
    """Weights with which every branch matters and activations stay near 1, as in ``export_networks.py``."""
    for variable in model.trainable_variables:
        shape = variable.shape
        kind = variable.name
        if kind in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            # [rows, columns, in, out]; of a depthwise convolution, each channel is alone.
            fan_in = math.prod(shape[:2] if kind == "depthwise_kernel" else shape[:-1])
            variable.assign(rng.normal(0, np.sqrt(2 / fan_in), shape))
        elif kind == "gamma":
            variable.assign(rng.uniform(0.5, 1.2, shape))
        else:
            variable.assign(rng.normal(0, 0.1, shape))
    norm = keras.layers.BatchNormalization
    call = norm.call

    def settle(self: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        x = np.asarray(inputs).reshape(-1, inputs.shape[-1])
        mean, square = x.mean(0), np.square(x).mean(0)
        self.moving_mean.assign(mean * rng.uniform(0.2, 0.6, mean.shape))
        least = 0.01 * square.mean() + 1e-6
        self.moving_variance.assign(np.maximum(square, least) * rng.uniform(0.6, 1.4, mean.shape))
        return call(self, inputs, *arguments, **named)

    norm.call = settle
    try:
        model(image, training=False)
    finally:
        norm.call = call


def export(model: Any, size: int, exporter: str, file: str) -> str:
    """Writes the file; returns the batch that it takes: ``"N"`` or a number."""
    if exporter == "keras":
        model.export(file, format="onnx", verbose=False)
        return "N"
    batch = 1 if exporter == "tf2onnx-batch1" else None
    signature = (tf.TensorSpec((batch, size, size, 3), tf.float32, name="image"),)
    function = tf.function(lambda image: model(image, training=False), input_signature=signature)
    first = ["image"] if exporter == "tf2onnx-nchw" else None
    proto, _ = tf2onnx.convert.from_function(function, signature, opset=17, inputs_as_nchw=first)
    onnx.save(proto, file)
    return "1" if batch else "N"


def run(job: dict[str, Any], keep: dict[str, Any]) -> dict[str, Any]:
    """Does one job. The network is kept for the next, which is often the same by another exporter."""
    key = (job["package"], job["name"], job["size"])
    if keep.get("key") != key:
        keep.clear()
        keras.utils.clear_session()
        rng = np.random.default_rng(zlib.crc32("/".join(key[:2]).encode()))
        model, image = build(job["name"], job["size"], rng)
        keep |= {"key": key, "model": model, "image": image[:2]}
    model, image = keep["model"], keep["image"]
    began = time.monotonic()
    part = job["file"] + ".part"
    batch = export(model, job["size"], job["exporter"], part)
    seconds = time.monotonic() - began
    image = image[:1] if batch == "1" else image
    expected = np.asarray(model(image, training=False))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
    given = np.ascontiguousarray(image.transpose(0, 3, 1, 2)) if job["exporter"] == "tf2onnx-nchw" else image
    answers = session.run(None, {session.get_inputs()[0].name: given})
    outputs = {one.name: answer for one, answer in zip(session.get_outputs(), answers, strict=True)}
    graph = onnx.load(part)
    record = {
        "package": job["package"],
        "network": job["name"],
        "exporter": job["exporter"],
        "made_by": f"keras {keras.__version__}, tf2onnx {tf2onnx.__version__}, tensorflow {tf.__version__}",
        "opset": max(one.version for one in graph.opset_import if one.domain in ("", "ai.onnx")),
        "batch": batch,
        "parameters": model.count_params(),
        "nodes": len(graph.graph.node),
        "functions": len(graph.functions),
        "seconds": round(seconds, 1),
        "finite": bool(all(np.isfinite(one).all() for one in answers)),
        "deviation": float(np.abs(answers[0] - expected).max() / np.abs(expected).max()),
        "output_std": float(answers[0].std()),
        "silent_parameters": [],
    }
    base = Path(job["file"]).with_suffix("")
    np.savez(f"{base}.npz", input=given, **outputs)
    Path(f"{base}.json").write_text(json.dumps(record, indent=1) + "\n")
    Path(part).replace(job["file"])
    return record | {"file": job["file"]}


def main() -> int:
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # packages print; answers alone go to the parent
    keep: dict[str, Any] = {}
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = run(job, keep)
        except Exception as error:  # whatever a package or an exporter raises is the answer for this network
            traceback.print_exc()
            answer = {"file": job["file"], "error": f"{type(error).__name__}: {str(error).strip()[:300]}"}
            Path(job["file"] + ".part").unlink(missing_ok=True)
        print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
