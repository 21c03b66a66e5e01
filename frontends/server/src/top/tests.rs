//! What is shown of a fixed sample: the figures, each view on a screen of a fixed size, the keys.

use crosspoint_engine::metrics::layout::{Head, Scope};
use crosspoint_engine::metrics::split::Stage;
use crosspoint_engine::metrics::{About, Doing, Metrics, reading};
use crosspoint_storage::stats::bucket;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::figures::{Counted, Figures, Health};
use super::ring::Ring;
use super::screen::{Screen, Wish};
use super::snapshot::Snapshot;
use super::views::{Sort, View, lines};
use crate::testing::Scratch;

/// The monotonic clock of the samples, at second 0.
const ZERO_NS: u64 = 1_000_000_000_000;

/// Two shards after so many seconds of a steady load: 1000 messages a second from shard 0 to shard 1.
pub(super) fn sample(seconds: u64) -> Snapshot {
    let scratch = Scratch::new();
    let about = About {
        version: "0.1.0".to_owned(),
        domain: "example.org".to_owned(),
        started_unix_ms: 1_000_000,
        protocols: vec!["xmpp"],
        talkers: true,
    };
    let path = scratch.path().join("stats");
    let metrics = Metrics::in_file(&path, &about, 2).unwrap();
    let now_ns = ZERO_NS + seconds * 1_000_000_000;
    for number in 0..2 {
        let shard = metrics.shard(number);
        shard.heartbeat_ns[0].set(now_ns);
        shard.sessions.set(100);
        shard.connections.set(101);
        shard.turns.add(500 * seconds);
        shard.turn_sum_ns[0].add(250_000_000 * seconds);
        shard.turn_counts[bucket(500_000)].add(490 * seconds);
        shard.turn_counts[bucket(1_500_000)].add(10 * seconds);
        shard.cpu_ns.add(300_000_000 * seconds);
    }
    let (from, to) = (metrics.shard(0), metrics.shard(1));
    from.stanzas_in[0].add(1_000 * seconds);
    from.reads.add(1_500 * seconds);
    from.polls.add(1_000 * seconds);
    from.doing_ns[reading(0)].add(200_000_000 * seconds);
    from.doing_ns[Doing::Ship as usize].add(50_000_000 * seconds);
    for (stage, ns) in [
        (Stage::Read, 3_000),
        (Stage::Parse, 500),
        (Stage::Route, 200),
        (Stage::Mailbox, 100),
    ] {
        from.split_ns[stage as usize].add(ns * 16 * seconds);
    }
    from.split_in[0].add(16 * seconds);
    metrics.pairs(0).items[1].add(1_000 * seconds);
    to.stanzas_out[0].add(1_000 * seconds);
    to.writes.add(250 * seconds);
    to.items_in.add(1_000 * seconds);
    to.mail_high.set(40);
    to.doing_ns[Doing::Flush as usize].add(250_000_000 * seconds);
    to.split_ns[Stage::Write as usize].add(4_000 * 16 * seconds);
    to.split_out[0].add(16 * seconds);
    to.stalls[Doing::Flush as usize].add(seconds);
    to.stall_max_ns[Doing::Flush as usize].set(3_400_000);
    let process = metrics.process();
    process.log_commits[0].add(40 * seconds);
    process.log_group_counts[bucket(100_000)].add(40 * seconds);
    process.log_commit_bytes_counts[bucket(4_096)].add(40 * seconds);
    process.log_requests_counts[bucket(5)].add(40 * seconds);
    process.resident_bytes[0].set(50 << 20);
    let mut bytes = std::fs::read(&path).unwrap();
    // The process's number, which differs from run to run.
    bytes[16..24].copy_from_slice(&4_242_u64.to_ne_bytes());
    let mut sample = Snapshot::new(bytes, 1_000_000 + seconds * 1_000, now_ns, true).unwrap();
    // The counters wrap between the looks of most tests.
    let ring = |each: u32| Ring {
        entries: (u32::MAX - each * 61).wrapping_add(each * seconds as u32),
        completions: each * 2 * seconds as u32,
    };
    sample.rings = vec![Some(ring(1_250)), Some(ring(10))];
    sample
}

fn figures() -> Figures {
    Figures::between(Some(&sample(60)), &sample(62))
}

/// Sets a shard's cell in a sample.
fn set(snapshot: &mut Snapshot, shard: usize, name: &str, value: u64) {
    let offset = Head::decode(&snapshot.bytes)
        .unwrap()
        .column(Scope::Shard, name)
        .unwrap()
        .offset;
    let at = snapshot.head.blocks.shards + shard * snapshot.head.blocks.stride + offset;
    snapshot.bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
}

fn shown(screen: &mut Screen, figures: &Figures, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame, figures)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let row = |row: u16| {
        (0..width)
            .map(|column| buffer[(column, row)].symbol())
            .collect::<String>()
    };
    (0..height).map(|number| row(number).trim_end().to_owned()).collect()
}

fn screen() -> Screen {
    Screen::new(std::time::Duration::from_secs(1))
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn rates_and_quantiles_are_those_of_the_interval() {
    let figures = figures();
    let [from, to] = &figures.shards[..] else {
        panic!("two shards")
    };
    assert_eq!(figures.interval_s, 2.0);
    assert_eq!((from.in_per_s, from.out_per_s, to.out_per_s), (1_000.0, 0.0, 1_000.0));
    assert_eq!((from.busy, from.cpu, from.turns_per_s), (0.25, 0.3, 500.0));
    assert!((from.turn_p50_us.unwrap() / 500.0 - 1.0).abs() < 0.125);
    assert!(
        (from.turn_p99_us.unwrap() / 1_500.0 - 1.0).abs() < 0.7,
        "{:?}",
        from.turn_p99_us
    );
    assert_eq!(from.split_ns[0], ("read".to_owned(), Some(3_000.0)));
    assert_eq!(to.split_ns[5], ("write".to_owned(), Some(4_000.0)));
    assert_eq!((from.reads_each, to.writes_each), (Some(1.5), Some(0.25)));
    assert_eq!((from.sqes_per_s, from.sqes_each), (Some(1_250.0), Some(1.25)));
    assert_eq!(
        (to.sqes_per_s, to.sqes_each, to.cqes_per_s),
        (Some(10.0), None, Some(20.0))
    );
    assert_eq!(figures.pairs_per_s, vec![vec![0.0, 1_000.0], vec![0.0, 0.0]]);
    assert_eq!((to.stalls, to.stalls_now), (62, 2));
    assert_eq!(to.stalls_by, vec![("flush".to_owned(), 62, 3_400.0)]);
    assert_eq!(figures.log.commits_per_s, 40.0);
}

#[test]
fn enters_are_the_kernels_count_where_there_is_one_and_turns_where_not() {
    let of = |figures: &Figures| (figures.shards[0].enters_per_s, figures.shards[0].enters_each);
    let figures = figures();
    assert_eq!(
        (of(&figures), figures.shards[0].enters_from),
        ((500.0, Some(0.5)), Counted::Turns)
    );
    assert_eq!(
        (figures.shards[1].enters_per_s, figures.shards[1].enters_each),
        (500.0, None)
    );

    let (mut before, mut after) = (sample(60), sample(62));
    before.enters = vec![Some(7), None];
    after.enters = vec![Some(1_247), Some(3)];
    let figures = Figures::between(Some(&before), &after);
    assert_eq!(
        (of(&figures), figures.shards[0].enters_from),
        ((620.0, Some(0.62)), Counted::Kernel)
    );
    assert_eq!(figures.shards[1].enters_from, Counted::Turns, "it was not known before");
    let rows = lines(View::Overview, &figures, Sort::Shard);
    assert!(
        rows[1].to_string().contains("  0.62 ") && !rows[1].to_string().contains('~'),
        "{}",
        rows[1]
    );
    // A counter that was made anew.
    after.enters = vec![Some(1), Some(3)];
    let figures = Figures::between(Some(&before), &after);
    assert_eq!(figures.shards[0].enters_from, Counted::Turns);
}

#[test]
fn without_an_earlier_look_the_figures_are_since_the_start() {
    let figures = Figures::between(None, &sample(60));
    assert_eq!(figures.interval_s, 60.0);
    assert_eq!(figures.shards[0].in_per_s, 1_000.0);
    // The kernel's counters wrap, so what they have come to since the start is not known.
    assert_eq!(figures.shards[0].sqes_each, None);
    // So it is when the server was started anew in between.
    let mut other = sample(50);
    other.head.process += 1;
    assert_eq!(Figures::between(Some(&other), &sample(60)).interval_s, 60.0);
}

#[test]
fn a_shard_that_does_not_turn_is_wedged_and_says_in_what() {
    let mut look = sample(62);
    let silent_since = look.taken_ns - 3_200_000_000;
    set(&mut look, 1, "heartbeat_ns", silent_since);
    set(&mut look, 1, "turn_since_ns", silent_since);
    set(&mut look, 1, "doing", Doing::Login as u64);
    look.threads = vec!['S', 'R'];
    let figures = Figures::between(Some(&sample(60)), &look);
    assert_eq!(
        (figures.shards[0].health, figures.shards[1].health),
        (Health::Idle, Health::Wedged)
    );
    let rows = shown(&mut screen(), &figures, 120, 16);
    let expected = "shard 1 has not turned for 3.2 s, last doing: login, its thread runs";
    assert!(rows.iter().any(|row| row.contains(expected)), "{rows:#?}");
}

#[test]
fn the_figures_of_a_killed_server_are_shown_as_such() {
    let mut look = sample(62);
    look.alive = false;
    let figures = Figures::between(None, &look);
    assert_eq!(figures.shards[0].health, Health::Gone);
    assert_eq!(figures.shards[0].in_per_s, 1_000.0);
    assert!(shown(&mut screen(), &figures, 120, 10)[0].contains("GONE"));
}

#[test]
fn the_overview_is_as_it_was_drawn() {
    let rows = shown(&mut screen(), &figures(), 145, 13);
    let golden = include_str!("overview.txt");
    let golden: Vec<&str> = golden.lines().collect();
    assert_eq!(rows, golden, "\n{}", rows.join("\n"));
}

#[test]
fn every_view_is_drawn_on_every_size() {
    let figures = figures();
    for (width, height) in [(1, 1), (20, 4), (80, 24), (250, 80)] {
        let mut screen = screen();
        for view in '1'..='5' {
            assert_eq!(screen.key(key(KeyCode::Char(view))), Wish::Draw);
            screen.key(key(KeyCode::Down));
            shown(&mut screen, &figures, width, height);
        }
    }
}

#[test]
fn keys_turn_views_sort_pause_and_quit() {
    let figures = figures();
    let mut screen = screen();
    assert!(shown(&mut screen, &figures, 120, 12)[1].contains("by shard"));
    screen.key(key(KeyCode::Char('s')));
    assert!(shown(&mut screen, &figures, 120, 12)[1].contains("by busy"));
    screen.key(key(KeyCode::Tab));
    assert!(
        shown(&mut screen, &figures, 120, 12)
            .iter()
            .any(|row| row.contains("time of an envelope"))
    );
    screen.key(key(KeyCode::Char(' ')));
    assert!(shown(&mut screen, &figures, 120, 12)[1].contains("paused"));
    assert_eq!(screen.key(key(KeyCode::Char('q'))), Wish::Quit);
    assert_eq!(
        screen.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        Wish::Quit
    );
}

#[test]
fn shards_are_sorted_by_what_was_asked_for() {
    let mut figures = figures();
    figures.shards[1].busy = 0.9;
    let first = |sort| lines(View::Overview, &figures, sort)[1].to_string();
    assert!(first(Sort::Shard).starts_with("    0 "), "{}", first(Sort::Shard));
    assert!(first(Sort::Busy).starts_with("    1 "), "{}", first(Sort::Busy));
}

#[test]
fn machines_find_the_names_they_rely_on() {
    let json = serde_json::to_value(figures()).unwrap();
    for path in [
        "/server/process",
        "/server/alive",
        "/shards/0/health",
        "/shards/0/busy",
        "/shards/0/turn_p99_us",
        "/shards/0/in_per_s",
        "/shards/0/sessions",
        "/shards/0/sqes_each",
        "/shards/0/enters_each",
        "/shards/0/enters_from",
        "/shards/0/split_ns/0/1",
        "/pairs_per_s/0/1",
        "/log/commit_p99_us",
        "/talkers",
    ] {
        assert!(
            json.pointer(path).is_some_and(|value| !value.is_null()),
            "{path}: {json:#}"
        );
    }
}
