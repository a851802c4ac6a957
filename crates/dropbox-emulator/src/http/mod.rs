//! HTTP as Dropbox speaks it, without any of its routes.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod named;
pub(crate) mod request;
pub(crate) mod serve;
pub(crate) mod shape;
mod strike;
mod trouble;
