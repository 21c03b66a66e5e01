//! `crosspoint top` against the built binary: a server with a few sessions, alive, then killed; recorded, then replayed.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use common::{Scratch, Server, done, fails, run, text};
use serde_json::Value;

const IN_THE_CLEAR: [&str; 4] = ["--xmpp-tls", "off", "--set", "xmpp.tls_terminated_by_proxy=true"];

/// A server on loopback whose encryption somebody else has taken off, so that a client is a few lines.
fn server(data: &Path) -> Server {
    Server::anywhere(data, &IN_THE_CLEAR)
}

/// A client that speaks as it is told.
struct Client(TcpStream);

impl Client {
    fn arrive(server: &Server, name: &str) -> Client {
        let stream = TcpStream::connect(server.xmpp).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut client = Client(stream);
        let open = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";
        client.say(open, "</stream:features>");
        let proof = base64::engine::general_purpose::STANDARD.encode(format!("\0{name}\0secret"));
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>");
        client.say(&auth, "<success");
        client.say(open, "</stream:features>");
        client.say(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            "</iq>",
        );
        client.say("<presence/>", "<presence");
        client
    }

    /// Says something and waits for an answer with this in it.
    fn say(&mut self, words: &str, answer: &str) {
        self.0.write_all(words.as_bytes()).unwrap();
        self.hear(answer, 1);
    }

    /// Tells her something, and waits until she has it.
    fn write_to_juliet(&mut self, juliet: &mut Client) {
        let message = "<message to='juliet@localhost' type='chat'><body>But, soft!</body></message>";
        self.0.write_all(message.as_bytes()).unwrap();
        juliet.hear("</message>", 1);
    }

    /// Waits until this has come so many times.
    fn hear(&mut self, words: &str, times: usize) {
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        while heard.matches(words).count() < times {
            let count = self.0.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the server hung up: {heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}

/// Enough that some of the sampled turns, one in 61, have one of them.
const SAID: usize = 300;

/// Romeo and Juliet are there, and he has told her many things.
fn chat(server: &Server) -> (Client, Client) {
    for name in ["romeo", "juliet"] {
        server.add_user(&format!("{name}@localhost"), "secret");
    }
    let (mut romeo, mut juliet) = (Client::arrive(server, "romeo"), Client::arrive(server, "juliet"));
    for _ in 0..SAID {
        romeo.write_to_juliet(&mut juliet);
    }
    (romeo, juliet)
}

fn sum(figures: &Value, name: &str) -> f64 {
    let shards = figures["shards"].as_array().unwrap();
    shards.iter().map(|shard| shard[name].as_f64().unwrap()).sum()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&done(arguments, "")).unwrap()
}

#[test]
fn top_shows_who_is_there_and_what_was_said_while_the_server_runs_and_after_it_was_killed() {
    let scratch = Scratch::new();
    let server = server(scratch.path());
    let data = server.data();
    let people = chat(&server);
    let top = ["top", "--data", &data, "--once", "--json", "--interval", "0.3"];

    let figures = json(&top);
    assert_eq!(figures["server"]["alive"], true);
    assert_eq!(figures["server"]["process"], server.pid());
    assert_eq!(figures["shards"].as_array().unwrap().len(), 2);
    assert_eq!((sum(&figures, "sessions"), sum(&figures, "connections")), (2.0, 2.0));
    // A shard with nothing to do still turns ten times a second.
    assert!(sum(&figures, "turns_per_s") > 0.0);

    let table = done(&["top", "--data", &data, "--once", "--interval", "0.1"], "");
    assert!(table.contains("-- overview") && table.contains("-- talkers"), "{table}");

    server.kill();
    drop(people);
    let figures = json(&top);
    assert_eq!(figures["server"]["alive"], false);
    assert_eq!(figures["shards"][0]["sqes_per_s"], Value::Null, "its ring is gone");
    let said = sum(&figures, "in_per_s") * figures["interval_s"].as_f64().unwrap();
    assert_eq!(said.round(), SAID as f64, "what Romeo said");
    assert_eq!(figures["shards"][0]["health"], "gone");
    let names: Vec<&str> = figures["talkers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    assert!(names.contains(&"romeo@localhost"), "{figures:#}");
}

#[test]
fn entries_of_the_ring_are_counted_for_each_message_and_belong_to_its_shard() {
    let scratch = Scratch::new();
    let server = server(scratch.path());
    let (mut romeo, mut juliet) = chat(&server);
    let over = AtomicBool::new(false);
    let figures = thread::scope(|scope| {
        // Each message comes alone, so that its shard waits for it on the ring.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                romeo.write_to_juliet(&mut juliet);
            }
        });
        let data = server.data();
        let looked = catch_unwind(|| json(&["top", "--data", &data, "--once", "--json", "--interval", "1"]));
        over.store(true, Ordering::Relaxed);
        looked.unwrap()
    });
    let mut talking = 0;
    for shard in figures["shards"].as_array().unwrap() {
        assert!(
            shard["sqes_per_s"].is_number() && shard["cqes_per_s"].is_number(),
            "{shard:#}"
        );
        if let (Some(entries), Some(polls)) = (shard["sqes_each"].as_f64(), shard["polls_each"].as_f64()) {
            // Every poll is an entry; the counters are not read at the same instant. Those of another shard's ring would
            // be a few a second.
            assert!(entries > 0.8 * polls && polls > 0.0, "{shard:#}");
            talking += 1;
        }
    }
    assert_eq!(talking, 1, "Romeo's shard: {figures:#}");
}

#[test]
fn enters_are_counted_by_the_kernel_for_whoever_may_and_turns_stand_for_them_else() {
    let scratch = Scratch::new();
    let server = server(scratch.path());
    let (mut romeo, mut juliet) = chat(&server);
    let over = AtomicBool::new(false);
    let data = server.data();
    let look = ["top", "--data", &data, "--once", "--json", "--interval", "1"];
    let counting = [&look[..], &["--enters"]].concat();
    let (by_turns, by_kernel) = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                romeo.write_to_juliet(&mut juliet);
            }
        });
        let looked = catch_unwind(|| (json(&look), run(&counting, "")));
        over.store(true, Ordering::Relaxed);
        looked.unwrap()
    });
    for shard in by_turns["shards"].as_array().unwrap() {
        assert_eq!(shard["enters_from"], "turns");
        assert_eq!(shard["enters_per_s"], shard["turns_per_s"]);
    }
    let (printed, said) = (text(&by_kernel.stdout), text(&by_kernel.stderr));
    if !by_kernel.status.success() {
        // Not everybody may count; whoever may not is told what it takes.
        assert!(said.contains("CAP_PERFMON"), "{said}");
        return;
    }
    let by_kernel: Value = serde_json::from_str(&printed).unwrap();
    for shard in by_kernel["shards"].as_array().unwrap() {
        assert_eq!(shard["enters_from"], "kernel");
        let (enters, turns) = (
            shard["enters_per_s"].as_f64().unwrap(),
            shard["turns_per_s"].as_f64().unwrap(),
        );
        // What the README says of turns: that they stand for enters.
        assert!(enters > 0.5 * turns && enters < 2.0 * turns, "{shard:#}");
    }
}

#[test]
fn what_is_recorded_is_replayed() {
    let scratch = Scratch::new();
    let server = server(&scratch.path().join("data"));
    let _people = chat(&server);
    let record = scratch.at("record");
    for _ in 0..2 {
        done(
            &[
                "top",
                "--data",
                &server.data(),
                "--once",
                "--interval",
                "0.2",
                "--record",
                &record,
            ],
            "",
        );
    }
    server.kill();
    let played = done(&["top", "--replay", &record, "--speed", "0", "--json"], "");
    let played: Vec<Value> = played.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(played.len(), 3, "four looks, three intervals");
    for figures in &played {
        assert_eq!(
            (sum(figures, "sessions"), figures["server"]["alive"].as_bool()),
            (2.0, Some(true))
        );
    }
    let known = |figures: &Value| figures["shards"][1]["sqes_per_s"].is_number();
    assert!(
        known(&played[0]) && known(&played[2]),
        "the rings are in it: {played:#?}"
    );
    let interval = played[0]["interval_s"].as_f64().unwrap();
    assert!((0.2..5.0).contains(&interval), "{interval}");
}

#[test]
fn the_statistics_of_a_server_are_for_its_owner_and_name_nobody_if_it_is_told_so() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let more = [&IN_THE_CLEAR[..], &["--set", "stats.talkers=false"]].concat();
    let server = Server::anywhere(scratch.path(), &more);
    let _people = chat(&server);
    let file = scratch.path().join("stats");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = std::fs::read(file).unwrap();
    assert!(!bytes.windows(5).any(|part| part == b"romeo"), "nobody is named");
}

#[test]
fn a_second_server_of_the_same_folder_leaves_the_statistics_of_the_first_alone() {
    let scratch = Scratch::new();
    let server = server(scratch.path());
    let (data, any) = (server.data(), "127.0.0.1:0");
    fails(
        &[
            "serve", "--data", &data, "--xmpp", any, "--xmpps", any, "--icpp", any, "--icpps", any, "--admin", "off",
        ],
        1,
    );
    let figures = json(&["top", "--data", &data, "--once", "--json", "--interval", "0.1"]);
    assert_eq!(figures["server"]["process"], server.pid());
    assert_eq!(figures["server"]["alive"], true);
    let left: Vec<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().starts_with("stats.")),
        "{left:?}"
    );
}

#[test]
fn where_no_server_has_been_or_the_file_is_another_top_says_so_and_what_to_do() {
    let scratch = Scratch::new();
    let data = scratch.at("");
    let error = fails(&["top", "--data", &data, "--once"], 1);
    assert!(
        error.contains("no server has left statistics") && error.contains("--data"),
        "{error}"
    );
    std::fs::write(scratch.path().join("stats"), b"XPSTATS\n\x09\0\0\0").unwrap();
    let error = fails(&["top", "--data", &data, "--once"], 1);
    assert!(error.contains("its layout is 9"), "{error}");
    let error = fails(&["top", "--data", &data, "--once", "--interval", "0"], 1);
    assert!(error.contains("--interval"), "{error}");
}
