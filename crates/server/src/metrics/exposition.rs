//! The two texts in which Prometheus reads metrics, of which it names the ones that it takes.

use std::collections::HashSet;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.0, for those who ask for it.
    OpenMetrics,
    /// Prometheus's own text format, version 0.0.4.
    Text,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// Returns the format that an `Accept` header asks for: OpenMetrics only if it is named, and not after plain text.
    pub(crate) fn accepted(accept: &str) -> Self {
        let (mut open_metrics, mut text) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            match kind.as_str() {
                OPEN_METRICS => open_metrics = quality.max(open_metrics),
                "text/plain" => text = quality.max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// Returns what `Content-Type` says.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Returns an OpenMetrics text in this format.
    ///
    /// They differ in that version 0.0.4 describes a counter under the name of its sample, which ends in `_total`, and has neither
    /// units nor an end mark (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
    pub(super) fn of_open_metrics(self, text: String) -> String {
        if self == Self::OpenMetrics {
            return text;
        }
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let counters: HashSet<&str> = types.filter_map(|line| line.strip_suffix(" counter")).collect();
        let mut plain = String::with_capacity(text.len());
        for line in text.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
            let described = ["# HELP ", "# TYPE "].into_iter().find_map(|mark| Some((mark, line.strip_prefix(mark)?)));
            let described = described.and_then(|(mark, rest)| Some((mark, rest.split_once(' ')?)));
            match described {
                Some((mark, (name, rest))) if counters.contains(name) => {
                    plain.extend([mark, name, "_total ", rest]);
                }
                _ => plain.push_str(line),
            }
            plain.push('\n');
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_only_goes_to_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.1";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; q=0", Format::Text),
            ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.1", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }

    #[test]
    fn a_counter_is_described_under_the_name_of_its_sample_in_plain_text() {
        let open = "# HELP a Help.\n# TYPE a counter\n# UNIT a bytes\na_total{x=\"# EOF\"} 1\n# HELP b_a Gauge.\n# TYPE b_a gauge\nb_a 2\n# EOF\n";
        let plain = "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"# EOF\"} 1\n# HELP b_a Gauge.\n# TYPE b_a gauge\nb_a 2\n";
        assert_eq!(Format::Text.of_open_metrics(open.to_owned()), plain);
        assert_eq!(Format::OpenMetrics.of_open_metrics(open.to_owned()), open);
    }
}
