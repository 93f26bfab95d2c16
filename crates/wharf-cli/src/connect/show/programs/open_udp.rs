type Peer = UdpSocket;

/// A socket that hears only this peer, and of errors that come back from it.
fn connect() -> io::Result<Peer> {
    let address = (HOST, PORT).to_socket_addrs()?@FILTER@.next();
    let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
    let peer = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    peer.connect(address)?;
    Ok(peer)
}
