#!/usr/bin/env bash
# Drives our fake OSS and fake STS with the vendor's Node client, npm's ali-oss. Needs Go, Node 18 or newer, npm and, the
# first time, the network. The client is fetched once by package-lock.json, which pins every package by SHA-512, and kept
# outside the repository; what is kept is checked against the hash written here, before every use.
set -euo pipefail

version=6.23.0
tree_sha256=6f3aef987f820c8cbab4c3e03329045fe4a877896814b18261e36a9995ef9fe5

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { echo "conformance: $*" >&2; }
die() { say "$*"; exit 1; }
for tool in go node npm sha256sum; do
	command -v "$tool" >/dev/null || die "$tool is needed and was not found"
done

cache=${VODLIFT_CONFORMANCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vodlift/conformance}
lock=$(sha256sum <"$here/package-lock.json" | cut -c1-12)
home=$cache/ali-oss-$version-$lock
# Every file of every package with its path, but for npm's own notes, which differ from one npm to the next.
tree_hash() {
	(cd "$1/node_modules" && find . -type f ! -name .package-lock.json -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
}

run=$(mktemp -d)
server=
work=
stop() {
	status=$?
	exec 9>&- || true
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$run" ${work:+"$work"}
	exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ ! -d "$home" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	say "fetching ali-oss@$version and what it needs from npm"
	cp "$here/package.json" "$here/package-lock.json" "$work"
	(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --silent) || die "npm ci failed"
	# A move is all or nothing, so an interrupted fetch leaves no half-filled folder; a loser of a race just goes on.
	mv -T "$work" "$home" 2>/dev/null || [ -d "$home" ] || die "cannot write to $cache"
fi
found=$(tree_hash "$home")
[ "$found" = "$tree_sha256" ] || die "$home holds other files than we know (SHA-256 $found); delete the folder to fetch it again"

(cd "$here/../.." && go build -o "$run/server" ./conformance/oss/server)
mkfifo "$run/in"
"$run/server" <"$run/in" >"$run/place" 2>"$run/log" &
server=$!
exec 9>"$run/in" # the server ends when this does
for _ in $(seq 200); do
	if [ -s "$run/place" ] || ! kill -0 "$server" 2>/dev/null; then break; fi
	sleep 0.05
done
[ -s "$run/place" ] || { cat "$run/log" >&2; die "the fake did not start"; }

cp "$here/client.js" "$run/client.js"
ln -s "$home/node_modules" "$run/node_modules"
say "ali-oss@$version against the fake OSS and STS"
node "$run/client.js" "$(cat "$run/place")"
