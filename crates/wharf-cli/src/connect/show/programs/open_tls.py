def connect():
    """The certificate must be for HOST, and from an authority that this machine trusts."""
    peer = socket.create_connection((HOST, PORT))
    return ssl.create_default_context().wrap_socket(peer, server_hostname=HOST)
