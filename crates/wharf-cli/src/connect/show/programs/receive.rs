
/// Until the peer ends.
fn receive(mut peer: Peer) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut buffer = [0; 65536];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => stdout.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        stdout.flush()?;
    }
}
