//! XEP-0050 Ad-Hoc Commands of the domain: which there are, and how one is executed, stage after stage.
//!
//! ```text
//!   execute ─▶ form of the first stage ─next─▶ ... ─▶ form of the last stage ─complete─▶ run ─▶ completed
//!                    ▲                 ◀─prev─              │ cancel, at any stage ─▶ canceled
//! ```
//! A command is a [`Command`] in a table of its feature's; [`TABLES`] is the one list. `desk.rs` has the sessions, `form.rs`
//! the data forms.
//!
//! Invariant: whoever may not execute a command is told so before anything else is looked at, at every stage.

mod desk;
mod form;

use crosspoint_engine::administration::Service;
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

pub(super) use desk::Desk;
pub use desk::{SESSION_MS_MAX, SESSIONS_MAX, SESSIONS_PER_USER_MAX};
pub(super) use form::{Answers, Field, Form, write as write_form};

use super::ask::{Ask, Later, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Target, Xep, administration};
use crate::codec::{Builder, Element};
use desk::{Missing, Session};

/// Namespace of `<command/>`, and the node under which the commands are listed.
pub const NS: &str = "http://jabber.org/protocol/commands";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(4, "2.13.2"), Xep::new(50, "1.3.0")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[Handler {
        kind: QueryKind::Set,
        name: "command",
        ns: NS,
        reach: Reach::DOMAIN,
        run: execute,
    }],
};

/// The features' commands, in the order in which they are listed.
const TABLES: &[&[Command]] = &[administration::COMMANDS];

/// A command.
pub(super) struct Command {
    /// Its node, and others by which clients know it.
    pub nodes: &'static [&'static str],
    /// Its name for people.
    pub name: &'static str,
    /// Who may execute it.
    pub open_to: fn(&Jid, &dyn Host) -> bool,
    /// The forms that are to be filled in, in order.
    pub stages: &'static [fn(&Service) -> Form],
    /// Does it, when all are.
    pub run: fn(&Answers, Call, &mut dyn Host),
}

impl Command {
    fn is_at(&self, node: &str) -> bool {
        self.nodes.contains(&node)
    }
}

fn all() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().flat_map(|table| table.iter())
}

fn find(node: &str) -> Option<&'static Command> {
    all().find(|command| command.is_at(node))
}

/// The right, and the duty, to end a command.
pub(super) struct Call {
    later: Later,
    node: String,
    id: String,
}

impl Call {
    /// Completed; there is nothing to show.
    pub fn done(self, host: &mut dyn Host) {
        self.show(|_| {}, host);
    }

    /// Completed, with something to show.
    pub fn show(self, payload: impl FnOnce(&mut Builder<'_, '_>), host: &mut dyn Host) {
        let body = command(&self.node, &self.id, "completed", payload);
        self.later.finish(Ok(Reply::Body(body)), host);
    }

    /// Completed, with a form to read.
    pub fn result(self, form: &Form, host: &mut dyn Host) {
        self.show(|el| form::write(el, "result", form), host);
    }

    /// Not done.
    pub fn refuse(self, condition: Condition, host: &mut dyn Host) {
        self.later.finish(Err(condition), host);
    }

    /// The form says what cannot be.
    pub fn bad_payload(self, host: &mut dyn Host) {
        refuse(self.later, Fault::BadPayload, host);
    }
}

/// The mistakes of a requester (section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    MalformedAction,
    BadAction,
    BadPayload,
    BadSession,
    SessionExpired,
}

impl Fault {
    fn parts(self) -> (Condition, &'static str) {
        match self {
            Fault::MalformedAction => (Condition::BadRequest, "malformed-action"),
            Fault::BadAction => (Condition::BadRequest, "bad-action"),
            Fault::BadPayload => (Condition::BadRequest, "bad-payload"),
            Fault::BadSession => (Condition::BadRequest, "bad-sessionid"),
            Fault::SessionExpired => (Condition::NotAllowed, "session-expired"),
        }
    }
}

fn refuse(later: Later, fault: Fault, host: &mut dyn Host) {
    let (condition, name) = fault.parts();
    later.refuse_as(condition, name, NS, host);
}

/// What the requester wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Execute,
    Cancel,
    Previous,
    Next,
    Complete,
}

impl Action {
    fn of(text: Option<&str>) -> Option<Action> {
        Some(match text {
            None | Some("execute") => Action::Execute,
            Some("cancel") => Action::Cancel,
            Some("prev") => Action::Previous,
            Some("next") => Action::Next,
            Some("complete") => Action::Complete,
            Some(_) => return None,
        })
    }
}

fn execute(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    let node = ask.payload.attr("node").ok_or(Condition::BadRequest)?;
    let command = find(node).ok_or(Condition::ItemNotFound)?;
    if !(command.open_to)(ask.session(), host) {
        return Err(Condition::Forbidden);
    }
    if let Err(fault) = step(ask, facts, command, host) {
        refuse(ask.later(), fault, host);
    }
    Ok(Reply::Later)
}

/// One request of a requester who may.
fn step(ask: &Ask<'_>, facts: &Facts, command: &'static Command, host: &mut dyn Host) -> Result<(), Fault> {
    let action = Action::of(ask.payload.attr("action")).ok_or(Fault::MalformedAction)?;
    let node = ask.payload.attr("node").unwrap_or_default();
    let now = host.now();
    let Some(id) = ask.payload.attr("sessionid") else {
        if action != Action::Execute {
            return Err(Fault::BadAction);
        }
        return begin(ask, facts, command, host);
    };
    let mut desk = facts.commands.borrow_mut();
    let mut session = desk
        .take(id, ask.session(), node, now.ms)
        .map_err(|missing| match missing {
            Missing::Expired => Fault::SessionExpired,
            Missing::Unknown => Fault::BadSession,
        })?;
    if action == Action::Cancel {
        drop(desk);
        let body = self::command(node, id, "canceled", |_| {});
        ask.later().finish(Ok(Reply::Body(body)), host);
        return Ok(());
    }
    let verdict = proceed(ask.payload, &mut session, action, host.standing());
    match verdict {
        Ok(true) => {
            drop(desk);
            (command.run)(&session.answers, call(ask, node, id), host);
        }
        Ok(false) => {
            let body = stage(node, &session, host.standing());
            desk.put_back(session, now.ms);
            drop(desk);
            ask.later().finish(Ok(Reply::Body(body)), host);
        }
        // What was wrong can be said again.
        Err(fault) => {
            desk.put_back(session, now.ms);
            return Err(fault);
        }
    }
    Ok(())
}

fn begin(ask: &Ask<'_>, facts: &Facts, command: &'static Command, host: &mut dyn Host) -> Result<(), Fault> {
    let node = ask.payload.attr("node").unwrap_or_default();
    let now = host.now();
    let id = facts.commands.borrow_mut().name(now.unix_ms);
    let Some(first) = command.stages.first() else {
        (command.run)(&Answers::default(), call(ask, node, &id), host);
        return Ok(());
    };
    let form = first(host.standing());
    let body = write_stage(node, &id, &form, 0, command.stages.len());
    facts.commands.borrow_mut().open(id, ask.session(), command, now.ms);
    ask.later().finish(Ok(Reply::Body(body)), host);
    Ok(())
}

/// Takes a form in and goes to another stage; true: all are filled in.
fn proceed(payload: &Element<'_>, session: &mut Session, action: Action, service: &Service) -> Result<bool, Fault> {
    let last = session.stage + 1 == session.command.stages.len();
    if action == Action::Previous {
        session.stage = session.stage.checked_sub(1).ok_or(Fault::BadAction)?;
        return Ok(false);
    }
    match action {
        Action::Complete if !last => return Err(Fault::BadAction),
        Action::Next if last => return Err(Fault::BadAction),
        _ => {}
    }
    let submitted = payload.child("x", form::NS);
    let taken = submitted.is_none_or(|form| session.answers.take(form));
    let asked = session.command.stages.get(session.stage).map(|form| form(service));
    if !taken || asked.is_some_and(|form| !session.answers.satisfies(&form)) {
        return Err(Fault::BadPayload);
    }
    if !last {
        session.stage += 1;
    }
    Ok(last)
}

fn call(ask: &Ask<'_>, node: &str, id: &str) -> Call {
    Call {
        later: ask.later(),
        node: node.to_owned(),
        id: id.to_owned(),
    }
}

/// The form of the stage that a session is at.
fn stage(node: &str, session: &Session, service: &Service) -> Vec<u8> {
    let stages = session.command.stages;
    match stages.get(session.stage) {
        Some(form) => write_stage(node, &session.id, &form(service), session.stage, stages.len()),
        None => command(node, &session.id, "completed", |_| {}),
    }
}

fn write_stage(node: &str, id: &str, form: &Form, stage: usize, stages: usize) -> Vec<u8> {
    command(node, id, "executing", |el| {
        let onward = if stage + 1 == stages { "complete" } else { "next" };
        el.open("actions").attr("execute", onward);
        if stage > 0 {
            el.open("prev").close();
        }
        el.open(onward).close().close();
        form::write(el, "form", form);
    })
}

fn command(node: &str, id: &str, status: &str, payload: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("command").attr("xmlns", NS).attr("node", node);
    el.attr("sessionid", id).attr("status", status);
    payload(&mut el);
    el.finish();
    out
}

/// disco#items of the node of commands: those that this requester may execute (section 2.2). `None` for other nodes.
pub(super) fn items(ask: &Ask<'_>, ns: &str, host: &mut dyn Host) -> Option<Outcome> {
    if ask.target != Target::Domain || ask.payload.attr("node") != Some(NS) {
        return None;
    }
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", ns).attr("node", NS);
    let domain = host.domain().clone();
    for command in all().filter(|command| (command.open_to)(ask.session(), host)) {
        el.open("item").attr("jid", domain.as_str());
        el.attr_opt("node", command.nodes.first().copied());
        el.attr("name", command.name).close();
    }
    el.finish();
    Some(Ok(Reply::Body(out)))
}

/// disco#info of the node of commands, and of each command's. `None` for other nodes.
pub(super) fn info(ask: &Ask<'_>, ns: &str, host: &mut dyn Host) -> Option<Outcome> {
    let node = ask.payload.attr("node").filter(|_| ask.target == Target::Domain)?;
    let (kind, name) = match find(node) {
        Some(command) if !(command.open_to)(ask.session(), host) => return Some(Err(Condition::Forbidden)),
        Some(command) => ("command-node", command.name),
        None if node == NS => ("command-list", "Commands"),
        None => return None,
    };
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", ns).attr("node", node);
    el.open("identity").attr("category", "automation").attr("type", kind);
    el.attr("name", name).close();
    for feature in [NS, form::NS] {
        el.open("feature").attr("var", feature).close();
    }
    el.finish();
    Some(Ok(Reply::Body(out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(_: &Service) -> Form {
        asking("first")
    }

    fn two(_: &Service) -> Form {
        asking("second")
    }

    fn asking(var: &'static str) -> Form {
        Form {
            title: "",
            instructions: "",
            form_type: "urn:example",
            fields: vec![Field::new(var, "text-single", "").required()],
        }
    }

    static TWO_STAGES: Command = Command {
        nodes: &["two-stages"],
        name: "",
        open_to: |_, _| true,
        stages: &[one, two],
        run: |_, call, host| call.done(host),
    };

    const JULIET: &str = "juliet@capulet.example/balcony";

    fn opened(desk: &mut Desk, owner: &str, now_ms: u64) -> String {
        let id = desk.name(now_ms);
        desk.open(id.clone(), &Jid::parse(owner).unwrap(), &TWO_STAGES, now_ms);
        id
    }

    fn taken(desk: &mut Desk, id: &str, now_ms: u64) -> Result<Session, Missing> {
        desk.take(id, &Jid::parse(JULIET).unwrap(), "two-stages", now_ms)
    }

    fn go(session: &mut Session, action: Action, answer: Option<(&str, &str)>) -> Result<bool, Fault> {
        let form = answer.map(|(var, value)| {
            format!("<x xmlns='jabber:x:data' type='submit'><field var='{var}'><value>{value}</value></field></x>")
        });
        let text = format!("<command xmlns='{NS}'>{}</command>", form.unwrap_or_default());
        let payload = Element::parse(&text, "").unwrap();
        proceed(&payload, session, action, &Service::default())
    }

    #[test]
    fn a_command_goes_through_its_stages_and_back() {
        let mut desk = Desk::default();
        let id = opened(&mut desk, JULIET, 0);
        let mut session = taken(&mut desk, &id, 0).ok().unwrap();
        assert_eq!(
            go(&mut session, Action::Complete, Some(("first", "a"))),
            Err(Fault::BadAction)
        );
        assert_eq!(go(&mut session, Action::Previous, None), Err(Fault::BadAction));
        assert_eq!(go(&mut session, Action::Next, None), Err(Fault::BadPayload));
        assert_eq!(go(&mut session, Action::Next, Some(("first", "a"))), Ok(false));
        assert_eq!(session.stage, 1);
        assert_eq!(
            go(&mut session, Action::Next, Some(("second", "b"))),
            Err(Fault::BadAction)
        );
        assert_eq!(go(&mut session, Action::Previous, None), Ok(false));
        assert_eq!(session.stage, 0);
        assert_eq!(go(&mut session, Action::Execute, Some(("first", "c"))), Ok(false));
        assert_eq!(go(&mut session, Action::Complete, Some(("second", "b"))), Ok(true));
        assert_eq!(
            session.answers.value("first"),
            Some("c"),
            "said again, it counts as said last"
        );
        assert_eq!(session.answers.value("second"), Some("b"));
    }

    #[test]
    fn each_stage_says_what_can_be_done_there() {
        let text = |stage| String::from_utf8(write_stage("n", "s", &asking("v"), stage, 2)).unwrap();
        assert!(
            text(0).contains("<actions execute=\"next\"><next/></actions>"),
            "{}",
            text(0)
        );
        assert!(text(1).contains("<actions execute=\"complete\"><prev/><complete/></actions>"));
    }

    #[test]
    fn a_session_expires_and_is_told_from_one_that_never_was() {
        let mut desk = Desk::default();
        let id = opened(&mut desk, JULIET, 0);
        assert_eq!(taken(&mut desk, "made up", 0).err(), Some(Missing::Unknown));
        let session = taken(&mut desk, &id, SESSION_MS_MAX - 1).ok().unwrap();
        desk.put_back(session, SESSION_MS_MAX - 1);
        assert!(taken(&mut desk, &id, SESSION_MS_MAX).is_ok_and(|session| {
            desk.put_back(session, SESSION_MS_MAX);
            true
        }));
        assert_eq!(taken(&mut desk, &id, 3 * SESSION_MS_MAX).err(), Some(Missing::Expired));
    }

    #[test]
    fn one_user_has_few_sessions_and_a_shard_not_too_many() {
        let mut desk = Desk::default();
        let first = opened(&mut desk, JULIET, 0);
        for _ in 0..SESSIONS_PER_USER_MAX {
            opened(&mut desk, JULIET, 0);
        }
        assert_eq!(taken(&mut desk, &first, 0).err(), Some(Missing::Expired));
        let last = opened(&mut desk, JULIET, 0);
        for number in 0..SESSIONS_MAX {
            opened(&mut desk, &format!("{number}@capulet.example/x"), 0);
        }
        assert_eq!(taken(&mut desk, &last, 0).err(), Some(Missing::Expired));
        assert_eq!(desk.len(), SESSIONS_MAX);
    }

    #[test]
    fn an_answer_is_bounded() {
        let fields: String = (0..=form::FIELDS_MAX).map(|n| format!("<field var='{n}'/>")).collect();
        let values = "<value/>".repeat(form::VALUES_MAX + 1);
        for inner in [fields, format!("<field var='v'>{values}</field>")] {
            let text = format!("<x xmlns='jabber:x:data'>{inner}</x>");
            assert!(!Answers::default().take(&Element::parse(&text, "").unwrap()));
        }
    }
}
