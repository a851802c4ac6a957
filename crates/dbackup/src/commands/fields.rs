//! The fields of an adapter as options: `dbackup sources create postgres --name Shop --host db`

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value, json};

use super::resources::text;
use crate::failure::Failure;
use crate::output;
use crate::remote::{Adapters, Kind};

/// The option for the name, which no field has.
const NAME: &str = "name";

/// Reads the type and the fields of a source or destination into an entry. `None` if only help was wanted, which was printed then.
pub(super) fn entry(adapters: &Adapters, kind: Kind, arguments: &[String]) -> Result<Option<Value>, Failure> {
    let known = || {
        let ids = adapters.of_kind(kind).iter().map(|adapter| text(&adapter["id"]));
        ids.collect::<Vec<_>>().join(", ")
    };
    let [id, options @ ..] = arguments else {
        return Err(Failure::usage(format!(
            "say which type of {}: {}; or give a file with --file",
            kind.noun(),
            known()
        )));
    };
    let adapter = adapters
        .find(kind, id)
        .ok_or_else(|| Failure::usage(format!("'{id}' is not a type of {}: {} are", kind.noun(), known())))?;
    match command(kind, adapter).try_get_matches_from(options) {
        Ok(matches) => Ok(Some(read(adapter, &matches))),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            output::line(error.to_string().trim_end());
            Ok(None)
        }
        Err(error) => Err(Failure::usage(error.to_string().trim_start_matches("error: ").trim_end().to_owned())),
    }
}

fn fields(adapter: &Value) -> impl Iterator<Item = &Value> {
    adapter["fields"].as_array().into_iter().flatten()
}

fn command(kind: Kind, adapter: &Value) -> Command {
    let usage = format!("dbackup {} create {}", kind.plural(), text(&adapter["id"]));
    let name = Arg::new(NAME).long(NAME).value_name("NAME").required(true).help("What to call it");
    let command = Command::new(usage).no_binary_name(true).about(text(&adapter["summary"])).arg(name);
    fields(adapter).fold(command, |command, field| command.arg(argument(field)))
}

fn argument(field: &Value) -> Arg {
    let flag = text(&field["flag"]).trim_start_matches('-').to_owned();
    let argument = Arg::new(text(&field["name"])).long(flag).help(help(field));
    let argument = match field["requiredUnless"].as_str() {
        Some(other) => argument.required_unless_present(other.to_owned()),
        None => argument.required(field["required"] == true),
    };
    if field["secret"] == true {
        return argument.value_name("env:NAME | file:/path | -");
    }
    match field["input"].as_str() {
        Some("toggle") => argument.action(ArgAction::SetTrue).required(false),
        Some("number") => argument.value_name("NUMBER").value_parser(value_parser!(i64)),
        Some("choice") => {
            let choices = field["choices"].as_array().into_iter().flatten();
            let choices = choices.map(|choice| PossibleValue::new(text(&choice["value"])).help(text(&choice["label"])));
            argument.value_name("CHOICE").value_parser(PossibleValuesParser::new(choices.collect::<Vec<_>>()))
        }
        Some("hostFile") => argument.value_name("FILE"),
        Some("hostFolder" | "folder") => argument.value_name("FOLDER"),
        _ => argument.value_name("TEXT"),
    }
}

fn help(field: &Value) -> String {
    let default = field["defaultText"].as_str().map(str::to_owned);
    let default = default.or_else(|| field["default"].as_str().filter(|text| !text.is_empty()).map(str::to_owned));
    let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    format!("{}: {}{default}", text(&field["label"]), text(&field["help"]).trim_end_matches('.'))
}

fn read(adapter: &Value, matches: &ArgMatches) -> Value {
    let (mut settings, mut entry) = (Map::new(), Map::new());
    settings.insert("type".to_owned(), adapter["id"].clone());
    entry.insert(NAME.to_owned(), json!(matches.get_one::<String>(NAME)));
    for field in fields(adapter) {
        let name = text(&field["name"]);
        let value = match field["input"].as_str() {
            Some("toggle") => matches.get_flag(&name).then_some(Value::Bool(true)),
            Some("number") => matches.get_one::<i64>(&name).map(|number| json!(number)),
            _ => matches.get_one::<String>(&name).map(|text| json!(text)),
        };
        if let Some(value) = value {
            if field["secret"] == true { &mut entry } else { &mut settings }.insert(name, value);
        }
    }
    entry.insert("settings".to_owned(), settings.into());
    entry.into()
}
