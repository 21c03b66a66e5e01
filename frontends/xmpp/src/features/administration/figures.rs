//! Commands that change nothing: accounts counted and listed, and what is known of one.

use std::collections::VecDeque;

use crosspoint_engine::administration::{Crowd, LIST_MAX, Order, Report, Service, UserReport};
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::accounts::ACCOUNTS_MAX;
use super::{Answers, Call, FORM_TYPE, Field, Form, account, form, result};
use crate::codec::Builder;
use crate::features::roster;
use crate::stanza::time;

/// What can be chosen for `max_items`. There is no end of "none" but [`LIST_MAX`].
const SIZES: &[(&str, &str)] = &[
    ("25", "25"),
    ("50", "50"),
    ("75", "75"),
    ("100", "100"),
    ("150", "150"),
    ("200", "200"),
    ("None", "none"),
];

macro_rules! counts {
    ($($run:ident: $crowd:ident, $var:literal, $label:literal;)*) => {
        $(pub fn $run(_: &Answers, call: Call, host: &mut dyn Host) {
            count(Crowd::$crowd, $var, $label, call, host);
        })*
    };
}

counts! {
    registered: Registered, "registeredusersnum", "The number of registered users";
    disabled: Disabled, "disabledusersnum", "The number of disabled users";
    online: Online, "onlineusersnum", "The number of online users";
    active: Active, "activeusersnum", "The number of active users";
    idle: Idle, "idleusersnum", "The number of idle users";
}

macro_rules! lists {
    ($($ask:ident, $run:ident: $crowd:ident, $title:literal, $instructions:literal, $var:literal, $label:literal;)*) => {
        $(pub fn $ask(_: &Service) -> Form {
            list_form($title, $instructions)
        }
        pub fn $run(answers: &Answers, call: Call, host: &mut dyn Host) {
            list(answers, Crowd::$crowd, $var, $label, call, host);
        })*
    };
}

lists! {
    registered_form, list_registered: Registered, "Requesting List of Registered Users",
        "Fill out this form to request the registered users of this service.",
        "registereduserjids", "The list of all users";
    disabled_form, list_disabled: Disabled, "Requesting List of Disabled Users",
        "Fill out this form to request the disabled users of this service.",
        "disableduserjids", "The list of all disabled users";
    online_form, list_online: Online, "Requesting List of Online Users",
        "Fill out this form to request the online users of this service.",
        "onlineuserjids", "The list of all online users";
    active_form, list_active: Active, "Requesting List of Active Users",
        "Fill out this form to request the active users of this service.",
        "activeuserjids", "The list of all active users";
    // The specification has no field of its own for them.
    idle_form, list_idle: Idle, "Requesting List of Idle Users",
        "Fill out this form to request the idle users of this service.",
        "activeuserjids", "The list of all idle users";
}

fn count(crowd: Crowd, var: &'static str, label: &'static str, call: Call, host: &mut dyn Host) {
    let then = move |told: Result<Report, Condition>, host: &mut dyn Host| match told {
        Ok(Report::Count(count)) => {
            let field = Field::new(var, "text-single", label).values(vec![count.to_string()]);
            call.result(&result(vec![field]), host);
        }
        Ok(_) => call.refuse(Condition::InternalServerError, host),
        Err(condition) => call.refuse(condition, host),
    };
    host.administer(Order::Count(crowd), Box::new(then));
}

fn list_form(title: &'static str, instructions: &'static str) -> Form {
    let field = Field {
        options: SIZES,
        values: vec!["25".to_owned()],
        ..Field::new("max_items", "list-single", "Maximum number of items to show")
    };
    form(title, instructions, vec![field])
}

fn list(answers: &Answers, crowd: Crowd, var: &'static str, label: &'static str, call: Call, host: &mut dyn Host) {
    let max = match answers.value("max_items") {
        None | Some("none") => LIST_MAX,
        Some(number) => match number.parse() {
            Ok(max) => max,
            Err(_) => return call.bad_payload(host),
        },
    };
    let then = move |told: Result<Report, Condition>, host: &mut dyn Host| match told {
        Ok(Report::List { addresses, more }) => show_list(&addresses, more, var, label, call, host),
        Ok(_) => call.refuse(Condition::InternalServerError, host),
        Err(condition) => call.refuse(condition, host),
    };
    host.administer(Order::List(crowd, max), Box::new(then));
}

fn show_list(addresses: &[Jid], more: bool, var: &'static str, label: &'static str, call: Call, host: &mut dyn Host) {
    let values = addresses.iter().map(|address| address.as_str().to_owned()).collect();
    let form = result(vec![Field::new(var, "jid-multi", label).values(values)]);
    call.show(
        |el| {
            if more {
                let text = format!("These are {}; there are others.", addresses.len());
                el.open("note").attr("type", "info").text(&text).close();
            }
            super::super::commands::write_form(el, "result", &form);
        },
        host,
    );
}

pub fn roster_form(_: &Service) -> Form {
    form(
        "Getting a User's Roster",
        "Fill out this form to get a user's roster.",
        vec![
            Field::new(
                "accountjids",
                "jid-multi",
                "The Jabber ID(s) for which to retrieve the roster",
            )
            .required(),
        ],
    )
}

/// The rosters stand in the form, in their own namespace.
pub fn roster(answers: &Answers, call: Call, host: &mut dyn Host) {
    inspect_each(answers, call, host, |el, users| {
        el.open("x").attr("xmlns", "jabber:x:data").attr("type", "result");
        form_type(el);
        write_accounts(el, users);
        for (_, user) in users {
            let items = user.roster.iter().filter(|item| item.listed);
            el.open("query").attr("xmlns", "jabber:iq:roster");
            items.for_each(|item| roster::write_item(el, item));
            el.close();
        }
        el.close();
    });
}

pub fn login_form(_: &Service) -> Form {
    form(
        "Getting a User's Last Login Time",
        "Fill out this form to get a user's last login time.",
        vec![
            Field::new(
                "accountjids",
                "jid-multi",
                "The Jabber ID(s) for which to retrieve the last login time",
            )
            .required(),
        ],
    )
}

/// A user of whom no login is known has an empty value.
pub fn login(answers: &Answers, call: Call, host: &mut dyn Host) {
    inspect_each(answers, call, host, |el, users| {
        el.open("x").attr("xmlns", "jabber:x:data").attr("type", "result");
        form_type(el);
        write_accounts(el, users);
        el.open("field").attr("var", "lastlogin").attr("type", "text-multi");
        for (_, user) in users {
            let mut stamp = Vec::new();
            if let Some(unix_ms) = user.last_login_unix_ms {
                time::write(&mut stamp, unix_ms);
            }
            el.open("value").text(&String::from_utf8_lossy(&stamp)).close();
        }
        el.close().close();
    });
}

pub fn user_form(_: &Service) -> Form {
    form(
        "Get User Statistics",
        "Fill out this form to gather user statistics.",
        vec![Field::new("accountjid", "jid-single", "The Jabber ID for statistics").required()],
    )
}

pub fn user(answers: &Answers, call: Call, host: &mut dyn Host) {
    let account = match account(answers) {
        Ok(account) => account,
        Err(condition) => return call.refuse(condition, host),
    };
    let then = |told: Result<Report, Condition>, host: &mut dyn Host| match told {
        Ok(Report::User(user)) => call.result(&result(statistics(&user)), host),
        Ok(_) => call.refuse(Condition::InternalServerError, host),
        Err(condition) => call.refuse(condition, host),
    };
    host.administer(Order::Inspect(account), Box::new(then));
}

fn statistics(user: &UserReport) -> Vec<Field> {
    let mut peers: Vec<String> = user.sessions.iter().map(|(_, peer)| peer.to_string()).collect();
    peers.sort_unstable();
    peers.dedup();
    let resources = user.sessions.iter().filter_map(|(session, _)| session.resource());
    let listed = user.roster.iter().filter(|item| item.listed).count();
    let stamp = |unix_ms| {
        let mut stamp = Vec::new();
        time::write(&mut stamp, unix_ms);
        String::from_utf8_lossy(&stamp).into_owned()
    };
    let mut fields = vec![
        Field::new("ipaddresses", "text-multi", "The IP addresses of its sessions").values(peers),
        Field::new("rostersize", "text-single", "Number of roster items").values(vec![listed.to_string()]),
        Field::new("onlineresources", "text-multi", "The names of its sessions")
            .values(resources.map(str::to_owned).collect()),
        Field::new("offlinemessages", "text-single", "Number of messages that wait")
            .values(vec![user.waiting.to_string()]),
        Field::new("created", "text-single", "When the account was made").values(vec![stamp(user.created_unix_ms)]),
        Field::new("disabled", "boolean", "Nobody may log in").values(vec![u8::from(user.disabled).to_string()]),
    ];
    if let Some(unix_ms) = user.last_login_unix_ms {
        fields.push(Field::new("lastlogin", "text-single", "The last login time").values(vec![stamp(unix_ms)]));
    }
    fields
}

type Users = Vec<(Jid, Box<UserReport>)>;

/// What is known of each account that is named; all must be there.
fn inspect_each(
    answers: &Answers,
    call: Call,
    host: &mut dyn Host,
    write: impl FnOnce(&mut Builder<'_, '_>, &Users) + Send + 'static,
) {
    match answers.addresses("accountjids") {
        Ok(accounts) if accounts.is_empty() || accounts.len() > ACCOUNTS_MAX => call.bad_payload(host),
        Ok(accounts) => inspect_next(accounts.into(), Vec::new(), call, host, Box::new(write)),
        Err(condition) => call.refuse(condition, host),
    }
}

type Write = Box<dyn FnOnce(&mut Builder<'_, '_>, &Users) + Send>;

fn inspect_next(mut left: VecDeque<Jid>, mut users: Users, call: Call, host: &mut dyn Host, write: Write) {
    let Some(account) = left.pop_front() else {
        return call.show(|el| write(el, &users), host);
    };
    let order = Order::Inspect(account.clone());
    let then = move |told: Result<Report, Condition>, host: &mut dyn Host| match told {
        Ok(Report::User(user)) => {
            users.push((account, user));
            inspect_next(left, users, call, host, write);
        }
        Ok(_) => call.refuse(Condition::InternalServerError, host),
        Err(condition) => call.refuse(condition, host),
    };
    host.administer(order, Box::new(then));
}

fn form_type(el: &mut Builder<'_, '_>) {
    el.open("field").attr("var", "FORM_TYPE").attr("type", "hidden");
    el.open("value").text(FORM_TYPE).close().close();
}

fn write_accounts(el: &mut Builder<'_, '_>, users: &Users) {
    el.open("field").attr("var", "accountjids").attr("type", "jid-multi");
    for (account, _) in users {
        el.open("value").text(account.as_str()).close();
    }
    el.close();
}
