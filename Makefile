# make          what is below
# make run      everything on this machine, with fake platforms; ONCE=1 ends after the sample is published
# make test     all tests, with the race detector; no network
# make build    dist/<arch>/<function>/bootstrap for arm64 and amd64
# make check    formatting and vet
# make fuzz     each fuzz test for FUZZTIME
# make conformance   against engines that we did not write; see conformance/run.sh for what it needs

GO        ?= go
FUNCTIONS := $(notdir $(patsubst %/,%,$(dir $(wildcard functions/*/main.go))))
ARCHES    := arm64 amd64
LIMIT     := 16777216
FUZZTIME  ?= 10s

.DEFAULT_GOAL := help
.PHONY: help build test run conformance check fuzz clean

help:
	@sed -n '/^# make/s/^# //p' Makefile

BOOTSTRAPS := $(foreach a,$(ARCHES),$(foreach f,$(FUNCTIONS),dist/$(a)/$(f)/bootstrap))

# Go decides what is up to date, so every target runs; the same sources give the same bytes.
.PHONY: $(BOOTSTRAPS)
$(BOOTSTRAPS):
	@mkdir -p $(@D)
	CGO_ENABLED=0 GOOS=linux GOARCH=$(word 2,$(subst /, ,$@)) $(GO) build -tags lambda.norpc -trimpath -ldflags "-s -w" -o $@ ./functions/$(word 3,$(subst /, ,$@))
	@size=$$(wc -c <$@); if [ "$$size" -ge $(LIMIT) ]; then echo "$@ has $$size bytes, the limit is $(LIMIT)" >&2; exit 1; fi

build: $(BOOTSTRAPS)

test:
	$(GO) test -race ./...

run:
	$(GO) run ./cmd/vodlift local --demo $(if $(ONCE),--once)

conformance:
	bash conformance/run.sh

check:
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './dist/*')); if [ -n "$$bad" ]; then echo "not formatted:" $$bad >&2; exit 1; fi
	$(GO) vet ./...

# go test takes one fuzz target of one package at a time.
fuzz:
	@set -e; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			echo "$$(dirname $$file) $$name"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$(dirname $$file); \
		done; done

clean:
	rm -rf dist
