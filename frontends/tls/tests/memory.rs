//! What an idle session costs. Alone in its process, because it counts every allocation.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{authority, connect, heard, spoken};
use crosspoint_tls::Tls;
use rustls::version::{TLS12, TLS13};

/// What an idle session may hold, in bytes asked of the allocator, the session itself included.
const IDLE_SESSION_BYTES_MAX: usize = 3584;

/// Counts the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; only the sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_idle_session_stays_within_its_bound() {
    let authority = authority();
    let config = authority.server();
    for (version, name) in [(&TLS13, "TLS 1.3"), (&TLS12, "TLS 1.2")] {
        for suite in ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"] {
            let client = Arc::new(authority.client(version, suite));
            // The first one makes what is made once.
            drop(idle(&config, &client));
            let (bytes, session) = idle(&config, &client);
            println!(
                "{name} {suite}: {bytes} bytes, of which {} are the session itself",
                size_of::<Tls>()
            );
            assert!(bytes <= IDLE_SESSION_BYTES_MAX, "{name} {suite}: {bytes} bytes");
            drop(session);
        }
    }
}

/// A session after its handshake, some talk and [`Tls::forget`], and the bytes that it holds.
fn idle(config: &crosspoint_tls::TlsConfig, client: &Arc<rustls::ClientConfig>) -> (usize, Box<Tls>) {
    let mut client = connect(client);
    let (mut plain, mut cipher) = (Vec::with_capacity(64 * 1024), Vec::with_capacity(64 * 1024));
    let mut held = 0;
    let before = IN_USE.load(Ordering::Relaxed);
    let mut server = Box::new(Tls::new(config).unwrap());
    held += IN_USE.load(Ordering::Relaxed) - before;
    for round in 0..8 {
        if round == 4 {
            server.write(&[7; 10_000], &mut cipher).unwrap();
        }
        heard(&mut client, &cipher);
        cipher.clear();
        if round > 2 {
            std::io::Write::write_all(&mut client.writer(), &[7; 10_000]).unwrap();
        }
        let mut received = spoken(&mut client);
        let before = IN_USE.load(Ordering::Relaxed);
        // In two pieces, so that a partial record is kept for a while.
        let middle = received.len() / 2;
        server.read(&mut received[..middle], &mut plain, &mut cipher).unwrap();
        server.read(&mut received[middle..], &mut plain, &mut cipher).unwrap();
        held = (held + IN_USE.load(Ordering::Relaxed)).wrapping_sub(before);
        plain.clear();
    }
    assert!(server.is_established());
    let before = IN_USE.load(Ordering::Relaxed);
    server.forget();
    held -= before - IN_USE.load(Ordering::Relaxed);
    (held, server)
}
