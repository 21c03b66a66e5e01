//! HELLO and WELCOME (SPEC.md section 4).

use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::envelope::Codec;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::{ChannelBindings, Mechanism};
use crosspoint_engine::session::Context;
use crosspoint_engine::slots::Slot;

use crate::codec::elsewhere::{Reason, Redirect};
use crate::codec::hello::{Hello, Welcome};
use crate::codec::{Code, Frame, VERSION, Verb, write_frame};
use crate::config::IcppConfig;
use crate::redirect::Home;

use super::login::{Login, bindings};
use super::write::Place;
use super::{Flow, Opening};

// What a session is told in WELCOME is decided here alone.
const _: () = assert!(Codec::Icpp as u8 == 2, "the codec's number is on disk");

/// The first frame of a connection.
pub(super) fn on_frame(
    opening: &mut Opening,
    frame: &Frame<'_>,
    config: &IcppConfig,
    place: Place,
    cx: &mut Context<'_>,
) -> Result<Login, Flow> {
    if frame.verb()? != Some(Verb::Hello) {
        return Err(Flow::Fail(Code::UnexpectedVerb));
    }
    let hello = Hello::read(frame.body)?;
    if hello.trunk.is_some() {
        // Trunks have listeners of their own.
        return Err(Flow::Fail(Code::UnexpectedVerb));
    }
    if hello.hops > config.limits.hops {
        config.figures.loops.fetch_add(1, Relaxed);
        return Err(Flow::Fail(Code::RedirectLoop));
    }
    let account = Jid::parse(hello.account).map_err(|_| Flow::Fail(Code::Malformed))?;
    if !account.is_bare() || account.node().is_none() || account.domain() != config.domain.domain() {
        // Whether it exists is not said here: only whether it could.
        return Err(Flow::Fail(Code::NotAuthorized));
    }
    if let Some(home) = home_elsewhere(&hello, &account, config) {
        if hello.hops >= config.limits.hops {
            config.figures.loops.fetch_add(1, Relaxed);
            return Err(Flow::Fail(Code::RedirectLoop));
        }
        config.figures.redirects.count(Reason::Home);
        write_frame(cx.outbox, place.push(Verb::Redirect, 0), |out| {
            let urls = home.urls.iter().map(String::as_str);
            Redirect::to(&home.node, Reason::Home, &config.node).write(out, urls);
        });
        return Err(Flow::Finish);
    }
    let tls = opening.tls.take();
    let bindings = bindings(tls.as_ref());
    write_frame(cx.outbox, place.push(Verb::Welcome, 0), |out| {
        let mechanisms = mechanisms(&bindings, opening.private, config);
        welcome(config, &mechanisms).write(out);
    });
    Ok(Login::new(
        &hello,
        account,
        bindings,
        opening.private,
        opening.deadline_ms,
        frame.header.ack,
    ))
}

/// The server to which the account belongs, if that is another one, and the client does not come from there: then the two
/// disagree, and only one of them can be asked for proof.
fn home_elsewhere<'a>(hello: &Hello<'_>, account: &Jid, config: &'a IcppConfig) -> Option<&'a Home> {
    let home = Home::of(&config.homes, Slot::of(account).number())?;
    let away = home.node != config.node && !home.urls.is_empty();
    (away && hello.came_from != Some(home.node.as_str())).then_some(home)
}

fn welcome<'a>(config: &'a IcppConfig, mechanisms: &'a str) -> Welcome<'a> {
    let limits = &config.limits;
    Welcome {
        version: VERSION,
        node: &config.node,
        mechanisms,
        frame_max: limits.frame_bytes,
        heartbeat_s: limits.heartbeat_s,
        heartbeat_background_s: limits.heartbeat_background_s,
        window: limits.window,
        unacked_frames: limits.unacked_frames,
        unacked_bytes: limits.unacked_bytes,
        nonce: None,
        shards: None,
    }
}

/// Strongest first.
fn mechanisms(bindings: &ChannelBindings, private: bool, config: &IcppConfig) -> String {
    let offered = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| !mechanism.plus || !bindings.is_empty());
    let mut names: Vec<&str> = offered.map(Mechanism::name).collect();
    if private {
        names.push("PLAIN");
    }
    if config.limits.ticket_seconds > 0 {
        names.push("TICKET");
    }
    names.join(" ")
}
