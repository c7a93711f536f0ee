"""Quantize a model with NNCF's defaults, in an interpreter that has nncf, openvino and onnxruntime.

``python nncf_int8.py MODEL FOLDER``: the folder holds ``calibrate.npy`` and ``judge.npy``, inputs ``[N, C, H, W]``. It
writes ``nncf.onnx`` there, the model that NNCF makes of the ONNX file, and ``openvino.npz``: the logits of the model
that it makes of OpenVINO's form of it, computed by OpenVINO, and seconds of CPU time (``ours``, and ``theirs`` of ONNX
Runtime for the model in floating point; interleaved, one thread).
"""

import sys
import time
from pathlib import Path

import nncf
import numpy as np
import onnx
import onnxruntime
import openvino

ROUNDS, WARMUPS = 21, 3


def main() -> None:
    model, folder = Path(sys.argv[1]), Path(sys.argv[2])
    calibrate, judge = np.load(folder / "calibrate.npy"), np.load(folder / "judge.npy")
    dataset = nncf.Dataset([{"input": image[None]} for image in calibrate])
    onnx.save(nncf.quantize(onnx.load(model), dataset), folder / "nncf.onnx")

    converted = openvino.convert_model(model)
    quantized = nncf.quantize(converted, nncf.Dataset([image[None] for image in calibrate]))
    compiled = openvino.compile_model(quantized, "CPU", {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"})
    logits = [compiled(image[None])[0][0].copy() for image in judge]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    image = judge[:1]
    subjects = {"ours": lambda: compiled(image), "theirs": lambda: session.run(None, {"input": image})}
    times = {name: [] for name in subjects}
    for number in range(WARMUPS + ROUNDS):
        for name in list(subjects)[:: -1 if number % 2 else 1]:
            start = time.process_time()
            subjects[name]()
            times[name].append(time.process_time() - start)
    np.savez(folder / "openvino.npz", logits=logits, **{name: taken[WARMUPS:] for name, taken in times.items()})


if __name__ == "__main__":
    main()
