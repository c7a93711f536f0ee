#!/usr/bin/env bash
# The tests that compare with PyTorch and timm, in an environment of their own (some 3 GB): tests/with_torch.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${RESDSL_TORCH_VENV:-.venv-torch}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q -e '.[test]' torch torchvision timm peft
exec "$venv/bin/pytest" -q -m torch "$@"
