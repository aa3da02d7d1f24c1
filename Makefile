# make          what is below
# make run      everything on this machine, with fake platforms; ONCE=1 ends after the sample is published
# make test     all tests, with the race detector; no network
# make build    dist/<arch>/<function>/bootstrap for arm64 and amd64; dist/fc/<function>/<function> for Function Compute
# make check    formatting and vet
# make sam-local     every file of events/ through sam local invoke; needs Docker. ONLY=ingest for one function
# make fuzz     each fuzz test for FUZZTIME
# make bench    the promises of docs/speed.md, measured; RCLONE=path of the rclone to compare with
# make e2e      a browser client that is not ours against the AppServer; see e2e/run.sh for what it needs
# make conformance   against engines that we did not write; see conformance/run.sh for what it needs

GO        ?= go
FUNCTIONS := $(notdir $(patsubst %/,%,$(dir $(wildcard functions/*/main.go))))
ARCHES    := arm64 amd64
FC        := ingest vodcallback
LIMIT     := 16777216
FUZZTIME  ?= 10s
RCLONE    ?= rclone

.DEFAULT_GOAL := help
.PHONY: bench e2e help build test run conformance sam-local check fuzz clean

help:
	@sed -n '/^# make/s/^# //p' Makefile

BOOTSTRAPS := $(foreach a,$(ARCHES),$(foreach f,$(FUNCTIONS),dist/$(a)/$(f)/bootstrap))

# Go decides what is up to date, so every target runs; the same sources give the same bytes.
.PHONY: $(BOOTSTRAPS)
$(BOOTSTRAPS):
	@mkdir -p $(@D)
	CGO_ENABLED=0 GOOS=linux GOARCH=$(word 2,$(subst /, ,$@)) $(GO) build -tags lambda.norpc -trimpath -ldflags "-s -w" -o $@ ./functions/$(word 3,$(subst /, ,$@))
	@size=$$(wc -c <$@); if [ "$$size" -ge $(LIMIT) ]; then echo "$@ has $$size bytes, the limit is $(LIMIT)" >&2; exit 1; fi

# Function Compute: linux/amd64, each binary named as its handler (s.yaml). Never with the tag vodlift_loopback, which is
# for tests.
FCBINARIES := $(foreach f,$(FC),dist/fc/$(f)/$(f))
.PHONY: $(FCBINARIES)
$(FCBINARIES):
	@mkdir -p $(@D)
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -tags fc,lambda.norpc -trimpath -ldflags "-s -w" -o $@ ./functions/$(@F)
	@size=$$(wc -c <$@); if [ "$$size" -ge $(LIMIT) ]; then echo "$@ has $$size bytes, the limit is $(LIMIT)" >&2; exit 1; fi

build: $(BOOTSTRAPS) $(FCBINARIES)

test:
	$(GO) test -race ./...

run:
	$(GO) run ./cmd/vodlift local --demo $(if $(ONCE),--once)

conformance:
	bash conformance/run.sh

e2e:
	bash e2e/run.sh

bench: build
	$(GO) test ./bench -count=1 -timeout 30m -v -measure -rclone $(RCLONE) -write ../docs/speed.md

# What sam runs is AWS's own image of the runtime, in Docker, with nothing behind it: a function that asks for its table
# fails, in the form that the machine knows. What is tried is that each starts, decodes its event and answers.
SAM_ARCH  ?= $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)
SAM_EDIT  := s,dist/arm64/,$(CURDIR)/dist/$(SAM_ARCH)/,; s,Architectures: \[arm64\],Architectures: [$(SAM_ARCH:amd64=x86_64)],; s,statemachine/publish,$(CURDIR)/&,
sam-local:
	@command -v sam >/dev/null || { echo "sam-local: there is no sam (pip install aws-sam-cli); nothing was tried" >&2; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "sam-local: Docker does not run here; nothing was tried. Without it, make conformance runs the same binaries under the Runtime Interface Emulator" >&2; exit 1; }
	@$(MAKE) --no-print-directory build
	@mkdir -p dist/sam-local && sed -e '$(SAM_EDIT)' template.yaml >dist/sam-local/template.yaml
	@set -e; for event in $$(ls events/$(or $(ONLY),*)/*.json | grep -v /fc-); do \
		name=$$(basename $$(dirname $$event)); \
		id=$$(awk -v uri="/$$name/$$" '/^  [A-Za-z]+Function:$$/ {id = $$1} /^      CodeUri: / && $$2 ~ uri {sub(":", "", id); print id}' template.yaml); \
		echo "== $$event"; \
		SAM_CLI_TELEMETRY=0 sam local invoke "$$id" -t dist/sam-local/template.yaml -e "$$event" -n env.json.example --region us-east-1; \
	done

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
