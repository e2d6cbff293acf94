# "make help" lists the targets.

GO       ?= go
BIN      := bin
PACKAGES := ./...

# The race detector needs cgo, which Go switches off where there is no C compiler.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# The control plane of local clusters: one release of Kubernetes, named once.
KUBERNETES := $(shell sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\).*|\1|p' providers/local/controlplane/go.mod)
KUBERNETES_VERSION_PACKAGE := k8s.io/component-base/version
KUBERNETES_LDFLAGS := -s -w \
	-X $(KUBERNETES_VERSION_PACKAGE).gitVersion=$(KUBERNETES) \
	-X $(KUBERNETES_VERSION_PACKAGE).gitMajor=$(word 1,$(subst ., ,$(KUBERNETES:v%=%))) \
	-X $(KUBERNETES_VERSION_PACKAGE).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES)))

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: $(BIN)/branchline $(BIN)/branchline-agent $(BIN)/branchline-controlplane $(BIN)/kwok ## build every program into bin/

# go build itself knows what is up to date.
.PHONY: $(BIN)/branchline $(BIN)/branchline-agent
$(BIN)/branchline $(BIN)/branchline-agent: $(BIN)/%:
	$(GO) build -trimpath -ldflags '-s -w' -o $@ ./cmd/$*

# Minutes to build the first time and rarely changed: left to make to compare.
$(BIN)/branchline-controlplane: $(wildcard providers/local/controlplane/*)
	@echo "building a Kubernetes $(KUBERNETES) control plane; the first time this takes about 5 minutes on 2 cores"
	$(GO) build -C providers/local/controlplane -trimpath -ldflags '$(KUBERNETES_LDFLAGS)' -o $(abspath $@) .

$(BIN)/kwok: $(wildcard providers/local/kwok/*)
	$(GO) build -C providers/local/kwok -trimpath -ldflags '-s -w' -o $(abspath $@) .

.PHONY: demo
demo: build ## run the whole system on this machine until Ctrl-C
	$(BIN)/branchline demo

.PHONY: test
test: build ## every test: unit, golden, integration, end to end
	@test -n "$(RACE)" || echo "no C compiler: the tests run without the race detector"
	$(GO) test $(RACE) $(PACKAGES)
	$(MAKE) e2e

.PHONY: e2e
e2e: build ## the end-to-end tests alone; hub and agent run with the race detector too
	$(GO) build $(RACE) -trimpath -o $(BIN)/e2e/ ./cmd/...
	ln -sf ../branchline-controlplane ../kwok $(BIN)/e2e/
	BRANCHLINE_E2E_BIN=$(abspath $(BIN)/e2e) $(GO) test $(RACE) -tags e2e -count=1 -timeout 30m -run '^TestEndToEnd$$' ./test

.PHONY: bench
bench: build ## measure, print beside baselines, write bench/results.json
	$(GO) run ./test/bench -out bench/results.json

.PHONY: lint
lint: ## vet, staticcheck, formatting
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; }
	$(GO) vet -tags e2e $(PACKAGES)
	$(GO) tool staticcheck -tags e2e $(PACKAGES)
	$(GO) vet -C providers/local/controlplane ./...
	$(GO) vet -C providers/local/kwok ./...

.PHONY: generate
generate: ## rewrite generated files
	$(GO) run ./schemas/internal/generate docs/reference/files.md schemas/json $(patsubst %/tenant.yaml,%/.branchline/schemas,$(wildcard examples/*/tenant.yaml))
	$(GO) run ./cmd/branchline reference docs/reference/commands.md

.PHONY: fuzz
fuzz: ## run every fuzz target for a short while
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime 20s $$package || exit 1; \
		done; \
	done

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
