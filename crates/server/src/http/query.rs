//! Query parameters that an operation does not have are refused: a script that misspells a filter would act on everything.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};

use super::problem::{FieldError, Problem};

/// Returns the parameters of an operation.
pub(crate) fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

/// The query parameters that an operation describes.
#[derive(Debug, Clone)]
pub(crate) struct Known(Arc<[String]>);

impl Known {
    pub(crate) fn of<'a>(operations: impl Iterator<Item = &'a Operation>) -> Self {
        let parameters = operations.flat_map(parameters);
        let queries = parameters.filter(|parameter| matches!(parameter.parameter_in, ParameterIn::Query));
        Self(queries.map(|parameter| parameter.name.clone()).collect())
    }

    fn check(&self, query: &str) -> Result<(), Problem> {
        let unknown = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned());
        let unknown: Vec<String> = unknown.filter(|name| !self.0.contains(name)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let message = match &*self.0 {
            [] => "is not known: this operation has no query parameters".to_owned(),
            known => format!("is not known: this operation has {}", known.join(", ")),
        };
        // A name is as long as a query may be; nobody needs more of it than this.
        let error = |name: String| FieldError { field: name.chars().take(100).collect(), message: message.clone() };
        Err(Problem::invalid(unknown.into_iter().take(10).map(error).collect()))
    }
}

/// Lets requests through that have no other query parameters.
pub(crate) async fn check(State(known): State<Known>, request: Request, next: Next) -> Response {
    match known.check(request.uri().query().unwrap_or_default()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
