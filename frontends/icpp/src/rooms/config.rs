//! The configuration of a room as extensions, both ways. One table says which extension is which field.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{ConfigChange, Role, RoomConfig};

use crate::codec::ext::{self, Ext};
use crate::codec::rooms::{Body, tag, write_text};

use super::{clip, role_number, role_of};

/// The changes that a CONFIGURE names, in its order; the lists at last.
pub(super) fn read(body: &Body<'_>) -> Result<Vec<ConfigChange>, Condition> {
    let mut changes = Vec::new();
    for ext in body.extensions() {
        changes.extend(change(ext)?);
    }
    for (tag, list) in [
        (tag::OWNER, ConfigChange::Owners as fn(Vec<Jid>) -> ConfigChange),
        (tag::ADMIN, ConfigChange::Admins),
    ] {
        let named: Vec<&str> = body.texts(tag).filter(|address| !address.is_empty()).collect();
        if body.value(tag).is_some() {
            let accounts: Result<Vec<Jid>, _> = named.into_iter().map(Jid::parse).collect();
            changes.push(list(accounts.map_err(|_| Condition::JidMalformed)?));
        }
    }
    Ok(changes)
}

fn change(ext: Ext<'_>) -> Result<Option<ConfigChange>, Condition> {
    use ConfigChange as C;
    let text = || std::str::from_utf8(ext.value).unwrap_or_default().to_owned();
    let byte = ext.value.first().copied().unwrap_or_default();
    let flag = || match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Condition::BadRequest),
    };
    let number = || ext.value.try_into().map_or(0, u32::from_le_bytes);
    Ok(Some(match ext.tag {
        tag::NAME => C::Name(text()),
        tag::DESCRIPTION => C::Description(text()),
        tag::LANGUAGE => C::Language(text()),
        tag::PERSISTENT => C::Persistent(flag()?),
        tag::PUBLIC => C::Public(flag()?),
        tag::MEMBERS_ONLY => C::MembersOnly(flag()?),
        tag::ENTRY_PASSWORD => C::Password(text()),
        tag::MODERATED => C::Moderated(flag()?),
        tag::NON_ANONYMOUS => C::NonAnonymous(flag()?),
        tag::SUBJECT_BY_ALL => C::SubjectByAll(flag()?),
        tag::INVITES => C::Invites(flag()?),
        tag::VOICE_REQUESTS => C::VoiceRequests(flag()?),
        tag::PRIVATE_MESSAGES => {
            let role = role_of(byte).ok_or(Condition::BadRequest)?;
            C::PrivateMessages(Some(role).filter(|role| *role != Role::None))
        }
        tag::LIST_BY_ALL => C::ListByAll(flag()?),
        tag::OCCUPANTS_MAX => C::OccupantsMax(number()),
        tag::ARCHIVED => C::Archived(flag()?),
        tag::HISTORY_LENGTH => C::HistoryMessages(number()),
        _ => return Ok(None),
    }))
}

/// Appends the configuration, without the password and the lists.
pub(super) fn write(out: &mut Vec<u8>, config: &RoomConfig) {
    for (tag, text) in [
        (tag::NAME, &config.name),
        (tag::DESCRIPTION, &config.description),
        (tag::LANGUAGE, &config.language),
    ] {
        write_text(out, tag, clip(text));
    }
    for (tag, flag) in [
        (tag::PERSISTENT, config.persistent),
        (tag::PUBLIC, config.public),
        (tag::MEMBERS_ONLY, config.members_only),
        (tag::MODERATED, config.moderated),
        (tag::NON_ANONYMOUS, config.non_anonymous),
        (tag::SUBJECT_BY_ALL, config.subject_by_all),
        (tag::INVITES, config.invites),
        (tag::VOICE_REQUESTS, config.voice_requests),
        (tag::LIST_BY_ALL, config.list_by_all),
        (tag::ARCHIVED, config.archived),
    ] {
        ext::write(out, tag, &[u8::from(flag)]);
    }
    let least = config.private_messages.map_or(0, role_number);
    ext::write(out, tag::PRIVATE_MESSAGES, &[least]);
    ext::write(out, tag::OCCUPANTS_MAX, &config.occupants_max.to_le_bytes());
    ext::write(out, tag::HISTORY_LENGTH, &config.history_messages.to_le_bytes());
}
