//! The README's table of specifications is what the features declare: each at the version that was read, and where.
//!
//! A feature that declares one more makes this fail with the line that belongs into the table; only its name and the
//! remarks are written by hand.

use std::collections::BTreeMap;
use std::path::Path;

use crosspoint_xmpp::features::{Features, Xep};

const BEGIN: &str = "<!-- specifications: held by frontends/xmpp/tests/xeps.rs -->";
const END: &str = "<!-- end of specifications -->";
const SOURCES: &str = "frontends/xmpp/src/";

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    version: String,
    place: String,
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).expect("the README is there")
}

/// `| 0045 | Multi-User Chat | 1.35.5 | `features/muc.rs` | remarks |`, by number.
fn rows(text: &str) -> BTreeMap<u16, Row> {
    let begin = text.find(BEGIN).expect("the table begins") + BEGIN.len();
    let end = text.find(END).expect("the table ends");
    let mut rows = BTreeMap::new();
    for line in text[begin..end].lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, name, version, place, _, _] = cells[..] else {
            continue;
        };
        let Ok(number) = number.parse::<u16>() else { continue };
        let row = Row {
            name: name.to_owned(),
            version: version.to_owned(),
            place: place.trim_matches('`').to_owned(),
        };
        let earlier = rows.insert(number, row);
        assert_eq!(earlier, None, "XEP-{number:04} has two rows in the README");
    }
    rows
}

/// One a number: a specification may be declared by several files, of which the first is named.
fn declared() -> BTreeMap<u16, Xep> {
    let mut declared: BTreeMap<u16, Xep> = BTreeMap::new();
    for xep in Features::xeps() {
        let first = declared.entry(xep.number).or_insert(xep);
        assert_eq!(
            first.version, xep.version,
            "XEP-{:04} is declared at two versions, in {} and {}",
            xep.number, first.file, xep.file
        );
    }
    declared
}

fn place(xep: &Xep) -> &str {
    let file = xep.file;
    file.find(SOURCES).map_or(file, |at| &file[at + SOURCES.len()..])
}

#[test]
fn the_readme_says_what_the_features_declare() {
    let (rows, declared) = (rows(&readme()), declared());
    let mut wrong = Vec::new();
    for (number, xep) in &declared {
        let line = |name: &str| format!("| {number:04} | {name} | {} | `{}` | |", xep.version, place(xep));
        match rows.get(number) {
            None => wrong.push(format!("add:    {}", line("NAME OF THE SPECIFICATION"))),
            Some(row) if row.version != xep.version || row.place != place(xep) => {
                wrong.push(format!("change: {} (keep the remarks)", line(&row.name)));
            }
            Some(_) => {}
        }
    }
    for number in rows.keys().filter(|number| !declared.contains_key(number)) {
        wrong.push(format!("remove: | {number:04} | ... (no feature declares it)"));
    }
    assert!(
        wrong.is_empty(),
        "the table of specifications in README.md does not say what the features declare:\n{}\n",
        wrong.join("\n")
    );
}

#[test]
fn the_table_is_in_order_and_its_files_exist() {
    let text = readme();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (number, row) in rows(&text) {
        assert!(!row.name.is_empty(), "XEP-{number:04} has no name");
        assert!(
            sources.join(&row.place).exists(),
            "XEP-{number:04}: there is no {}",
            row.place
        );
    }
    let begin = text.find(BEGIN).expect("the table begins");
    let end = text.find(END).expect("the table ends");
    let numbers: Vec<u16> = text[begin..end]
        .lines()
        .filter_map(|line| line.split('|').nth(1)?.trim().parse().ok())
        .collect();
    assert!(numbers.is_sorted(), "the rows stand by number: {numbers:?}");
}

/// XEP-0479 (2023), section 2: what a server needs of each suite, and what an advanced one needs beside that. RFC 7395 is
/// counted with XEP-0206; a later suite's own requirements come on top of those of the core.
const SUITES: [(&str, &[u16], &[u16]); 4] = [
    ("Core", &[30, 114], &[115, 163, 368]),
    ("Web", &[206], &[]),
    (
        "IM",
        &[45, 54, 249, 280, 363],
        &[48, 49, 153, 191, 198, 223, 313, 398, 402, 410],
    ),
    ("Mobile", &[198, 352], &[357]),
];

#[test]
fn the_readme_says_what_of_the_compliance_suites_is_met() {
    let declared = declared();
    let missing = |needed: &[&[u16]]| {
        let numbers = needed
            .concat()
            .into_iter()
            .filter(|number| !declared.contains_key(number));
        let missing: Vec<String> = numbers.map(|number| format!("{number:04}")).collect();
        match missing.as_slice() {
            [] => "met".to_owned(),
            some => format!("without {}", some.join(", ")),
        }
    };
    let readme = readme();
    let lines = SUITES.map(|(name, server, advanced)| {
        format!("| {name} | {} | {} |", missing(&[server]), missing(&[server, advanced]))
    });
    let absent: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| !readme.contains(line))
        .collect();
    assert!(
        absent.is_empty(),
        "the compliance table in README.md needs these rows instead of its own:\n{}\n",
        absent.join("\n")
    );
}
