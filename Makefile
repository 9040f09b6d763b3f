# Posthorn. `make run` starts a mail server to try out; `make test` installs what the tests
# need and runs them all. Every target says what it does while it does it.
GO       ?= go
ROUNDS   ?= 10
FUZZTIME ?= 10s
export CGO_ENABLED ?= 0
say = @printf '\n== %s\n'
.PHONY: build deb run test deps race quick peers thunderbird torture check vuln bench fuzz

build:
	$(say) "building bin/posthorn"
	$(GO) build -o bin/posthorn ./cmd/posthorn

run: build
	$(say) "starting a mail server with a throw-away store; Ctrl-C ends it"
	bin/posthorn demo $(ARGS)

test: deps race peers
	@$(MAKE) --no-print-directory torture ROUNDS=1

deps: ; @test/deps
deb: ; @contrib/debian/build
race:
	$(say) "tests of every package, with the race detector"
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./internal/... ./cmd/... ./test/rfc
quick:
	$(say) "quick tests of every package"
	$(GO) test -short ./internal/... ./cmd/...
peers:
	$(say) "real mail programs and servers against the real server"
	$(GO) test -count=1 -timeout 10m ./test/peers ./test/exchange ./test/acme ./test/deb
thunderbird:
	$(say) "Thunderbird from Debian against the real server; a screenshot in bin/thunderbird.png"
	@test/deps thunderbird && mkdir -p bin && $(GO) test -count=1 -timeout 10m ./test/thunderbird -args -picture $(CURDIR)/bin/thunderbird.png
torture:
	$(say) "killing the server under load and counting, $(ROUNDS) times on each engine"
	$(GO) test -count=1 -v -timeout 60m ./test/torture -args -rounds $(ROUNDS)

check: bin/staticcheck
	$(say) "format: gofumpt"
	@bad=$$(bin/gofumpt -l cmd internal test); [ -z "$$bad" ] || { echo "run: bin/gofumpt -w" $$bad; exit 1; }
	$(say) "go vet, staticcheck"
	$(GO) vet ./... && bin/staticcheck ./...
	@$(MAKE) --no-print-directory quick

bin/staticcheck: tools/go.mod tools/go.sum
	$(say) "building the tools of tools/go.mod"
	GOBIN=$(CURDIR)/bin $(GO) -C tools install tool && touch $@

vuln: bin/staticcheck
	$(say) "known vulnerabilities: govulncheck, which asks vuln.go.dev"
	bin/govulncheck ./...
bench:
	$(say) "the Go benchmarks, and relaying beside Postfix (needs root)"
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...
	$(GO) run ./bench/relay -messages 10000 -rounds 1

fuzz:
	$(say) "every fuzz target for $(FUZZTIME)"
	@test/fuzz $(FUZZTIME)
