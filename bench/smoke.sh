#!/usr/bin/env bash
# smoke.sh - does the comparison run? Every row once, for a blink: echo, upper, chat.
#
# It fails when a server does not start or a reply is wrong. It asserts no ratio:
# so short a run says nothing about speed, and so the files that the tests build
# will do (PROFILE=release for others).
set -euo pipefail
cd "$(dirname "$0")/.."
PROFILE=${PROFILE:-test}
. bench/common.sh

build
for service in echo upper chat; do
    peers "$service"
    echo "== $service"
    timeout 60 "$EXAMPLES/compare" \
        --rounds 1 --seconds 0.1 --warm-up 0.02 "${PEERS[@]}"
done
echo "== suite"
timeout 120 "$EXAMPLES/suite" run --quick --sections tcp-upper-free,udp-echo-free \
    --wharf "$WHARF" --results target/bench/smoke.jsonl
"$EXAMPLES/suite" document --results target/bench/smoke.jsonl >/dev/null
echo "every reply was right"
