//! The fields that several services have, to be completed by struct update.

use adapter::{Directs, Field, Input, Manifest, Required};

use crate::service::{SERVER, TOKEN, URL};

/// The manifest of a service.
pub(crate) const MANIFEST: Manifest = Manifest {
    id: "",
    title: "",
    summary: "",
    guide: "channels.md",
    icon: "",
    schemes: &[],
    addresses: "",
    fields: &[],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

/// A required URL that is a secret.
pub(crate) const SECRET_URL: Field = Field {
    name: URL,
    label: "Webhook URL",
    input: Input::Secret { shown: true },
    required: Required::Always,
    max_len: 2048,
    ..Field::TEXT
};

/// A server that gets the token.
pub(crate) const SERVER_URL: Field =
    Field { name: SERVER, label: "Server", max_len: 2048, directs: Directs::Secrets, ..Field::TEXT };

/// A required token.
pub(crate) const SECRET_TOKEN: Field = Field {
    name: TOKEN,
    label: "Token",
    input: Input::Secret { shown: false },
    required: Required::Always,
    max_len: 500,
    ..Field::TEXT
};
