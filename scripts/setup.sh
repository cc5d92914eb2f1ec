#!/usr/bin/env bash
# Makes a machine ready for the tests. Run again, it does only what is missing.
#
#   gcc           apt, if absent: the race detector needs it
#   redis-server  apt, if absent
#   FerretDB      built to .cache/bin: a server that speaks MongoDB's protocol
#   documentation unpacked to .cache/docs: real sites to crawl
#   linters       built to .cache/bin
#
# Needs Go, and apt with root or sudo where something of the first two is absent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install COMMAND PACKAGE... installs the packages unless the command is there already. The command decides
# whether it went well: apt also fails where the service of redis-server cannot be started, as in a container.
install() {
  local cmd=$1
  shift
  if command -v "$cmd" >/dev/null; then return; fi
  if ! command -v apt-get >/dev/null; then
    say "$cmd is missing and there is no apt-get to install it with: install $* by hand" >&2
    exit 1
  fi
  say "installing $*"
  as_root apt-get update -qq || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || true
  if ! command -v "$cmd" >/dev/null; then
    say "$cmd is still missing after apt-get install $*" >&2
    exit 1
  fi
}

if ! command -v go >/dev/null; then
  say 'Go is missing: see https://go.dev/doc/install' >&2
  exit 1
fi
install gcc gcc libc6-dev
install redis-server redis-server
scripts/docs.sh
scripts/ferretdb.sh
scripts/tools.sh
say "ready: $(go env GOVERSION), redis-server $(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')"
