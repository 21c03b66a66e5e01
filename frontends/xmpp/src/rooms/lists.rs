//! Lists of affiliations and roles, and their changes (XEP-0045 sections 8.2 to 8.5, 9 and 10).

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{Affiliate, Affiliation, Change, Role, RoomQuery, Target};

use crate::codec::{Builder, Element};

use super::{ADMIN, invite, names};

/// Most changes of one query: each may become a presence to all.
pub(crate) const CHANGES_MAX: usize = 256;

/// A `get` names one affiliation or one role.
pub(super) fn read_get(query: &Element<'_>) -> Result<RoomQuery, Condition> {
    let mut items = query.children();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(Condition::BadRequest);
    };
    if !item.is("item", ADMIN) {
        return Err(Condition::BadRequest);
    }
    match standing(item)? {
        // Everybody has none of both: nobody could list them.
        (Some(Affiliation::None), None) | (None, Some(Role::None)) => Err(Condition::BadRequest),
        (Some(affiliation), None) => Ok(RoomQuery::Affiliates(affiliation)),
        (None, Some(role)) => Ok(RoomQuery::Roles(role)),
        _ => Err(Condition::BadRequest),
    }
}

/// A `set` changes one item or several.
pub(super) fn read_set(query: &Element<'_>) -> Result<RoomQuery, Condition> {
    let items: Vec<_> = query.children().collect();
    if items.is_empty() || items.iter().any(|item| !item.is("item", ADMIN)) {
        return Err(Condition::BadRequest);
    }
    if items.len() > CHANGES_MAX {
        return Err(Condition::PolicyViolation);
    }
    let changes = items.into_iter().map(change).collect::<Result<_, _>>()?;
    Ok(RoomQuery::Change(changes))
}

/// Section 17.4: a role is an occupant's, by its nickname; an affiliation an account's, by its address; and never both at once.
fn change(item: &Element<'_>) -> Result<Change, Condition> {
    let (affiliation, role) = standing(item)?;
    let nick = item.attr("nick").filter(|nick| !nick.is_empty());
    let target = match (affiliation, role) {
        (Some(_), None) => match (item.attr("jid"), nick) {
            (Some(account), _) => Target::Account(Jid::parse(account).map_err(|_| Condition::JidMalformed)?.to_bare()),
            (None, Some(nick)) => Target::Nick(nick.to_owned()),
            (None, None) => return Err(Condition::BadRequest),
        },
        (None, Some(_)) => Target::Nick(nick.ok_or(Condition::BadRequest)?.to_owned()),
        _ => return Err(Condition::BadRequest),
    };
    let reserved = match target {
        Target::Account(_) => nick.unwrap_or_default().to_owned(),
        Target::Nick(_) => String::new(),
    };
    let reason = item.child("reason", ADMIN);
    Ok(Change {
        target,
        affiliation,
        role,
        nick: reserved,
        reason: reason.map(|reason| reason.text().into_owned()).unwrap_or_default(),
    })
}

fn standing(item: &Element<'_>) -> Result<(Option<Affiliation>, Option<Role>), Condition> {
    let affiliation = item
        .attr("affiliation")
        .map(|name| names::to_affiliation(name).ok_or(Condition::BadRequest));
    let role = item
        .attr("role")
        .map(|name| names::to_role(name).ok_or(Condition::BadRequest));
    Ok((affiliation.transpose()?, role.transpose()?))
}

/// The list that was asked for: with roles, or without.
pub(super) fn write(el: &mut Builder<'_, 'static>, affiliates: &[Affiliate], with_roles: bool) {
    el.open("query").attr("xmlns", ADMIN);
    for affiliate in affiliates {
        el.open("item")
            .attr("affiliation", names::affiliation(affiliate.affiliation));
        el.attr_opt("jid", affiliate.account.as_ref().map(Jid::as_str));
        el.attr_opt("nick", affiliate.nick.as_deref());
        if with_roles {
            el.attr("role", names::role(affiliate.role));
        }
        invite::write_reason(el, &affiliate.reason);
        el.close();
    }
    el.close();
}
