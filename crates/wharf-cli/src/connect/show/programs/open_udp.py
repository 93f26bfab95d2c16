def connect():
    """A socket that hears only this peer, and of errors that come back from it."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        HOST, PORT, FAMILY, socket.SOCK_DGRAM
    )[0]
    peer = socket.socket(family, kind, protocol)
    peer.connect(address)
    return peer
