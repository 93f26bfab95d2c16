//! stub
use super::{ConnectArgs, Language};
use crate::failure::Failure;
pub(super) fn show_client(_: &ConnectArgs, _: Language) -> Result<String, Failure> {
    Ok(String::new())
}
pub(crate) fn show_server(
    _: &str,
    _: &wharf::address::Address,
    _: Language,
) -> Result<String, Failure> {
    Ok(String::new())
}
