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
mkdir -p target/bench
for service in echo upper chat; do
    peers "$service"
    echo "== $service"
    timeout 60 "$EXAMPLES/compare" \
        --rounds 1 --seconds 0.1 --warm-up 0.02 --json "target/bench/smoke-$service.json" \
        "${PEERS[@]}"
done
echo "== suite"
timeout 120 "$EXAMPLES/suite" run --quick --sections tcp-upper-free,udp-echo-free,memory \
    --wharf "$WHARF" --results target/bench/smoke.jsonl
"$EXAMPLES/suite" document --results target/bench/smoke.jsonl \
    --chat target/bench/smoke-chat.json --lab /nowhere/at/all \
    --client /nowhere/at/all >target/bench/smoke.md
for heading in "# Benchmarks" "## Goals" "## Machine" "## TCP upper, not pinned" \
    "## UDP echo, not pinned" "## Chat" "## Memory of idle connections" \
    "## Peers, and what is left out" "## Where Wharf falls short" "## How to repeat it"; do
    grep -q "^$heading" target/bench/smoke.md || {
        echo "the page lacks \"$heading\"" >&2
        exit 1
    }
done
echo "every reply was right"
