//! Changes of what there is: replacing it by what was read and edited, or merging a patch into it.

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::extract::{read_as, read_json};
use super::problem::Problem;
use crate::app::App;

/// What can be edited.
pub(crate) trait Editable: DeserializeOwned {
    /// The fields of answers that no request sets. They are no error in a change, so that what was read can be sent back.
    const READ_ONLY: &'static [&'static str];

    /// Sets what a merge patch has removed and what means "as it was" where it is absent in a replacement.
    fn complete(&mut self) {}
}

/// The body of a change: by PUT all that can be set, in which read-only fields are ignored; by PATCH a merge patch (RFC 7396).
#[derive(Debug)]
pub(crate) enum Edit<T> {
    Whole(T),
    Patch(MergePatch),
}

impl<T: Editable> FromRequest<App> for Edit<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if request.method() == Method::PATCH {
            return MergePatch::from_request(request, app).await.map(Self::Patch);
        }
        read_editable(read_json(request, &["application/json"])?).map(Self::Whole)
    }
}

impl<T: Editable> Edit<T> {
    /// Returns what is wanted in the place of what there is, as it is shown.
    pub(crate) fn of(self, shown: &impl Serialize) -> Result<T, Problem> {
        match self {
            Self::Whole(input) => Ok(input),
            Self::Patch(patch) => {
                let mut input: T = patch.apply(shown)?;
                input.complete();
                Ok(input)
            }
        }
    }
}

fn read_editable<T: Editable>(mut value: Value) -> Result<T, Problem> {
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !T::READ_ONLY.contains(&name.as_str()));
    }
    read_as(value)
}

/// A JSON merge patch (RFC 7396).
#[derive(Debug)]
pub(crate) struct MergePatch(Map<String, Value>);

impl FromRequest<App> for MergePatch {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        match read_json(request, &["application/merge-patch+json", "application/json"])? {
            Value::Object(patch) => Ok(Self(patch)),
            _ => Err(Problem::invalid_field("body", "must be an object with the fields that change")),
        }
    }
}

impl MergePatch {
    /// Reads the patch itself, for what is not shown as it is set.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        read_as(Value::Object(self.0))
    }

    /// Merges the patch into what there is, as it is shown. A `null` for what is not shown, such as a secret, reaches the input.
    ///
    /// A patch holds what its sender wants to change, so a read-only field in it is an error.
    fn apply<T: Editable>(self, shown: &impl Serialize) -> Result<T, Problem> {
        if let Some(name) = T::READ_ONLY.iter().find(|name| self.0.contains_key(**name)) {
            return Err(Problem::invalid_field(name, "is read-only: leave it out"));
        }
        let shown = serde_json::to_value(shown).map_err(Problem::internal)?;
        let hidden = self.0.iter().filter(|(name, value)| value.is_null() && shown.get(name).is_none());
        let hidden: Vec<String> = hidden.map(|(name, _)| name.clone()).collect();
        let mut merged = merge(shown, Value::Object(self.0));
        if let Value::Object(fields) = &mut merged {
            fields.extend(hidden.into_iter().map(|name| (name, Value::Null)));
        }
        read_editable(merged)
    }
}

/// The algorithm of RFC 7396, section 2. Bodies are too small to be nested deeply.
fn merge(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut fields = match target {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            let old = fields.remove(&name).unwrap_or_default();
            fields.insert(name, merge(old, value));
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn a_patch_is_merged_as_the_rfc_says() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merge(target.clone(), patch.clone()), merged, "{target} {patch}");
        }
    }
}
