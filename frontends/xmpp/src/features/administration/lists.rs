//! Commands about the lists of the service, and about its end.

use crosspoint_engine::administration::{Change, Ending, Order, Report, Service};
use crosspoint_engine::blocking::BlockList;
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::{Answers, Call, Field, Form, form, order};

/// Longest wait before the service ends, in seconds.
pub const DELAY_S_MAX: u64 = 24 * 60 * 60;

const DELAYS: &[(&str, &str)] = &[
    ("30 seconds", "30"),
    ("60 seconds", "60"),
    ("90 seconds", "90"),
    ("2 minutes", "120"),
    ("3 minutes", "180"),
    ("4 minutes", "240"),
    ("5 minutes", "300"),
];

pub fn black_form(service: &Service) -> Form {
    list_form(
        "Editing the Blacklist",
        "Fill out this form to edit the list of entities with whom communications are disallowed.",
        Field::new("blacklistjids", "jid-multi", "The blacklist"),
        &service.black,
    )
}

/// The domain itself would part everybody from everybody.
pub fn black(answers: &Answers, call: Call, host: &mut dyn Host) {
    let own = host.domain().clone();
    edit(
        answers,
        "blacklistjids",
        call,
        host,
        |entries| !entries.contains(&own),
        Change::Black,
    );
}

pub fn white_form(service: &Service) -> Form {
    list_form(
        "Editing the Whitelist",
        "Fill out this form to edit the list of entities with whom communications are allowed.",
        Field::new("whitelistjids", "jid-multi", "The whitelist"),
        &service.white,
    )
}

pub fn white(answers: &Answers, call: Call, host: &mut dyn Host) {
    edit(answers, "whitelistjids", call, host, |_| true, Change::White);
}

pub fn administrators_form(service: &Service) -> Form {
    list_form(
        "Editing the Admin List",
        "Fill out this form to edit the list of entities who have administrative privileges. Those that the \
         configuration names keep them in any case.",
        Field::new("adminjids", "jid-multi", "The admin list"),
        &service.administrators,
    )
}

/// Only accounts of this domain can be administrators.
pub fn administrators(answers: &Answers, call: Call, host: &mut dyn Host) {
    let domain = host.domain().clone();
    let own = |entries: &[Jid]| {
        let mut entries = entries.iter();
        entries.all(|entry| entry.is_bare() && entry.node().is_some() && entry.domain() == domain.domain())
    };
    edit(answers, "adminjids", call, host, own, Change::Administrators);
}

fn list_form(title: &'static str, instructions: &'static str, field: Field, list: &BlockList) -> Form {
    let entries = list.iter().map(|entry| entry.as_str().to_owned()).collect();
    form(title, instructions, vec![field.values(entries)])
}

fn edit(
    answers: &Answers,
    var: &str,
    call: Call,
    host: &mut dyn Host,
    allowed: impl FnOnce(&[Jid]) -> bool,
    change: fn(Vec<Jid>) -> Change,
) {
    match answers.addresses(var) {
        Ok(entries) if allowed(&entries) => order(Order::Amend(change(entries)), call, host),
        Ok(_) => call.refuse(Condition::NotAllowed, host),
        Err(condition) => call.refuse(condition, host),
    }
}

pub fn restart_form(_: &Service) -> Form {
    end_form(
        "Restarting the Service",
        "Fill out this form to restart the service.",
        "Time delay before restarting",
    )
}

pub fn restart(answers: &Answers, call: Call, host: &mut dyn Host) {
    end(answers, Ending::Restart, call, host);
}

pub fn shutdown_form(_: &Service) -> Form {
    end_form(
        "Shutting Down the Service",
        "Fill out this form to shut down the service.",
        "Time delay before shutting down",
    )
}

pub fn shutdown(answers: &Answers, call: Call, host: &mut dyn Host) {
    end(answers, Ending::Shutdown, call, host);
}

fn end_form(title: &'static str, instructions: &'static str, label: &'static str) -> Form {
    let delay = Field {
        options: DELAYS,
        values: vec!["30".to_owned()],
        ..Field::new("delay", "list-single", label)
    };
    let announcement = Field::new("announcement", "text-multi", "Announcement");
    form(title, instructions, vec![delay, announcement])
}

/// Everybody is told first, if there is something to tell.
fn end(answers: &Answers, ending: Ending, call: Call, host: &mut dyn Host) {
    let seconds = match answers.value("delay").map(str::parse::<u64>) {
        None => 0,
        Some(Ok(seconds)) if seconds <= DELAY_S_MAX => seconds,
        Some(_) => return call.bad_payload(host),
    };
    let last = Order::End(ending, seconds * 1_000);
    let text = answers.lines("announcement");
    if text.is_empty() {
        return order(last, call, host);
    }
    let then = move |told: Result<Report, Condition>, host: &mut dyn Host| match told {
        Ok(_) => order(last, call, host),
        Err(condition) => call.refuse(condition, host),
    };
    host.administer(Order::Announce(text.into()), Box::new(then));
}
