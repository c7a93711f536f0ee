"""The clusters in the docs fit the published schemas."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

pytestmark = pytest.mark.ray

EXAMPLES = Path(__file__).parents[2] / "docs" / "deploy"


def read(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def test_the_cluster_on_aws_fits_the_schema_of_ray() -> None:
    pytest.importorskip("ray", reason="tests/with_ray.sh installs Ray")
    schema = json.loads((files("ray") / "autoscaler" / "ray-schema.json").read_text())
    example = read("ray-aws.yaml")
    jsonschema.validate(example, schema)
    example["max_worker"] = 1
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(example, schema)


def closed(schema: Any) -> None:
    """Forbid what a schema does not name, as a server of Kubernetes does."""
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            closed(part)
    elif isinstance(schema, list):
        for part in schema:
            closed(part)


def test_the_cluster_on_kubernetes_fits_the_schema_of_kuberay() -> None:
    given = os.environ.get("RESDSL_KUBERAY_CRD")
    if given is None:
        pytest.skip("tests/with_ray.sh downloads the schema")
    (schema,) = (
        version["schema"]["openAPIV3Schema"]
        for version in yaml.safe_load(Path(given).read_text())["spec"]["versions"]
        if version["name"] == "v1"
    )
    closed(schema)
    schema["properties"]["metadata"] = {"type": "object"}
    example = read("kuberay.yaml")
    jsonschema.validate(example, schema)
    example["spec"]["workerGroupSpecs"][0]["minReplica"] = 1
    with pytest.raises(jsonschema.ValidationError, match="minReplica"):
        jsonschema.validate(example, schema)
