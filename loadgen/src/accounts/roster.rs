//! Mutual rosters, through the protocol itself (RFC 6121 section 3): everybody invites his contacts, and approves.
//!
//! A pass visits every user who is not done: he reads his roster, and to each contact with whom the subscription is not
//! `both` he sends an invitation in one pass, and an approval in the next. Not both at once: an approval before its
//! invitation is a pre-approval (section 3.4), after which Prosody leaves one side asking for ever. A user is done when
//! his roster shows all contacts with `both`.
//!
//! Invariant: passes are bounded; what is there already costs one visit.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Result, bail};
use crosspoint_xmpp::codec::Element;

use super::each;
use super::talk::{Server, Talk};
use crate::plan::Plan;
use crate::progress::Progress;

/// Two make the rosters, one looks; the others are for servers that take their time.
const PASSES_MAX: u32 = 6;
const ROSTER: &str = "jabber:iq:roster";

/// Makes the rosters of all users.
pub fn make(plan: &Plan, progress: &mut Progress) -> Result<()> {
    let server = Server::new(plan)?;
    let done: Vec<AtomicBool> = (0..plan.users.count).map(|_| AtomicBool::new(false)).collect();
    for pass in 1..=PASSES_MAX {
        let left = AtomicU32::new(0);
        each(plan, &format!("rosters, pass {pass}"), progress, |place| {
            let done = &done[place as usize];
            if !done.load(Ordering::Relaxed) {
                match visit(plan, &server, place, pass)? {
                    0 => done.store(true, Ordering::Relaxed),
                    _ => drop(left.fetch_add(1, Ordering::Relaxed)),
                }
            }
            Ok(())
        })?;
        if left.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
    }
    bail!("rosters are not mutual after {PASSES_MAX} passes: does the server bound their size, or who may be invited?")
}

/// One visit; how many contacts were not mutual yet.
fn visit(plan: &Plan, server: &Server, place: u32, pass: u32) -> Result<u32> {
    let users = &plan.users;
    let mut talk = server.log_in(users.first + place)?;
    let known = mutual(&mut talk)?;
    let mut missing = 0;
    for contact in users.roster.contacts(place, users.count) {
        let contact = format!("{}@{}", users.name(contact), server.domain);
        if !known.contains(&contact) {
            missing += 1;
            let kind = if pass % 2 == 1 { "subscribe" } else { "subscribed" };
            talk.say(&format!("<presence type='{kind}' to='{contact}'/>"))?;
        }
    }
    if missing > 0 {
        // The answer comes when the server has worked off everything before the question.
        talk.say("<iq type='get' id='settled'><ping xmlns='urn:xmpp:ping'/></iq>")?;
        talk.until(|element| (element.attr("id") == Some("settled")).then_some(()))?;
    }
    talk.close();
    Ok(missing)
}

/// Contacts with whom the subscription is mutual.
fn mutual(talk: &mut Talk) -> Result<Vec<String>> {
    talk.say(&format!("<iq type='get' id='roster'><query xmlns='{ROSTER}'/></iq>"))?;
    talk.until(|element| (element.attr("id") == Some("roster")).then(|| both(element)))
}

fn both(answer: &Element<'_>) -> Vec<String> {
    let query = answer.child("query", ROSTER);
    let items = query.into_iter().flat_map(|query| query.children());
    items
        .filter(|item| item.attr("subscription") == Some("both"))
        .filter_map(|item| item.attr("jid").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mutual_contacts_count() {
        let answer = format!(
            "<iq type='result' id='roster'><query xmlns='{ROSTER}'><item jid='u1@localhost' subscription='both'/>\
             <item jid='u2@localhost' subscription='to' ask='subscribe'/><item jid='u3@localhost'/></query></iq>"
        );
        let answer = Element::parse(&answer, "jabber:client").unwrap();
        assert_eq!(both(&answer), ["u1@localhost"]);
    }
}
