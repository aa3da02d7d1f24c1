#!/usr/bin/env bash
# Breaks a copy of template.yaml in one place after the other: each time conformance/template.sh must fail. (The other
# parts have their seeded faults in their own tests.)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
breaks() { # breaks FAULT SED-EXPRESSION
	sed "$2" "$root/template.yaml" >"$work/template.yaml"
	if cmp -s "$work/template.yaml" "$root/template.yaml"; then
		echo "seeded: $1: nothing was changed" >&2
		exit 1
	fi
	if "$here/template.sh" "$work/template.yaml" >"$work/log" 2>&1; then
		echo "seeded: $1: not found" >&2
		exit 1
	elif [ $? = 3 ]; then
		cat "$work/log" >&2
		exit 3
	fi
	n=$((n + 1))
}
breaks "a reference to nothing" '0,/!GetAtt Table.Arn/s//!GetAtt Tabel.Arn/'
breaks "a misspelt property" '0,/MemorySize:/s//MemorySise:/'
breaks "a folder that is not there" '0,/dist\/arm64\/ingest/s//dist\/arm64\/ingets/'
breaks "another definition" 's/statemachine\/publish.asl.json/statemachine\/statemachine.go/'
echo "seeded: $n faults of the template, each found"
