//! Commands that change accounts: made, removed, disabled, their sessions ended, their passwords set.

use std::collections::VecDeque;

use crosspoint_engine::administration::{Order, Report, Secret, Service};
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{BookWrite, Host, Table};
use crosspoint_engine::store;

use super::{Answers, Call, Field, Form, account, form, order};
use crate::codec::Builder;

/// Accounts of one command.
pub const ACCOUNTS_MAX: usize = 100;

pub fn add_form(_: &Service) -> Form {
    form(
        "Adding a User",
        "Fill out this form to add a user.",
        vec![
            Field::new("accountjid", "jid-single", "The Jabber ID for the account to be added").required(),
            Field::new("password", "text-private", "The password for this account").required(),
            Field::new("password-verify", "text-private", "Retype password"),
            Field::new("email", "text-single", "Email address"),
            Field::new("given_name", "text-single", "Given name"),
            Field::new("surname", "text-single", "Family name"),
        ],
    )
}

pub fn add(answers: &Answers, call: Call, host: &mut dyn Host) {
    let account = match account(answers) {
        Ok(account) => account,
        Err(condition) => return call.refuse(condition, host),
    };
    let Some(password) = answers.value("password") else {
        return call.bad_payload(host);
    };
    // Who leaves the second field out has typed once.
    if answers.value("password-verify").is_some_and(|again| again != password) {
        return call.bad_payload(host);
    }
    let card = card(answers);
    let made = Order::Create {
        account: account.clone(),
        password: Secret(password.to_owned()),
    };
    let then = move |told: Result<Report, Condition>, host: &mut dyn Host| match (told, card) {
        (Err(condition), _) => call.refuse(condition, host),
        (Ok(_), None) => call.done(host),
        (Ok(_), Some(card)) => {
            let put = BookWrite::Put {
                table: Table::Vcard,
                key: store::user_key(&account),
                value: card.into(),
            };
            host.write(
                vec![put],
                Box::new(move |result, host| match result {
                    Ok(()) => call.done(host),
                    Err(condition) => call.refuse(condition, host),
                }),
            );
        }
    };
    host.administer(made, Box::new(then));
}

/// What the form says of the person, as a card (XEP-0054).
fn card(answers: &Answers) -> Option<Vec<u8>> {
    let [given, family, email] = ["given_name", "surname", "email"].map(|var| answers.value(var));
    if given.is_none() && family.is_none() && email.is_none() {
        return None;
    }
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("vCard").attr("xmlns", "vcard-temp");
    if given.is_some() || family.is_some() {
        let full: Vec<&str> = [given, family].into_iter().flatten().collect();
        el.open("FN").text(&full.join(" ")).close();
        el.open("N");
        el.open("FAMILY").text(family.unwrap_or_default()).close();
        el.open("GIVEN").text(given.unwrap_or_default()).close();
        el.close();
    }
    if let Some(email) = email {
        el.open("EMAIL").open("USERID").text(email).close().close();
    }
    el.finish();
    Some(out)
}

pub fn delete_form(_: &Service) -> Form {
    accounts_form(
        "Deleting a User",
        "Fill out this form to delete a user.",
        "The Jabber ID(s) to delete",
    )
}

pub fn delete(answers: &Answers, call: Call, host: &mut dyn Host) {
    each(answers, Order::Remove, call, host);
}

pub fn disable_form(_: &Service) -> Form {
    accounts_form(
        "Disabling a User",
        "Fill out this form to disable a user.",
        "The Jabber ID(s) to disable",
    )
}

pub fn disable(answers: &Answers, call: Call, host: &mut dyn Host) {
    each(answers, Order::Disable, call, host);
}

pub fn enable_form(_: &Service) -> Form {
    accounts_form(
        "Re-Enable a User",
        "Fill out this form to re-enable a user.",
        "The Jabber ID(s) to re-enable",
    )
}

pub fn enable(answers: &Answers, call: Call, host: &mut dyn Host) {
    each(answers, Order::Enable, call, host);
}

pub fn end_form(_: &Service) -> Form {
    accounts_form(
        "Ending a User Session",
        "Fill out this form to end a user's session.",
        "The Jabber ID(s) for which to end sessions",
    )
}

pub fn end(answers: &Answers, call: Call, host: &mut dyn Host) {
    each(answers, Order::EndSessions, call, host);
}

pub fn password_form(_: &Service) -> Form {
    form(
        "Changing a User Password",
        "Fill out this form to change a user's password.",
        vec![
            Field::new("accountjid", "jid-single", "The Jabber ID for this account").required(),
            Field::new("password", "text-private", "The password for this account").required(),
        ],
    )
}

pub fn password(answers: &Answers, call: Call, host: &mut dyn Host) {
    let Some(password) = answers.value("password") else {
        return call.bad_payload(host);
    };
    let password = Secret(password.to_owned());
    match account(answers) {
        Ok(account) => order(Order::SetPassword { account, password }, call, host),
        Err(condition) => call.refuse(condition, host),
    }
}

fn accounts_form(title: &'static str, instructions: &'static str, label: &'static str) -> Form {
    form(
        title,
        instructions,
        vec![Field::new("accountjids", "jid-multi", label).required()],
    )
}

/// The same for each account that is named, one after the other.
fn each(answers: &Answers, make: fn(Jid) -> Order, call: Call, host: &mut dyn Host) {
    match answers.addresses("accountjids") {
        Ok(accounts) if accounts.is_empty() || accounts.len() > ACCOUNTS_MAX => call.bad_payload(host),
        Ok(accounts) => {
            let left: VecDeque<Jid> = accounts.into();
            let only = left.len() == 1;
            next(left, Vec::new(), make, only, call, host);
        }
        Err(condition) => call.refuse(condition, host),
    }
}

fn next(
    mut left: VecDeque<Jid>,
    mut failed: Vec<(Jid, Condition)>,
    make: fn(Jid) -> Order,
    only: bool,
    call: Call,
    host: &mut dyn Host,
) {
    let Some(account) = left.pop_front() else {
        return end_with(&failed, only, call, host);
    };
    let order = make(account.clone());
    let then = move |told: Result<Report, Condition>, host: &mut dyn Host| {
        if let Err(condition) = told {
            failed.push((account, condition));
        }
        next(left, failed, make, only, call, host);
    };
    host.administer(order, Box::new(then));
}

/// A command that completes but fails says so in a note (XEP-0050 section 3.7).
fn end_with(failed: &[(Jid, Condition)], only: bool, call: Call, host: &mut dyn Host) {
    match failed {
        [] => call.done(host),
        [(_, condition)] if only => call.refuse(*condition, host),
        failed => call.show(
            |el| {
                for (account, condition) in failed {
                    let why = match condition {
                        Condition::ItemNotFound => "there is no such account",
                        _ => "it could not be done",
                    };
                    el.open("note").attr("type", "error");
                    el.text(&format!("{account}: {why}")).close();
                }
            },
            host,
        ),
    }
}
