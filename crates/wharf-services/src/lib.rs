//! The services that Wharf ships, one module each.
