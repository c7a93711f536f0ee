#!/usr/bin/env bash
# Review the networks that differ between BASE and HEAD; keep one comment on the pull request up to date.
# Exits like `resdsl diff`: 0, or 1 if a budget is exceeded or a specification has errors.
set -uo pipefail

marker='<!-- resdsl-diff -->'
report="$RUNNER_TEMP/resdsl-diff.md"
body="$RUNNER_TEMP/resdsl-diff-comment.md"
errors="$RUNNER_TEMP/resdsl-diff-errors.txt"

if [ -z "${BASE:-}" ]; then
  echo "::error::there is nothing to compare with: run on pull_request, or give the input \`base\`"
  exit 2
fi
for commit in "$BASE" "$HEAD"; do
  if ! git rev-parse --quiet --verify --end-of-options "$commit^{commit}" >/dev/null; then
    echo "::error::commit $commit is not there: give actions/checkout \`fetch-depth: 0\`"
    exit 2
  fi
done

read -ra arguments <<<"${ARGUMENTS:-}"
rm -f "$report"
"$RESDSL" diff "$BASE...$HEAD" --format markdown --output "$report" "${arguments[@]}" 2> >(tee "$errors" >&2)
status=$?
wait
[ -s "$report" ] || exit "$status"

changed=false
grep -q '^#### ' "$report" && changed=true
{
  echo "$marker"
  # GitHub takes 65,536 characters, and the report has up to 65,000.
  grep '^error\[' "$errors" | cut -c 1-85 | head -n 5 | sed 's/.*/> ❌ &/'
  echo
  cat "$report"
} >"$body"
cat "$body" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
printf 'changed=%s\nreport=%s\n' "$changed" "$report" >>"${GITHUB_OUTPUT:-/dev/null}"

# shellcheck source=../comment.sh
source "$(dirname "${BASH_SOURCE[0]}")/../comment.sh"
exit "$status"
