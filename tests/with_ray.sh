#!/usr/bin/env bash
# The tests on Ray clusters, in an environment of its own: tests/with_ray.sh [PYTEST ARGUMENTS]
# CI leaves them out: Ray with Ray Data takes 300 MB, and starting a cluster some 10 s of two cores for each test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${RESDSL_RAY_VENV:-.venv-ray}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q -e '.[test,ray]' 'moto[s3,server]>=5.1'
if [ -z "${RESDSL_KUBERAY_CRD:-}" ]; then
  export RESDSL_KUBERAY_CRD=$venv/rayclusters-1.7.0.yaml
  [ -s "$RESDSL_KUBERAY_CRD" ] || curl -sSfL -o "$RESDSL_KUBERAY_CRD" \
    https://raw.githubusercontent.com/ray-project/kuberay/v1.7.0/helm-chart/kuberay-operator/crds/ray.io_rayclusters.yaml
fi
exec "$venv/bin/pytest" -q -m ray "$@"
