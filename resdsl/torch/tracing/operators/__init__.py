"""What calls of ATen are in the importer's records: operators of ONNX, as its exporters write them."""

from __future__ import annotations

from resdsl.torch.tracing.call import WRITERS as WRITERS
from resdsl.torch.tracing.operators import elementwise as elementwise
from resdsl.torch.tracing.operators import layers as layers
from resdsl.torch.tracing.operators import layout as layout
from resdsl.torch.tracing.operators import reductions as reductions
