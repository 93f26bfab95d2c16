//! The protocols that Wharf knows: those that are everywhere, and its services' own.

use std::sync::Arc;

use wharf::framing::Framing;
use wharf_services::dissect::Framed;
use wharf_wire::application::Dissectors;

/// All of them, and before all others the framing that was asked for.
pub(crate) fn all(framing: Option<&Framing>) -> Dissectors {
    let mut all = Dissectors::standard();
    for one in wharf_services::dissect::all() {
        all.register(one);
    }
    if let Some(framing) = framing {
        all.register(Arc::new(Framed::new(framing.clone())));
    }
    all
}
