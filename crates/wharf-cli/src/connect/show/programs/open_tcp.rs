type Peer = TcpStream;

/// Tries every address of the name, until one answers.
fn connect() -> io::Result<Peer> {
    let addresses: Vec<_> = (HOST, PORT).to_socket_addrs()?@FILTER@.collect();
    TcpStream::connect(&addresses[..])
}
