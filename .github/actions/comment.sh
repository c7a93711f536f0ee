# Keep one comment on the pull request up to date: that which begins with $marker gets the text of the file $body. A new
# one is written only if $changed is true. For the scripts of the actions.
comment() {
  local comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments" known
  known=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$marker\")) | .id") || return
  known=${known%%$'\n'*}
  if [ -n "$known" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$known" --field "body=@$body"
  elif [ "$changed" = true ]; then
    gh api --silent --method POST "$comments" --field "body=@$body"
  fi
}

if [ "${COMMENT:-true}" = true ] && [ -n "${PULL_REQUEST:-}" ]; then
  # Pull requests from forks have a token that may only read: the summary has it all.
  comment || echo "::warning::no comment was written; it takes \`permissions: pull-requests: write\`"
fi
