#!/usr/bin/env bash
# Judges template.yaml by AWS's own tools, without an account and without the network: cfn-lint as it is written and as
# CloudFormation's transform (aws-sam-translator) makes it, where references, dependencies and types of everything are
# seen; sam validate --lint; and sam build, whose result must name the bootstraps and the machine's definition as they lie
# here.
#
#   conformance/template.sh [TEMPLATE]          all of it
#   conformance/template.sh --lint TEMPLATE     only cfn-lint, both ways
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
lint=
if [ "${1:-}" = --lint ]; then
	lint=only
	shift
fi
template=$(realpath "${1:-$root/template.yaml}")
tools=$("$here/tools.sh" python) || exit $?
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-central-1 AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none
work=$(mktemp -d)
bad=0
trap 'rm -rf "$work"' EXIT

"$tools/bin/cfn-lint" --non-zero-exit-code warning -- "$template"
"$tools/bin/python" "$here/python/translate.py" "$template" >"$work/translated.json"
"$tools/bin/cfn-lint" --non-zero-exit-code warning -- "$work/translated.json" >"$work/log" || {
	# Lines and columns there are nobody's business; the fault is.
	grep -E '^[EWI][0-9]' "$work/log" | cut -c1-300 | sort -u >&2
	bad=1
}
[ $bad = 1 ] || echo "cfn-lint $("$tools/bin/cfn-lint" --version | cut -d' ' -f2): nothing to say, neither of the template nor of its translation"
[ -z "$lint" ] || exit $bad

# sam writes beside the template: it gets a copy, and a bootstrap of each function that make build would have written.
cp "$template" "$work/template.yaml"
cp -r "$root/statemachine" "$work/"
for main in "$root"/functions/*/main.go; do
	name=$(basename "$(dirname "$main")")
	mkdir -p "$work/dist/arm64/$name"
	printf 'a bootstrap' >"$work/dist/arm64/$name/bootstrap"
done
cd "$work"
"$tools/bin/sam" validate --lint --template template.yaml >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
"$tools/bin/sam" build --template template.yaml >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
built=.aws-sam/build
uris() { sed -n "s/^ *$1: *//p" $built/template.yaml; }
for uri in $(uris CodeUri); do
	[ -f "$built/$uri/bootstrap" ] || { echo "sam build: $uri holds no bootstrap" >&2; exit 1; }
done
for uri in $(uris DefinitionUri); do
	cmp -s "$built/$uri" "$root/statemachine/publish.asl.json" || { echo "sam build: $uri is not the definition" >&2; exit 1; }
done
n=$(uris CodeUri | wc -l)
[ "$n" = "$(ls "$root"/functions/*/main.go | wc -l)" ] || { echo "sam build: $n functions, functions/ has others" >&2; exit 1; }
echo "sam $("$tools/bin/sam" --version | sed 's/.* //'): validate --lint and build pass, $n functions, 1 machine"
exit $bad
