# common.sh - what compare.sh and smoke.sh share; sourced from the root folder.
# shellcheck shell=bash

# How everything is built: release for figures that mean something, test for a run
# that only has to be right.
PROFILE=${PROFILE:-release}
case $PROFILE in
dev | test) BUILT=${CARGO_TARGET_DIR:-target}/debug ;;
*) BUILT=${CARGO_TARGET_DIR:-target}/$PROFILE ;;
esac
EXAMPLES=$BUILT/examples
WHARF=$BUILT/wharf

# One build of the whole workspace, as the tests build it: fewer packages would be
# other features, and all dependencies once more. CARGO may be a wrapper.
build() {
    make -s -C bench/peers >&2
    ${CARGO:-cargo} build --locked --profile "$PROFILE" --workspace --bin wharf \
        --example chat --example compare --example idle --example suite \
        --example tokio_echo --example tokio_udp --example quinn_udp --example wharf_echo >&2
}

# Whether the command can serve by now; if not, the library's example stands in.
serves() {
    [ -x "$WHARF" ] && "$WHARF" serve --help 2>&1 | grep -q serve
}

# Sets PEERS to the servers of SERVICE as arguments of `compare`, the bare C
# loops first.
peers() { # SERVICE
    if [ "$1" = chat ]; then
        chat_peers
        return
    fi
    local flag=""
    [ "$1" = echo ] || flag="-u "
    PEERS=(--expect "$1" --tcp "C-epoll=bench/peers/echo_epoll ${flag}0"
        --udp "C-mmsg=bench/peers/udp_mmsg ${flag}0")
    if [ "$1" = echo ]; then
        PEERS+=(--tcp "tokio=$EXAMPLES/tokio_echo 0")
    fi
    if serves; then
        PEERS+=(--tcp "wharf=$WHARF serve $1 tcp:127.0.0.1:{port}"
            --udp "wharf=$WHARF serve $1 udp:127.0.0.1:{port}")
    elif [ "$1" = echo ]; then
        PEERS+=(--tcp "wharf=$EXAMPLES/wharf_echo 0")
    fi
}

irc_peer() { # NAME LOGINS_AT_ONCE
    if command -v "$1" >/dev/null; then
        PEERS+=(--irc "$1=bench/$1.sh {port}" --logins "$2")
    else
        echo "$1 is not installed: without it" >&2
    fi
}

# The chats: the bare C loop, wharf, and what is installed of the IRC servers.
chat_peers() {
    PEERS=(--chat "C-epoll=bench/peers/chat_epoll 0"
        --chat "wharf=$WHARF serve chat tcp:127.0.0.1:{port}")
    # Its listener queues ten.
    irc_peer ngircd 8
    # It takes up to a second for a login, however many there are.
    irc_peer inspircd 512
}
