#!/bin/sh

# Runs test files with the module under AddressSanitizer on the stock nginx:
# the runtime is preloaded into nginx alone.
#
#   t/asan.sh BUILD FILE...

set -eu

build=$1
shift

nginx=${NGINX_BINARY:-$(command -v nginx || echo /usr/sbin/nginx)}
asan=$(cc -print-file-name=libasan.so)
ubsan=$(cc -print-file-name=libubsan.so)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Every dynamic module defines the same ngx_modules symbols, hence no ODR
# check; nginx frees its pools at exit only, hence no leak check.
cat >"$dir/nginx" <<EOF
#!/bin/sh
unset NGINX_ASAN
exec env LD_PRELOAD="$asan $ubsan" \\
    ASAN_OPTIONS=detect_odr_violation=0:detect_leaks=0:abort_on_error=0 \\
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 "$nginx" "\$@"
EOF
chmod +x "$dir/nginx"

DURABLE_BUILD=$(cd "$build" && pwd)
export DURABLE_BUILD
export DURABLE="$DURABLE_BUILD/durable"
export TEST_NGINX_BINARY="$dir/nginx"
export TEST_NGINX_LOAD_MODULES="$DURABLE_BUILD/ngx_http_durable_module.so"

exec prove -It/lib -It/helper "$@"
