# `make demo` shows what Tollgate does, `make test` shows that it does it. Both install what they need into .tools/.
CARGO ?= cargo
PATH := $(CURDIR)/.tools/bin:$(PATH)
DENY := 0.20.2

.PHONY: demo test lint fmt bench soak fuzz docs deny envoy cerbos promtool help

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: envoy ## build, start Envoy, Tollgate and sample services, drive journeys, print what became of them
	$(CARGO) build --release
	target/release/tollgate demo

test: envoy promtool ## run all tests, those with the real Envoy too
	$(CARGO) test

lint: ## formatting and lints, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings

fmt: ## format the sources
	$(CARGO) fmt

bench: envoy cerbos ## measure checks against a server that answers without looking, and a peer (a quarter of an hour)
	$(CARGO) bench --bench check
	$(CARGO) bench --bench check -- instructions

soak: envoy ## an hour under known load, with everything going wrong around it that may
	$(CARGO) bench --bench soak

fuzz: ## let each fuzz target look for what no case thought of, for a minute
	scripts/fuzz 60

docs: ## write the generated pages anew and build the API documentation
	UPDATE_DOCS=1 $(CARGO) test --quiet --test it docs
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --quiet

deny: .tools/bin/cargo-deny ## licences, sources and duplicate versions of what we stand on
	cargo-deny --log-level error check licenses bans sources

envoy: ## fetch the pinned Envoy
	@scripts/fetch-envoy

promtool: ## fetch the program that checks and tries Prometheus' rules
	@scripts/fetch-promtool

cerbos: ## fetch the pinned Cerbos, which benchmarks measure beside Tollgate
	@scripts/fetch-cerbos

.tools/bin/cargo-deny:
	$(CARGO) install cargo-deny --version $(DENY) --locked --debug --quiet --root .tools --target-dir .tools/target
