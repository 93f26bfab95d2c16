def connect():
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(PATH)
    return peer
