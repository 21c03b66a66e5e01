//! The law of the house, over the sources of the whole workspace: layering, unsafe code, module headers, sizes.
//!
//! What can be decided is a failure; what is a matter of taste (sizes) is printed, to be seen with `--nocapture`.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, its tests not counted, above which it is listed.
const FILE_LINES: usize = 400;

/// Lines of a function above which it is listed.
const FUNCTION_LINES: usize = 40;

struct Source {
    /// Relative to the workspace, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        ["/tests/", "/tests.rs", "/benches/", "/examples/", "/fuzz/"]
            .iter()
            .any(|part| self.path.contains(part))
            || self.path.starts_with("tests/")
    }

    /// Within one of these folders or files?
    fn within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// Lines of code with their numbers: no comments, no tests at the file's end, no string contents.
    fn code(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        let own = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..own].lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, without_strings(line)))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The line without what stands in quotes and behind `//`.
fn without_strings(line: &str) -> String {
    let mut plain = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => {
                characters.next();
            }
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            _ if !quoted => plain.push(character),
            _ => {}
        }
    }
    plain
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace is above this crate")
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    for folder in ["engine", "storage", "frontends", "loadgen", "perf", "benches", "tests"] {
        collect(&root, &root.join(folder), &mut found);
    }
    assert!(found.len() > 50, "the sources are found: {}", found.len());
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source {
                path: relative,
                text: fs::read_to_string(&path).expect("sources are text"),
            });
        }
    }
}

/// Fails with the list, if there is any.
fn none(rule: &str, breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

/// Lines of code in `places`, outside of `except`, that name one of `words`.
fn naming(sources: &[Source], places: &[&str], except: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.within(places) && !source.within(except) && !source.is_test())
    {
        for (number, line) in source.code() {
            if let Some(word) = words.iter().find(|word| names(&line, word)) {
                found.push(format!("{}:{number} names {word}", source.path));
            }
        }
    }
    found
}

/// Whether a word stands in a line, not as part of a longer one.
fn names(line: &str, word: &str) -> bool {
    let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

#[test]
fn every_module_says_what_it_is_for() {
    let headless = |source: &&Source| !source.text.trim_start().starts_with("//!");
    let breaches = sources()
        .iter()
        .filter(headless)
        .map(|source| source.path.clone())
        .collect();
    none("a module opens with //!", breaches);
}

#[test]
fn the_ring_is_named_in_one_place() {
    let sources = sources();
    let ring = ["monoio", "io_uring"];
    none(
        "only engine/rt names the ring",
        naming(&sources, &["engine/", "storage/", "frontends/"], &["engine/rt/"], &ring),
    );
    let libc = naming(
        &sources,
        &["engine/", "storage/", "frontends/"],
        &["engine/rt/", "storage/src/disk/"],
        &["libc"],
    );
    none("only engine/rt and storage/src/disk name libc", libc);
}

#[test]
fn dependencies_point_one_way() {
    let sources = sources();
    let above_engine = [
        "crosspoint_xmpp",
        "crosspoint_icpp",
        "crosspoint_tls",
        "crosspoint_http",
        "crosspoint_server",
        "httparse",
        "quick_xml",
        "rxml",
        "rustls",
    ];
    none(
        "the engine knows no front-end and no XML",
        naming(&sources, &["engine/"], &[], &above_engine),
    );
    none(
        "storage knows nothing above it",
        naming(
            &sources,
            &["storage/"],
            &[],
            &[
                "crosspoint_engine",
                "crosspoint_xmpp",
                "crosspoint_tls",
                "crosspoint_server",
            ],
        ),
    );
    none(
        "TLS and HTTP know no other part",
        naming(
            &sources,
            &["frontends/tls/", "frontends/http/"],
            &[],
            &[
                "crosspoint_engine",
                "crosspoint_storage",
                "crosspoint_xmpp",
                "crosspoint_icpp",
                "crosspoint_server",
            ],
        ),
    );
    none(
        "rustls is named in one crate",
        naming(
            &sources,
            &["engine/", "storage/", "frontends/"],
            // Client libraries are no part of the server.
            &["frontends/tls/", "frontends/icpp/clients/"],
            &["rustls"],
        ),
    );
}

#[test]
fn front_ends_do_not_know_each_other() {
    let sources = sources();
    // What is shared by front-ends is not one of them; the server composes them all.
    let shared = ["tls", "http", "server"];
    let folders = fs::read_dir(root().join("frontends")).expect("there are front-ends");
    let names: Vec<String> = folders
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !shared.contains(&name.as_str()))
        .collect();
    assert!(names.iter().any(|name| name == "xmpp"));
    for name in &names {
        let others: Vec<String> = names
            .iter()
            .filter(|other| *other != name)
            .map(|other| format!("crosspoint_{other}"))
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        none(
            "a front-end knows no other",
            naming(&sources, &[&format!("frontends/{name}/")], &[], &others),
        );
    }
}

#[test]
fn codecs_and_sessions_do_no_input_or_output_and_read_no_clock() {
    let sources = sources();
    let world = [
        "std::net",
        "std::fs",
        "std::thread",
        "Instant",
        "SystemTime",
        "getrandom",
        "tokio",
        "async",
        "await",
    ];
    let mut pure: Vec<String> = Vec::new();
    for name in ["codec", "session", "features", "stanza"] {
        pure.push(format!("frontends/xmpp/src/{name}/"));
    }
    pure.push("engine/src/shard/".to_owned());
    pure.push("frontends/icpp/clients/rust/src/core/".to_owned());
    pure.push("frontends/http/src/".to_owned());
    let pure: Vec<&str> = pure.iter().map(String::as_str).collect();
    let found = naming(&sources, &pure, &[], &world);
    // An address is data, not a socket.
    let found = found
        .into_iter()
        .filter(|breach| !breach.ends_with("std::net"))
        .collect();
    none("time, randomness and bytes are arguments", found);
}

#[test]
fn unsafe_code_stays_in_the_facade_and_the_mailbox() {
    let sources = sources();
    // The last one is an allocator, for tests alone.
    let places = ["engine/rt/", "engine/src/mailbox/", "benches/src/counting.rs"];
    none(
        "unsafe only in engine/rt, engine/src/mailbox and the counting allocator",
        naming(
            &sources,
            &["engine/", "storage/src/", "frontends/", "benches/"],
            &places,
            &["unsafe"],
        ),
    );
    for source in sources
        .iter()
        .filter(|source| source.within(&places) && !source.is_test())
    {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.code() {
            let opens =
                names(&line, "unsafe") && (line.contains('{') || line.contains("impl")) && !line.contains("unsafe fn");
            let above = &lines[number.saturating_sub(6)..number];
            assert!(
                !opens || above.iter().any(|line| line.contains("SAFETY")),
                "{}:{number} has no // SAFETY:",
                source.path
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let sources = sources();
    let words = ["todo!", "unimplemented!", "dbg!"];
    let mut found = Vec::new();
    for source in &sources {
        for (number, line) in source.code() {
            found.extend(
                words
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{number} has {word}", source.path)),
            );
        }
        // Put together, so that this file does not break its own rule.
        let notes = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
        for (index, line) in source.text.lines().enumerate() {
            found.extend(
                notes
                    .iter()
                    .filter(|note| names(line, note))
                    .map(|note| format!("{}:{} has {note}", source.path, index + 1)),
            );
        }
    }
    none("what is not done is not in the code", found);
}

#[test]
fn sizes_are_shown() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let lines = source.code().last().map_or(0, |(number, _)| number);
        if lines > FILE_LINES {
            println!("long file: {} has {lines} lines", source.path);
        }
        for (name, start, length) in functions(source) {
            if length > FUNCTION_LINES {
                println!("long function: {}:{start} {name} has {length} lines", source.path);
            }
        }
    }
}

/// Name, first line and length of each function, found by the indentation that rustfmt gives.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    for (number, line) in source.code() {
        let indentation = line.len() - line.trim_start().len();
        if let Some((name, start, depth)) = &open {
            if indentation == *depth && line.trim_start().starts_with('}') {
                found.push((name.clone(), *start, number + 1 - start));
                open = None;
            }
        } else if let Some(name) = line
            .split("fn ")
            .nth(1)
            .filter(|_| names(&line, "fn") && !line.trim_end().ends_with([';', '}']))
        {
            let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
            open = Some((name, number, indentation));
        }
    }
    found
}
