def receive(peer):
    """Until the peer ends."""
    while chunk := peer.recv(65536):
        show(chunk)
