"""Small ONNX models, made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resdsl.runtime.session import Session, open_session

MakeModel = Callable[..., bytes]


@pytest.fixture
def make_model() -> MakeModel:
    """``make_model()`` averages each channel and puts it through a 3 -> classes linear layer, identity by default."""

    def make(
        shape: tuple[int | str, ...] = ("N", 3, "H", "W"),
        weight: np.ndarray | None = None,
        outputs: tuple[str, ...] = ("logits",),
        metadata: Mapping[str, str] | None = None,
        dtype: int = TensorProto.FLOAT,
    ) -> bytes:
        number = helper.tensor_dtype_to_np_dtype(dtype)
        weight = np.eye(3) if weight is None else weight
        nodes = [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("MatMul", ["features", "weight"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
        ]
        used = [node for node in nodes if node.op_type != "Softmax" or node.output[0] in outputs]
        graph = helper.make_graph(
            used,
            "averages",
            [helper.make_tensor_value_info("image", dtype, shape)],
            [helper.make_tensor_value_info(name, dtype, (shape[0], weight.shape[1])) for name in outputs],
            [numpy_helper.from_array(weight.astype(number), "weight")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content

    return make


@pytest.fixture
def open_model(make_model: MakeModel) -> Callable[..., Session]:
    return lambda *arguments, **options: open_session(make_model(*arguments, **options), device="cpu", threads=1)
