//! How long calls to a destination are retried.

pub(crate) use adapter::authorization::Patience;
