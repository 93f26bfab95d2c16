
/// Messages, each as a line, until the peer ends.
fn receive(mut peer: Peer) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    loop {
        let mut first = [0; 1];
        if peer.read(&mut first)? == 0 {
            return Ok(());
        }
        let mut prefix = [0; @WIDTH@];
        prefix[0] = first[0];
        peer.read_exact(&mut prefix[1..])?;
        let length = u64::from(@NUMBER@::from_@ORDER@_bytes(prefix));
        if length > 16 << 20 {
            return Err(io::Error::other(format!("a message of {length} bytes is too long")));
        }
        let mut message = vec![0; length as usize];
        peer.read_exact(&mut message)?;
        message.push(b'\n');
        stdout.write_all(&message)?;
        stdout.flush()?;
    }
}
