#!/usr/bin/env bash
# Builds the developers' tools to .cache/bin, each at its pinned version: again when the version here or
# the Go version changes, otherwise not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=$PWD/.cache/bin

# tool NAME PACKAGE VERSION
tool() {
  local name=$1 want stamp=$bin/.$1.version
  want="$2@$3 $(go env GOVERSION)"
  if [ -x "$bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return; fi
  printf 'tools: building %s %s\n' "$name" "$3"
  mkdir -p "$bin"
  rm -f "$stamp"
  GOBIN=$bin GOFLAGS='' CGO_ENABLED=0 go install -trimpath "$2@$3"
  printf '%s\n' "$want" >"$stamp"
}

tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint v2.15.0
tool gofumpt mvdan.cc/gofumpt v0.12.0
