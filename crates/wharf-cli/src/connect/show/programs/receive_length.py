def receive(peer):
    """Messages, each as a line, until the peer ends."""
    with peer.makefile("rb") as stream:
        while prefix := stream.read(LENGTH.size):
            if len(prefix) < LENGTH.size:
                raise OSError("the stream ended in the middle of a length")
            (length,) = LENGTH.unpack(prefix)
            if length > 16 << 20:
                raise OSError(f"a message of {length} bytes is too long")
            message = stream.read(length)
            if len(message) < length:
                raise OSError("the stream ended in the middle of a message")
            show(message + b"\n")
