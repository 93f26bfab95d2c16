//! The guide: one chapter for each task, to be read in this order.
//!
//! The text is that of `docs/guide/` in the repository; its code is compiled and
//! run with the documentation's tests.

#[doc = include_str!("../../../docs/guide/writing-a-service.md")]
pub mod writing_a_service {}

#[doc = include_str!("../../../docs/guide/framing.md")]
pub mod framing {}

#[doc = include_str!("../../../docs/guide/timeouts-and-limits.md")]
pub mod timeouts_and_limits {}

#[doc = include_str!("../../../docs/guide/draining.md")]
pub mod draining {}

#[doc = include_str!("../../../docs/guide/datagrams.md")]
pub mod datagrams {}

#[doc = include_str!("../../../docs/guide/tls.md")]
pub mod tls {}

#[doc = include_str!("../../../docs/guide/testing-a-service.md")]
pub mod testing_a_service {}

#[doc = include_str!("../../../docs/guide/serving-modes.md")]
pub mod serving_modes {}
