#!/bin/sh
# Builds the MongoDB-protocol server of the tests into .cache/bin/ferretdb, unless it is there and newer than
# its sources. Needs Go alone; the first build takes about a minute.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
module=$root/internal/servers/ferretdb
binary=$root/.cache/bin/ferretdb
if [ -x "$binary" ] && [ -z "$(find "$module" "$0" -newer "$binary" -type f)" ]; then
	exit 0
fi
mkdir -p "$root/.cache/bin"
cd "$module"
# Built under another name first: a test may start the binary at any moment.
GOWORK=off go build -trimpath -tags ferretdb_no_postgresql -o "$binary.$$" .
mv "$binary.$$" "$binary"
echo "built .cache/bin/ferretdb"
