# `make demo` shows what Tollgate does, `make test` shows that it does it. Both install what they need into .tools/.
CARGO ?= cargo
PATH := $(CURDIR)/.tools/bin:$(PATH)
DENY := 0.20.2

.PHONY: demo test chart lint fmt bench soak fuzz docs deny envoy helm cerbos help

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: envoy ## build, start Envoy, Tollgate and sample services, drive journeys, print what became of them
	$(CARGO) build --release
	target/release/tollgate demo

test: envoy helm ## run all tests, those with the real Envoy too
	$(CARGO) test

chart: helm ## render the Helm chart and hold it against what was kept, against Kubernetes and against the program
	$(CARGO) test --test chart

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
	UPDATE_GOLDEN=1 $(CARGO) test --quiet --test chart the_readme_lists_every_value
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --quiet

deny: .tools/bin/cargo-deny ## licences, sources and duplicate versions of what we stand on
	cargo-deny --log-level error check licenses bans sources

envoy: ## fetch the pinned Envoy
	@scripts/fetch-envoy

helm: ## fetch the pinned Helm and the schemas of Kubernetes, which the chart is tested with
	@scripts/fetch-helm
	@scripts/fetch-kubernetes-schemas

cerbos: ## fetch the pinned Cerbos, which benchmarks measure beside Tollgate
	@scripts/fetch-cerbos

.tools/bin/cargo-deny:
	$(CARGO) install cargo-deny --version $(DENY) --locked --debug --quiet --root .tools --target-dir .tools/target
