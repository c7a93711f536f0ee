"""Exports networks of torchvision and timm to ONNX, with random weights; for an interpreter that has torch.

Reads one JSON object a line: ``{"package", "name", "size", "exporter", "file"}``; writes ``file`` (weights inside), an
``.npz`` beside it (``input`` and the outputs that ONNX Runtime answers, by name) and a ``.json`` (where it came from),
and prints one line of JSON: the record, or ``{"file", "error"}``. Three exporters:

``dynamo``
    ``torch.onnx.export(dynamo=True)``: the exporter of torch 2.5 and later, its optimiser included.
``legacy``
    ``dynamo=False``: TorchScript, constants folded, batch norms folded into convolutions.
``plain``
    ``dynamo=False`` without folding, operators as in training, a fixed batch of 1.

The batch is named ``N`` in the first two; where an exporter can't, it is fixed, and the record says so.
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

import numpy as np
import onnx
import onnxruntime
import timm
import torch
import torchvision
from torch import Tensor, nn

ARGUMENTS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}

# The third export of a large network shows nothing that a small one doesn't, and takes a lot of disk.
PLAIN_LIMIT = 16_000_000


def build(package: str, name: str) -> nn.Module:
    """The network with its package's random weights."""
    if package == "torchvision":
        built: nn.Module = torchvision.models.get_model(name, weights=None, **ARGUMENTS.get(name, {}))
        return built
    return timm.create_model(name, pretrained=False)


def uniform(like: Tensor, low: float, high: float) -> Tensor:
    return torch.empty_like(like).uniform_(low, high)


@torch.no_grad()
def randomise(model: nn.Module, image: Tensor) -> None:
    """Weights with which every branch matters and activations stay near 1.

    Convolutions and linear layers get He's normal weights. A tensor that starts as a constant (layer scale at 1e-6, a
    last norm at 0, gates at 0) gets numbers around a half. Running statistics are near those of ``image``, so that no
    norm is the identity and depth neither amplifies nor dampens.
    """
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)) and isinstance(weight, nn.Parameter):
            weight.normal_(0, math.sqrt(2 / max(1, weight[0].numel())))
    for name, value in model.named_parameters():
        if value.numel() > 1 and not bool((value == value.flatten()[0]).all()):
            continue  # drawn already
        if name.endswith("bias"):
            value.normal_(0, 0.1)
        elif float(value.flatten()[0].abs()) < 0.2:
            value.copy_(uniform(value, 0.3, 0.7))
        elif float(value.flatten()[0]) == 1:
            value.copy_(uniform(value, 0.5, 1.2))
    hooks = [
        module.register_forward_pre_hook(settle)
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    model(image)
    for hook in hooks:
        hook.remove()


def settle(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Sets the running statistics of a batch norm by what reaches it, first norms first.

    The variance includes the mean's square, and only a part of the mean is subtracted: to normalise fully would make
    random networks of a hundred layers chaotic, and rounding errors as large as their outputs.
    """
    x = inputs[0].transpose(0, 1).flatten(1)
    mean, square = x.mean(1), x.square().mean(1)
    norm.running_mean.copy_(mean * uniform(mean, 0.2, 0.6) + 0.1 * square.sqrt() * torch.randn_like(mean))
    norm.running_var.copy_(square.clamp(min=0.01 * float(square.mean()) + 1e-6) * uniform(square, 0.6, 1.4))


def silent_parameters(model: nn.Module, image: Tensor) -> list[str]:
    """Parameters that the outputs don't depend on, by their gradients."""
    outputs = model(image)
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    sum((one * torch.randn_like(one)).sum() for one in outputs).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    model.zero_grad(set_to_none=True)
    return silent


def export(model: nn.Module, image: Tensor, exporter: str, file: str) -> str:
    """Writes the file; returns the batch that it takes: ``"N"`` or a number."""
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"]}
    if exporter == "plain":
        training = torch.onnx.TrainingMode.PRESERVE
        torch.onnx.export(
            model, (image[:1],), file, dynamo=False, do_constant_folding=False, training=training, **names
        )
        return "1"
    if exporter == "legacy":
        axes = {"image": {0: "N"}, "logits": {0: "N"}}
        torch.onnx.export(model, (image,), file, dynamo=False, dynamic_axes=axes, **names)
        return "N"
    names |= {"dynamo": True, "external_data": False, "verbose": False}
    try:
        torch.onnx.export(model, (image,), file, dynamic_shapes=({0: torch.export.Dim("N")},), **names)
        return "N"
    except Exception:  # the exporters' own exceptions have no common class; the second try reports
        torch.onnx.export(model, (image[:1],), file, **names)
        return "1"


def run(job: dict[str, Any], keep: dict[str, Any]) -> dict[str, Any]:
    """Does one job. The network is kept for the next, which is often the same by another exporter."""
    key = (job["package"], job["name"])
    if keep.get("key") != key:
        keep.clear()
        seed = zlib.crc32("/".join(key).encode())
        torch.manual_seed(seed)
        model = build(*key).eval()
        image = torch.randn(4, 3, job["size"], job["size"])
        randomise(model, image)
        keep |= {"key": key, "model": model, "image": image[:2], "silent": silent_parameters(model, image[:2])}
        model.requires_grad_(False)
    model, image = keep["model"], keep["image"]
    parameters = sum(p.numel() for p in model.parameters())
    if job["exporter"] == "plain" and parameters > PLAIN_LIMIT:
        return {"file": job["file"], "skipped": f"{parameters} parameters"}
    began = time.monotonic()
    part = job["file"] + ".part"
    with torch.no_grad():
        batch = export(model, image, job["exporter"], part)
        expected = model(image[:1] if batch == "1" else image)
    seconds = time.monotonic() - began
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
    given = (image[:1] if batch == "1" else image).numpy()
    answers = session.run(None, {session.get_inputs()[0].name: given})
    outputs = {one.name: answer for one, answer in zip(session.get_outputs(), answers, strict=True)}
    reference = expected if isinstance(expected, Tensor) else expected[0]
    first = next(iter(outputs.values()))
    graph = onnx.load(part, load_external_data=False)
    record = {
        "package": job["package"],
        "network": job["name"],
        "exporter": job["exporter"],
        "made_by": f"{job['package']} {sys.modules[job['package']].__version__}, torch {torch.__version__}",
        "opset": max(one.version for one in graph.opset_import if one.domain in ("", "ai.onnx")),
        "batch": batch,
        "parameters": parameters,
        "nodes": len(graph.graph.node),
        "functions": len(graph.functions),
        "seconds": round(seconds, 1),
        "finite": bool(all(np.isfinite(one).all() for one in answers)),
        "deviation": float(np.abs(first - reference.numpy()).max() / np.abs(reference.numpy()).max()),
        "output_std": float(first.std()),
        "silent_parameters": keep["silent"],
    }
    base = Path(job["file"]).with_suffix("")
    np.savez(f"{base}.npz", input=given, **outputs)
    Path(f"{base}.json").write_text(json.dumps(record, indent=1) + "\n")
    Path(part).replace(job["file"])
    return record | {"file": job["file"]}


def main() -> int:
    torch.set_num_threads(1)
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
