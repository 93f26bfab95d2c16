#!/usr/bin/env bash
# suite.sh - Wharf beside everything that people would use instead, as a document.
#
#   bench/suite.sh                       all of it, and docs/benchmarks.md (some eighteen minutes)
#   bench/suite.sh --resume              goes on with a run that was ended
#   bench/suite.sh --quick               does it run? half a minute; the page to stdout
#   bench/suite.sh --sections udp        some sections; the page to stdout
#   bench/suite.sh --rounds 15 --seconds 1 --minutes 120
#
# It builds what it needs. The options are those of `suite run`, see the first lines
# of crates/wharf-check/examples/suite/main.rs. Peers that are not there (Go, Node,
# socat, ncat, ngircd, InspIRCd, uvloop, io_uring, monoio) are left out, and the page says so. CHAT_ROUNDS is how
# often the chats are compared (9), CLIENT_ROUNDS how often the client is (9).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

NAME=results
PAGE=docs/benchmarks.md

# Only a whole run becomes the page of the repository.
for option in "$@"; do
    case $option in
    --quick | --sections)
        NAME=part
        PAGE=/dev/stdout
        ;;
    esac
done
RESULTS=target/bench/$NAME.jsonl
CHATS=target/bench/$NAME.chat.json
LAB=target/bench/$NAME.lab.txt
CLIENT=target/bench/$NAME.client.txt

build
if command -v go >/dev/null; then
    make -s -C bench/peers go >&2
fi
# Without liburing, or monoio's crates, there is one peer less, and the page says so.
make -s -C bench/peers uring >&2 || rm -f bench/peers/echo_uring
make -s -C bench/peers monoio >&2 || rm -f bench/peers/echo_monoio
suite() { # VERB OPTIONS...
    "$EXAMPLES/suite" "$1" --results "$RESULTS" --wharf "$WHARF" "${@:2}"
}

# IRC servers take part in few rounds: a thousand users need ten seconds to log in there.
chat() {
    bash bench/compare.sh chat --rounds "${CHAT_ROUNDS:-9}" --irc-every 3 --seconds 0.5 \
        --json "$CHATS" >&2
}

# Frames per second of the lab, beside a bare loop of two of its stacks.
lab() {
    ${CARGO:-cargo} bench --locked --workspace --bench speed >"$LAB.new" && mv "$LAB.new" "$LAB"
}

# How fast `wharf bench` is itself.
client() {
    bash bench/client.sh "${CLIENT_ROUNDS:-9}" >"$CLIENT.new" && mv "$CLIENT.new" "$CLIENT"
}

status=0
suite run "$@" || status=$?
# What is not there, the page names as not measured.
rm -f "$CHATS" "$LAB" "$CLIENT"
if [ "$NAME" = results ]; then
    chat || status=$?
    lab || status=$?
    client || status=$?
fi
written=$(suite document --chat "$CHATS" --lab "$LAB" --client "$CLIENT") || exit 1
printf '%s\n' "$written" >"$PAGE"
exit "$status"
