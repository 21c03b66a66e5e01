//! Commands about what is said to all: announcements, the message of the day, the welcome.

use crosspoint_engine::administration::{Change, Order, Service};
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::service::Host;

use super::{Answers, Call, Field, Form, form, lines, order};

pub fn announce_form(_: &Service) -> Form {
    form(
        "Making an Announcement",
        "Fill out this form to make an announcement to all active users of this service.",
        vec![Field::new("announcement", "text-multi", "Announcement").required()],
    )
}

pub fn announce(answers: &Answers, call: Call, host: &mut dyn Host) {
    order(Order::Announce(answers.lines("announcement").into()), call, host);
}

pub fn motd_form(_: &Service) -> Form {
    form(
        "Setting the Message of the Day",
        "Fill out this form to set the message of the day.",
        vec![Field::new("motd", "text-multi", "Message of the Day").required()],
    )
}

pub fn set_motd(answers: &Answers, call: Call, host: &mut dyn Host) {
    order(Order::Amend(Change::Motd(Some(answers.lines("motd")))), call, host);
}

pub fn edit_form(service: &Service) -> Form {
    let current = service.motd.as_ref().map(|motd| lines(&motd.text));
    form(
        "Editing the Message of the Day",
        "Fill out this form to edit the message of the day.",
        vec![
            Field::new("motd", "text-multi", "Message of the Day")
                .required()
                .values(current.unwrap_or_default()),
        ],
    )
}

pub fn edit_motd(answers: &Answers, call: Call, host: &mut dyn Host) {
    order(Order::Amend(Change::EditMotd(answers.lines("motd"))), call, host);
}

pub fn delete_motd(_: &Answers, call: Call, host: &mut dyn Host) {
    if host.standing().motd.is_none() {
        return call.refuse(Condition::ItemNotFound, host);
    }
    order(Order::Amend(Change::Motd(None)), call, host);
}

pub fn welcome_form(service: &Service) -> Form {
    let current = service.welcome.as_ref().map(|welcome| lines(&welcome.text));
    form(
        "Setting Welcome Message",
        "Fill out this form to set the welcome message for this service.",
        vec![
            Field::new("welcome", "text-multi", "Welcome Message")
                .required()
                .values(current.unwrap_or_default()),
        ],
    )
}

pub fn set_welcome(answers: &Answers, call: Call, host: &mut dyn Host) {
    order(
        Order::Amend(Change::Welcome(Some(answers.lines("welcome")))),
        call,
        host,
    );
}

pub fn delete_welcome(_: &Answers, call: Call, host: &mut dyn Host) {
    if host.standing().welcome.is_none() {
        return call.refuse(Condition::ItemNotFound, host);
    }
    order(Order::Amend(Change::Welcome(None)), call, host);
}
