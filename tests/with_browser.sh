#!/usr/bin/env bash
# Build the playground and try it in Chromium: tests/with_browser.sh [FOLDER for screenshots]
# Needs Node 20 or later and Chromium (CHROMIUM says where; on Debian: apt-get install chromium).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${RESDSL_PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
"$python" docs/site/playground/build.py -o "$work/playground"
"$python" -m http.server 8753 --bind 127.0.0.1 --directory "$work/playground" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 50); do curl -fs -o /dev/null http://127.0.0.1:8753/ && break; sleep 0.1; done
mkdir "$work/models"
"$python" -c "from pathlib import Path; from tests.foreign_onnx import write_all; write_all(Path('$work/models'))"
node tests/playground/browser.mjs http://127.0.0.1:8753/ "$work/models" "$@"
