//! The client's side against the server's: who is believed, who is not, and what is said between them.

mod common;

use std::io::Write;

use common::{Authority, authority};
use crosspoint_tls::{ClientTls, ClientTlsConfig, Pin, Tls, TlsFault};
use sha2::{Digest, Sha256};

fn pin(authority: &Authority) -> Pin {
    Sha256::digest(&authority.der).into()
}

/// A file with this certificate, gone with the test's process.
fn file(authority: &Authority, name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("crosspoint-tls-{}-{name}.pem", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(authority.chain_pem.as_bytes()).unwrap();
    path
}

/// Carries bytes to and fro, `piece` at a time, until nobody has anything to say.
fn shake(client: &mut ClientTls, server: &mut Tls, piece: usize) -> Result<bool, TlsFault> {
    let (mut up, mut down, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let mut established = client.read(&mut [], &mut plain, &mut up)?.established;
    while !up.is_empty() || !down.is_empty() {
        for chunk in std::mem::take(&mut up).chunks_mut(piece) {
            // What the server thinks of the client's alert is its own business.
            let _ = server.read(chunk, &mut plain, &mut down);
        }
        for chunk in std::mem::take(&mut down).chunks_mut(piece) {
            established = client.read(chunk, &mut plain, &mut up)?.established;
        }
    }
    assert!(plain.is_empty());
    Ok(established && server.is_established())
}

#[test]
fn both_ends_of_ours_shake_hands_in_any_pieces_and_talk() {
    let authority = authority();
    let config = ClientTlsConfig::pinned(vec![[0; 32], pin(&authority)], "localhost", &[b"xmpp-client"]).unwrap();
    for piece in [1, 7, 100, 1 << 20] {
        let (mut client, mut server) = (ClientTls::new(&config).unwrap(), Tls::new(&authority.server()).unwrap());
        assert_eq!(shake(&mut client, &mut server, piece), Ok(true), "pieces of {piece}");
        let said: Vec<u8> = (0..100_000u32).map(|byte| byte as u8).collect();
        let (mut up, mut down, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        client.write(&said, &mut up).unwrap();
        server.read(&mut up, &mut heard, &mut down).unwrap();
        assert_eq!(heard, said);
        heard.clear();
        server.write(&said, &mut down).unwrap();
        server.close(&mut down);
        let status = client.read(&mut down, &mut heard, &mut Vec::new()).unwrap();
        assert_eq!(heard, said);
        assert!(status.peer_closed);
    }
}

#[test]
fn another_certificate_than_the_pinned_one_is_refused_and_the_server_is_told() {
    let (ours, strangers) = (authority(), authority());
    let config = ClientTlsConfig::pinned(vec![pin(&ours)], "localhost", &[]).unwrap();
    let (mut client, mut server) = (ClientTls::new(&config).unwrap(), Tls::new(&strangers.server()).unwrap());
    assert_eq!(shake(&mut client, &mut server, 1 << 20), Err(TlsFault::Untrusted));
    let mut alert = Vec::new();
    assert_eq!(client.write(b"secret", &mut alert), Err(TlsFault::Untrusted));
    assert!(alert.is_empty(), "nothing was encrypted for it");
}

#[test]
fn only_the_named_issuer_and_only_for_the_name_that_was_asked_for() {
    let (ours, strangers) = (authority(), authority());
    let (trusted, other) = (file(&ours, "ours"), file(&strangers, "strangers"));
    for (issuers, name, good) in [
        (&trusted, "localhost", true),
        (&trusted, "elsewhere", false),
        (&trusted, "127.0.0.1", false),
        (&other, "localhost", false),
    ] {
        let config = ClientTlsConfig::issued_by(issuers, name, &[]).unwrap();
        let (mut client, mut server) = (ClientTls::new(&config).unwrap(), Tls::new(&ours.server()).unwrap());
        assert_eq!(
            shake(&mut client, &mut server, 1 << 20).is_ok(),
            good,
            "{issuers:?} {name}"
        );
    }
    assert!(ClientTlsConfig::issued_by("/nonexistent".as_ref(), "localhost", &[]).is_err());
    assert!(ClientTlsConfig::issued_by(&trusted, "not a name", &[]).is_err());
}

#[test]
fn a_server_that_speaks_another_protocol_only_is_refused() {
    let authority = authority();
    let config = ClientTlsConfig::pinned(vec![pin(&authority)], "localhost", &[b"icpp/1"]).unwrap();
    let (mut client, mut server) = (ClientTls::new(&config).unwrap(), Tls::new(&authority.server()).unwrap());
    assert_eq!(shake(&mut client, &mut server, 1 << 20), Err(TlsFault::PeerAlert));
}
