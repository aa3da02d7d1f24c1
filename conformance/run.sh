#!/usr/bin/env bash
# Compares our engines with programs that we did not write. Called by `make conformance`; needs Go, a JDK 17, npm and,
# the first time, the network. Arguments go to `go test` (as -v or -run NAME).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
cd "$root"

# 1. shared/table/dynamo against AWS's own DynamoDB Local.
"$here/with-dynamodb.sh" go test -race -count=1 ./shared/table/dynamo/... "$@"

# 2. The ledger's rules on the same engine.
"$here/with-dynamodb.sh" go test -race -count=1 ./shared/state/... "$@"

# 3. The fake OSS against the vendor's own npm client.
"$here/oss/run.sh"

# 4. The whole matrix of steps and faults, of which the race detector's run walks a part.
go test -count=1 -run 'StepTimesFaultKind' ./shared/workflow
