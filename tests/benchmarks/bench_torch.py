"""Train a ResNet-50 of a specification for a step, compared with torchvision's own, in one process of PyTorch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from harness import Bench, Pairs, Row, Sample, Series

_BATCH = 8
_SIZE = 224

# The two share nothing but the image. Which of them is first alternates.
_STEPS = """\
import json, sys, time
import torch, torchvision
import resdsl.torch

rounds, batch, size = map(int, sys.argv[1:4])
theirs = torchvision.models.resnet50(weights=None)
ours = resdsl.torch.module("resnet50", outputs="logits")
ours.load_state_dict(theirs.state_dict())
image, classes = torch.randn(batch, 3, size, size), torch.randint(0, 1000, (batch,))

def stepper(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    def step():
        wall, cpu = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(image), classes).backward()
        optimizer.step()
        return time.perf_counter() - wall, time.process_time() - cpu
    return step

steps = [stepper(ours), stepper(theirs)]
for step in steps * 2:
    step()
samples = [[], []]
for number in range(rounds):
    for which in ((0, 1), (1, 0))[number % 2]:
        samples[which].append(steps[which]())
print(json.dumps(samples))
"""


def run(bench: Bench) -> Iterable[Row]:
    """Forward, backward and SGD at batch 8 and 224 x 224."""
    command = [bench.torch, "-c", _STEPS, str(2 * bench.rounds), str(_BATCH), str(_SIZE)]
    done = subprocess.run(
        command, env=dict(bench.environment), cwd=bench.folder, check=True, capture_output=True, text=True
    )
    ours, theirs = (Series(tuple(Sample(*one) for one in samples)) for samples in json.loads(done.stdout))
    pairs = Pairs(ours, theirs)
    yield pairs.row("a step, CPU time", by="cpu", at_most=1.02)
    yield pairs.row("a step, wall time", by="wall")
