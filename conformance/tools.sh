#!/usr/bin/env bash
# Installs one pinned tool of the conformance run, outside the repository, and prints where it is:
#
#   conformance/tools.sh python       a virtual environment: aws-sam-cli, cfn-lint, moto, awscli (python/requirements.txt)
#   conformance/tools.sh emulator     AWS's Runtime Interface Emulator, out of the aws-sam-cli wheel
#   conformance/tools.sh asl          a folder with node_modules: asl-validator, aws-local-stepfunctions
#   conformance/tools.sh rclone       rclone, built from its own module (rclone/go.mod)
#   conformance/tools.sh govulncheck
#
# Whatever is fetched is checked: pip by the hashes in requirements.txt, npm by package-lock.json, Go by go.sum and the
# checksum database. A tool is fetched once for each version of its pins. Status 3: it could not be had.
set -euo pipefail

govulncheck=v1.8.0
emulator_sha256=6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${VODLIFT_CONFORMANCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vodlift/conformance}
say() { echo "conformance: $*" >&2; }
lacks() { say "COULD NOT GET $*"; exit 3; }
need() { command -v "$1" >/dev/null || lacks "$2: $1 was not found"; }
pins() { cat "$@" | sha256sum | cut -c1-12; }
mkdir -p "$cache"

# One run at a time fetches; a folder without its mark is what an interrupted run left.
exec 9>"$cache/.lock"
flock 9
fresh() { # fresh FOLDER: is it to be filled?
	[ -e "$1/.complete" ] && return 1
	rm -rf "$1"
	mkdir -p "$1"
}

python() {
	local python=python3.11 home
	command -v $python >/dev/null || python=python3
	need $python "the Python tools"
	home=$cache/python-$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])')-$(pins "$here/python/requirements.txt")
	if fresh "$home"; then
		say "fetching aws-sam-cli, cfn-lint, moto and awscli by pip"
		{ $python -m venv "$home" && "$home/bin/pip" install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps -r "$here/python/requirements.txt"; } >&2 ||
			lacks "the Python tools (pip failed)"
		touch "$home/.complete"
	fi
	echo "$home"
}

case ${1:-} in
python) python ;;
emulator)
	[ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] || lacks "the Runtime Interface Emulator for this machine: the bootstraps run on Linux, amd64"
	found=$(python)/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64
	found=$(echo $found)
	[ -f "$found" ] || lacks "the Runtime Interface Emulator: the wheel has none"
	[ "$(sha256sum <"$found" | cut -d' ' -f1)" = $emulator_sha256 ] || lacks "the Runtime Interface Emulator: the wheel has another than we know (SHA-256)"
	[ -x "$found" ] || chmod +x "$found"
	echo "$found"
	;;
asl)
	need npm asl-validator
	need node aws-local-stepfunctions
	home=$cache/asl-$(pins "$here/asl/package-lock.json")
	if fresh "$home"; then
		say "fetching asl-validator and aws-local-stepfunctions from npm"
		cp "$here/asl/package.json" "$here/asl/package-lock.json" "$home"
		(cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --silent) >&2 || lacks "asl-validator and aws-local-stepfunctions (npm ci failed)"
		touch "$home/.complete"
	fi
	echo "$home"
	;;
rclone)
	need go rclone
	home=$cache/rclone-$(pins "$here/rclone/go.mod" "$here/rclone/go.sum" "$here/rclone/main.go")
	if fresh "$home"; then
		say "building rclone from its module (a minute or two)"
		(cd "$here/rclone" && CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$home/rclone" .) >&2 || lacks "rclone (go build failed)"
		touch "$home/.complete"
	fi
	echo "$home/rclone"
	;;
govulncheck)
	need go govulncheck
	home=$cache/govulncheck-$govulncheck-$(go env GOVERSION)
	if fresh "$home"; then
		say "building govulncheck $govulncheck"
		GOBIN=$home GOFLAGS= go install "golang.org/x/vuln/cmd/govulncheck@$govulncheck" >&2 || lacks "govulncheck (go install failed)"
		touch "$home/.complete"
	fi
	echo "$home/govulncheck"
	;;
*)
	sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 2
	;;
esac
