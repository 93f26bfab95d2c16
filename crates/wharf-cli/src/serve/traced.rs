//! `--trace`: a thread that draws every conversation.

use wharf::network::tap::Calls;
use wharf::server::Running;

use super::line::{Line, Told};
use super::printer::Printer;
use crate::trace::{Served, ServedShow};

/// Follows the clients of `running`, whose calls come out of `calls`.
pub(super) fn start(
    show: ServedShow,
    calls: Calls,
    running: &Running,
    printer: &Printer,
) -> std::io::Result<Served> {
    let printer = printer.clone();
    let print = move |text| printer.print(Line::now(Told::Traced(text)));
    Served::start(show, calls, running.endpoints(), print)
}
