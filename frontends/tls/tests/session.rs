//! Sessions with a third-party client end: handshakes, talk in any pieces, channel bindings, goodbyes, moves.

mod common;

use std::io::Write;
use std::sync::Arc;

use common::{authority, carry, connect, established, heard, say, spoken};
use crosspoint_tls::{Tls, TlsFault, TlsVersion};
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::version::{TLS12, TLS13};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};

const LABEL: &[u8] = b"EXPORTER-Channel-Binding";

#[test]
fn both_versions_shake_hands_talk_and_part() {
    let authority = authority();
    let config = authority.server();
    for (version, expected) in [(&TLS13, TlsVersion::Tls13), (&TLS12, TlsVersion::Tls12)] {
        let client = Arc::new(authority.client(version, "AES_128_GCM_SHA256"));
        let (mut romeo, mut juliet) = established(&config, &client);
        let facts = juliet.facts().unwrap();
        assert_eq!(facts.version, expected);
        assert!(facts.suite.ends_with("AES_128_GCM_SHA256"), "{}", facts.suite);
        assert_eq!(facts.protocol, Some(&b"xmpp-client"[..]));
        assert_eq!(facts.server_name, Some("localhost"));

        assert_eq!(say(&mut romeo, &mut juliet, b"wherefore"), b"wherefore");
        let mut cipher = Vec::new();
        juliet.write(b"Deny thy father", &mut cipher).unwrap();
        juliet.write(b"", &mut cipher).unwrap();
        juliet.write(b" and refuse thy name", &mut cipher).unwrap();
        assert_eq!(heard(&mut romeo, &cipher), b"Deny thy father and refuse thy name");

        romeo.send_close_notify();
        let (mut plain, mut cipher) = (Vec::new(), Vec::new());
        let status = juliet.read(&mut spoken(&mut romeo), &mut plain, &mut cipher).unwrap();
        assert!(status.peer_closed && status.established);
        juliet.close(&mut cipher);
        juliet.close(&mut cipher);
        assert_eq!(juliet.write(b"one more word", &mut cipher), Err(TlsFault::Closed));
        romeo.read_tls(&mut &cipher[..]).unwrap();
        assert!(romeo.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn the_exporter_is_the_clients_for_every_suite_of_tls_1_3() {
    let authority = authority();
    for suite in [
        "TLS13_AES_128_GCM_SHA256",
        "TLS13_AES_256_GCM_SHA384",
        "TLS13_CHACHA20_POLY1305_SHA256",
    ] {
        let client = Arc::new(authority.client(&TLS13, suite));
        let (romeo, mut juliet) = established(&authority.server(), &client);
        let theirs = romeo.export_keying_material([0_u8; 32], LABEL, Some(b"")).unwrap();
        assert_eq!(juliet.exporter(), Some(&theirs), "{suite}");
        juliet.forget();
        assert_eq!(juliet.exporter(), None);
        assert_eq!(juliet.facts().unwrap().server_name, None);
    }
}

#[test]
fn the_exporter_of_a_resumed_session_is_its_own() {
    let authority = authority();
    let config = authority.server();
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let (first_romeo, first_juliet) = established(&config, &client);
    assert!(!first_juliet.facts().unwrap().resumed);
    drop(first_romeo);
    let (romeo, juliet) = established(&config, &client);
    assert!(juliet.facts().unwrap().resumed);
    assert_eq!(juliet.facts().unwrap().server_name, Some("localhost"));
    let theirs = romeo.export_keying_material([0_u8; 32], LABEL, Some(b"")).unwrap();
    assert_eq!(juliet.exporter(), Some(&theirs));
    assert_ne!(juliet.exporter(), first_juliet.exporter());
}

#[test]
fn tls_1_2_resumes_by_ticket_and_has_no_exporter() {
    let authority = authority();
    let config = authority.server();
    let client = Arc::new(authority.client(&TLS12, "SHA256"));
    let (_, first) = established(&config, &client);
    assert_eq!((first.facts().unwrap().resumed, first.exporter()), (false, None));
    let (_, second) = established(&config, &client);
    assert_eq!((second.facts().unwrap().resumed, second.exporter()), (true, None));
}

#[test]
fn nothing_is_known_before_the_handshake_is_complete() {
    let authority = authority();
    let mut client = connect(&Arc::new(authority.client(&TLS13, "SHA256")));
    let mut server = Tls::new(&authority.server()).unwrap();
    let (mut plain, mut cipher) = (Vec::new(), Vec::new());
    let status = server.read(&mut spoken(&mut client), &mut plain, &mut cipher).unwrap();
    assert!(!status.established && !cipher.is_empty());
    assert_eq!((server.facts(), server.exporter()), (None, None));
    let sent = cipher.len();
    assert_eq!(server.write(b"too early", &mut cipher), Err(TlsFault::NotEstablished));
    assert_eq!(cipher.len(), sent);
    heard(&mut client, &cipher);
    server.read(&mut spoken(&mut client), &mut plain, &mut cipher).unwrap();
    assert!(server.facts().is_some() && server.exporter().is_some());
    server.write(b"now", &mut cipher).unwrap();
}

#[test]
fn every_split_of_the_bytes_reads_the_same() {
    let authority = authority();
    let words: Vec<u8> = (0..40_000_u32).map(|word| word as u8).collect();
    for version in [&TLS13, &TLS12] {
        let client = Arc::new(authority.client(version, "SHA256"));
        for piece in [1, 2, 3, 5, 7, 64, 1000, 16 * 1024, 17 * 1024, usize::MAX] {
            let (mut romeo, mut juliet) = (connect(&client), Tls::new(&authority.server()).unwrap());
            romeo.writer().write_all(b"said before the handshake ends").unwrap();
            let early = carry(&mut romeo, &mut juliet, piece).unwrap();
            assert_eq!(early, b"said before the handshake ends", "pieces of {piece}");
            romeo.writer().write_all(&words).unwrap();
            let plain = carry(&mut romeo, &mut juliet, piece).unwrap();
            assert_eq!(plain, words, "pieces of {piece}");
            assert_eq!(juliet.partial_bytes(), 0);
        }
    }
}

#[test]
fn every_boundary_of_a_record_may_be_the_end_of_a_read() {
    let authority = authority();
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let (mut romeo, mut juliet) = established(&authority.server(), &client);
    let mut juliet_plain = Vec::new();
    let length = b"wherefore art thou Romeo".len() + 5 + 1 + 16;
    for boundary in 0..=length {
        romeo.writer().write_all(b"wherefore art thou Romeo").unwrap();
        let mut record = spoken(&mut romeo);
        assert_eq!(record.len(), length);
        let (first, second) = record.split_at_mut(boundary);
        let mut cipher = Vec::new();
        juliet.read(first, &mut juliet_plain, &mut cipher).unwrap();
        assert_eq!(juliet.partial_bytes(), boundary % length);
        juliet.read(second, &mut juliet_plain, &mut cipher).unwrap();
        assert!(cipher.is_empty());
        assert_eq!(juliet_plain, b"wherefore art thou Romeo");
        juliet_plain.clear();
    }
}

#[test]
fn a_hello_in_many_small_records_is_put_together() {
    let authority = authority();
    for version in [&TLS13, &TLS12] {
        let mut client = authority.client(version, "SHA256");
        client.max_fragment_size = Some(32);
        let client = Arc::new(client);
        for piece in [1, 32, 33, usize::MAX] {
            let (mut romeo, mut juliet) = (connect(&client), Tls::new(&authority.server()).unwrap());
            carry(&mut romeo, &mut juliet, piece).unwrap();
            assert_eq!(say(&mut romeo, &mut juliet, &[7; 1000]), [7; 1000], "pieces of {piece}");
        }
    }
}

/// Found in testing: rustls remembers how far it is within a handshake message that came in several records, and panics if
/// that part of the input is not shown to it again, be it for a write.
#[test]
fn writing_while_half_a_handshake_message_is_there_does_no_harm() {
    let authority = authority();
    let mut client = authority.client(&TLS13, "AES_128_GCM_SHA256");
    client.enable_secret_extraction = true;
    let (romeo, mut juliet) = established(&authority.server(), &Arc::new(client));
    let suite = romeo.negotiated_cipher_suite().unwrap().tls13().unwrap();
    let (first_number, secrets) = romeo.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
        panic!("another suite")
    };
    let mut encrypter = suite.aead_alg.encrypter(key, iv);
    // A KeyUpdate without request (RFC 8446 section 4.6.3), cut in two.
    let halves = [&[24, 0, 0][..], &[1, 0]];
    let (mut plain, mut cipher) = (Vec::new(), Vec::new());
    for (number, half) in (first_number..).zip(halves) {
        let message = OutboundPlainMessage {
            typ: ContentType::Handshake,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(half),
        };
        let mut record = encrypter.encrypt(message, number).unwrap().encode();
        juliet.read(&mut record, &mut plain, &mut cipher).unwrap();
        juliet.write(b"meanwhile", &mut cipher).unwrap();
    }
    assert_eq!((plain.len(), juliet.partial_bytes()), (0, 0));
    juliet.close(&mut cipher);
}

#[test]
fn a_large_write_is_many_records_and_arrives_whole() {
    let authority = authority();
    for version in [&TLS13, &TLS12] {
        let client = Arc::new(authority.client(version, "SHA384"));
        let (mut romeo, mut juliet) = established(&authority.server(), &client);
        for length in [1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 1_000_000] {
            let plain: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let mut cipher = b"already there".to_vec();
            juliet.write(&plain, &mut cipher).unwrap();
            assert!(
                cipher.len() < 13 + length + (length / (16 * 1024) + 1) * 30,
                "close to the plaintext's size"
            );
            assert_eq!(heard(&mut romeo, &cipher[13..]), plain);
        }
    }
}

#[test]
fn keys_are_changed_when_the_client_asks() {
    let authority = authority();
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let (mut romeo, mut juliet) = established(&authority.server(), &client);
    for round in 0..3 {
        romeo.refresh_traffic_keys().unwrap();
        assert_eq!(say(&mut romeo, &mut juliet, b"new keys"), b"new keys", "round {round}");
        let mut cipher = Vec::new();
        juliet.write(b"mine too", &mut cipher).unwrap();
        assert_eq!(heard(&mut romeo, &cipher), b"mine too");
    }
}

#[test]
fn what_follows_a_goodbye_is_ignored() {
    let authority = authority();
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let (mut romeo, mut juliet) = established(&authority.server(), &client);
    romeo.send_close_notify();
    let mut bytes = spoken(&mut romeo);
    bytes.extend_from_slice(b"and yet another word, in clear");
    let (mut plain, mut cipher) = (Vec::new(), Vec::new());
    assert!(juliet.read(&mut bytes, &mut plain, &mut cipher).unwrap().peer_closed);
    assert!(
        juliet
            .read(&mut b"more".to_vec(), &mut plain, &mut cipher)
            .unwrap()
            .peer_closed
    );
    assert_eq!((plain.len(), juliet.partial_bytes()), (0, 0));
    juliet
        .write(b"half a goodbye lets the answer through", &mut cipher)
        .unwrap();
    assert_eq!(heard(&mut romeo, &cipher), b"half a goodbye lets the answer through");
}

#[test]
fn a_session_moves_to_another_thread_between_two_records_and_within_one() {
    let authority = authority();
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let (mut romeo, mut juliet) = established(&authority.server(), &client);
    for boundary in [0, 3, 20] {
        romeo.writer().write_all(b"first half, second half").unwrap();
        let mut record = spoken(&mut romeo);
        let mut rest = record.split_off(boundary);
        let (mut plain, mut cipher) = (Vec::new(), Vec::new());
        juliet.read(&mut record, &mut plain, &mut cipher).unwrap();
        let moved = std::thread::spawn(move || {
            juliet.read(&mut rest, &mut plain, &mut cipher).unwrap();
            juliet.write(b"heard you", &mut cipher).unwrap();
            (juliet, plain, cipher)
        });
        let (back, plain, cipher) = moved.join().unwrap();
        juliet = back;
        assert_eq!(plain, b"first half, second half");
        assert_eq!(heard(&mut romeo, &cipher), b"heard you");
    }
}

#[test]
fn a_handshake_may_move_between_its_two_flights() {
    let authority = authority();
    let mut romeo = connect(&Arc::new(authority.client(&TLS13, "SHA384")));
    let mut juliet = Tls::new(&authority.server()).unwrap();
    let (mut plain, mut cipher) = (Vec::new(), Vec::new());
    juliet.read(&mut spoken(&mut romeo), &mut plain, &mut cipher).unwrap();
    heard(&mut romeo, &cipher);
    let mut finished = spoken(&mut romeo);
    let juliet = std::thread::spawn(move || {
        juliet.read(&mut finished, &mut plain, &mut Vec::new()).unwrap();
        juliet
    });
    let juliet = juliet.join().unwrap();
    let theirs = romeo.export_keying_material([0_u8; 32], LABEL, Some(b"")).unwrap();
    assert_eq!(juliet.exporter(), Some(&theirs));
}
