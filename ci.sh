#!/usr/bin/env bash
# ci.sh - every check of Wharf, one verb each.
#
#   ./ci.sh              all of: fmt lint docs deny examples bench-smoke guard test
#   ./ci.sh VERB...      only these, in this order
#
#   fmt          the code is formatted as rustfmt wants it
#   lint         clippy over all targets, a warning is an error
#   docs         the API documentation builds, a warning is an error
#   deny         licences, banned crates, sources and advisories (deny.toml)
#   examples     all examples build
#   bench-smoke  the C peers build; a short comparison with them runs
#   guard        no hot path takes more instructions than bench/guard.txt says
#                (GUARD=update records what they take now)
#   test         doctests, then all other tests (nextest if there, else cargo test)
#   fuzz         every fuzz target for FUZZ_SECONDS (60); not in "all"
#   chat         the chat at full size: a million messages, 10,000 users; not in "all"
#   lab          the lab at full size: bulk, goodput, gateway, and the same bytes from
#                debug and release builds; not in "all"
#   wire         1 GB of frames is summarised in less than 200 MiB, and faster than
#                tshark does it; not in "all"
#   bench        Wharf beside its peers, and docs/benchmarks.md; not in "all"
#                (BENCH_OPTIONS are those of bench/suite.sh)
#
# What a verb needs and does not find it installs: Debian packages (as root or
# with sudo; otherwise it says which) and the two cargo tools below. A verb that
# fails does not stop the others; the exit status is 1 if any failed. The tests
# come last, so that their summary ends the output.
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin"

DEFAULT_VERBS="fmt lint docs deny examples bench-smoke guard test"

# Built without optimisation: they compile in two minutes instead of five, and
# neither is what takes the time when it runs.
NEXTEST_VERSION=0.9.151
DENY_VERSION=0.20.2
FUZZ_VERSION=0.13.2

# What the tests start: peers to interoperate with, and tools to look at them.
TEST_PROGRAMS="nc ncat socat curl wget openssl expect python3 telnet ss gcc make strace tshark chromium"

# -- verbs --------------------------------------------------------------------

# clippy, examples, bench-smoke and test share the dev/test profile, so that each
# dependency is compiled once; only guard needs a release build, of what it measures.

verb_fmt() {
    need_component rustfmt cargo-fmt
    cargo fmt --all --check
}

verb_lint() {
    need_component clippy cargo-clippy
    cargo clippy --locked --workspace --all-targets -- -D warnings
}

verb_docs() {
    # --lib: the library and the command are both called wharf, and two crates of
    # one name would overwrite each other's pages.
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --lib
}

verb_deny() {
    need_cargo_tool cargo-deny "$DENY_VERSION"
    if GIT_TERMINAL_PROMPT=0 within 60 cargo deny --locked fetch db >/dev/null 2>&1; then
        cargo deny --locked check
    else
        say "advisories skipped: the RustSec database cannot be fetched from here"
        cargo deny --locked check bans licenses sources
    fi
}

verb_examples() {
    # The test profile, so that these are the very files that tests start.
    cargo build --locked --workspace --examples --profile test
}

verb_bench_smoke() {
    need_programs gcc make
    make -C bench/peers
    bash bench/smoke.sh
}

verb_guard() {
    need_programs valgrind
    # Of its package alone: it has a third of the workspace's dependencies.
    cargo build --locked --release --package wharf-check --example guard
    "${CARGO_TARGET_DIR:-target}/release/examples/guard" "${GUARD:-check}"
}

verb_test() {
    # shellcheck disable=SC2086 # a list of words
    need_programs $TEST_PROGRAMS
    local doctests=0 started=$SECONDS
    cargo test --locked --workspace --doc || doctests=$?
    say "doctests took $((SECONDS - started)) s"
    if need_cargo_tool cargo-nextest "$NEXTEST_VERSION"; then
        cargo nextest run --locked --workspace --no-fail-fast
    else
        say "cargo-nextest cannot be installed: cargo test instead"
        cargo test --locked --workspace --no-fail-fast --lib --bins --tests --examples
    fi
    return "$doctests"
}

verb_fuzz() {
    [ -d fuzz ] || fail "there is no fuzz/ folder"
    need_cargo_tool cargo-fuzz "$FUZZ_VERSION"
    local target toolchain=() flags=()
    if cargo +nightly --version >/dev/null 2>&1; then
        toolchain=(+nightly)
    else
        # The stable compiler takes the flags of nightly when it is told to. Its address
        # sanitizer wants nightly's std, and finds little where nothing is unsafe.
        export RUSTC_BOOTSTRAP=1
        flags=(--sanitizer none)
    fi
    for target in $(cargo ${toolchain[@]+"${toolchain[@]}"} fuzz list); do
        say "fuzz $target for ${FUZZ_SECONDS:-60} s"
        # The second folder is only read: what is committed stays as it is.
        mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
        cargo ${toolchain[@]+"${toolchain[@]}"} fuzz run ${flags[@]+"${flags[@]}"} "$target" \
            "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="${FUZZ_SECONDS:-60}"
    done
}

verb_chat() {
    cargo build --locked --release --package wharf-cli
    cargo build --locked --release --package wharf-check --example chat
    local folder=${CARGO_TARGET_DIR:-target}/release verb
    for verb in full memory stalled; do
        say "chat $verb"
        "$folder/examples/chat" "$verb" -- "$folder/wharf" serve chat "tcp:127.0.0.1:{port}"
    done
}

verb_lab() {
    need_programs python3
    local folder=${CARGO_TARGET_DIR:-target} left profile again
    cargo build --locked --package wharf-lab --example repeat
    cargo build --locked --release --package wharf-lab --examples
    cargo build --locked --release --package wharf-cli
    left=$(mktemp -d)
    for profile in debug release; do
        for again in 1 2; do
            "$folder/$profile/examples/repeat" "$left/$profile.$again"
        done
    done
    for again in debug.2 release.1 release.2; do
        diff -r "$left/debug.1" "$left/$again" || fail "$again differs from debug.1 in $left"
    done
    rm -r "$left"
    say "the same bytes from debug and release builds"
    "$folder/release/examples/bulk"
    bench/lab-gateway.py "$folder/release/wharf"
}

verb_wire() {
    need_programs tshark
    cargo build --locked --release --package wharf-wire --example summary_speed
    local kind
    for kind in usual short one-way; do
        "${CARGO_TARGET_DIR:-target}/release/examples/summary_speed" "${WIRE_MEGABYTES:-1000}" "$kind"
    done
}

verb_bench() {
    need_programs gcc make taskset python3
    # Peers that are left out where they cannot be had; the page says so.
    (need_programs go node socat ncat ngircd inspircd liburing uvloop) || say "going on without them"
    # shellcheck disable=SC2086 # a list of words
    bash bench/suite.sh ${BENCH_OPTIONS:-}
}

# -- what verbs need ------------------------------------------------------------

need_component() { # COMPONENT PROGRAM
    have "$2" || rustup component add "$1"
}

need_cargo_tool() { # CRATE VERSION
    have "$1" && return
    say "installing $1 $2, once (some two minutes)"
    cargo install --locked --quiet --debug "$1@$2"
}

need_programs() { # PROGRAM...
    local program packages=""
    for program in "$@"; do
        usable "$program" || packages="$packages $(package_of "$program")"
    done
    [ -z "$packages" ] && return
    say "installing$packages"
    # shellcheck disable=SC2086 # a list of words
    if have apt-get && as_root apt-get -q update &&
        as_root apt-get -q install -y --no-install-recommends $packages; then
        return
    fi
    fail "please install:$packages   (Debian names, e.g. sudo apt-get install$packages)"
}

package_of() { # PROGRAM
    case $1 in
    nc) echo netcat-openbsd ;;
    ss) echo iproute2 ;;
    go) echo golang-go ;;
    node) echo nodejs ;;
    taskset) echo util-linux ;;
    liburing) echo liburing-dev ;;
    uvloop) echo python3-uvloop ;;
    *) echo "$1" ;;
    esac
}

usable() { # PROGRAM
    case $1 in
    # `nc` has three authors; only OpenBSD's has the -N and -U that tests use.
    nc) have nc && [[ "$(nc -h 2>&1)" == *OpenBSD* ]] ;;
    # Libraries are no programs.
    liburing) [ -e /usr/include/liburing.h ] ;;
    uvloop) /usr/bin/python3 -c "import uvloop" 2>/dev/null ;;
    *) have "$1" ;;
    esac
}

as_root() { # COMMAND...
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

# -- running them ---------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "ci: $*"; }
fail() {
    say "$*" >&2
    exit 1
}

within() { # SECONDS COMMAND...
    if have timeout; then
        timeout "$@"
    else
        "${@:2}"
    fi
}

is_verb() {
    case $1 in
    fmt | lint | docs | deny | examples | bench-smoke | guard | test | fuzz | chat | lab | wire | bench) ;;
    *) return 1 ;;
    esac
}

# The line of the header that belongs to this verb.
purpose() { sed -n "s/^#   $1  *//p" ci.sh | head -n 1; }

FAILED=""
REPORT=""

run_verb() { # VERB
    local started=$SECONDS status=0 line
    say "== $1: $(purpose "$1")"
    # Not `if (…)` or `(…) ||`: both would switch off -e inside.
    set +e
    (
        set -e
        "verb_${1//-/_}"
    )
    status=$?
    set -e
    line="$1 took $((SECONDS - started)) s"
    if [ "$status" != 0 ]; then
        FAILED="$FAILED $1"
        line="$line and FAILED"
    fi
    REPORT="$REPORT$line"$'\n'
    # After the tests nothing is printed, unless they are not the last word.
    [ "$1" = test ] || say "$line"
}

main() {
    local verb
    for verb in "$@"; do
        case $verb in
        -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' ci.sh; exit 0 ;;
        esac
        is_verb "$verb" || { say "'$verb' is not one of: $DEFAULT_VERBS fuzz chat lab wire bench" >&2; exit 2; }
    done
    have cargo || fail "cargo is missing: install Rust from https://rustup.rs"
    # shellcheck disable=SC2086 # a list of words
    [ $# -gt 0 ] || set -- $DEFAULT_VERBS
    for verb in "$@"; do
        if [ "$verb" = test ] && [ -n "$REPORT" ]; then
            say "so far:"
            printf '%s' "$REPORT" | sed 's/^/    /'
        fi
        run_verb "$verb"
    done
    if [ -n "$FAILED" ]; then
        fail "failed:$FAILED"
    fi
}

main "$@"
