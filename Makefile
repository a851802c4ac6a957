.PHONY: demo check test test-rust test-web lint bench soak tools web stories dev

# Where scripts/install-node puts what the machine lacks.
export PATH := $(CURDIR)/target/test-tools/node/bin:$(PATH)

# The main job to click through, with no account and no database of one's own.
demo: web
	cargo build --release --package dbackup
	./target/release/dbackup demo

# Everything that has to hold. Installs what is missing, by package name.
test: tools lint test-web test-rust

# What is known at once, for every save: formatting, clippy, the rules beside the code. CONTRIBUTING.md says how long each layer takes.
check: web/node_modules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo nextest run --workspace --lib --bins --status-level fail
	cd web && npm run --silent check && npm run --silent test

# On real databases, against the emulator and whole servers.
test-rust: tools
	cargo test --quiet --package dropbox-emulator --doc
	cargo nextest run --workspace

# The web UI in a real browser.
test-web: tools stories

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	command -v cargo-deny >/dev/null || cargo install --quiet --locked --no-default-features cargo-deny
	cargo deny --log-level error check bans licenses sources

# What it costs, against stock tools, rclone and Dropbox's SDK in the same run, what a server costs, how soon its first page is there.
bench: tools web
	cargo build --release --workspace
	python3 benches/stream.py
	python3 benches/transfer.py
	python3 benches/server.py
	cd web && node benches/first-paint.mjs

# Random faults for minutes, at the Dropbox client and then at whole servers. A failure prints the seed that repeats it:
# SOAK_SEED=... make soak, or CHAOS_SEED=... CHAOS_STEPS=... make soak.
soak: tools
	SOAK_SECONDS=$${SOAK_SECONDS:-300} cargo test --package dropbox --test client -- soak::random --ignored --nocapture
	SOAK_SECONDS=$${SOAK_SECONDS:-300} cargo test --package dbackup --test chaos -- soak --ignored --nocapture

tools:
	scripts/install-test-tools

# The web UI, checked and built into web/dist/app, which the next build of dbackup takes in.
web: web/node_modules
	cd web && npm run --silent check && npm run --silent test && npm run --silent build

# What a person does in the web UI, in a real browser; its pictures are in web/artifacts.
stories: web
	cargo build --workspace --bins
	cd web && npm run --silent stories

web/node_modules: web/package.json web/package-lock.json
	scripts/install-node
	cd web && npm ci --no-audit --no-fund
	touch web/node_modules

# The web UI as it is changed, at http://localhost:5173, in front of a server at DBACKUP_URL (http://127.0.0.1:3000).
dev: web/node_modules
	cd web && npm run dev
