//! The channel binding tls-server-end-point (RFC 5929 section 4): the hash of the server's certificate.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// Which hash a signature algorithm uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Object identifiers as DER contents, and their hash. MD5 and SHA-1 are replaced by SHA-256 (RFC 5929 section 4.1).
const SIGNATURES: [(&[u8], Hash); 14] = [
    // 1.2.840.113549.1.1.x: RSA PKCS#1 v1.5 with MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0e], Hash::Sha224),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], Hash::Sha512),
    // 1.2.840.10045.4.x: ECDSA with SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01], Hash::Sha224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], Hash::Sha512),
    // 2.16.840.1.101.3.4.3.x: DSA with SHA-224, SHA-256; 1.2.840.10040.4.3: DSA with SHA-1.
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x01], Hash::Sha224),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x02], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03], Hash::Sha256),
];

/// 1.2.840.113549.1.1.10: RSASSA-PSS, whose hash stands in the parameters (RFC 4055 section 3.1).
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// Hash algorithms that RSASSA-PSS may name: 2.16.840.1.101.3.4.2.x, and SHA-1 (1.3.14.3.2.26).
const PSS_HASHES: [(&[u8], Hash); 5] = [
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04], Hash::Sha224),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], Hash::Sha384),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], Hash::Sha512),
    (&[0x2b, 0x0e, 0x03, 0x02, 0x1a], Hash::Sha256),
];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const CONTEXT_0: u8 = 0xa0;

/// The hash of a certificate (DER) by its signature's own hash algorithm, but by SHA-256 where that would be MD5 or SHA-1.
///
/// None when the certificate's signature has no hash algorithm of its own (Ed25519, Ed448), for which the binding is
/// undefined, or when it is unknown or not a certificate.
#[must_use]
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_hash(certificate)? {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

/// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, signatureValue }
/// (RFC 5280 section 4.1).
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (body, _) = expect(certificate, SEQUENCE)?;
    let (_to_be_signed, rest) = expect(body, SEQUENCE)?;
    let (algorithm, _signature) = expect(rest, SEQUENCE)?;
    let (identifier, parameters) = expect(algorithm, OBJECT_IDENTIFIER)?;
    if identifier == RSA_PSS {
        pss_hash(parameters)
    } else {
        find(&SIGNATURES, identifier)
    }
}

/// RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, ... }
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (fields, _) = expect(parameters, SEQUENCE)?;
    let Some((hash_field, _)) = expect(fields, CONTEXT_0) else {
        return Some(Hash::Sha256);
    };
    let (algorithm, _) = expect(hash_field, SEQUENCE)?;
    let (identifier, _) = expect(algorithm, OBJECT_IDENTIFIER)?;
    find(&PSS_HASHES, identifier)
}

fn find(known: &[(&[u8], Hash)], identifier: &[u8]) -> Option<Hash> {
    known.iter().find(|(der, _)| *der == identifier).map(|(_, hash)| *hash)
}

/// Reads one DER element with this tag: its contents, and what follows it.
fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Long form: the low bits count the length's bytes. Four are enough for any certificate.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
                rest,
            )
        }
        _ => return None,
    };
    if found == tag {
        rest.split_at_checked(length)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate's skeleton: an empty body, and this signature algorithm.
    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let algorithm = element(SEQUENCE, algorithm);
        element(SEQUENCE, &[&[SEQUENCE, 0], &algorithm[..], &[3, 1, 0]].concat())
    }

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u8::try_from(contents.len()).expect("short");
        if length < 0x80 {
            [&[tag, length], contents].concat()
        } else {
            [&[tag, 0x81, length], contents].concat()
        }
    }

    #[test]
    fn every_known_signature_is_read_from_a_certificate() {
        for (identifier, hash) in SIGNATURES {
            let der = certificate(&element(OBJECT_IDENTIFIER, identifier));
            assert_eq!(signature_hash(&der), Some(hash), "{identifier:x?}");
        }
    }

    #[test]
    fn pss_names_its_hash_or_means_sha_1() {
        let oid = element(OBJECT_IDENTIFIER, RSA_PSS);
        for (identifier, hash) in PSS_HASHES {
            let field = element(CONTEXT_0, &element(SEQUENCE, &element(OBJECT_IDENTIFIER, identifier)));
            let der = certificate(&[&oid[..], &element(SEQUENCE, &field)].concat());
            assert_eq!(signature_hash(&der), Some(hash));
        }
        let default = certificate(&[&oid[..], &element(SEQUENCE, &[])].concat());
        assert_eq!(signature_hash(&default), Some(Hash::Sha256));
    }

    #[test]
    fn ed25519_has_no_binding() {
        let der = certificate(&element(OBJECT_IDENTIFIER, &[0x2b, 0x65, 0x70]));
        assert_eq!(server_end_point(&der), None);
    }

    #[test]
    fn no_prefix_of_a_certificate_is_one() {
        let der = certificate(&element(OBJECT_IDENTIFIER, SIGNATURES[3].0));
        assert_eq!(server_end_point(&der), Some(Sha256::digest(&der).to_vec()));
        for end in 0..der.len() {
            assert_eq!(server_end_point(&der[..end]), None, "{end} bytes");
        }
    }
}
