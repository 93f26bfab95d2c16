//! Is that peer right, and how fast.
