//! Prometheus' text format 0.0.4, as much of it as figures by shard need, and tolerant of the rest.
//!
//! ```text
//! # TYPE crosspoint_messages_total counter
//! crosspoint_messages_total{shard="0"} 1234
//! ```
//!
//! Invariants: a line that cannot be understood is skipped, since it is another program's; text is looked at once, and
//! [`SERIES_MAX`] bounds what is kept of it.

use std::collections::BTreeMap;

/// A page with more series by shard than this is cut.
pub const SERIES_MAX: usize = 20_000;

/// What a metric's name and help say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// The values of one metric by shard.
#[derive(Clone, Debug, PartialEq)]
pub struct ByShard {
    pub kind: Kind,
    pub help: String,
    pub values: BTreeMap<u32, f64>,
}

/// All metrics of a page that have a label `shard`, by name. Several series of a shard (by protocol, say) are summed.
pub fn by_shard(page: &str) -> BTreeMap<String, ByShard> {
    let mut metrics: BTreeMap<String, ByShard> = BTreeMap::new();
    let mut comments = Comments::default();
    for line in page.lines().take(SERIES_MAX) {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            comments.read(comment.trim_start());
        } else if let Some((name, shard, value)) = series(line) {
            let metric = metrics.entry(name.to_owned()).or_insert_with(|| ByShard {
                kind: comments.kind(name),
                help: comments.help.get(name).cloned().unwrap_or_default(),
                values: BTreeMap::new(),
            });
            *metric.values.entry(shard).or_default() += value;
        }
    }
    metrics
}

#[derive(Default)]
struct Comments {
    kinds: BTreeMap<String, String>,
    help: BTreeMap<String, String>,
}

impl Comments {
    fn read(&mut self, comment: &str) {
        let mut words = comment.splitn(3, ' ');
        if let (Some(word), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) {
            let kept = match word {
                "TYPE" => &mut self.kinds,
                "HELP" => &mut self.help,
                _ => return,
            };
            kept.insert(name.to_owned(), rest.trim().to_owned());
        }
    }

    /// What only grows is a counter, whatever its type says: time of CPU is often called a gauge.
    fn kind(&self, name: &str) -> Kind {
        let grows = name.ends_with("_total") || name.contains("_cpu_");
        match self.kinds.get(name).map(String::as_str) {
            Some("counter") => Kind::Counter,
            _ if grows => Kind::Counter,
            _ => Kind::Gauge,
        }
    }
}

/// `name{labels} value [time]`, if one of the labels is a shard's number. Buckets of histograms are left out.
fn series(line: &str) -> Option<(&str, u32, f64)> {
    let (name, rest) = line.split_once('{')?;
    let mut labels = Labels(rest);
    let mut shard = None;
    while let Some((key, value)) = labels.next()? {
        match key {
            "shard" => shard = value.parse().ok(),
            "le" | "quantile" => return None,
            _ => {}
        }
    }
    let value: f64 = labels.0.split_ascii_whitespace().next()?.parse().ok()?;
    (valid_name(name) && value.is_finite()).then_some((name, shard?, value))
}

fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

/// What stands behind a brace.
struct Labels<'a>(&'a str);

impl<'a> Labels<'a> {
    /// The next label as it is written, escapes and all; `Some(None)` behind the closing brace; `None` if it is not one.
    fn next(&mut self) -> Option<Option<(&'a str, &'a str)>> {
        let rest = self.0.trim_start_matches([' ', ',']);
        if let Some(behind) = rest.strip_prefix('}') {
            self.0 = behind;
            return Some(None);
        }
        let (key, rest) = rest.split_once('=')?;
        let rest = rest.trim_start().strip_prefix('"')?;
        let mut escaped = false;
        let end = rest.find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        })?;
        self.0 = &rest[end + 1..];
        Some(Some((key.trim(), &rest[..end])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
# HELP crosspoint_messages_total Messages routed.
# TYPE crosspoint_messages_total counter
crosspoint_messages_total{shard="0"} 10
crosspoint_messages_total{shard="1"} 32 1395066363000
# TYPE crosspoint_sessions gauge
crosspoint_sessions{protocol="a\"},{b", shard="1",} 5
crosspoint_sessions{protocol="c",shard="1"} 2.5
crosspoint_shard_cpu_nanoseconds{shard="0"} 1e9
process_resident_memory_bytes 1000
commit_seconds_bucket{shard="0",le="+Inf"} 4
broken{shard="0" 1
broken{shard="0"}
broken{shard="0"} NaN
broken{shard="x"} 1
not prometheus at all
"#;

    #[test]
    fn figures_of_shards_are_found_among_others() {
        let metrics = by_shard(PAGE);
        assert_eq!(
            metrics.keys().collect::<Vec<_>>(),
            [
                "crosspoint_messages_total",
                "crosspoint_sessions",
                "crosspoint_shard_cpu_nanoseconds"
            ]
        );
        let messages = &metrics["crosspoint_messages_total"];
        assert_eq!((messages.kind, &*messages.help), (Kind::Counter, "Messages routed."));
        assert_eq!(messages.values, BTreeMap::from([(0, 10.0), (1, 32.0)]));
        assert_eq!(metrics["crosspoint_sessions"].kind, Kind::Gauge);
        assert_eq!(metrics["crosspoint_sessions"].values, BTreeMap::from([(1, 7.5)]));
        assert_eq!(metrics["crosspoint_shard_cpu_nanoseconds"].kind, Kind::Counter);
    }
}
