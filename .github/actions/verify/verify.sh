#!/usr/bin/env bash
# Verify that MODEL still is the network of SPEC; keep one comment on the pull request up to date.
# Exits like `resdsl verify`: 0, or 1 if they differ.
set -uo pipefail

marker="<!-- resdsl-verify $(printf '%s %s' "$SPEC" "$MODEL" | tr -c '[:alnum:]./: _' '_') -->"
report="$RUNNER_TEMP/resdsl-verify.md"
body="$RUNNER_TEMP/resdsl-verify-comment.md"

read -ra arguments <<<"${ARGUMENTS:-}"
rm -f "$report"
"$PYTHON" -m resdsl verify "$SPEC" "$MODEL" --format markdown --output "$report" "${arguments[@]}"
status=$?
[ -s "$report" ] || exit "$status"

changed=false
[ "$status" = 0 ] || changed=true
{
  echo "$marker"
  cat "$report"
} >"$body"
cat "$body" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
printf 'changed=%s\nreport=%s\n' "$changed" "$report" >>"${GITHUB_OUTPUT:-/dev/null}"

# shellcheck source=../comment.sh
source "$(dirname "${BASH_SOURCE[0]}")/../comment.sh"
exit "$status"
