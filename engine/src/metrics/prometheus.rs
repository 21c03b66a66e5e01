//! The Prometheus text of all shards.

use std::fmt::Write as _;

use crosspoint_storage::stats::{BUCKETS, bucket};

use super::layout::Labels;
use super::{Cell, FIGURES, Metrics, ROWS, Row, ShardMetrics};

/// The longest turn that has a bucket of its own: 2^34 ns, some 17 s; the shortest: 2^9 ns.
const POWERS: std::ops::Range<u32> = 9..34;

/// Writes every figure, once for each shard.
pub(super) fn render(metrics: &Metrics) -> String {
    let mut text = String::with_capacity(FIGURES.len() * 160 * metrics.shards.len().max(1));
    for (kind, name, help, cell) in FIGURES {
        head(&mut text, kind, name, help);
        for (index, shard) in metrics.shards().enumerate() {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "{name}{{shard=\"{index}\"}} {}", cell(shard).get());
        }
    }
    for figure in ROWS {
        head(&mut text, figure.kind, figure.name, figure.help);
        for (index, shard) in metrics.shards().enumerate() {
            row(&mut text, metrics, figure, index, shard);
        }
    }
    pairs(&mut text, metrics);
    turns(&mut text, metrics);
    text
}

fn head(text: &mut String, kind: &str, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn row(text: &mut String, metrics: &Metrics, row: &Row, shard: usize, cells: &ShardMetrics) {
    let (name, key) = (row.name, key(row.labels));
    let labels = metrics.labels.iter().filter(|(set, ..)| *set == row.labels as u16);
    for (_, index, label) in labels {
        let Some(cell) = (row.cells)(cells).get(usize::from(*index)) else {
            continue;
        };
        let value = cell.get() as f64 / row.unit;
        let _ = writeln!(text, "{name}{{shard=\"{shard}\",{key}=\"{label}\"}} {value}");
    }
}

fn key(labels: Labels) -> &'static str {
    match labels {
        Labels::Doing => "doing",
        Labels::Stage => "stage",
        Labels::Protocol => "protocol",
    }
}

fn pairs(text: &mut String, metrics: &Metrics) {
    let name = "crosspoint_mailbox_pair_items_total";
    head(text, "counter", name, "Items sent from a shard to another.");
    for (from, pairs) in metrics.pairs.iter().enumerate() {
        for (to, items) in pairs.items.iter().enumerate() {
            let _ = writeln!(text, "{name}{{from=\"{from}\",to=\"{to}\"}} {}", items.get());
        }
    }
}

/// The histogram of turns, by powers of two.
fn turns(text: &mut String, metrics: &Metrics) {
    let name = "crosspoint_turn_seconds";
    head(text, "histogram", name, "Length of the shard's turns.");
    for (index, shard) in metrics.shards().enumerate() {
        let counts: [u64; BUCKETS] = std::array::from_fn(|bucket| shard.turn_counts[bucket].get());
        for power in POWERS {
            let below: u64 = counts[..bucket(1 << power)].iter().sum();
            let end = (1_u64 << power) as f64 / 1e9;
            let _ = writeln!(text, "{name}_bucket{{shard=\"{index}\",le=\"{end}\"}} {below}");
        }
        let all: u64 = counts.iter().sum();
        let sum = sum(&shard.turn_sum_ns) as f64 / 1e9;
        let _ = writeln!(text, "{name}_bucket{{shard=\"{index}\",le=\"+Inf\"}} {all}");
        let _ = writeln!(
            text,
            "{name}_sum{{shard=\"{index}\"}} {sum}\n{name}_count{{shard=\"{index}\"}} {all}"
        );
    }
}

fn sum(cells: &[Cell]) -> u64 {
    cells.iter().map(Cell::get).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::About;

    #[test]
    fn renders_each_cell_once_a_shard() {
        let metrics = Metrics::new(2);
        metrics.shard(1).messages.add(7);
        let text = metrics.render();
        assert!(text.contains("crosspoint_messages_total{shard=\"0\"} 0\n"));
        assert!(text.contains("crosspoint_messages_total{shard=\"1\"} 7\n"));
        assert_eq!(text.matches("# TYPE").count(), FIGURES.len() + ROWS.len() + 2);
    }

    #[test]
    fn names_follow_prometheus() {
        let names = FIGURES.iter().map(|(kind, name, ..)| (*kind, *name));
        for (kind, name) in names.chain(ROWS.iter().map(|row| (row.kind, row.name))) {
            assert!(name.starts_with("crosspoint_"), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        }
    }

    #[test]
    fn times_are_seconds_and_rows_have_labels() {
        let about = About {
            protocols: vec!["xmpp"],
            ..About::default()
        };
        let metrics = Metrics::in_memory(&about, 1);
        let shard = metrics.shard(0);
        shard.stanzas_in[0].add(3);
        shard.doing_ns[super::super::Doing::Flush as usize].add(1_500_000_000);
        shard.turn_counts[bucket(1_500)].add(1);
        shard.turn_sum_ns[0].add(1_500);
        let text = metrics.render();
        for line in [
            "crosspoint_stanzas_received_total{shard=\"0\",protocol=\"xmpp\"} 3\n",
            "crosspoint_shard_busy_seconds_total{shard=\"0\",doing=\"flush\"} 1.5\n",
            "crosspoint_turn_seconds_bucket{shard=\"0\",le=\"0.000001024\"} 0\n",
            "crosspoint_turn_seconds_bucket{shard=\"0\",le=\"0.000002048\"} 1\n",
            "crosspoint_turn_seconds_sum{shard=\"0\"} 0.0000015\n",
            "crosspoint_turn_seconds_count{shard=\"0\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
