//! The name to log in under.

use wharf_services::chat::is_name;

use crate::failure::Failure;

/// How often another name is tried where nobody chose the first one.
const TRIES: u32 = 20;

/// What is logged in where the user's name has no letter that a name may have.
const NOBODY: &str = "guest";

/// A name on the command line must be one.
pub(super) fn check(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    let failure = Failure::usage(format!(
        "{name:?} is no name: letters A to Z, a to z and digits"
    ));
    let near = cleaned(name);
    match near.is_empty() {
        true => Err(failure),
        false => Err(failure.cure(format!("--as {near}"))),
    }
}

/// The name of whoever runs this, made a name of the chat.
pub(super) fn default_name() -> String {
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok())
        .unwrap_or_default();
    match cleaned(&user) {
        name if name.is_empty() => NOBODY.to_owned(),
        name => name,
    }
}

/// The next name to try after `refused` others; `None` when that is enough.
pub(super) fn variant(name: &str, refused: u32) -> Option<String> {
    (refused < TRIES).then(|| format!("{name}{}", refused + 1))
}

fn cleaned(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_has_a_cure_where_there_is_one() {
        assert!(check("ann2").is_ok());
        let failure = check("ann_2").unwrap_err();
        let text = failure.render(crate::style::Style::Plain);
        assert!(text.ends_with("\n  try      --as ann2\n"), "{text}");
        assert!(check("é").is_err());
    }

    #[test]
    fn variants_count_up_to_an_end() {
        assert_eq!(variant("ann", 1).as_deref(), Some("ann2"));
        assert_eq!(variant("ann", TRIES), None);
    }
}
