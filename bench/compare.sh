#!/usr/bin/env bash
# compare.sh - Wharf beside bare servers, in one run.
#
#   bench/compare.sh [SERVICE] [OPTIONS for `compare`]
#
#   bench/compare.sh                      echo, all rows, 9 rounds, pinned (about 5 minutes)
#   bench/compare.sh upper --rounds 15
#   bench/compare.sh chat                 beside ngircd and InspIRCd, if installed (5 minutes)
#   bench/compare.sh echo --rows 50x64B,churn
#   UNPINNED=1 bench/compare.sh           servers and engine go where the kernel puts them
#
# Builds everything it needs. The table goes to stdout, everything else to
# stderr. The first column is a bare C loop: what the socket API itself allows.
# Its rates drift with the machine; the ratios beside it are what counts.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

service=echo
case ${1:-} in
echo | upper | chat) service=$1; shift ;;
esac

build
peers "$service"
pinned=(--pinned)
[ -z "${UNPINNED:-}" ] || pinned=()
"$EXAMPLES/compare" ${pinned[@]+"${pinned[@]}"} "${PEERS[@]}" "$@"
