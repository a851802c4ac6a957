//! Configuration files: their entries, each with the lines that its fields stand in.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistakes::{Mistake, Place};
use crate::remote::Kind;

/// No configuration is larger.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A file that is being read.
#[derive(Debug, Clone)]
struct File {
    /// Its number among all of them.
    number: usize,
    /// As the user named it.
    name: String,
}

impl File {
    fn mistake(&self, line: usize, message: String) -> Mistake {
        let Self { number, name } = self;
        let words = if line == 0 { name.clone() } else { format!("{name}:{line}") };
        Mistake { place: Place { file: *number, line, words }, message }
    }
}

/// An entry, and where it stands.
#[derive(Debug)]
pub(crate) struct Entry {
    file: File,
    /// Its number among the entries of its kind in the file.
    index: usize,
    kind: Kind,
    pub(super) fields: Map<String, Value>,
    /// The line of each field, by its path: `schedule.cron`. The entry's own is that of the empty path.
    lines: BTreeMap<String, usize>,
}

impl Entry {
    /// Returns where a field stands.
    pub(crate) fn place(&self, field: &str) -> Place {
        let name = self.fields.get("name").and_then(Value::as_str);
        let name = name.map(|name| format!(" {name:?}")).unwrap_or_default();
        let dot = if field.is_empty() { "" } else { "." };
        let Self { file, index, kind, .. } = self;
        let line = self.line(field);
        let at = if line == 0 { String::new() } else { format!(":{line}") };
        let words = format!("{}{at}: {}[{index}]{name}{dot}{field}", file.name, kind.plural());
        Place { file: file.number, line, words }
    }

    /// Returns the line of a field, or of the nearest thing around it; 0 if it is not known.
    fn line(&self, field: &str) -> usize {
        let mut path = field;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            if path.is_empty() {
                return 0;
            }
            path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
        }
    }
}

/// All entries of some files, by kind.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<Entry>);

impl Files {
    /// Reads files, folders of them, or standard input for `-`.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Vec<Mistake>> {
        let (mut files, mut wrong, mut number) = (Self::default(), Vec::new(), 0);
        for path in paths {
            let mut file = |path: &Path| {
                number += 1;
                let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
                File { number, name }
            };
            match expand(path) {
                Ok(found) => found.iter().for_each(|path| files.add(&file(path), path, &mut wrong)),
                Err(message) => wrong.push(file(path).mistake(0, message)),
            }
        }
        if wrong.is_empty() { Ok(files) } else { Err(wrong) }
    }

    /// Returns the entries of a kind in the order of the files.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.kind == kind)
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = (Kind, &mut Entry)> {
        self.0.iter_mut().map(|entry| (entry.kind, entry))
    }

    fn add(&mut self, file: &File, path: &Path, wrong: &mut Vec<Mistake>) {
        match read_text(path) {
            Ok(text) if text.trim_start().starts_with('{') => self.add_json(file, &text, wrong),
            Ok(text) => self.add_toml(file, &text, wrong),
            Err(error) => wrong.push(file.mistake(0, error.to_string())),
        }
    }

    fn add_json(&mut self, file: &File, text: &str, wrong: &mut Vec<Mistake>) {
        match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(tables) => {
                for (name, value) in tables {
                    let entries = match value {
                        Value::Array(entries) => entries,
                        other => vec![other],
                    };
                    let entries = entries.into_iter().map(|entry| (entry, BTreeMap::new()));
                    self.add_table(file, 0, &name, entries, wrong);
                }
            }
            Err(error) => wrong.push(file.mistake(error.line(), error.to_string())),
        }
    }

    fn add_toml(&mut self, file: &File, text: &str, wrong: &mut Vec<Mistake>) {
        let line = |span: Range<usize>| text[..span.start.min(text.len())].matches('\n').count() + 1;
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            wrong.push(file.mistake(error.span().map_or(0, line), error.message().to_owned()));
        }
        if !errors.is_empty() {
            return;
        }
        for (name, value) in document.into_inner() {
            let entries = match value.get_ref() {
                DeValue::Array(entries) => entries.iter().collect(),
                _ => vec![&value],
            };
            let entries = entries.into_iter().map(|entry| {
                let mut lines = BTreeMap::from([(String::new(), line(entry.span()))]);
                (convert(entry, "", &mut lines, &line), lines)
            });
            self.add_table(file, line(name.span()), name.get_ref(), entries, wrong);
        }
    }

    fn add_table(
        &mut self,
        file: &File,
        line: usize,
        name: &str,
        entries: impl Iterator<Item = (Value, BTreeMap<String, usize>)>,
        wrong: &mut Vec<Mistake>,
    ) {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.plural() == name) else {
            let tables = "there are [[sources]], [[destinations]], [[profiles]] and [[jobs]]";
            wrong.push(file.mistake(line, format!("{name}: unknown table; {tables}")));
            return;
        };
        for (index, (value, lines)) in entries.enumerate() {
            match value {
                Value::Object(fields) => self.0.push(Entry { file: file.clone(), index, kind, fields, lines }),
                _ => wrong.push(file.mistake(line, format!("{name}: must be tables: [[{name}]]"))),
            }
        }
    }
}

/// Returns the files that a path names: of a folder, those that end in `.toml`, by name.
fn expand(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |error: std::io::Error| error.to_string();
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(wrong)? {
        let file = entry.map_err(wrong)?.path();
        if file.extension().is_some_and(|extension| extension == "toml") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err("the folder holds no file that ends in .toml".to_owned());
    }
    files.sort();
    Ok(files)
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)
    };
    if read? as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!("the file is larger than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// Converts a value, and notes the lines of all fields below `path`.
fn convert(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    lines: &mut BTreeMap<String, usize>,
    line: &impl Fn(Range<usize>) -> usize,
) -> Value {
    match value.get_ref() {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or_else(
            // Too large for any field, which the server says.
            |_| number.as_str().into(),
            Value::from,
        ),
        DeValue::Float(number) => number.as_str().parse::<f64>().map(Value::from).unwrap_or_default(),
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let path = format!("{path}[{index}]");
                lines.insert(path.clone(), line(item.span()));
                convert(item, &path, lines, line)
            })
            .collect(),
        DeValue::Table(fields) => {
            let mut converted = Map::new();
            for (name, value) in fields {
                let path =
                    if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
                lines.insert(path.clone(), line(name.span()));
                converted.insert(name.get_ref().to_string(), convert(value, &path, lines, line));
            }
            converted.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mistakes::in_lines;
    use super::*;

    fn read(text: &str) -> (Files, Vec<String>) {
        let (mut files, mut wrong) = (Files::default(), Vec::new());
        files.add_toml(&File { number: 0, name: "x.toml".to_owned() }, text, &mut wrong);
        (files, in_lines(wrong).lines().map(str::to_owned).collect())
    }

    #[test]
    fn every_field_knows_its_line() {
        let text = "# first\n[[jobs]]\nname = \"a\"\n\n[[jobs]]\nname = \"b\"\nschedule = { cron = \"x\" }\ndestinations = [\n  \"c\",\n  \
                    \"d\",\n]\n[jobs.more]\ndeep = 1\n";
        let (files, wrong) = read(text);
        assert!(wrong.is_empty(), "{wrong:?}");
        let entry = files.of(Kind::Job).nth(1).unwrap();
        for (field, place) in [
            ("", "x.toml:5: jobs[1] \"b\""),
            ("name", "x.toml:6: jobs[1] \"b\".name"),
            ("schedule.cron", "x.toml:7: jobs[1] \"b\".schedule.cron"),
            ("destinations[1]", "x.toml:10: jobs[1] \"b\".destinations[1]"),
            ("more.deep", "x.toml:13: jobs[1] \"b\".more.deep"),
            ("source", "x.toml:5: jobs[1] \"b\".source"),
            ("schedule.timeZone", "x.toml:7: jobs[1] \"b\".schedule.timeZone"),
        ] {
            assert_eq!(entry.place(field).words, place);
        }
    }

    #[test]
    fn tables_are_named_in_the_order_of_their_lines() {
        let (_, wrong) = read("[[zebras]]\nname = \"a\"\n\n[[apes]]\nname = \"b\"\n");
        assert!(wrong[0].starts_with("x.toml:1: zebras") && wrong[1].starts_with("x.toml:4: apes"), "{wrong:?}");
    }

    #[test]
    fn what_is_no_configuration_is_named_with_its_line() {
        let (_, wrong) = read("[[jobs]]\nname = \"a\"\n\n[[job]]\nname = \"b\"\n");
        assert!(wrong.len() == 1 && wrong[0].starts_with("x.toml:4: job: unknown table"), "{wrong:?}");
        let (_, wrong) = read("jobs = 5\n");
        assert!(wrong.len() == 1 && wrong[0].starts_with("x.toml:1: jobs: must be tables"), "{wrong:?}");
        let (_, wrong) = read("[[jobs]]\nname = \"a\nx = = 2\n");
        assert!(wrong.len() >= 2 && wrong[0].starts_with("x.toml:2: "), "{wrong:?}");
        let (_, wrong) = read("[[jobs]]\nname = \"a\"\nname = \"b\"\n");
        assert!(wrong.len() == 1 && wrong[0].starts_with("x.toml:3: "), "{wrong:?}");
    }
}
