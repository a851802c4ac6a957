//! How failures are answered: which problem each is.

use adapter::{Authorization, Kind};
use axum::http::StatusCode;

use super::problem::Problem;
use crate::failure::Failure;
use crate::host_paths::Refusal;

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let words = failure.with_way_on();
        let technical_details = failure.technical_details().map(str::to_owned);
        let problem: Self = match failure {
            Failure::Catalog(error) => error.into(),
            Failure::Settings(error) => Self::internal(error),
            Failure::Spec(_) => Self::internal(words),
            Failure::Gone(what) => Self::not_found(what),
            Failure::Outdated(_) => Self::conflict("changed", words),
            Failure::Forbidden(_) | Failure::Path(Refusal::Own(_) | Refusal::NotAllowed { .. }) => {
                Self::forbidden(words)
            }
            Failure::Path(_) => Self::failed_dependency("pathUnusable", words),
            Failure::NotAuthorized { .. } => Self::conflict("authorizationRequired", words),
            Failure::NoAdapter(_) => Self::conflict("cannotOpen", words),
            Failure::Stopped => Self::conflict("stopped", words),
            Failure::TookTooLong(_) => Self::failed_dependency("tookTooLong", words),
            Failure::Source(error) => of_source(&error, words),
            Failure::Destination(error) => of_destination(&error, words),
            Failure::Channel(_) => Self::failed_dependency("channelFailed", words),
            Failure::Open(error) => of_open(&error, words),
            Failure::Key(_) => Self::invalid_field("identity", words),
        };
        problem.with_technical_details(technical_details.as_deref())
    }
}

fn of_grant(fault: &Authorization, words: String) -> Problem {
    match fault {
        Authorization::Missing => Problem::conflict("authorizationRequired", words),
        Authorization::Revoked | Authorization::MissingScope(_) => Problem::conflict("reauthorizationRequired", words),
        Authorization::AppNotRecognized => Problem::conflict("appNotRecognized", words),
    }
}

fn of_source(error: &sources::Error, words: String) -> Problem {
    match error.kind() {
        Kind::Invalid => Problem::bad_request(words),
        Kind::HoldsData => Problem::conflict("targetHoldsData", words),
        Kind::Stopped => Problem::conflict("stopped", words),
        _ => Problem::failed_dependency("sourceFailed", words),
    }
}

fn of_destination(error: &adapter::Error, words: String) -> Problem {
    match error.kind() {
        Kind::Invalid => Problem::bad_request(words),
        Kind::Taken => Problem::conflict("taken", words),
        Kind::Changed => Problem::conflict("changed", words),
        Kind::NotFound => Problem::new(StatusCode::NOT_FOUND, "notFound", words),
        Kind::Unauthorized(fault) => of_grant(fault, words),
        Kind::Full => Problem::failed_dependency("destinationFull", words),
        _ => Problem::failed_dependency("destinationFailed", words),
    }
}

fn of_open(error: &runner::OpenError, words: String) -> Problem {
    match error {
        runner::OpenError::Destination(error) => of_destination(error, words),
        runner::OpenError::Source(error) => of_source(error, words),
        runner::OpenError::Unencrypted { .. } => Problem::conflict("unencrypted", words),
        runner::OpenError::Altered { .. } => Problem::conflict("altered", words),
        runner::OpenError::Layers { .. } | runner::OpenError::WrongFormat { .. } => {
            Problem::conflict("cannotOpen", words)
        }
        _ => Problem::failed_dependency("failed", words),
    }
}
