#!/usr/bin/env bash
# Build the site and look at it in a browser: tests/with_site.sh. Needs Node 20 and Chromium (`chromium`, or $CHROMIUM).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${RESDSL_SITE_VENV:-.venv-site}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q -e '.[site]'
work=$(mktemp -d "${TMPDIR:-/tmp}/resdsl-site.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$venv/bin/python" docs/site/build.py -o "$work/site"
for version in dev 9.9.9; do "$venv/bin/python" docs/site/versions.py "$work/site" "$work/published" "$version"; done
cp tests/site/browser.mjs "$work"
npm install --silent --no-audit --no-fund --prefix "$work" playwright-core@1 @axe-core/playwright@4
node "$work/browser.mjs" "$work/published" "${CHROMIUM:-$(command -v chromium)}"
