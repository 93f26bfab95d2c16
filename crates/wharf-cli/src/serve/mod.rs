//! `wharf serve`.

mod args;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use args::ServeArgs;

/// Runs `wharf serve`.
pub(crate) fn run(_: &Common, _: ServeArgs) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "not built yet"))
}
