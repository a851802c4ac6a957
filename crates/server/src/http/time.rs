//! Times in answers: RFC 3339, UTC.

use catalog::Moment;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A time. Answers have milliseconds with three digits always, so that times can be compared and sorted as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl From<Moment> for Time {
    fn from(moment: Moment) -> Self {
        Self(moment.0)
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .examples(["2026-01-15T12:00:00.000Z"])
            .into()
    }
}

impl ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_of_milliseconds_and_sort_as_text() {
        let shown = |text: &str| serde_json::to_value(Time(text.parse().unwrap())).unwrap();
        assert_eq!(shown("2026-01-15T12:00:00Z"), "2026-01-15T12:00:00.000Z");
        assert_eq!(shown("2026-01-15T12:00:55.33Z"), "2026-01-15T12:00:55.330Z");
        assert_eq!(shown("2026-01-15T12:00:59.999999999Z"), "2026-01-15T12:00:59.999Z");
    }
}
