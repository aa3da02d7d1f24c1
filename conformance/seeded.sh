#!/usr/bin/env bash
# Breaks a copy of template.yaml in one place after the other: each time conformance/template.sh must fail. (The other
# parts have their seeded faults in their own tests.)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
breaks() { # breaks FAULT SED-EXPRESSION COMPLAINT
	sed "$2" "$root/template.yaml" >"$work/template.yaml"
	if cmp -s "$work/template.yaml" "$root/template.yaml"; then
		echo "seeded: $1: nothing was changed" >&2
		exit 1
	fi
	"$here/template.sh" ${4:-} "$work/template.yaml" >"$work/log" 2>&1 && status=0 || status=$?
	if [ $status = 3 ]; then
		cat "$work/log" >&2
		exit 3
	fi
	if [ $status = 0 ] || ! grep -q -- "$3" "$work/log"; then
		echo "seeded: $1: not found" >&2
		cut -c1-300 "$work/log" >&2
		exit 1
	fi
	n=$((n + 1))
}
breaks "a permission on nothing" '0,/Resource: !GetAtt Table.Arn/s//Resource: !GetAtt Tabel.Arn/' "'Tabel' is not one of" --lint
breaks "a variable from nothing" '0,/!Ref PoolGlobal/s//!Ref PoolGlobl/' "'PoolGlobl' is not one of" --lint
breaks "a misspelt property" '0,/MemorySize:/s//MemorySise:/' MemorySise --lint
breaks "a wrong type of event" '0,/Type: EventBridgeRule/s//Type: EventBridgeRules/' EventBridgeRules --lint
breaks "a folder that is not there" '0,/dist\/arm64\/ingest/s//dist\/arm64\/ingets/' ingets
breaks "another definition" 's/statemachine\/publish.asl.json/statemachine\/statemachine.go/' statemachine.go
echo "seeded: $n faults of the template, each found"
