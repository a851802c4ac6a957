//! Completes the API's description with what no single route says: pages of lists, patches, closed sets of words, what is read-only.

use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Discriminator, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{
    ArrayBuilder, Components, Content, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
};

use super::access::Access;
use super::api::channels::ChannelInput;
use super::api::notification_rules::RuleInput;
use super::api::{destinations::DestinationInput, job_input::JobInput, retention::PolicyInput, sources::SourceInput};
use super::class::Class;
use super::edit::Editable;
use super::problem::CODES;
use super::query::parameters;

/// What carries a revision, and so an ETag.
const REVISED: [&str; 8] =
    ["Channel", "Destination", "Job", "NotificationRule", "Profile", "RetentionPolicy", "Source", "User"];

/// Fields whose texts are of a closed set.
const CLOSED: [(&str, &str, &[&str]); 4] = [
    ("LogLine", "level", &["info", "warning", "error"]),
    ("AuditEntry", "outcome", &["done", "refused"]),
    ("Step", "result", &["passed", "failed", "skipped"]),
    ("Problem", "code", &CODES),
];

/// Fields of answers that no request sets.
const READ_ONLY: [(&str, &[&str]); 9] = [
    ("Channel", ChannelInput::READ_ONLY),
    ("NotificationRule", RuleInput::READ_ONLY),
    ("Job", JobInput::READ_ONLY),
    ("RetentionPolicy", PolicyInput::READ_ONLY),
    ("Source", SourceInput::READ_ONLY),
    ("Destination", DestinationInput::READ_ONLY),
    ("Profile", &["id", "canDecrypt", "exportedAt", "revision", "createdAt"]),
    ("User", &["id", "revision", "createdAt"]),
    ("ApiToken", &["id", "userId", "createdAt", "lastUsedAt"]),
];

/// The schemas of what runs came to, and the kinds that they carry.
const RESULTS: [(&str, &str); 3] = [("BackupResult", "backup"), ("CopiedTo", "copy"), ("RestoreResult", "restore")];

/// Changes, each of which may have any of the fields of an input.
const PATCHES: [(&str, &str); 6] = [
    ("ChannelInput", "ChannelPatch"),
    ("NotificationRuleInput", "NotificationRulePatch"),
    ("JobInput", "JobPatch"),
    ("SourceInput", "SourcePatch"),
    ("DestinationInput", "DestinationPatch"),
    ("RetentionPolicyInput", "RetentionPolicyPatch"),
];

/// Completes the description. Settings and secrets are in it already.
pub(crate) fn complete(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    name_list_items(components);
    name_results(components);
    for Refusal { name, words, .. } in &REFUSALS {
        components.responses.insert((*name).to_owned(), refusal(words).into());
    }
    for (schema, field, words) in CLOSED {
        if let Some(Schema::Object(field)) = property(components, schema, field) {
            field.enum_values = Some(words.iter().map(|word| Value::from(*word)).collect());
        }
    }
    for (schema, fields) in READ_ONLY {
        for field in fields {
            mark_read_only(components, schema, field);
        }
    }
    for (input, patch) in PATCHES {
        describe_patch(components, input, patch);
    }
    let items = api.paths.paths.values_mut();
    let operations = items.flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
    });
    for operation in operations {
        operation.responses.responses.values_mut().for_each(describe_tag);
    }
}

fn object<'a>(components: &'a mut Components, schema: &str) -> Option<&'a mut Object> {
    match components.schemas.get_mut(schema)? {
        RefOr::T(Schema::Object(object)) => Some(object),
        _ => None,
    }
}

/// Returns the schema of a property that is no reference.
fn property<'a>(components: &'a mut Components, schema: &str, field: &str) -> Option<&'a mut Schema> {
    match object(components, schema)?.properties.get_mut(field)? {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(_) => None,
    }
}

/// Lets the pages of lists refer to what they list, which is inlined otherwise, and would lack what is added here.
fn name_list_items(components: &mut Components) {
    let pages: Vec<String> = components.schemas.keys().filter(|name| name.starts_with("List_")).cloned().collect();
    for page in pages {
        let item = page.trim_start_matches("List_").to_owned();
        if !components.schemas.contains_key(&item) {
            continue;
        }
        if let Some(list) = object(components, &page) {
            let items = ArrayBuilder::new().items(Ref::from_schema_name(&item)).description(Some("In order."));
            list.properties.insert("items".to_owned(), items.into());
        }
    }
}

/// Lets each result of a run have its kind among its own properties: generators of clients do not understand a reference with a property
/// beside it.
fn name_results(components: &mut Components) {
    let words = "What a run came to. `kind` says which of these it is.";
    let (mut one_of, mut mapping) = (OneOfBuilder::new().description(Some(words)), Vec::new());
    for (schema, kind) in RESULTS {
        if let Some(result) = object(components, schema) {
            let property = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind]));
            result.properties.insert("kind".to_owned(), property.into());
            result.required.push("kind".to_owned());
        }
        one_of = one_of.item(Ref::from_schema_name(schema));
        mapping.push((kind, format!("#/components/schemas/{schema}")));
    }
    let one_of = one_of.discriminator(Some(Discriminator::with_mapping("kind", mapping))).build();
    components.schemas.insert("RunResult".to_owned(), Schema::OneOf(one_of).into());
}

/// Marks a property as read-only. A reference cannot be marked; that of a time is replaced by what it refers to.
fn mark_read_only(components: &mut Components, schema: &str, field: &str) {
    let time = components.schemas.get("Time").cloned();
    let Some(found) = object(components, schema).and_then(|object| object.properties.get_mut(field)) else { return };
    if let RefOr::Ref(reference) = found
        && reference.ref_location.ends_with("/Time")
        && let Some(RefOr::T(Schema::Object(mut time))) = time
    {
        time.description = Some(reference.description.clone()).filter(|words| !words.is_empty());
        *found = Schema::Object(time).into();
    }
    match found {
        RefOr::T(Schema::Object(object)) => object.read_only = Some(true),
        RefOr::T(Schema::OneOf(one_of)) => one_of.read_only = Some(true),
        _ => {}
    }
}

/// Makes the schema of a merge patch: all fields of the input, none of which is needed, and `null` for those that can be removed.
fn describe_patch(components: &mut Components, input: &str, patch: &str) {
    let Some(mut described) = object(components, input).cloned() else { return };
    let description = object(components, patch).and_then(|object| object.description.clone());
    described.description = description;
    described.required.clear();
    for property in described.properties.values_mut() {
        if let RefOr::T(Schema::Object(property)) = property {
            property.default = None;
        }
        // Of the settings, too, only some fields may come.
        if let RefOr::Ref(reference) = property
            && reference.ref_location.ends_with("Settings")
        {
            let words = "The settings that change, merged into those that there are.";
            *property = ObjectBuilder::new()
                .schema_type(SchemaType::from(Type::Object))
                .description(Some(words))
                .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::<Schema>::FreeForm(true)))
                .into();
        }
    }
    components.schemas.insert(patch.to_owned(), Schema::Object(described).into());
}

/// Adds the ETag to answers with what carries a revision.
fn describe_tag(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let is_revised = response.content.values().any(|content| {
        let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content else { return false };
        REVISED.iter().any(|name| schema.ref_location == format!("#/components/schemas/{name}"))
    });
    if is_revised {
        let words = "The revision, for `If-Match`.";
        let header = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String).build()));
        response.headers.insert("ETag".to_owned(), header.description(Some(words)).build().into());
    }
}

/// Says of an operation how it can end.
pub(crate) fn describe_answers(operation: &mut Operation, method: &str, path: &str, access: Access, class: Class) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            success(status).clone_into(&mut response.description);
        }
    }
    let responses = &operation.responses.responses;
    let missing = REFUSALS.iter().filter(|refusal| !responses.contains_key(refusal.status));
    let possible: Vec<&Refusal> = missing
        .filter(|refusal| (refusal.is_possible)(&Described { operation, method, path, access, class }))
        .collect();
    for Refusal { status, name, .. } in possible {
        operation.responses.responses.insert((*status).to_owned(), RefOr::Ref(Ref::from_response_name(*name)));
    }
}

/// What is known of an operation.
struct Described<'a> {
    operation: &'a Operation,
    method: &'a str,
    path: &'a str,
    access: Access,
    class: Class,
}

/// Returns whether requests of a class ask a source or a destination.
fn is_elsewhere(class: Class) -> bool {
    use Class::{Download, Preview, Source, Storage, Test, Verify};
    matches!(class, Source | Storage | Test | Preview | Verify | Download)
}

/// A way in which operations are refused.
struct Refusal {
    status: &'static str,
    /// Of its component.
    name: &'static str,
    words: &'static str,
    is_possible: fn(&Described<'_>) -> bool,
}

/// How operations are refused. Each is described once, as a component that operations refer to.
static REFUSALS: [Refusal; 11] = [
    Refusal {
        status: "400",
        name: "BadRequest",
        words: "The request is malformed.",
        is_possible: |it| it.operation.request_body.is_some(),
    },
    Refusal {
        status: "401",
        name: "Unauthorized",
        words: "The caller is not signed in, or the credentials are wrong.",
        is_possible: |it| it.access != Access::Public || it.class == Class::Password,
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        words: "The caller lacks the permission, or the request comes from a foreign page.",
        is_possible: |it| it.access != Access::Public || it.method != "get",
    },
    Refusal {
        status: "404",
        name: "NotFound",
        words: "It does not exist.",
        is_possible: |it| it.path.contains('{') || it.operation.request_body.is_some(),
    },
    Refusal {
        status: "409",
        name: "Conflict",
        words: "It conflicts with the present state: a name that is taken, a run that is going on.",
        is_possible: |it| it.method != "get",
    },
    Refusal {
        status: "412",
        name: "PreconditionFailed",
        words: "It was changed since the revision in `If-Match`.",
        is_possible: |it| parameters(it.operation).any(|parameter| parameter.name == "If-Match"),
    },
    Refusal {
        status: "422",
        name: "Invalid",
        words: "A field or a query parameter is wrong, or not known; `errors` says which.",
        is_possible: |it| it.path.starts_with("/api/"),
    },
    Refusal {
        status: "424",
        name: "FailedDependency",
        words: "The database or the storage did not do what was asked.",
        is_possible: |it| is_elsewhere(it.class),
    },
    Refusal {
        status: "429",
        name: "TooManyRequests",
        words: "Too many requests; `Retry-After` says when to try again.",
        is_possible: |_| true,
    },
    Refusal {
        status: "503",
        name: "Unavailable",
        words: "The server cannot work at present; `Retry-After` says when to try again.",
        is_possible: |_| true,
    },
    Refusal {
        status: "default",
        name: "Failure",
        words: "It was refused, or it failed; the answer says why and what to do.",
        is_possible: |_| true,
    },
];

fn success(status: &str) -> &'static str {
    match status {
        "201" => "Created.",
        "202" => "Accepted: the work goes on after this answer.",
        "204" => "Done.",
        _ => "What was asked for.",
    }
}

fn refusal(words: &str) -> Response {
    let content = Content::builder().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    ResponseBuilder::new().description(words).content("application/problem+json", content).build()
}
