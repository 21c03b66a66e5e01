//! Accounts by in-band registration (XEP-0077 section 3.1).

use anyhow::{Context, Result, bail};
use crosspoint_xmpp::codec::Element;

use super::talk::Server;
use crate::plan::Plan;

const REGISTER: &str = "jabber:iq:register";
const ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// See the module.
pub struct Registrar<'a> {
    plan: &'a Plan,
    server: Server,
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Made,
    Exists,
    Refused(String),
}

impl<'a> Registrar<'a> {
    pub fn new(plan: &'a Plan) -> Result<Self> {
        Ok(Self {
            plan,
            server: Server::new(plan)?,
        })
    }

    /// Makes the account of the user at a place. One that exists is good.
    pub fn register(&self, place: u32) -> Result<()> {
        let mut talk = self.server.connect(self.plan.users.first + place)?;
        talk.say(&request(&self.plan.users.name(place), &self.plan.users.password))?;
        let answer = talk.until(answer);
        match answer.context("in-band registration; many servers allow it under TLS only (--tls)")? {
            Answer::Made | Answer::Exists => {
                talk.close();
                Ok(())
            }
            Answer::Refused(condition) => bail!(
                "in-band registration was refused: {condition}. Does the server allow it, and so many in so short a time \
                 (Crosspoint: accounts.registrations_per_hour; ejabberd: registration_timeout: infinity; Prosody: \
                 allow_registration = true)? Accounts can also be made \
                 by a command: --make \"ejabberdctl register {{user}} {{domain}} {{password}}\""
            ),
        }
    }
}

fn request(user: &str, password: &str) -> String {
    let password = password.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<iq type='set' id='register'><query xmlns='{REGISTER}'><username>{user}</username>\
         <password>{password}</password></query></iq>"
    )
}

fn answer(element: &Element<'_>) -> Option<Answer> {
    if element.name() != "iq" || element.attr("id") != Some("register") {
        return None;
    }
    if element.attr("type") == Some("result") {
        return Some(Answer::Made);
    }
    let error = element.children().find(|child| child.name() == "error")?;
    let condition = error.children().find(|child| child.namespace() == ERRORS);
    Some(match condition.map(|condition| condition.name()) {
        Some("conflict") => Answer::Exists,
        Some(condition) => Answer::Refused(condition.to_owned()),
        None => Answer::Refused("an error without a condition".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let heard = |text: &str| answer(&Element::parse(text, "jabber:client").unwrap());
        assert_eq!(heard("<iq type='result' id='register'/>"), Some(Answer::Made));
        assert_eq!(heard("<iq type='result' id='other'/>"), None);
        let error = |condition: &str| {
            format!("<iq type='error' id='register'><error type='cancel'><{condition} xmlns='{ERRORS}'/></error></iq>")
        };
        assert_eq!(heard(&error("conflict")), Some(Answer::Exists));
        assert_eq!(
            heard(&error("not-allowed")),
            Some(Answer::Refused("not-allowed".into()))
        );
    }

    #[test]
    fn a_password_cannot_leave_its_element() {
        assert!(request("u", "a<b>&c").contains("<password>a&lt;b&gt;&amp;c</password>"));
    }
}
