#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other: fuzz.sh [TIME], 20s each by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for pkg in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    printf 'fuzz: %s in %s\n' "$target" "$pkg"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-20s}" "$pkg"
  done
done
