#!/usr/bin/env bash
# Compares our engines with programs that we did not write, and judges what is deployed by the cloud's own tools. Called
# by `make conformance`; needs Go, a JDK 17, Node 20, Python 3.11 and, the first time, the network: everything else it
# fetches itself, pinned and checked, into a folder of its own (conformance/tools.sh). Arguments go to the first `go test`
# (as -v or -run NAME). VODLIFT_CONFORMANCE_ONLY, a pattern of grep -E, runs only the steps whose names match.
#
# Every step runs, also after one that failed. The end says what ran, how long, and what could not be had; a tool that could
# not be fetched is a failure, since then its engine did not run.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
cd "$root" || exit 1

summary=()
bad=0
step() { # step NAME COMMAND...
	local name=$1 began=$SECONDS status word
	shift
	if ! grep -qE "${VODLIFT_CONFORMANCE_ONLY:-.}" <<<"$name"; then return; fi
	echo "== $name" >&2
	"$@" && status=0 || status=$?
	case $status in
	0) word=passed ;;
	3) word="NOT RUN: a tool could not be had" bad=1 ;;
	4) word="NOT CHECKED, see above" ;;
	*) word="FAILED ($status)" bad=1 ;;
	esac
	summary+=("$(printf '%5d s  %-62s %s' $((SECONDS - began)) "$name" "$word")")
}
tool() { # tool VARIABLE NAME: the variable is where it is
	local place
	place=$("$here/tools.sh" "$2") || return $?
	export "$1=$place"
}
gotest() { go test -count=1 "$@"; }
dynamo() { "$here/with-dynamodb.sh" "$@"; }

bootstraps() { # the ones for this machine, as make build writes them
	local f targets=()
	for f in functions/*/main.go; do targets+=("dist/amd64/$(basename "$(dirname "$f")")/bootstrap"); done
	make --silent "${targets[@]}" && export VODLIFT_BOOTSTRAPS=$root/dist/amd64
}
loopback() { # the same with the build tag that lets them reach this machine; only for tests
	local f out=$root/dist/loopback
	for f in functions/*/main.go; do
		f=$(basename "$(dirname "$f")")
		CGO_ENABLED=0 GOOS=linux go build -tags lambda.norpc,vodlift_loopback -trimpath -o "$out/$f/bootstrap" "./functions/$f" || return 1
	done
	export VODLIFT_LOOPBACK_BOOTSTRAPS=$out
}
machine() {
	tool VODLIFT_ASL_NODE asl && tool VODLIFT_ASL_PYTHON python || return $?
	VODLIFT_ASL_PYTHON=$VODLIFT_ASL_PYTHON/bin/python gotest -v ./conformance/asl | quiet
}
quiet() { # only results and what a test says of itself
	grep -vE '^(=== (RUN|PAUSE|CONT|NAME))'
	return "${PIPESTATUS[0]}"
}
emulator() {
	bootstraps && tool VODLIFT_RIE emulator || return $?
	dynamo go test -count=1 ./conformance/rie
}
publication() { loopback && dynamo go test -count=1 -v ./conformance/publication | quiet; }
trigger() {
	local python
	python=$("$here/tools.sh" python) && tool VODLIFT_RCLONE rclone || return $?
	VODLIFT_AWS=$python/bin/aws gotest -v ./conformance/bucket | quiet
}
books() { gotest -run TheBooksBalance -v ./local/stack | quiet; }
browser() {
	if [ -x e2e/run.sh ]; then e2e/run.sh; else echo "there is no e2e/run.sh"; fi
}

step "table contract on DynamoDB Local" dynamo go test -race -count=1 ./shared/table/dynamo/... "$@"
step "ledger's rules on DynamoDB Local" dynamo go test -race -count=1 ./shared/state/...
step "the keeper of tokens on DynamoDB Local" dynamo go test -race -count=1 -run OnDynamoDB ./shared/token
step "users and catalogue on DynamoDB Local" dynamo go test -race -count=1 ./shared/appserver/users/... ./shared/appserver/catalogue/...
step "fake OSS and STS against npm's ali-oss" "$here/oss/run.sh"
# The race detector's run walks a part of it.
step "matrix of steps and faults, whole" gotest -run 'StepTimesFaultKind' ./shared/workflow
step "go.sum: what is on disk is what it says" go mod verify
step "cfn-lint, sam validate --lint, sam build" "$here/template.sh"
step "seeded faults of the template" "$here/seeded.sh"
step "our lint, events, folders and template" gotest ./statemachine ./local/stepfn ./local/template ./shared/config ./buildcheck/...
step "the machine in aws-local-stepfunctions and moto; asl-validator" machine
step "bootstraps under the Runtime Interface Emulator and our host" emulator
step "Function Compute's binaries under our runtime API" gotest ./local/fcruntime ./shared/forward
step "one publication with real processes on DynamoDB Local" publication
step "the books after thirteen lives of a killed process" books
step "drops by the aws command line and rclone" trigger
step "in a browser (e2e/run.sh)" browser
step "govulncheck" "$here/vulnerabilities.sh"

echo
printf '%s\n' "${summary[@]}"
printf '%5d s  in all\n' $SECONDS
exit $bad
