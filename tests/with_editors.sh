#!/usr/bin/env bash
# Drive the language server by Neovim's and Emacs's own clients, with the settings in editors/: tests/with_editors.sh
# Needs both editors; on Debian: apt-get install neovim emacs-nox elpa-eglot
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for editor in nvim emacs; do
  command -v "$editor" >/dev/null || { echo "there is no $editor; on Debian: apt-get install neovim emacs-nox elpa-eglot" >&2; exit 1; }
done
exec "${RESDSL_PYTHON:-.venv/bin/python}" -m pytest -q tests/editors "$@"
