#!/usr/bin/env bash
# Runs `go test` with the arguments given and reports what ran: a line a package with its number of tests,
# the output of what failed, and every skipped test with its reason. The whole stream stays in .cache/test.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p .cache/bin
go build -o .cache/bin/testreport ./internal/testreport
go test -json "$@" | tee .cache/test.json | .cache/bin/testreport
