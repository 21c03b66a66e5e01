//! The limits of SPEC.md are those of the code.

use crosspoint_icpp::codec::FRAME_BYTES_BEFORE_LOGIN;
use crosspoint_icpp::limits::Limits;

/// With commas, as the document writes numbers.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn the_limits_are_those_of_the_document() {
    let section = include_str!("../SPEC.md").split("\n## 15. Limits").nth(1).unwrap();
    let limits = Limits::DEFAULT;
    let seconds = |ms: u64| format!("{} s", ms / 1000);
    let table: [(&str, Vec<String>); 14] = [
        ("frame before AUTHED", vec![number(FRAME_BYTES_BEFORE_LOGIN.into())]),
        ("frame (FRAME_MAX", vec![number(limits.frame_bytes.into())]),
        ("from the connection", vec![seconds(limits.login_ms)]),
        ("AUTHs that fail", vec![limits.auth_attempts.to_string()]),
        ("redirects in a chain", vec![limits.hops.to_string()]),
        (
            "silence (HEARTBEAT",
            vec![
                format!("{} s", limits.heartbeat_s),
                format!("{} s", limits.heartbeat_background_s),
            ],
        ),
        ("a session waits", vec![format!("{} s", limits.resume_seconds)]),
        (
            "a ticket is good",
            vec![format!("{} s", number(limits.ticket_seconds.into()))],
        ),
        (
            "the client's reliable frames",
            vec![number(limits.window.into()), limits.slow_window.to_string()],
        ),
        (
            "the server's (UNACKED_FRAMES",
            vec![
                number(limits.unacked_frames.into()),
                number(limits.unacked_bytes.into()),
            ],
        ),
        ("the same with what no log", vec![limits.unacked_excess.to_string()]),
        (
            "what a client may say in a second",
            vec![
                number(limits.pace.frames_per_s),
                format!("{} MiB", limits.pace.bytes_per_s / (1024 * 1024)),
            ],
        ),
        (
            "contacts whose presence is kept",
            vec![number(limits.deferred_presences as u64)],
        ),
        ("messages in a page of HISTORY", vec![limits.history_page.to_string()]),
    ];
    for (name, values) in table {
        let row = section
            .lines()
            .find(|line| line.trim_start_matches("| ").starts_with(name))
            .unwrap_or_else(|| panic!("no limit `{name}`"));
        let default = row.split('|').nth(2).unwrap();
        for value in values {
            assert!(default.contains(&value), "{name}: {value} is not in `{default}`");
        }
    }
}
