//! Errors of the operating system in words.

use std::io;

/// The words of an error of the operating system, for the middle of a sentence: in lower
/// case and without Rust's "(os error 98)", which tells people nothing.
///
/// An error that was made with words of its own keeps them.
///
/// ```
/// use std::io::Error;
/// use wharf::network::error_words;
///
/// let missing = Error::from_raw_os_error(2);
/// assert_eq!(error_words(&missing), "no such file or directory");
/// ```
pub fn error_words(error: &io::Error) -> String {
    // An error that was made with words of its own keeps them.
    let is_plain = error.get_ref().is_none();
    match error.kind() {
        io::ErrorKind::AddrInUse if is_plain => "address already in use".to_owned(),
        io::ErrorKind::PermissionDenied if is_plain => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text);
            match text.chars().next() {
                // In the middle of a sentence.
                Some(first) if is_plain => {
                    format!(
                        "{}{}",
                        first.to_ascii_lowercase(),
                        &text[first.len_utf8()..]
                    )
                }
                _ => text.to_owned(),
            }
        }
    }
}
