def connect():
    """Tries every address of the name, until one answers."""
    last = OSError(f"{HOST} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        HOST, PORT, FAMILY, socket.SOCK_STREAM
    ):
        peer = socket.socket(family, kind, protocol)
        try:
            peer.connect(address)
            return peer
        except OSError as error:
            peer.close()
            last = error
    raise last
