#!/usr/bin/env bash
# suite.sh - Wharf beside everything that people would use instead, as a document.
#
#   bench/suite.sh                       all of it, and docs/benchmarks.md (eleven minutes)
#   bench/suite.sh --resume              goes on with a run that was ended
#   bench/suite.sh --quick               does it run? half a minute; the page to stdout
#   bench/suite.sh --sections udp        some sections; the page to stdout
#   bench/suite.sh --rounds 15 --seconds 1 --minutes 120
#
# It builds what it needs. The options are those of `suite run`, see the first lines
# of crates/wharf-check/examples/suite/main.rs. Peers that are not there (Go, Node,
# socat, ncat) are left out, and the page says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

RESULTS=target/bench/results.jsonl
PAGE=docs/benchmarks.md

# Only a whole run becomes the page of the repository.
for option in "$@"; do
    case $option in
    --quick | --sections)
        PAGE=/dev/stdout
        RESULTS=target/bench/part.jsonl
        ;;
    esac
done

build
if command -v go >/dev/null; then
    make -s -C bench/peers go >&2
fi
suite() { # VERB OPTIONS...
    "$EXAMPLES/suite" "$1" --results "$RESULTS" --wharf "$WHARF" "${@:2}"
}

# Few rounds: logging a thousand users into an IRC server takes ten seconds.
chat() {
    rm -f target/bench/chat.md
    if [ "$PAGE" != /dev/stdout ] && [ -x bench/peers/chat_epoll ]; then
        bash bench/compare.sh chat --rounds 3 --seconds 0.5 >target/bench/chat.md ||
            rm -f target/bench/chat.md
    fi
}

status=0
suite run "$@" || status=$?
chat
written=$(suite document) || exit 1
printf '%s\n' "$written" >"$PAGE"
exit "$status"
