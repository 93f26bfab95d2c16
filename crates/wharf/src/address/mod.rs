//! Where: `[scheme:]target[,option=value]`.
