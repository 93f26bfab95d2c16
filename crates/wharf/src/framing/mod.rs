//! Where one message ends and the next begins.
