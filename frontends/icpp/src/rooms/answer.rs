//! The answer to a request that a room has granted. Long ones are cut into frames where the session writes them.

use crosspoint_engine::envelope::Content;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{Affiliate, RoomAnswer, RoomInfo, RoomQuery};

use crate::codec::ext;
use crate::codec::rooms::{Member, UNSAID, tag, write_text};
use crate::codec::{Flags, Verb};
use crate::parts;

use super::{clip, config, role_number};

/// The content. `None` for a question that this protocol does not ask.
pub(super) fn answer(query: &RoomQuery, answer: &RoomAnswer<'_>) -> Option<Content> {
    let verb = match query {
        RoomQuery::Occupants | RoomQuery::Affiliates(_) | RoomQuery::Roles(_) | RoomQuery::GetRegistration => {
            Verb::Members
        }
        RoomQuery::Change(_) | RoomQuery::Register(_) | RoomQuery::Unregister | RoomQuery::Moderate { .. } => {
            Verb::Change
        }
        RoomQuery::GetConfig | RoomQuery::SetConfig(_) | RoomQuery::CancelConfig | RoomQuery::Info => Verb::Configure,
        RoomQuery::Destroy { .. } => Verb::Destroy,
        _ => return None,
    };
    let mut body = Vec::new();
    match answer {
        RoomAnswer::Done => {}
        RoomAnswer::Info(info) => write_info(&mut body, info),
        RoomAnswer::Occupants { nicks, .. } => nicks.iter().for_each(|nick| {
            let member = Member {
                affiliation: UNSAID,
                role: UNSAID,
                address: "",
                nick,
                reason: "",
            };
            member.write(&mut body);
        }),
        RoomAnswer::Affiliates(list) => list.iter().for_each(|line| write_line(&mut body, line)),
        RoomAnswer::Config { info, owners, admins } => {
            write_info(&mut body, info);
            write_text(&mut body, tag::ENTRY_PASSWORD, clip(&info.config.password));
            for (tag, accounts) in [(tag::OWNER, owners), (tag::ADMIN, admins)] {
                accounts
                    .iter()
                    .for_each(|account: &&Jid| write_text(&mut body, tag, account.as_str()));
            }
        }
        RoomAnswer::Nick(nick) => nick.iter().for_each(|nick| write_text(&mut body, tag::NICK, nick)),
        RoomAnswer::Avatar(_) => return None,
    }
    Some(parts::query(verb, Flags::NONE, body))
}

fn write_info(body: &mut Vec<u8>, info: &RoomInfo<'_>) {
    config::write(body, info.config);
    write_text(body, tag::SUBJECT, clip(info.subject));
    ext::write(body, tag::OCCUPANTS, &info.occupants.to_le_bytes());
}

fn write_line(body: &mut Vec<u8>, line: &Affiliate) {
    Member {
        affiliation: line.affiliation as u8,
        role: role_number(line.role),
        address: line.account.as_ref().map_or("", Jid::as_str),
        nick: line.nick.as_deref().unwrap_or_default(),
        reason: clip(&line.reason),
    }
    .write(body);
}
