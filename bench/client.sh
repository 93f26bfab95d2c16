#!/usr/bin/env bash
# client.sh - is `wharf bench` itself a bottleneck? Beside a bare generator, on the same server.
#
#   bench/client.sh [ROUNDS]          9 rounds by default, about 2 minutes
#
# The server is the bare C echo on core 0; on core 1 run, in turns, the bare C generator
# (bench/peers/load_epoll.c: epoll, every byte compared, no histogram) and `wharf bench`. The
# table has the medians of messages/s and the median, least and most of the rounds' ratios.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

rounds=${1:-9}
build
out=$(mktemp)
taskset -c 0 bench/peers/echo_epoll 0 >"$out" &
server=$!
trap 'kill "$server" 2>/dev/null || :; rm -f "$out"' EXIT
until port=$(grep -o '[0-9]*$' "$out"); do
    kill -0 "$server" 2>/dev/null || {
        echo "bench/peers/echo_epoll did not start" >&2
        exit 1
    }
done

median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
spread() { sort -g | awk '{ all[NR] = $1 } END { printf "%.3f (%.3f-%.3f)\n", all[int((NR + 1) / 2)], all[1], all[NR] }'; }

bare() { taskset -c 1 bench/peers/load_epoll "$port" "$1" "$2" "$3" 1; }
ours() {
    taskset -c 1 "$WHARF" bench "127.0.0.1:$port" -c "$1" -d "$2" -s "$3" -t 1s --warmup 200ms --late none --json |
        sed -n 's/.*"event":"result".*"messages_per_second":\([0-9.]*\).*/\1/p'
}

printf '%-22s %12s %12s   %s\n' "connections x size" "bare C" "wharf bench" "ratio"
for row in "1 1 64" "50 1 64" "50 16 64" "50 1 1024" "16 1 65536" "1000 1 64"; do
    read -r connections depth size <<<"$row"
    : >"$out.bare" && : >"$out.ours" && : >"$out.ratio"
    for round in $(seq "$rounds"); do
        # Each round begins with the other one.
        if [ $((round % 2)) = 0 ]; then
            a=$(bare "$connections" "$depth" "$size")
            b=$(ours "$connections" "$depth" "$size")
        else
            b=$(ours "$connections" "$depth" "$size")
            a=$(bare "$connections" "$depth" "$size")
        fi
        echo "$a" >>"$out.bare"
        echo "$b" >>"$out.ours"
        awk -v a="$a" -v b="$b" 'BEGIN { print b / a }' >>"$out.ratio"
    done
    printf '%-22s %12.0f %12.0f   %s\n' "$connections x $size, depth $depth" \
        "$(median <"$out.bare")" "$(median <"$out.ours")" "$(spread <"$out.ratio")"
    rm -f "$out.bare" "$out.ours" "$out.ratio"
done
