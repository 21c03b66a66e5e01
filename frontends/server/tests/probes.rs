//! The probes of the hot path are in the built server: each one of the list, in the code, with its arguments.
//!
//! Reads the notes of the binary itself (ELF64, section `.note.stapsdt`), as a tracer does:
//!
//! ```text
//! note   name size u32 | description size u32 | type u32 = 3 | "stapsdt\0" | description, padded to 4
//! description   location u64 | base u64 | semaphore u64 | provider \0 | name \0 | arguments \0
//! ```

#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]

use std::collections::BTreeMap;
use std::fs;

use crosspoint_probes::ALL;

const PROVIDER: &str = "crosspoint";
const NOTE_TYPE: u32 = 3;
const NOTE_HEADER_BYTES: usize = 12;
const ADDRESSES_BYTES: usize = 24;

/// One place in the code where a probe stands.
#[derive(Debug)]
struct Place {
    location: u64,
    arguments: usize,
}

#[test]
fn every_probe_is_in_the_server_with_its_arguments() {
    let binary = fs::read(env!("CARGO_BIN_EXE_crosspoint")).expect("the server is built");
    let places = probes(&binary);
    for (name, arguments) in ALL {
        let found = places.get(*name).unwrap_or_else(|| panic!("no probe is called {name}"));
        assert!(
            found.iter().all(|place| place.arguments == *arguments),
            "{name} has {arguments} arguments: {found:?}"
        );
        // A copy of a function that the linker left out leaves its note behind, with a place outside of the code.
        assert!(
            found.iter().any(|place| in_code(&binary, place.location)),
            "{name} stands nowhere in the code: {found:?}"
        );
    }
    let unlisted: Vec<&String> = places
        .keys()
        .filter(|name| ALL.iter().all(|known| known.0 != *name))
        .collect();
    assert!(unlisted.is_empty(), "not in the list of probes: {unlisted:?}");
}

/// The places of all probes of this provider, by name.
fn probes(binary: &[u8]) -> BTreeMap<String, Vec<Place>> {
    let notes = section(binary, ".note.stapsdt").expect("the server has notes of probes");
    let mut rest = &binary[notes.offset..notes.offset + notes.bytes];
    let mut found: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    while rest.len() > NOTE_HEADER_BYTES {
        let (name_bytes, bytes, kind) = (u32_at(rest, 0) as usize, u32_at(rest, 4) as usize, u32_at(rest, 8));
        let start = NOTE_HEADER_BYTES + name_bytes.next_multiple_of(4);
        let description = &rest[start..start + bytes];
        let mut texts = description[ADDRESSES_BYTES..].split(|byte| *byte == 0);
        let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
        let (provider, name, arguments) = (text(), text(), text());
        if kind == NOTE_TYPE && provider == PROVIDER {
            found.entry(name).or_default().push(Place {
                location: u64_at(description, 0),
                arguments: arguments.split_whitespace().count(),
            });
        }
        rest = &rest[(start + bytes).next_multiple_of(4).min(rest.len())..];
    }
    found
}

fn in_code(binary: &[u8], location: u64) -> bool {
    section(binary, ".text").is_some_and(|text| (text.address..text.address + text.bytes as u64).contains(&location))
}

struct Section {
    address: u64,
    offset: usize,
    bytes: usize,
}

/// A section of an ELF64 file, by name.
fn section(binary: &[u8], name: &str) -> Option<Section> {
    let table = u64_at(binary, 0x28) as usize;
    let (entry, count, names) = (u16_at(binary, 0x3a), u16_at(binary, 0x3c), u16_at(binary, 0x3e));
    let header = |place: usize| &binary[table + place * entry..];
    let names = u64_at(header(names), 0x18) as usize;
    let found = (0..count).map(header).find(|header| {
        let own = &binary[names + u32_at(header, 0) as usize..];
        own.starts_with(name.as_bytes()) && own[name.len()] == 0
    })?;
    Some(Section {
        address: u64_at(found, 0x10),
        offset: u64_at(found, 0x18) as usize,
        bytes: u64_at(found, 0x20) as usize,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
