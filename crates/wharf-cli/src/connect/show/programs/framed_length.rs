
/// The length first, so that the receiver knows where the message ends.
fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = @NUMBER@::try_from(message.len()).map_err(io::Error::other)?;
    Ok([&length.to_@ORDER@_bytes()[..], message].concat())
}
