#!/usr/bin/env bash
# A browser client that is not ours against our AppServer: a page with the vendor's npm client ali-oss, in headless
# Chromium, uploads videos and pictures to the fake VOD's storage with credentials of our API. Called by `make e2e`; needs
# Go, Node 18 or newer and npm, and Chromium, which it installs where apt-get can. The npm packages are fetched once by
# package-lock.json, which pins each by SHA-512, and kept outside the repository; what is kept is checked against the hash
# written here, before every use.
set -euo pipefail

tree_sha256=352075a6a6c532fbf5ec9b0e7c529b6d05fe36c70c08ee48d89dc3e8493c1d23
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { echo "e2e: $*" >&2; }
die() { say "$*"; exit 1; }
for tool in go node npm sha256sum; do
	command -v "$tool" >/dev/null || die "$tool is needed and was not found"
done

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! chromium=${CHROMIUM:-$(find_chromium)}; then
	command -v apt-get >/dev/null || die "Chromium is needed and was not found; install it, or name it by CHROMIUM=PATH"
	[ "$(id -u)" = 0 ] || die "Chromium is needed and was not found; as root: apt-get install -y chromium, or name it by CHROMIUM=PATH"
	say "installing Chromium"
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >/dev/null || die "Chromium is needed, and apt-get could not install it"
	chromium=$(find_chromium) || die "apt-get installed no chromium"
fi

cache=${VODLIFT_CONFORMANCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vodlift/conformance}
lock=$(sha256sum <"$here/package-lock.json" | cut -c1-12)
home=$cache/e2e-$lock
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
	say "fetching ali-oss and playwright-core from npm"
	cp "$here/package.json" "$here/package-lock.json" "$work"
	(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --silent) || die "npm ci failed"
	# A move is all or nothing, so an interrupted fetch leaves no half-filled folder; a loser of a race just goes on.
	mv -T "$work" "$home" 2>/dev/null || [ -d "$home" ] || die "cannot write to $cache"
fi
found=$(tree_hash "$home")
[ "$found" = "$tree_sha256" ] || die "$home holds other files than we know (SHA-256 $found); delete the folder to fetch it again"

(cd "$here/.." && go build -o "$run/server" ./e2e/server)
mkdir "$run/page"
cp "$here/page/index.html" "$here/page/page.js" "$run/page"
cp "$home/node_modules/ali-oss/dist/aliyun-oss-sdk.js" "$run/page/ali-oss.js"
mkfifo "$run/in"
"$run/server" "$run/page" <"$run/in" >"$run/place" 2>"$run/log" &
server=$!
exec 9>"$run/in" # the server ends when this does
for _ in $(seq 200); do
	if [ -s "$run/place" ] || ! kill -0 "$server" 2>/dev/null; then break; fi
	sleep 0.05
done
[ -s "$run/place" ] || { cat "$run/log" >&2; die "the server did not start"; }

cp "$here/client.js" "$run/client.js"
ln -s "$home/node_modules" "$run/node_modules"
say "$("$chromium" --version --no-sandbox 2>/dev/null) with ali-oss against the AppServer and the fakes"
if ! node "$run/client.js" "$(cat "$run/place")" "$chromium"; then
	tail -n 30 "$run/log" >&2
	die "failed; above are the last lines of the server's log"
fi
