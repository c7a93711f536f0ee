#!/usr/bin/env bash
# Build, check and package the VS Code extension, and test its grammar: tests/with_node.sh. Needs Node 20 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../editors/vscode"
npm install --no-audit --no-fund --no-package-lock
npm run test:grammar
npm run package
