//! What kinds of sources, destinations and channels there are, and what can be set for them.

use adapter::authorization::{Description, Shows, Step};
use adapter::{Default, Field, Input, Manifest, PathUse, Required};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;

/// The adapters of this server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdapterList {
    /// Kinds of sources.
    sources: Vec<AdapterInfo>,
    /// Kinds of destinations.
    destinations: Vec<AdapterInfo>,
    /// Kinds of channels.
    channels: Vec<AdapterInfo>,
}

/// A kind of source, destination or channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Adapter)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdapterInfo {
    /// The `type` of its settings.
    id: &'static str,
    title: &'static str,
    /// What it is, as a sentence.
    summary: &'static str,
    /// Its page in the guide: `postgresql.md`.
    guide: &'static str,
    /// SVG of 24 by 24 in the color of the text.
    icon: &'static str,
    /// The schemes of its addresses on the command line, without the colon.
    schemes: &'static [&'static str],
    /// What can be set, secrets included, in the order of the form.
    fields: Vec<FieldInfo>,
    /// The field that names the one database of a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    database_field: Option<&'static str>,
    /// What a running backup does to a source, as a sentence.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    effect: &'static str,
    /// Whether its databases are files on the server's machine.
    database_files: bool,
    /// How a person grants access to it in a browser; absent if nobody has to.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<AuthorizationInfo>,
    /// What it can do: `databases`, `browse`, `pings`.
    capabilities: Vec<&'static str>,
    /// Programs that it needs on the server's machine.
    tools: Vec<ToolInfo>,
    /// What has to be done on the other side first.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup: Option<SetupInfo>,
}

/// A program that an adapter runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterTool)]
pub(crate) struct ToolInfo {
    name: &'static str,
    /// Where it comes from.
    from: &'static str,
}

/// What has to be done on the other side before an adapter works.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterSetup)]
pub(crate) struct SetupInfo {
    title: &'static str,
    help: &'static str,
    /// To be copied. `{user|identifier}` and `{user|literal}` stand for the value of the field `user`, quoted for SQL.
    template: &'static str,
}

/// How a person grants access in a browser.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterAuthorization)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizationInfo {
    /// Who grants it: `Dropbox`.
    provider: &'static str,
    /// What has to be registered with the provider, to the letter (M-02).
    redirect_uri: String,
    /// The permissions that the app needs.
    scopes: Vec<&'static str>,
    /// The heading of `steps`.
    steps_title: &'static str,
    /// How an app is registered with the provider.
    steps: Vec<StepInfo>,
    /// What people see if the provider does not accept the redirect URI, as a question.
    redirect_question: &'static str,
    /// What to do then.
    redirect_help: &'static str,
    /// Whether the provider can show a code to paste, for servers that it cannot redirect to.
    shows_code: bool,
}

/// A step of registering an app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterStep)]
pub(crate) struct StepInfo {
    /// `**x**` is bold, `[x](https://y)` a link.
    text: &'static str,
    /// What is to be copied in this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    shows: Option<ShowsInfo>,
}

/// What a step shows.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AdapterStepShows)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ShowsInfo {
    Scopes,
    RedirectUri,
}

/// A field of an adapter's settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterField)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldInfo {
    /// Its name in `settings`; beside them if it is a secret.
    name: &'static str,
    label: &'static str,
    help: &'static str,
    /// Its option on the command line.
    flag: String,
    input: InputKind,
    /// Write-only: it is in no answer.
    secret: bool,
    required: bool,
    /// It is needed unless this other field is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    required_unless: Option<&'static str>,
    /// When an optional field can be left out, such as `with PKCE`. Absent: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    optional_when: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    /// What happens if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_text: Option<&'static str>,
    /// Whether forms fold it away.
    advanced: bool,
    /// When forms show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown_when: Option<ShownWhenInfo>,
    /// In characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<ChoiceInfo>,
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    example: &'static str,
    /// Whether setting or changing it needs the permission `administer`.
    restricted: bool,
}

/// One of the values of a choice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterChoice)]
pub(crate) struct ChoiceInfo {
    value: &'static str,
    label: &'static str,
}

/// Another field has one of these values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdapterCondition)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownWhenInfo {
    field: &'static str,
    any_of: &'static [&'static str],
}

/// What a field holds.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AdapterInput)]
#[serde(rename_all = "camelCase")]
pub(crate) enum InputKind {
    /// A line of text.
    Text,
    /// A secret.
    Password,
    /// A secret that is shown while it is typed.
    Identifier,
    /// Host names, addresses, or the folder of a socket.
    Host,
    /// A whole number.
    Number,
    /// One of `choices`.
    Choice,
    /// True or false.
    Toggle,
    /// The absolute path of a file on the server's machine.
    HostFile,
    /// The absolute path of a folder on the server's machine.
    HostFolder,
    /// A folder in the storage, which can be browsed.
    Folder,
}

impl AdapterInfo {
    fn of(app: &App, manifest: &'static Manifest) -> Self {
        Self {
            id: manifest.id,
            title: manifest.title,
            summary: manifest.summary,
            guide: manifest.guide,
            icon: manifest.icon.trim(),
            schemes: manifest.schemes,
            fields: manifest.fields.iter().map(FieldInfo::of).collect(),
            database_field: manifest.database_field,
            effect: manifest.effect,
            database_files: manifest.has_database_files(),
            authorization: manifest
                .authorization
                .map(|description| AuthorizationInfo::of(description, app.redirect_uri(manifest.id))),
            capabilities: manifest.capabilities.iter().map(|capability| capability.name()).collect(),
            tools: manifest.tools.iter().map(|tool| ToolInfo { name: tool.name, from: tool.from }).collect(),
            setup: manifest.setup.map(|setup| SetupInfo {
                title: setup.title,
                help: setup.help,
                template: setup.template,
            }),
        }
    }
}

impl AuthorizationInfo {
    fn of(description: &'static Description, redirect_uri: String) -> Self {
        let step = |step: &Step| StepInfo {
            text: step.text,
            shows: step.shows.map(|shows| match shows {
                Shows::Scopes => ShowsInfo::Scopes,
                Shows::RedirectUri => ShowsInfo::RedirectUri,
            }),
        };
        Self {
            provider: description.provider,
            redirect_uri,
            scopes: description.scope_names().collect(),
            steps_title: description.steps_title,
            steps: description.steps.iter().map(step).collect(),
            redirect_question: description.redirect_help.question,
            redirect_help: description.redirect_help.help,
            shows_code: description.shows_code,
        }
    }
}

impl FieldInfo {
    fn of(field: &'static Field) -> Self {
        let bounds = match field.input {
            Input::Number { min, max } => Some((min, max)),
            _ => None,
        };
        let choices = match field.input {
            Input::Choice(choices) => choices,
            _ => &[],
        };
        let has_length = !matches!(field.input, Input::Number { .. } | Input::Choice(_) | Input::Toggle);
        Self {
            name: field.name,
            label: field.label,
            help: field.help,
            flag: field.flag(),
            input: InputKind::of(field.input),
            secret: field.is_secret(),
            required: field.required == Required::Always,
            required_unless: match field.required {
                Required::Unless(other) => Some(other),
                _ => None,
            },
            optional_when: Some(field.optional_when).filter(|words| !words.is_empty()),
            default: match field.default {
                Default::Text(text) => Some(text.into()),
                Default::Flag(on) => Some(on.into()),
                Default::None | Default::Unset(_) => None,
            },
            default_text: match field.default {
                Default::Unset(words) => Some(words),
                _ => None,
            },
            advanced: field.advanced,
            shown_when: field.shown_when.map(|when| ShownWhenInfo { field: when.field, any_of: when.any_of }),
            max_length: has_length.then_some(field.max_len),
            minimum: bounds.map(|(min, _)| min),
            maximum: bounds.map(|(_, max)| max),
            choices: choices.iter().map(|choice| ChoiceInfo { value: choice.value, label: choice.label }).collect(),
            example: field.example,
            restricted: field.restricted.is_some(),
        }
    }
}

impl InputKind {
    fn of(input: Input) -> Self {
        match input {
            Input::Text => Self::Text,
            Input::Secret { shown: false } => Self::Password,
            Input::Secret { shown: true } => Self::Identifier,
            Input::Host => Self::Host,
            Input::Number { .. } => Self::Number,
            Input::Choice(_) => Self::Choice,
            Input::Toggle => Self::Toggle,
            Input::HostPath { used: PathUse::File, .. } => Self::HostFile,
            Input::HostPath { used: PathUse::Folder, .. } => Self::HostFolder,
            Input::Browse => Self::Folder,
        }
    }
}

/// The kinds of sources, destinations and channels, and what can be set for them.
#[utoipa::path(get, path = "/api/adapters", tag = "adapters", responses((status = 200, body = AdapterList)))]
pub(crate) async fn list(State(app): State<App>) -> Json<AdapterList> {
    let adapters = &app.config.adapters;
    Json(AdapterList {
        sources: adapters.sources.manifests().map(|manifest| AdapterInfo::of(&app, manifest)).collect(),
        destinations: adapters.destinations.manifests().map(|manifest| AdapterInfo::of(&app, manifest)).collect(),
        channels: adapters.channels.manifests().map(|manifest| AdapterInfo::of(&app, manifest)).collect(),
    })
}
