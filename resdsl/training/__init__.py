"""A network as a training step: forward pass, loss, gradients and update as one ONNX model of standard operators."""

from resdsl.training.options import StepOptions
from resdsl.training.step import TrainingStep, training_step

__all__ = ["StepOptions", "TrainingStep", "training_step"]
