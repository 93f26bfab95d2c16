//! `wharf names`.

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `wharf names`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NamesArgs {}

/// Runs `wharf names`.
pub(crate) fn run(_: &Common, _: NamesArgs) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "not built yet"))
}
