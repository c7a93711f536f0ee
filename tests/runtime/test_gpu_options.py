"""Options for GPUs, on a simulated machine: the CPU provider of ONNX Runtime stands in for the GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

import resdsl.runtime.providers as providers_module
import resdsl.runtime.session as session_module
from resdsl.diagnostics.errors import UnavailableError
from resdsl.runtime.device import ConvSearch, DeviceOptions, Driver
from resdsl.runtime.session import Session, open_session

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
MakeModel = Callable[..., bytes]


class Gpu:
    """A session of the processor that says it is one of a GPU, and what it was given."""

    def __init__(self, placed: dict[str, int]) -> None:
        self.placed = placed
        self.providers: list[tuple[str, dict[str, str]]] = []
        self.graphs: list[str] = []

    def open(self, model: bytes, options: Any, *, providers: Any, enable_fallback: int) -> SimpleNamespace:
        self.providers = providers
        native = onnxruntime.InferenceSession(model, options, providers=[CPU])

        def run_bound(binding: Any, options: Any) -> None:
            try:
                self.graphs.append(options.get_run_config_entry("gpu_graph_id"))
            except RuntimeError:
                self.graphs.append("none")
            native.run_with_iobinding(binding)

        def binding() -> Any:
            real = native.io_binding()
            real.bind_output, bind_output = (lambda name, *_: bind_output(name)), real.bind_output
            return real

        return SimpleNamespace(
            get_providers=lambda: [name for name, _ in providers] + [CPU],
            get_provider_graph_assignment_info=lambda: [
                SimpleNamespace(ep_name=name, get_nodes=lambda count=count: [None] * count)
                for name, count in self.placed.items()
            ],
            get_inputs=native.get_inputs,
            get_outputs=native.get_outputs,
            get_modelmeta=native.get_modelmeta,
            run=native.run,
            io_binding=binding,
            run_with_iobinding=run_bound,
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Gpu]:
    def become(placed: dict[str, int]) -> Gpu:
        gpu = Gpu(placed)
        runtime = SimpleNamespace(
            __version__="9.9",
            SessionOptions=onnxruntime.SessionOptions,
            RunOptions=onnxruntime.RunOptions,
            OrtValue=SimpleNamespace(
                ortvalue_from_numpy=lambda array, *_: onnxruntime.OrtValue.ortvalue_from_numpy(array)
            ),
            get_available_providers=lambda: [TENSORRT, CUDA, CPU],
            InferenceSession=gpu.open,
        )
        monkeypatch.setattr(session_module, "onnx_runtime", lambda: runtime)
        for module in (session_module, providers_module):
            monkeypatch.setattr(module, "nvidia_driver", lambda: Driver(gpus=("NVIDIA A",)))
        return gpu

    return become


def test_cuda_is_given_its_options_in_its_own_words(machine: Callable[..., Gpu], make_model: MakeModel) -> None:
    gpu = machine({CUDA: 3})
    options = DeviceOptions("cuda:2", tf32=True, conv_search=ConvSearch.EXHAUSTIVE, cuda_graphs=True)
    open_session(make_model(), device=options)
    assert gpu.providers == [
        (
            CUDA,
            {
                "device_id": "2",
                "use_tf32": "1",
                "cudnn_conv_algo_search": "EXHAUSTIVE",
                "enable_cuda_graph": "1",
            },
        )
    ]


def test_tensorrt_stores_its_engines_in_the_given_folder(
    machine: Callable[..., Gpu], make_model: MakeModel, tmp_path: Path
) -> None:
    gpu = machine({TENSORRT: 3})
    open_session(make_model(), device=DeviceOptions("tensorrt", trt_fp16=True, trt_cache=tmp_path))
    (first, options), (second, _) = gpu.providers
    assert (first, second) == (TENSORRT, CUDA)
    assert options["trt_fp16_enable"] == "1"
    assert options["trt_engine_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == str(tmp_path)


def test_a_session_counts_the_nodes_of_each_provider(machine: Callable[..., Gpu], make_model: MakeModel) -> None:
    machine({CUDA: 3, CPU: 1})
    assert open_session(make_model(), device="cuda").placement == {CUDA: 3, CPU: 1}


def test_the_processor_is_given_all_nodes(open_model: Callable[..., Session]) -> None:
    # GlobalAveragePool, Flatten and MatMul
    assert open_model().placement == {CPU: 3}


@pytest.mark.parametrize(("device", "placed"), [("cuda", {CPU: 4}), ("tensorrt", {CUDA: 4})])
def test_a_device_that_is_given_no_node_is_refused(
    device: str, placed: dict[str, int], machine: Callable[..., Gpu], make_model: MakeModel
) -> None:
    machine(placed)
    with pytest.raises(UnavailableError) as caught:
        open_session(make_model(), device=device)
    (where,) = placed
    assert f"ONNX Runtime: all 4 nodes of the model were assigned to {where}" in caught.value.diagnostic.notes


def test_bound_runs_give_what_runs_give(open_model: Callable[..., Session]) -> None:
    session = open_model()
    images = np.random.default_rng(0).random((3, 2, 3, 4, 4), dtype=np.float32)
    binding = session.bind({"image": images[0]})
    for image in images:
        binding.update({"image": image})
        session.run_bound(binding)
        np.testing.assert_array_equal(binding.values()["logits"], session.run({"image": image})["logits"])


def test_a_graph_is_recorded_once_for_each_shape(machine: Callable[..., Gpu], make_model: MakeModel) -> None:
    gpu = machine({CUDA: 3})
    session = open_session(make_model(), device=DeviceOptions("cuda", cuda_graphs=True))
    sizes = (2, 5, 2, 2, 5)
    for number, size in enumerate(sizes):
        image = np.full((1, 3, size, size), number, np.float32)
        np.testing.assert_allclose(session.run({"image": image})["logits"], np.full((1, 3), number))
    # The first run of a shape determines the size of the outputs, and cannot be replayed.
    assert gpu.graphs == ["-1", "1", "-1", "2", "1", "1", "2"]


def test_without_cuda_graphs_nothing_is_recorded(machine: Callable[..., Gpu], make_model: MakeModel) -> None:
    gpu = machine({CUDA: 3})
    session = open_session(make_model(), device="cuda")
    session.run_bound(session.bind({"image": np.zeros((1, 3, 2, 2), np.float32)}))
    assert gpu.graphs == ["none"]
