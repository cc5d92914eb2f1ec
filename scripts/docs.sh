#!/usr/bin/env bash
# Unpacks Debian packages of documentation to .cache/docs/PACKAGE: real sites of some thousand pages, which
# tests serve on loopback and crawl. Nothing is installed. LYCOSA_DOCS names another folder, for this script and
# for the tests. On a system whose apt does not know a package those tests are skipped, and this says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

docs=${LYCOSA_DOCS:-$PWD/.cache/docs}

say() { printf 'docs: %s\n' "$*"; }

known() { [ -n "$(apt-cache --quiet=0 madison "$1" 2>/dev/null)" ]; }

update() {
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
}

# unpack PACKAGE, whole or not at all: the folder appears under its name when everything is in it.
unpack() {
  local pkg=$1 tmp
  if [ -d "$docs/$pkg" ]; then return; fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    say "no apt here: tests that crawl $pkg will be skipped"
    return
  fi
  if ! known "$pkg"; then update || true; fi
  if ! known "$pkg"; then
    say "apt does not know $pkg here: tests that crawl it will be skipped"
    return
  fi
  say "downloading $pkg"
  mkdir -p "$docs"
  tmp=$(mktemp -d "$docs/.$pkg.XXXXXX")
  if ! download "$tmp" "$pkg"; then # the lists may name a version that has been replaced since
    update
    download "$tmp" "$pkg"
  fi
  dpkg -x "$tmp"/*.deb "$tmp/root"
  chmod 755 "$tmp/root"
  mv -T "$tmp/root" "$docs/$pkg"
  rm -rf "$tmp"
}

# download FOLDER PACKAGE; apt warns when its own user may not write there, and downloads as the caller.
download() {
  (cd "$1" && apt-get download -qq "$2" 2>apt.log) || {
    cat "$1/apt.log" >&2
    return 1
  }
}

unpack postgresql-doc-15
unpack sqlite3-doc
