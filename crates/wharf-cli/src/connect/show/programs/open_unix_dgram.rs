type Peer = UnixDatagram;

/// A peer can answer only a socket that has a name.
fn connect() -> io::Result<Peer> {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("client-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
    @CONNECT@?;
    Ok(socket)
}
