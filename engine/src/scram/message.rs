//! The grammar of the client's two messages (RFC 5802 section 7), strictly: order, escapes, character ranges, lengths.
//!
//! Nothing here decides whether a message is true, only whether it is well formed.

use super::SaslFault;

/// Most bytes of the client's first message: two names of 1023 bytes, the flag and the nonce have room.
pub(super) const CLIENT_FIRST_BYTES_MAX: usize = 4096;
/// Most bytes of the client's final message, which holds the first one's header in base64.
pub(super) const CLIENT_FINAL_BYTES_MAX: usize = 8192;
/// Most bytes of the client's part of the nonce.
pub(super) const CLIENT_NONCE_BYTES_MAX: usize = 256;
/// Most bytes of the name of a channel binding type.
const BINDING_NAME_BYTES_MAX: usize = 64;

const _: () = assert!(CLIENT_FIRST_BYTES_MAX / 3 * 4 + CLIENT_NONCE_BYTES_MAX + 256 < CLIENT_FINAL_BYTES_MAX);

/// What the client says about channel binding (`gs2-cbind-flag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'a> {
    /// `n`: it cannot.
    Unable,
    /// `y`: it could, but believes that we cannot.
    Able,
    /// `p=name`: it does, to this.
    Bound(&'a str),
}

/// `gs2-header client-first-message-bare`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    pub flag: Flag<'a>,
    /// Decoded.
    pub authzid: Option<String>,
    /// Decoded.
    pub authcid: String,
    pub nonce: &'a str,
    /// Both commas included, as the client will repeat it.
    pub gs2_header: &'a str,
    /// As received, for the hash.
    pub bare: &'a str,
}

/// `client-final-message`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// Base64, as received.
    pub binding: &'a str,
    pub nonce: &'a str,
    /// Base64, as received.
    pub proof: &'a str,
    /// As received, for the hash.
    pub without_proof: &'a str,
}

pub(super) fn client_first(message: &[u8]) -> Result<ClientFirst<'_>, SaslFault> {
    let text = text(message, CLIENT_FIRST_BYTES_MAX)?;
    let (flag, after_flag) = text.split_once(',').ok_or(SaslFault::Malformed)?;
    let (authzid, bare) = after_flag.split_once(',').ok_or(SaslFault::Malformed)?;
    let flag = parse_flag(flag)?;
    let authzid = match authzid {
        "" => None,
        authzid => Some(saslname(authzid.strip_prefix("a=").ok_or(SaslFault::Malformed)?)?),
    };
    let mut attributes = bare.split(',');
    let authcid = saslname(take(&mut attributes, "n=")?)?;
    let nonce = take(&mut attributes, "r=")?;
    if nonce.len() > CLIENT_NONCE_BYTES_MAX {
        return Err(SaslFault::TooLong);
    }
    printable(nonce)?;
    attributes.try_for_each(extension)?;
    let gs2_header = &text[..text.len() - bare.len()];
    Ok(ClientFirst {
        flag,
        authzid,
        authcid,
        nonce,
        gs2_header,
        bare,
    })
}

pub(super) fn client_final(message: &[u8]) -> Result<ClientFinal<'_>, SaslFault> {
    let text = text(message, CLIENT_FINAL_BYTES_MAX)?;
    // The proof is the last attribute; base64 holds no comma.
    let (without_proof, proof) = text.rsplit_once(',').ok_or(SaslFault::Malformed)?;
    let mut attributes = without_proof.split(',');
    let binding = take(&mut attributes, "c=")?;
    let nonce = take(&mut attributes, "r=")?;
    printable(nonce)?;
    attributes.try_for_each(extension)?;
    let proof = proof.strip_prefix("p=").ok_or(SaslFault::Malformed)?;
    Ok(ClientFinal {
        binding,
        nonce,
        proof,
        without_proof,
    })
}

fn text(message: &[u8], bytes_max: usize) -> Result<&str, SaslFault> {
    if message.len() > bytes_max {
        return Err(SaslFault::TooLong);
    }
    let text = str::from_utf8(message).map_err(|_| SaslFault::Malformed)?;
    if text.contains('\0') {
        Err(SaslFault::Malformed)
    } else {
        Ok(text)
    }
}

fn parse_flag(flag: &str) -> Result<Flag<'_>, SaslFault> {
    match flag {
        "n" => Ok(Flag::Unable),
        "y" => Ok(Flag::Able),
        _ => {
            let name = flag.strip_prefix("p=").ok_or(SaslFault::Malformed)?;
            let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            if name.is_empty() || name.len() > BINDING_NAME_BYTES_MAX || !name.bytes().all(known) {
                return Err(SaslFault::Malformed);
            }
            Ok(Flag::Bound(name))
        }
    }
}

/// The value of the next attribute, which must be this one.
fn take<'a>(attributes: &mut std::str::Split<'a, char>, prefix: &str) -> Result<&'a str, SaslFault> {
    let attribute = attributes.next().ok_or(SaslFault::Malformed)?;
    if attribute.starts_with("m=") {
        return Err(SaslFault::ExtensionUnsupported);
    }
    match attribute.strip_prefix(prefix) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(SaslFault::Malformed),
    }
}

/// Unknown optional extensions are ignored; a known attribute out of its place is not one of them.
fn extension(attribute: &str) -> Result<(), SaslFault> {
    let [letter, b'=', _, ..] = attribute.as_bytes() else {
        return Err(SaslFault::Malformed);
    };
    match letter {
        b'm' => Err(SaslFault::ExtensionUnsupported),
        b'a' | b'c' | b'e' | b'i' | b'n' | b'p' | b'r' | b's' | b'v' => Err(SaslFault::Malformed),
        letter if letter.is_ascii_alphabetic() => Ok(()),
        _ => Err(SaslFault::Malformed),
    }
}

fn printable(nonce: &str) -> Result<(), SaslFault> {
    if nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(SaslFault::Malformed)
    }
}

/// Undoes `=2C` and `=3D`; any other `=` is a fault (RFC 5802 section 5.1).
fn saslname(escaped: &str) -> Result<String, SaslFault> {
    let mut pieces = escaped.split('=');
    let mut name = String::with_capacity(escaped.len());
    name.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (letter, rest) = if let Some(rest) = piece.strip_prefix("2C") {
            (',', rest)
        } else if let Some(rest) = piece.strip_prefix("3D") {
            ('=', rest)
        } else {
            return Err(SaslFault::Malformed);
        };
        name.push(letter);
        name.push_str(rest);
    }
    if name.is_empty() {
        Err(SaslFault::Malformed)
    } else {
        Ok(name)
    }
}
