"""Replace the metadata of an ONNX file that another tool wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from resdsl.files import whole_file


def replace_metadata(model: Path, target: Path, metadata: Mapping[str, str]) -> int:
    """Write ``model`` to ``target`` with this metadata and no other, whole or not at all; returns the size in bytes.

    The weights must be in the file. Raises ``OutputError`` where ``target`` cannot be written.
    """
    proto = onnx.load_model(model)
    del proto.metadata_props[:]
    for key in sorted(metadata):
        proto.metadata_props.add(key=key, value=metadata[key])
    content = proto.SerializeToString(deterministic=True)
    with whole_file(target) as stream:
        stream.write(content)
    return len(content)
