//! The settings in the API's description, made of the adapters' manifests.

use adapter::{Adapter, Default, Field, Input, Manifest, Registry, Required};
use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, Discriminator, KnownFormat, Object, ObjectBuilder, OneOfBuilder, SchemaFormat, SchemaType,
    Type,
};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Schema};

use crate::authorizations::grants::REFRESH_TOKEN;
use crate::config::Adapters;

const SOURCE: &str = "SourceSettings";
const DESTINATION: &str = "DestinationSettings";
const CHANNEL: &str = "ChannelSettings";

/// The schema of a source's settings where they are a field.
pub(crate) fn source_settings() -> RefOr<Schema> {
    Ref::from_schema_name(SOURCE).into()
}

/// The schema of a destination's settings where they are a field.
pub(crate) fn destination_settings() -> RefOr<Schema> {
    Ref::from_schema_name(DESTINATION).into()
}

/// The schema of a channel's settings where they are a field.
pub(crate) fn channel_settings() -> RefOr<Schema> {
    Ref::from_schema_name(CHANNEL).into()
}

/// Adds the settings and secrets of all adapters.
pub(crate) fn describe(api: &mut OpenApi, adapters: &Adapters) {
    let components = api.components.get_or_insert_default();
    add(components, &adapters.sources, SOURCE, "Where databases are.", &["SourceInput"], "Source");
    let inputs = &["DestinationInput"];
    add(components, &adapters.destinations, DESTINATION, "Where backups are stored.", inputs, "Destination");
    add(components, &adapters.channels, CHANNEL, "How people are told.", &["ChannelInput"], "Channel");
    let authorized = adapters.destinations.manifests().filter_map(|manifest| manifest.authorization);
    let providers: Vec<&str> = authorized.map(|description| description.provider).collect();
    if !providers.is_empty() {
        let words = format!(
            "A refresh token of {}, instead of authorizing in a browser: whose account it is for is asked first.",
            providers.join(" or ")
        );
        add_property(components, "DestinationInput", REFRESH_TOKEN, secret(&words));
    }
}

fn add<A: Adapter>(
    components: &mut Components,
    registry: &Registry<A>,
    name: &str,
    description: &str,
    inputs: &[&str],
    output: &str,
) {
    let mut one_of = OneOfBuilder::new().description(Some(description));
    let mut mapping = Vec::new();
    for manifest in registry.manifests() {
        let variant = format!("{name}{}", pascal(manifest.id));
        one_of = one_of.item(Ref::from_schema_name(&variant));
        mapping.push((manifest.id, format!("#/components/schemas/{variant}")));
        components.schemas.insert(variant, Schema::Object(settings_of(manifest)).into());
        for field in manifest.secrets() {
            let words = format!("{} of {}. {}", field.label, manifest.title, field.help);
            for input in inputs {
                add_property(components, input, field.name, secret(&words));
            }
            let words = format!("Whether the {} of {} is kept.", field.label, manifest.title);
            let set = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(words)).read_only(true);
            add_property(components, output, &format!("{}Set", field.name), set.into());
        }
    }
    for input in inputs {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(*input) {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    let one_of = one_of.discriminator(Some(Discriminator::with_mapping("type", mapping))).build();
    components.schemas.insert(name.to_owned(), Schema::OneOf(one_of).into());
}

fn add_property(components: &mut Components, schema: &str, name: &str, property: RefOr<Schema>) {
    if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(schema) {
        object.properties.entry(name.to_owned()).or_insert(property);
    }
}

fn secret(words: &str) -> RefOr<Schema> {
    let mut reference = Ref::from_schema_name("SecretField");
    words.clone_into(&mut reference.description);
    reference.into()
}

fn settings_of(manifest: &Manifest) -> Object {
    let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([manifest.id]));
    let mut object = ObjectBuilder::new()
        .title(Some(manifest.title))
        .description(Some(manifest.summary))
        .property("type", kind)
        .required("type")
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for field in manifest.settings() {
        object = object.property(field.name, property(field));
        if field.required == Required::Always {
            object = object.required(field.name);
        }
    }
    object.build()
}

fn property(field: &Field) -> RefOr<Schema> {
    let object = ObjectBuilder::new().title(Some(field.label)).description(Some(field.help));
    let object = match field.default {
        Default::None | Default::Unset(_) => object,
        Default::Text(text) => object.default(Some(text.into())),
        Default::Flag(on) => object.default(Some(on.into())),
    };
    let optional = |kind| match field.default {
        Default::None | Default::Unset(_) if field.required != Required::Always => {
            SchemaType::from_iter([kind, Type::Null])
        }
        _ => SchemaType::from(kind),
    };
    match field.input {
        Input::Toggle => object.schema_type(Type::Boolean),
        Input::Number { min, max } => object
            .schema_type(optional(Type::Integer))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(min as f64))
            .maximum(Some(max as f64)),
        Input::Choice(choices) => {
            let mut values: Vec<Value> = choices.iter().map(|choice| choice.value.into()).collect();
            let kind = optional(Type::String);
            if kind != SchemaType::from(Type::String) {
                values.push(Value::Null);
            }
            object.schema_type(kind).enum_values(Some(values))
        }
        Input::Text | Input::Host | Input::HostPath { .. } | Input::Browse | Input::Secret { .. } => {
            let may_be_empty = field.default == Default::Text("") || matches!(field.required, Required::Unless(_));
            let object = object.schema_type(optional(Type::String)).max_length(Some(field.max_len));
            if may_be_empty { object } else { object.min_length(Some(1)) }
        }
    }
    .into()
}

fn pascal(id: &str) -> String {
    let words = id.split(['-', '_', '.']).map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect()
}
