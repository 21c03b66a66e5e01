//! However a request is cut, it is upgraded or refused alike; what is upgraded has asked for it in the words that RFC 6455
//! demands; and an answer is one head, whatever was in the request.
//!
//! Input: a byte that seeds the cuts, the request.
#![no_main]

use crosspoint_http::websocket::{Endpoint, Refusal, Upgrade, Upgraded};
use libfuzzer_sys::fuzz_target;

fn read(pieces: &[&[u8]]) -> (Result<Option<Upgraded>, Refusal>, Vec<u8>) {
    let endpoint = Endpoint {
        origins: Some(vec!["https://chat.example".to_owned()]),
        ..Endpoint::new("/icpp", "icpp.v1")
    };
    let (mut upgrade, mut received, mut reply) = (Upgrade::default(), Vec::new(), Vec::new());
    let mut outcome = Ok(None);
    for piece in pieces {
        received.extend_from_slice(piece);
        outcome = upgrade.read(&endpoint, &received, &mut reply);
        if outcome != Ok(None) {
            break;
        }
    }
    (outcome, reply)
}

fuzz_target!(|data: &[u8]| {
    let [seed, request @ ..] = data else {
        return;
    };
    let (outcome, reply) = read(&[request]);
    let dribble: Vec<&[u8]> = request.chunks(1).collect();
    // Bytes behind a head that is too long, or in it, are seen later when they come later.
    if request.len() < 8 * 1024 {
        assert_eq!(read(&dribble), (outcome, reply.clone()));
        let chunks: Vec<&[u8]> = request.chunks(usize::from(*seed).max(2)).collect();
        assert_eq!(read(&chunks), (outcome, reply.clone()));
    }
    match outcome {
        Ok(None) => assert!(reply.is_empty()),
        Ok(Some(upgraded)) => {
            let head = request[..upgraded.head_bytes].to_ascii_lowercase();
            for word in [&b"get "[..], b"\r\nupgrade:", b"\r\nconnection:", b"\r\nsec-websocket-key:", b"websocket", b"icpp.v1"] {
                assert!(head.windows(word.len()).any(|bytes| bytes == word), "{word:?} is not asked for");
            }
            assert!(reply.starts_with(b"HTTP/1.1 101 ") && reply.ends_with(b"\r\n\r\n"));
        }
        Err(refusal) => assert!(reply.starts_with(format!("HTTP/1.1 {} ", refusal.status()).as_bytes())),
    }
    assert!(reply.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count() <= 1, "two heads are sent");
});
