"""What people do with modules of PyTorch works with those of a specification."""

from __future__ import annotations

import copy
import io
import os
import pickle
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resdsl
import resdsl.torch
from resdsl.diagnostics import CompileError
from resdsl.weights.values import value_of
from tests.torch.small import network

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch


def module(**options: Any) -> Any:
    return resdsl.torch.module(network(), **options)


@pytest.fixture
def image() -> Any:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_tensors_have_the_names_shapes_order_and_initial_numbers_of_the_specification() -> None:
    parameters = network().graph.parameters
    stored = {name: tensor for name, tensor in module(seed=7).state_dict().items() if "num_batches_tracked" not in name}
    assert list(stored) == list(parameters)
    for name, tensor in stored.items():
        np.testing.assert_array_equal(tensor.numpy(), value_of(parameters[name], 7))
    trained = {name for name, _ in module().named_parameters()}
    assert trained == {name for name, parameter in parameters.items() if parameter.trainable}


def test_scopes_are_modules_and_numbered_ones_are_items() -> None:
    model = module()
    assert isinstance(model.layer1, torch.nn.Sequential)
    assert isinstance(model.layer1[0].conv1, torch.nn.Conv2d)
    assert model.layer1[0] is model.get_submodule("layer1.0")
    assert model.layer1[-1] is model.layer1[1]
    assert isinstance(model.neck.get_submodule("inner.1.0"), torch.nn.Conv2d)
    assert model.neck.inner[0][0] is model.get_submodule("neck.inner.1.0")
    assert type(model.layer1[0]) is type(model.layer1[1])


def test_a_label_may_be_the_name_of_an_attribute_of_every_module() -> None:
    body = "half: conv(4, 3x3)\n  train: { apply: conv(4, 3x3) }"
    text = f"model m {{\n  input x: f32[N, 3, 8, 8]\n  {body}\n  output y\n}}\n"
    model = resdsl.torch.module(resdsl.loads(text)).train()
    assert list(model.state_dict()) == ["half.weight", "train.apply.weight"]
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 8, 8)


def test_several_outputs_are_a_dict_and_heads_for_training_are_in_it_while_training(image: Any) -> None:
    model = module()
    assert model.training
    assert list(model(image)) == ["logits", "probabilities", "head"]
    assert list(model.eval()(image)) == ["logits", "probabilities"]
    without = module(aux=False)
    assert list(without(image)) == ["logits", "probabilities"]
    assert not any(name.startswith("head.") for name in without.state_dict())


def test_outputs_can_be_chosen_and_one_is_a_tensor(image: Any) -> None:
    every = module().eval()(image)
    torch.testing.assert_close(module(outputs="logits").eval()(image), every["logits"], rtol=0, atol=0)
    found = module(outputs=["layer1", "layer1.0", "neck.mix", "logits"]).eval()(image)
    assert list(found) == ["layer1", "layer1.0", "neck.mix", "logits"]
    torch.testing.assert_close(found["logits"], every["logits"], rtol=0, atol=0)
    assert found["layer1.0"].shape == (4, 8, 32, 32)
    with pytest.raises(CompileError, match="logit"):
        module(outputs="logit")


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="optimize"):
        module(optimize=1)


def test_a_layer_can_be_hooked_frozen_and_replaced(image: Any) -> None:
    model = module(outputs="logits")
    seen = []
    model.layer1[0].register_forward_hook(lambda _module, _given, result: seen.append(result.shape))
    for parameter in model.conv1.parameters():
        parameter.requires_grad_(False)
    model.fc = torch.nn.Linear(8, 3)
    model.layer1[1] = torch.nn.Identity()
    model(image).sum().backward()
    assert model(image).shape == (4, 3)
    assert seen[0] == (4, 8, 32, 32)
    assert model.conv1.weight.grad is None
    assert model.layer1[0].conv1.weight.grad is not None


def test_training_drops_and_updates_statistics(image: Any) -> None:
    model = module(outputs="logits")
    model(image)
    assert model.bn1.num_batches_tracked == 1
    assert model.bn1.running_mean.abs().sum() > 0
    assert not torch.equal(model(image), model(image))
    model.eval()
    assert torch.equal(model(image), model(image))


@pytest.mark.parametrize("training", [False, True])
def test_a_compiled_module_has_one_graph(image: Any, training: bool) -> None:
    model = module().train(training)
    for each in model.modules():
        if isinstance(each, torch.nn.Dropout):
            each.p = 0.0
    torch._dynamo.reset()
    expected = copy.deepcopy(model)(image)
    found = torch.compile(model, fullgraph=True, backend="aot_eager")(image)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_it_can_be_exported_for_any_batch(image: Any) -> None:
    model = module().eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(model, (image,), dynamic_shapes=({0: batch},))
    again = exported.module()(image[:3])
    torch.testing.assert_close(again["logits"], model(image[:3])["logits"])


def test_autocast_and_channels_last(image: Any) -> None:
    model = module().eval()
    expected = model(image)["logits"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(image)["logits"]
    assert found.dtype is torch.bfloat16
    assert (found.float() - expected).abs().max() <= 0.05 * expected.abs().max()
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(image.to(memory_format=torch.channels_last))["logits"], expected)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_a_copy_computes_the_same_and_is_independent(image: Any, how: str) -> None:
    model = module().eval()
    if how == "deepcopy":
        again = copy.deepcopy(model)
    elif how == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        file = io.BytesIO()
        torch.save(model, file)
        again = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert type(again) is type(model)
    assert again.preprocess == model.preprocess
    expected = model(image)["logits"]
    torch.testing.assert_close(again(image)["logits"], expected, rtol=0, atol=0)
    with torch.no_grad():
        again.fc.bias += 1
    torch.testing.assert_close(model(image)["logits"], expected, rtol=0, atol=0)


def test_on_the_meta_device_it_has_no_values_until_they_are_loaded() -> None:
    model = module(device="meta", seed=3)
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    model.to_empty(device="cpu")
    model.load_state_dict(resdsl.torch.state_dict(network(), seed=3))
    for each in model.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.num_batches_tracked.zero_()
    assert_equal_states(model, module(seed=3))


def assert_equal_states(one: Any, other: Any) -> None:
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_trained_checkpoint_compiles_and_comes_back(image: Any, tmp_path: Path) -> None:
    model = module()
    model(image)["logits"].sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    torch.save(model.state_dict(), tmp_path / "trained.pt")
    compiled = resdsl.compile(network(), tmp_path / "net.onnx", weights=tmp_path / "trained.pt")
    assert compiled.random == 0
    session = resdsl.open_session(tmp_path / "net.onnx", device="cpu")
    found = session.run({"image": image.numpy()}, ["logits"])["logits"]
    expected = model.eval()(image)["logits"].detach().numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert_equal_but_counters(module(weights=tmp_path / "trained.pt"), model)
    # And an ONNX file is a network like any other.
    of_file = resdsl.torch.module(tmp_path / "net.onnx", outputs="logits").eval()
    assert np.abs(of_file(image).detach().numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


CHECKPOINTS: dict[str, Any] = {
    "state dict": lambda state: state,
    "model": lambda state: {"model": state, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
    "state_dict of DDP": lambda state: {"epoch": 3, "arch": "x", "state_dict": prefixed(state, "module.")},
    "model of a compiled module in DDP": lambda state: {"model": prefixed(state, "module._orig_mod.")},
    "lightning": lambda state: {"state_dict": prefixed(state, "model."), "pytorch-lightning_version": "2.0"},
}
"""What training scripts write."""


def prefixed(state: Any, prefix: str) -> Any:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize("how", CHECKPOINTS)
@pytest.mark.parametrize("form", ["pth", "safetensors"])
def test_what_a_training_script_writes_compiles(how: str, form: str, tmp_path: Path) -> None:
    model = trained_a_step()
    file = tmp_path / f"trained.{form}"
    written = CHECKPOINTS[how](model.state_dict())
    if form == "pth":
        torch.save(written, file)
    else:
        # It has tensors alone, without anything around them.
        from safetensors.torch import save_file

        save_file(written.get("model", written.get("state_dict", written)), file)
    compiled = resdsl.compile(network(), tmp_path / "net.onnx", weights=file)
    assert compiled.random == 0
    names = compiled.graph.parameters
    assert not any(name.startswith("head.") for name in names)
    state = model.state_dict()
    with resdsl.read_weights(tmp_path / "net.onnx") as checkpoint:
        for name in names:
            np.testing.assert_array_equal(checkpoint.read(name), state[name].numpy())


def trained_a_step() -> Any:
    model = module()
    random = torch.Generator().manual_seed(2)
    loss = sum(value.square().mean() for value in model(torch.randn(4, 3, 32, 32, generator=random)).values())
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return model


def test_a_whole_module_in_a_file_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save(module(), tmp_path / "model.pth")
    with pytest.raises(CompileError):
        resdsl.compile(network(), tmp_path / "net.onnx", weights=tmp_path / "model.pth")
    assert not (tmp_path / "net.onnx").exists()


def assert_equal_but_counters(one: Any, other: Any) -> None:
    theirs = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert "num_batches_tracked" in name or torch.equal(tensor, theirs[name]), name


def test_data_parallel_training_gives_the_gradients_of_the_whole_batch(image: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(_train, args=(port, image, queue), nprocs=2)
    gradients = queue.get()
    model = _trained(module(outputs=["logits", "head"]))
    _loss(model(image)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(torch.from_numpy(gradients[name]), parameter.grad, rtol=1e-4, atol=1e-6)


def _trained(model: Any) -> Any:
    # Statistics of half a batch are not those of the whole, and dropout is random.
    for each in model.modules():
        if isinstance(each, torch.nn.BatchNorm2d | torch.nn.Dropout):
            each.eval()
    return model


def _loss(outputs: Any) -> Any:
    return sum(value.square().mean() for value in outputs.values())


def _train(rank: int, port: int, image: Any, queue: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    model = torch.nn.parallel.DistributedDataParallel(_trained(module(outputs=["logits", "head"])))
    half = image[2 * rank : 2 * rank + 2]
    _loss(model(half)).backward()
    if rank == 0:
        queue.put({name: parameter.grad.numpy() for name, parameter in model.module.named_parameters()})
    torch.distributed.destroy_process_group()


def test_sharded_training_from_the_meta_device_gives_the_gradients_of_the_whole_batch(image: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(_train_sharded, args=(port, image, queue), nprocs=2)
    gradients = queue.get()
    model = _trained(module(outputs=["logits", "head"]))
    _loss(model(image)).backward()
    assert gradients.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(torch.from_numpy(gradients[name]), parameter.grad, rtol=1e-4, atol=1e-6)


def _train_sharded(rank: int, port: int, image: Any, queue: Any) -> None:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    model = _trained(module(outputs=["logits", "head"], device="meta"))
    for block in model.layer1:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    model.to_empty(device="cpu")
    for each in model.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.num_batches_tracked.zero_()
    state = resdsl.torch.state_dict(network())
    set_model_state_dict(model, state, options=StateDictOptions(full_state_dict=True, strict=False))
    half = image[2 * rank : 2 * rank + 2]
    _loss(model(half)).backward()
    whole = {name: parameter.grad.full_tensor().numpy() for name, parameter in model.named_parameters()}
    if rank == 0:
        queue.put(whole)
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler: g++ is not installed")
def test_inductor_compiles_it_whole_and_computes_the_same(image: Any) -> None:
    model = module(outputs="logits").eval()
    torch._dynamo.reset()
    with torch.no_grad():
        found = torch.compile(model, fullgraph=True)(image)
        torch.testing.assert_close(found, model(image), rtol=1e-4, atol=1e-5)
