//! Peers that do wrong: each ends in a fault, and learns so from an alert where there is one to send.

mod common;

use std::io::Write;
use std::sync::Arc;

use common::{authority, carry, connect, established, spoken};
use crosspoint_tls::{HANDSHAKE_BYTES_MAX, Tls, TlsConfig, TlsFault};
use rustls::version::{TLS12, TLS13};

/// The record type of an alert (RFC 8446 section 5.1).
const ALERT: u8 = 21;

/// Reads `bytes` in a new session; the fault, and what is sent in return.
fn refused(config: &TlsConfig, bytes: &[u8]) -> (TlsFault, Vec<u8>) {
    let mut server = Tls::new(config).unwrap();
    let (mut plain, mut cipher) = (Vec::new(), Vec::new());
    let fault = server.read(&mut bytes.to_vec(), &mut plain, &mut cipher).unwrap_err();
    assert_eq!(plain, b"");
    for again in 0..2 {
        let mut more = Vec::new();
        assert_eq!(
            server.read(&mut bytes.to_vec(), &mut plain, &mut more),
            Err(fault),
            "{again}"
        );
        assert_eq!(server.write(b"hello?", &mut more), Err(fault));
        server.close(&mut more);
        assert_eq!(more, b"", "a session with a fault has nothing to say");
    }
    (fault, cipher)
}

#[test]
fn plain_text_on_the_tls_port_is_not_tls() {
    let config = authority().server();
    for text in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client'>",
    ] {
        let (fault, reply) = refused(&config, text.as_bytes());
        assert_eq!(fault, TlsFault::NotTls);
        assert_eq!(reply.first(), Some(&ALERT));
    }
}

#[test]
fn a_record_of_nonsense_is_malformed() {
    let config = authority().server();
    let nonsense = [&[22, 3, 1, 0, 8, 1, 0, 0, 4][..], b"nons"].concat();
    assert_eq!(refused(&config, &nonsense).0, TlsFault::Malformed);
    let too_long = [22, 3, 1, 0xff, 0xff, 1, 0, 0, 0];
    assert_eq!(refused(&config, &too_long).0, TlsFault::Malformed);
}

#[test]
fn application_data_before_the_handshake_is_misbehaviour() {
    let config = authority().server();
    assert_eq!(refused(&config, &[23, 3, 3, 0, 3, 1, 2, 3]).0, TlsFault::Misbehaved);
}

#[test]
fn a_client_that_shares_no_protocol_is_told_so() {
    let authority = authority();
    let mut client = authority.client(&TLS13, "SHA256");
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = connect(&Arc::new(client));
    let (fault, reply) = refused(&authority.server(), &spoken(&mut client));
    assert_eq!(fault, TlsFault::NoApplicationProtocol);
    client.read_tls(&mut &reply[..]).unwrap();
    let told = client.process_new_packets().unwrap_err();
    assert_eq!(
        told,
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)
    );
}

#[test]
fn a_client_that_names_no_protocol_is_served() {
    let authority = authority();
    let mut client = authority.client(&TLS13, "SHA256");
    client.alpn_protocols.clear();
    let (_, server) = established(&authority.server(), &Arc::new(client));
    assert_eq!(server.facts().unwrap().protocol, None);
}

#[test]
fn a_client_without_a_suite_in_common_is_told_so() {
    let authority = authority();
    // An RSA-only suite cannot be served by an ECDSA certificate.
    let hello = spoken(&mut connect(&Arc::new(
        authority.client(&TLS12, "RSA_WITH_AES_128_GCM"),
    )));
    let (fault, reply) = refused(&authority.server(), &hello);
    assert_eq!(fault, TlsFault::NothingInCommon);
    assert_eq!(reply[0], ALERT);
}

#[test]
fn a_client_that_does_not_trust_us_says_so() {
    let mut client = connect(&Arc::new(authority().client(&TLS13, "SHA256")));
    let mut server = Tls::new(&authority().server()).unwrap();
    let (mut plain, mut cipher) = (Vec::new(), Vec::new());
    server.read(&mut spoken(&mut client), &mut plain, &mut cipher).unwrap();
    client.read_tls(&mut &cipher[..]).unwrap();
    client.process_new_packets().unwrap_err();
    let outcome = server.read(&mut spoken(&mut client), &mut plain, &mut cipher);
    assert_eq!(outcome, Err(TlsFault::PeerAlert));
}

#[test]
fn a_handshake_that_never_ends_is_cut_off() {
    let config = authority().server();
    let mut server = Tls::new(&config).unwrap();
    // A handshake message of 60,000 bytes, in records of 1,000: well-formed as far as it goes.
    let mut sent = 0;
    let mut first = [22, 3, 1, 0x03, 0xe8, 1, 0, 0xea, 0x60].to_vec();
    first.resize(5 + 1000, 0);
    let mut next = [22, 3, 1, 0x03, 0xe8].to_vec();
    next.resize(5 + 1000, 0);
    let fault = loop {
        let mut record = if sent == 0 { first.clone() } else { next.clone() };
        sent += record.len();
        if let Err(fault) = server.read(&mut record, &mut Vec::new(), &mut Vec::new()) {
            break fault;
        }
        assert!(server.partial_bytes() <= HANDSHAKE_BYTES_MAX);
    };
    assert_eq!(fault, TlsFault::HandshakeTooLong);
    assert!(sent > HANDSHAKE_BYTES_MAX && sent <= HANDSHAKE_BYTES_MAX + 1005);
}

#[test]
fn one_flipped_bit_is_a_bad_record_and_the_words_before_it_count() {
    let authority = authority();
    for version in [&TLS13, &TLS12] {
        let client = Arc::new(authority.client(version, "SHA256"));
        let (mut romeo, mut juliet) = established(&authority.server(), &client);
        romeo.writer().write_all(b"good").unwrap();
        let mut cipher = spoken(&mut romeo);
        romeo.writer().write_all(b"evil").unwrap();
        cipher.extend(spoken(&mut romeo));
        *cipher.last_mut().unwrap() ^= 1;
        let (mut plain, mut reply) = (Vec::new(), Vec::new());
        assert_eq!(
            juliet.read(&mut cipher, &mut plain, &mut reply),
            Err(TlsFault::BadRecord)
        );
        assert_eq!(plain, b"good");
        assert!(!reply.is_empty(), "an alert, encrypted");
        romeo.read_tls(&mut &reply[..]).unwrap();
        let told = romeo.process_new_packets().unwrap_err();
        assert!(matches!(told, rustls::Error::AlertReceived(_)), "{told}");
    }
}

#[test]
fn no_truncation_and_no_flipped_byte_of_a_handshake_panics_or_establishes() {
    let authority = authority();
    let config = authority.server();
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let hello = spoken(&mut connect(&client));
    for end in 0..hello.len() {
        let mut server = Tls::new(&config).unwrap();
        let status = server
            .read(&mut hello[..end].to_vec(), &mut Vec::new(), &mut Vec::new())
            .unwrap();
        assert!(!status.established);
        assert!(server.partial_bytes() <= end);
    }
    for place in 0..hello.len() {
        let mut damaged = hello.clone();
        damaged[place] ^= 0xff;
        let mut server = Tls::new(&config).unwrap();
        if let Ok(status) = server.read(&mut damaged, &mut Vec::new(), &mut Vec::new()) {
            assert!(!status.established, "byte {place}");
        }
    }
}

#[test]
fn a_fault_of_one_session_is_nothing_to_the_next() {
    let authority = authority();
    let config = authority.server();
    refused(&config, b"nonsense nonsense");
    let client = Arc::new(authority.client(&TLS13, "SHA256"));
    let (mut romeo, mut juliet) = established(&config, &client);
    romeo.writer().write_all(b"still well").unwrap();
    assert_eq!(carry(&mut romeo, &mut juliet, 1).unwrap(), b"still well");
}

#[test]
fn every_fault_has_a_name_of_its_own() {
    let mut names: Vec<_> = TlsFault::ALL.iter().map(|fault| fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TlsFault::ALL.len());
}
