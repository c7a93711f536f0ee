#!/usr/bin/env bash
# Test the VS Code extension in the extension host of a real VS Code, that of code-server: tests/with_vscode.sh [PICTURE.png]
# Needs Node 20 or later, Chromium (CHROMIUM says where; on Debian: apt-get install chromium), and code-server:
# CODE_SERVER says where, for example node_modules/.bin/code-server after
#   npm_config_unsafe_perm=true npm install code-server
# which compiles parts of it (on Debian: apt-get install libkrb5-dev libx11-dev libxkbfile-dev libsecret-1-dev pkg-config g++ make).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${CODE_SERVER:?CODE_SERVER says where code-server is}"
RESDSL_PYTHON=$(realpath -s "${RESDSL_PYTHON:-.venv/bin/python}")
export RESDSL_PYTHON
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd editors/vscode && npm install --silent --no-audit --no-fund --no-package-lock && npm run --silent package -- -o "$work/resdsl.vsix")
cp tests/editors/vscode/{package.json,extension.js} "$work"
(cd "$work" && "$OLDPWD/editors/vscode/node_modules/.bin/vsce" package --no-dependencies --allow-missing-repository --skip-license -o "$work/test.vsix")
npm install --silent --no-audit --no-fund --prefix "$work/browser" playwright-core@1
PLAYWRIGHT=$work/browser/package.json node tests/editors/vscode/run.mjs "$CODE_SERVER" "$work/resdsl.vsix" "$work/test.vsix" "$@"
