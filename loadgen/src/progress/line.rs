//! The figures of a moment on one line.

use super::Length;
use crate::record::Count;
use crate::result::{Now, latency_of};
use crate::units;

/// Everything, where there is one line.
pub fn both(now: &Now<'_>) -> String {
    let parts = [figures(now), cost(now)];
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    said.join(" · ")
}

/// Rate and latency of the last second; latency so far in this phase. Empty where nothing is counted.
pub fn figures(now: &Now<'_>) -> String {
    let Some(unit) = now.unit else { return String::new() };
    let second = now.second;
    let rate = times(now) as f64 / second.seconds.max(1e-3);
    let mut parts = vec![format!("{} {}/s", units::figure(rate), noun(unit))];
    if let Some(brief) = second.latencies.get(latency_of(unit).name()) {
        parts.push(format!("p50 {}", units::time_us(brief.p50_us)));
        parts.push(format!("p99 {}", units::time_us(brief.p99_us)));
    }
    if let Some(so_far) = now.p99_us_so_far {
        parts.push(format!("p99 so far {}", units::time_us(so_far)));
    }
    parts.join(" · ")
}

/// What it costs the server, and what went wrong.
pub fn cost(now: &Now<'_>) -> String {
    let mut parts: Vec<String> = server(now).into_iter().collect();
    parts.push(format!("{} errors", units::whole(now.errors)));
    if now.wrong > 0 {
        parts.push(format!("{} LOST OR WRONG", units::whole(now.wrong)));
    }
    parts.join(" · ")
}

/// How far a phase has come.
pub fn so_far(seconds: f64, length: Length) -> String {
    match length {
        Length::Seconds(all) => format!("{seconds:.0} of {all:.0} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// How often the last second saw what is counted.
fn times(now: &Now<'_>) -> u64 {
    let count = now.unit.and_then(|unit| now.second.counts.get(unit.name()));
    count.copied().unwrap_or(0)
}

fn server(now: &Now<'_>) -> Option<String> {
    let load = now.second.server?;
    let times = times(now);
    let each = load.cores * now.second.seconds * 1e6 / times.max(1) as f64;
    let each = if times > 0 {
        format!(" ({} µs each)", units::figure(each))
    } else {
        String::new()
    };
    Some(format!(
        "server {:.2} cores{each}, {}",
        load.cores,
        units::bytes(load.resident_bytes as f64)
    ))
}

/// What is counted, in a word.
fn noun(unit: Count) -> &'static str {
    match unit {
        Count::LoginsOk => "logins",
        Count::MessagesSent | Count::MessagesReceived | Count::RoomSent | Count::RoomReceived => "messages",
        Count::PresenceSent | Count::PresenceReceived => "presences",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Brief, Load, Second};

    #[test]
    fn a_line_says_rate_latency_cost_and_errors() {
        let second = Second {
            at_s: 9.0,
            seconds: 2.0,
            counts: [("messages_received".to_owned(), 1_000_000)].into(),
            latencies: [(
                "message".to_owned(),
                Brief {
                    count: 1,
                    p50_us: 180.0,
                    p99_us: 1900.0,
                    max_us: 2e6,
                },
            )]
            .into(),
            server: Some(Load {
                cores: 0.5,
                resident_bytes: 3 << 20,
                threads: 3,
            }),
            ..Second::default()
        };
        let mut now = Now {
            second: &second,
            unit: Some(Count::MessagesReceived),
            p99_us_so_far: Some(2100.0),
            errors: 1234,
            wrong: 0,
        };
        assert_eq!(
            both(&now),
            "500,000 messages/s · p50 180 µs · p99 1.90 ms · p99 so far 2.10 ms · \
             server 0.50 cores (1.00 µs each), 3.00 MiB · 1,234 errors"
        );
        now.wrong = 2;
        assert!(both(&now).ends_with("2 LOST OR WRONG"));
        now.unit = None;
        assert!(both(&now).starts_with("server 0.50 cores, 3.00 MiB"));
        assert_eq!(so_far(4.6, Length::Seconds(30.0)), "5 of 30 s");
    }
}
