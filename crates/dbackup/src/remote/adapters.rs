//! The kinds of sources and destinations that a server knows, by its own word.

use serde_json::Value;

use super::{Kind, Server};
use crate::failure::Failure;

/// The field that brings the access to a storage which is authorized in a browser otherwise.
pub(crate) const REFRESH_TOKEN: &str = "refreshToken";

/// What `GET /api/adapters` answers.
#[derive(Debug)]
pub(crate) struct Adapters(Value);

impl Adapters {
    /// Asks a server.
    pub(crate) async fn of(server: &Server) -> Result<Self, Failure> {
        Ok(Self(server.get("/api/adapters").await?))
    }

    /// Returns those of sources, destinations or channels; none for other kinds.
    pub(crate) fn of_kind(&self, kind: Kind) -> &[Value] {
        self.0[kind.plural()].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the one of this id.
    pub(crate) fn find(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.of_kind(kind).iter().find(|adapter| adapter["id"] == *id)
    }

    /// Returns the fields of an entry that hold secrets in any adapter: so that no secret passes as something else under a wrong type. An
    /// answer has a field with `Set` behind its name for each.
    pub(crate) fn secrets(&self, kind: Kind) -> Vec<String> {
        if kind == Kind::Profile {
            return vec!["identity".to_owned()];
        }
        let is_authorized = self.of_kind(kind).iter().any(|adapter| adapter["authorization"].is_object());
        let refresh_token = is_authorized.then(|| REFRESH_TOKEN.to_owned());
        let fields = self.of_kind(kind).iter().filter_map(|adapter| adapter["fields"].as_array()).flatten();
        let secrets = fields.filter(|field| field["secret"] == true);
        secrets.filter_map(|field| field["name"].as_str().map(str::to_owned)).chain(refresh_token).collect()
    }
}
