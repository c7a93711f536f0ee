"""A training step in ONNX Runtime (`compile --train`) compared with one of PyTorch in eager mode, on one thread."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from harness import Bench, Pairs, Row, Sample, Series

_NETWORKS = (("resnet_cifar", 32, 64), ("resnet18", 224, 8))

# Both make the same update of the same weights. Which of them is first alternates.
_STEPS = """\
import json, sys, time
import numpy as np
import torch
import resdsl, resdsl.torch
from resdsl.runtime.stepper import Stepper
from resdsl.training import StepOptions, training_step

name, (rounds, batch, size) = sys.argv[1], map(int, sys.argv[2:5])
torch.set_num_threads(1)
module = resdsl.torch.module(name, outputs="logits").train()
stepper = Stepper(training_step(resdsl.load(name).graph, StepOptions()), "cpu", 1)
stepper.load({key: value.numpy().copy() for key, value in module.state_dict().items()})
images = np.random.default_rng(0).standard_normal((batch, 3, size, size)).astype(np.float32)
classes = np.arange(batch) % 10
tensors = torch.from_numpy(images), torch.from_numpy(classes)
optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

def ours():
    stepper.run(images, classes, learning_rate=0.01)

def theirs():
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(module(tensors[0]), tensors[1]).backward()
    optimizer.step()

def measured(step):
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - cpu

steps = [ours, theirs]
for step in steps * 2:
    step()
samples = [[], []]
for number in range(rounds):
    for which in ((0, 1), (1, 0))[number % 2]:
        samples[which].append(measured(steps[which]))
print(json.dumps(samples))
"""

# The peak beyond what is there before the first step; each subject in a process of its own.
_MEMORY = """\
import resource, sys
import numpy as np
import resdsl

name, which, batch, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
images = np.random.default_rng(0).standard_normal((batch, 3, size, size)).astype(np.float32)
classes = np.arange(batch) % 10
graph = resdsl.load(name).graph

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

if which == "ours":
    from resdsl.runtime.stepper import Stepper
    from resdsl.training import StepOptions, training_step
    from resdsl.weights.values import value_of
    step = training_step(graph, StepOptions())
    import onnxruntime
    before = peak()
    stepper = Stepper(step, "cpu", 1)
    stepper.load({key: value_of(one) for key, one in graph.parameters.items()})
    for _ in range(3):
        stepper.run(images, classes, learning_rate=0.01)
else:
    import torch, torch._dynamo
    import resdsl.torch
    torch.set_num_threads(1)
    before = peak()
    module = resdsl.torch.module(name, outputs="logits").train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(torch.from_numpy(images)), torch.from_numpy(classes)).backward()
        optimizer.step()
print(peak() - before)
"""


def run(bench: Bench) -> Iterable[Row]:
    """ResNet-20 for CIFAR at a batch of 64, ResNet-18 at a batch of 8."""
    for name, size, batch in _NETWORKS:
        done = _process(bench, _STEPS, name, str(bench.rounds), str(batch), str(size))
        ours, theirs = (Series(tuple(Sample(*one) for one in samples)) for samples in json.loads(done))
        pairs = Pairs(ours, theirs)
        yield pairs.row(f"a step of {name}, {batch} x {size} x {size}, CPU time", by="cpu", at_most=1.5)
        peaks = [
            Sample(0.0, 0.0, int(_process(bench, _MEMORY, name, which, str(batch), str(size))))
            for which in ("ours", "theirs")
        ]
        memory = Pairs(*(Series((peak,)) for peak in peaks))
        yield memory.row(f"memory of a step of {name}", by="memory", at_most=1.3)


def _process(bench: Bench, program: str, *arguments: str) -> str:
    command = [bench.torch, "-c", program, *arguments]
    environment = {**bench.environment, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, cwd=bench.folder, check=True, capture_output=True, text=True).stdout
