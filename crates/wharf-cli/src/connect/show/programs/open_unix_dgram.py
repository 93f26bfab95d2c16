def connect():
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # A peer can answer only a socket that has a name; Linux chooses one (unix(7)).
    peer.bind("")
    peer.connect(PATH)
    return peer
