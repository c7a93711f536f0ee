"""Start and run ResNets, compared with the same networks from torch.onnx.export in the same ONNX Runtime."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import onnxruntime
from harness import Bench, Pairs, Row

import resdsl
from resdsl.runtime.session import Session, open_session

_NETWORKS = ("resnet50", "resnet152")
_THREADS = 1
# Kept from one time to the next: an export takes a minute.
_EXPORTS = Path(gettempdir()) / "resdsl-benchmark-exports"
_EXPORT = """\
import sys, torch, torchvision
name, target = sys.argv[1:]
torch.onnx.export(
    getattr(torchvision.models, name)(weights=None).eval(),
    (torch.zeros(2, 3, 224, 224),),
    target,
    input_names=["image"],
    output_names=["logits"],
    dynamic_shapes=({0: torch.export.Dim("N")},),
    external_data=False,
)
"""


def run(bench: Bench) -> Iterable[Row]:
    """Latency and time to load of a plain model and of one for this machine, on one thread."""
    for name in _NETWORKS:
        theirs = _exported(bench, name)
        plain, ready = bench.folder / f"{name}.onnx", bench.folder / f"{name}_here.onnx"
        resdsl.compile(resdsl.load(name), plain, optimize=1)
        resdsl.compile(resdsl.load(name), ready, optimize=1, for_runtime=True)
        for ours, how, at_most in ((plain, "-O1", None), (ready, "-O1 --for-runtime", 0.6)):
            yield _no_slower(f"{name} {how}, one image", _latency(bench, ours, theirs))
            loading = bench.pairs(lambda ours=ours: _ours(ours), lambda theirs=theirs: _theirs(theirs))
            yield loading.row(f"{name} {how}, loading", by="cpu", at_most=at_most)


def _latency(bench: Bench, ours: Path, theirs: Path) -> Pairs:
    image = {"image": np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)}
    our_session, their_session = _ours(ours), _theirs(theirs)
    return bench.pairs(
        lambda: our_session.run(image, ["logits"]),
        lambda: their_session.run(["logits"], image),
        rounds=5 * bench.rounds,
        warmups=5,
    )


def _no_slower(name: str, pairs: Pairs) -> Row:
    """Both do the same arithmetic with the same kernels, so that the ratio is 1 but for the noise."""
    ratio = pairs.ratio("cpu")
    ours, theirs = pairs.ours.median("cpu"), pairs.theirs.median("cpu")
    return Row(name, ours, theirs, ratio, "at most 1 x within the noise", ratio.low <= 1)


def _ours(model: Path) -> Session:
    return open_session(model, device="cpu", threads=_THREADS)


def _theirs(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _exported(bench: Bench, name: str) -> Path:
    _EXPORTS.mkdir(exist_ok=True)
    target = _EXPORTS / f"{name}.onnx"
    if not target.exists():
        partial = target.with_suffix(".partial")
        subprocess.run([bench.torch, "-c", _EXPORT, name, partial], check=True, capture_output=True)
        partial.rename(target)
    return target
