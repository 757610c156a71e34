#!/usr/bin/env bash
# `make run`: the server, the app and one document.  Stays up until Ctrl-C;
# with RUN_ONCE=1 it ends when the run has, with its success.
#
#   run.sh DURABLE      the program; node comes from the PATH

set -u -m               # -m: children in groups of their own, so that a Ctrl-C
                        # at the terminal reaches this script alone

durable=$1
here=$(cd "$(dirname "$0")" && pwd)
pids=()

free_port() {           # the first free one from $1
    node -e '
        const net = require("node:net");
        const look = (port) => {
            const s = net.createServer();
            s.once("error", () => port < 65000 ? look(port + 1)
                                               : process.exit(1));
            s.listen(port, "127.0.0.1", () => {
                console.log(port);
                s.close();
            });
        };
        look(Number(process.argv[1]));' "$1"
}

stop() {
    trap '' INT TERM HUP
    # the app first, so that nothing it still does looks like an error
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null
    done
    exec 2>/dev/null     # no "Terminated" of the shell
    wait
}

finish() {
    stop
    exit "$1"
}

trap 'echo; finish 0' INT TERM HUP

app_port=$(free_port "${APP_PORT:-3000}") || exit 1
port=$(free_port "${PORT:-8288}") || exit 1
server=http://127.0.0.1:$port
app=http://127.0.0.1:$app_port/api/inngest

cd "$here" || exit 1

PORT=$app_port INNGEST_DEV=$server node index.mjs </dev/null &
pids+=($!)
app_pid=$!

env -u INNGEST_PORT "$durable" dev --port "$port" -u "$app" --no-discovery \
    --retry-interval 1 </dev/null &
pids+=($!)
durable_pid=$!

node demo.mjs "$server" "$app" </dev/null &
demo_pid=$!
pids+=("$demo_pid")

# Whichever ends first decides: the demo is to, the others are not.
wait -n "$demo_pid" "$app_pid" "$durable_pid"
status=$?

if kill -0 "$demo_pid" 2>/dev/null; then
    echo "make run: the server or the app has ended, see above" >&2
    finish 1
fi

if [ "$status" -ne 0 ] || [ -n "${RUN_ONCE:-}" ]; then
    finish "$status"
fi

wait -n "$app_pid" "$durable_pid"
echo "make run: the server or the app has ended, see above" >&2
finish 1
