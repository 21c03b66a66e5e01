//! XEP-0133 Service Administration: every command of the specification, for the service's administrators.
//!
//! `accounts.rs` has the commands about accounts, `figures.rs` those that count and list, `texts.rs` those about what is said
//! to all, `lists.rs` those about lists, and the end of the service. What they do is the engine's work
//! (`engine/src/administration`).
//!
//! Invariant: nothing of an order is logged that its administrator would not show: no password, no text.

mod accounts;
mod figures;
mod lists;
mod texts;

use crosspoint_engine::administration::Order;
use crosspoint_engine::administration::Report;
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::commands::{Answers, Call, Command, Field, Form};
use super::{Feature, Xep};

/// The value of FORM_TYPE.
const FORM_TYPE: &str = "http://jabber.org/protocol/admin";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(133, "1.3.1")],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};

/// One of the commands: nodes (its own, and others by which clients know it), name, forms, and what runs.
macro_rules! command {
    ([$($node:literal),+], $name:literal, [$($stage:expr),*], $run:expr) => {
        Command {
            nodes: &[$(concat!("http://jabber.org/protocol/admin#", $node)),+],
            name: $name,
            open_to: administrators_only,
            stages: &[$($stage),*],
            run: $run,
        }
    };
}

/// In the order of the specification.
pub(super) const COMMANDS: &[Command] = &[
    command!(["add-user"], "Add User", [accounts::add_form], accounts::add),
    command!(
        ["delete-user"],
        "Delete User",
        [accounts::delete_form],
        accounts::delete
    ),
    command!(
        ["disable-user"],
        "Disable User",
        [accounts::disable_form],
        accounts::disable
    ),
    command!(
        ["reenable-user"],
        "Re-Enable User",
        [accounts::enable_form],
        accounts::enable
    ),
    command!(
        ["end-user-session"],
        "End User Session",
        [accounts::end_form],
        accounts::end
    ),
    command!(
        ["change-user-password"],
        "Change User Password",
        [accounts::password_form],
        accounts::password
    ),
    command!(
        ["get-user-roster"],
        "Get User Roster",
        [figures::roster_form],
        figures::roster
    ),
    command!(
        ["get-user-lastlogin"],
        "Get User Last Login Time",
        [figures::login_form],
        figures::login
    ),
    command!(
        ["user-stats"],
        "Get User Statistics",
        [figures::user_form],
        figures::user
    ),
    command!(["edit-blacklist"], "Edit Blacklist", [lists::black_form], lists::black),
    command!(
        ["edit-whitelist", "add-to-whitelist"],
        "Edit Whitelist",
        [lists::white_form],
        lists::white
    ),
    command!(
        ["get-registered-users-num"],
        "Get Number of Registered Users",
        [],
        figures::registered
    ),
    command!(
        ["get-disabled-users-num"],
        "Get Number of Disabled Users",
        [],
        figures::disabled
    ),
    command!(
        ["get-online-users-num"],
        "Get Number of Online Users",
        [],
        figures::online
    ),
    command!(
        ["get-active-users-num"],
        "Get Number of Active Users",
        [],
        figures::active
    ),
    command!(["get-idle-users-num"], "Get Number of Idle Users", [], figures::idle),
    command!(
        ["get-registered-users-list"],
        "Get List of Registered Users",
        [figures::registered_form],
        figures::list_registered
    ),
    command!(
        ["get-disabled-users-list"],
        "Get List of Disabled Users",
        [figures::disabled_form],
        figures::list_disabled
    ),
    command!(
        ["get-online-users-list", "get-online-users"],
        "Get List of Online Users",
        [figures::online_form],
        figures::list_online
    ),
    command!(
        ["get-active-users"],
        "Get List of Active Users",
        [figures::active_form],
        figures::list_active
    ),
    command!(
        ["get-idle-users", "get-idle-userslist"],
        "Get List of Idle Users",
        [figures::idle_form],
        figures::list_idle
    ),
    command!(
        ["announce"],
        "Send Announcement to Online Users",
        [texts::announce_form],
        texts::announce
    ),
    command!(
        ["set-motd"],
        "Set Message of the Day",
        [texts::motd_form],
        texts::set_motd
    ),
    command!(
        ["edit-motd"],
        "Edit Message of the Day",
        [texts::edit_form],
        texts::edit_motd
    ),
    command!(["delete-motd"], "Delete Message of the Day", [], texts::delete_motd),
    command!(
        ["set-welcome"],
        "Set Welcome Message",
        [texts::welcome_form],
        texts::set_welcome
    ),
    command!(["delete-welcome"], "Delete Welcome Message", [], texts::delete_welcome),
    command!(
        ["edit-admin"],
        "Edit Admin List",
        [lists::administrators_form],
        lists::administrators
    ),
    command!(["restart"], "Restart Service", [lists::restart_form], lists::restart),
    command!(
        ["shutdown"],
        "Shut Down Service",
        [lists::shutdown_form],
        lists::shutdown
    ),
];

fn administrators_only(who: &Jid, host: &dyn Host) -> bool {
    who.domain() == host.domain().domain() && host.is_administrator(who)
}

fn form(title: &'static str, instructions: &'static str, fields: Vec<Field>) -> Form {
    Form {
        title,
        instructions,
        form_type: FORM_TYPE,
        fields,
    }
}

/// A form to read.
fn result(fields: Vec<Field>) -> Form {
    form("", "", fields)
}

/// The one account of a form.
fn account(answers: &Answers) -> Result<Jid, Condition> {
    let named = answers.addresses("accountjid")?;
    match <[Jid; 1]>::try_from(named) {
        Ok([account]) if account.is_bare() => Ok(account),
        _ => Err(Condition::BadRequest),
    }
}

/// Gives an order that ends the command, which has nothing to show.
fn order(order: Order, call: Call, host: &mut dyn Host) {
    let then = |told: Result<Report, Condition>, host: &mut dyn Host| match told {
        Ok(_) => call.done(host),
        Err(condition) => call.refuse(condition, host),
    };
    host.administer(order, Box::new(then));
}

/// The lines of a text, as a field has them.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
