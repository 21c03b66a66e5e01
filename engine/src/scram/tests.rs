//! Exchanges as plays: the examples of the specifications, and one for each fault.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;

use super::keys::{self, KeyError};
use super::*;

const SHA1: Mechanism = Mechanism {
    hash: Hash::Sha1,
    plus: false,
};
const SHA256: Mechanism = Mechanism {
    hash: Hash::Sha256,
    plus: false,
};
const SHA256_PLUS: Mechanism = Mechanism {
    hash: Hash::Sha256,
    plus: true,
};

/// A client that knows a password, written independently of the server's side.
struct Client {
    hash: Hash,
    password: &'static str,
    header: String,
    binding: Vec<u8>,
    first_bare: String,
}

impl Client {
    fn new(hash: Hash, password: &'static str, header: &str) -> Self {
        Self {
            hash,
            password,
            header: header.into(),
            binding: vec![],
            first_bare: "n=juliet,r=abc".into(),
        }
    }

    fn bound(hash: Hash, name: &str, binding: &[u8]) -> Self {
        Self {
            binding: binding.to_vec(),
            ..Self::new(hash, "pencil", &format!("p={name},,"))
        }
    }

    fn first(&self) -> String {
        format!("{}{}", self.header, self.first_bare)
    }

    fn last(&self, server_first: &str) -> String {
        let attribute = |index: usize| &server_first.split(',').nth(index).unwrap()[2..];
        let salt = STANDARD.decode(attribute(1)).unwrap();
        let rounds = attribute(2).parse().unwrap();
        let bound = [self.header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},r={}", STANDARD.encode(bound), attribute(0));
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let proof = match self.hash {
            Hash::Sha1 => proof::<sha1::Sha1>(self.password, &salt, rounds, &message, 20),
            Hash::Sha256 => proof::<sha2::Sha256>(self.password, &salt, rounds, &message, 32),
        };
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }
}

/// Hi() spelled out as in RFC 5802 section 2.2, on top of a bare HMAC of its own.
fn proof<D: sha2::Digest>(password: &str, salt: &[u8], rounds: u32, message: &str, len: usize) -> Vec<u8> {
    let hmac = |key: &[u8], text: &[u8]| -> Vec<u8> {
        let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).unwrap_or(&0) ^ byte).collect() };
        let inner = D::digest([pad(0x36), text.to_vec()].concat());
        D::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
    };
    let xor = |left: &[u8], right: &[u8]| -> Vec<u8> { left.iter().zip(right).map(|(l, r)| l ^ r).collect() };
    let mut round = hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut salted = round.clone();
    for _ in 1..rounds {
        round = hmac(password.as_bytes(), &round);
        salted = xor(&salted, &round);
    }
    let client_key = hmac(&salted, b"Client Key");
    let signature = hmac(&D::digest(&client_key), message.as_bytes());
    let proof = xor(&client_key, &signature);
    assert_eq!(proof.len(), len);
    proof
}

/// Derived once: it takes a while.
static PENCIL: LazyLock<AccountKeys> =
    LazyLock::new(|| keys::derive("pencil", b"sixteen bytes!!!", keys::ITERATIONS_MIN).unwrap());

/// What an honest client says last in [`finish_with`].
static HONEST_LAST: LazyLock<String> = LazyLock::new(|| {
    let client = Client::new(Hash::Sha256, "pencil", "n,,");
    let started = start_with(client.first()).unwrap();
    let (_, server_first) = started.challenge(pencil().credentials(Hash::Sha256), [5; NONCE_BYTES]);
    client.last(&server_first)
});

fn pencil() -> AccountKeys {
    PENCIL.clone()
}

fn channel() -> ChannelBindings {
    ChannelBindings {
        tls_exporter: Some(Bytes::from_static(&[7; 32])),
        tls_server_end_point: Some(Bytes::from_static(&[9; 32])),
    }
}

fn run(mechanism: Mechanism, client: &Client, channel: &ChannelBindings) -> Result<Success, SaslFault> {
    let started = Started::parse(mechanism, client.first().as_bytes(), channel)?;
    let (challenged, server_first) = started.challenge(pencil().credentials(mechanism.hash), [5; NONCE_BYTES]);
    challenged.finish(client.last(&server_first).as_bytes())
}

/// An exchange in which everything is right but what the client says last.
fn finish_with(change: impl Fn(String) -> String) -> Result<Success, SaslFault> {
    let started = start_with("n,,n=juliet,r=abc")?;
    let (challenged, _) = started.challenge(pencil().credentials(Hash::Sha256), [5; NONCE_BYTES]);
    challenged.finish(change(HONEST_LAST.clone()).as_bytes())
}

fn start_with(client_first: impl AsRef<[u8]>) -> Result<Started, SaslFault> {
    Started::parse(SHA256, client_first.as_ref(), &ChannelBindings::default())
}

#[test]
fn the_example_of_rfc_5802_runs() {
    let salt = STANDARD.decode("QSXCR+Q6sek8bf92").unwrap();
    let keys = keys::derive("pencil", &salt, 4096).unwrap();
    let started = Started::parse(
        SHA1,
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        &ChannelBindings::default(),
    )
    .unwrap();
    assert_eq!((started.authcid(), started.authzid()), ("user", None));
    let (challenged, server_first) = started.challenge_with(keys.credentials(Hash::Sha1), "3rfcNHYJY1ZVvWVs7j", None);
    assert_eq!(
        server_first,
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
    );
    let success =
        challenged.finish(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_eq!(success.unwrap().server_final, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

#[test]
fn the_example_of_rfc_7677_runs() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = keys::derive("pencil", &salt, 4096).unwrap();
    let started = start_with("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
    let (challenged, server_first) =
        started.challenge_with(keys.credentials(Hash::Sha256), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", None);
    assert_eq!(
        server_first,
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let success = challenged.finish(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
          p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    assert_eq!(
        success.unwrap().server_final,
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
}

#[test]
fn a_client_with_the_password_gets_in_by_every_mechanism() {
    for mechanism in Mechanism::ALL {
        let client = match mechanism.plus {
            true => Client::bound(mechanism.hash, "tls-exporter", &[7; 32]),
            false => Client::new(mechanism.hash, "pencil", "n,,"),
        };
        assert!(run(mechanism, &client, &channel()).is_ok(), "{}", mechanism.name());
        assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
    }
    let client = Client::bound(Hash::Sha256, "tls-server-end-point", &[9; 32]);
    assert!(run(SHA256_PLUS, &client, &channel()).is_ok());
    assert_eq!(Mechanism::from_name("SCRAM-SHA-512"), None);
}

#[test]
fn a_client_with_another_password_does_not() {
    for mechanism in [SHA1, SHA256] {
        let client = Client::new(mechanism.hash, "pen", "n,,");
        assert_eq!(
            run(mechanism, &client, &ChannelBindings::default()),
            Err(SaslFault::WrongProof)
        );
    }
}

#[test]
fn a_client_that_could_bind_notices_that_our_offer_was_hidden_from_it() {
    let client = Client::new(Hash::Sha256, "pencil", "y,,");
    assert_eq!(run(SHA256, &client, &channel()), Err(SaslFault::Downgrade));
    assert!(
        run(SHA256, &client, &ChannelBindings::default()).is_ok(),
        "we truly offered none"
    );
}

#[test]
fn a_client_bound_to_another_channel_is_refused() {
    let client = Client::bound(Hash::Sha256, "tls-exporter", &[8; 32]);
    assert_eq!(run(SHA256_PLUS, &client, &channel()), Err(SaslFault::BindingMismatch));
}

#[test]
fn a_binding_type_that_the_channel_lacks_is_refused() {
    for name in ["tls-unique", "tls-exporte", "TLS-EXPORTER", "x"] {
        let client = Client::bound(Hash::Sha256, name, &[7; 32]);
        assert_eq!(
            run(SHA256_PLUS, &client, &channel()),
            Err(SaslFault::BindingTypeUnsupported),
            "{name}"
        );
    }
    let client = Client::bound(Hash::Sha256, "tls-exporter", &[7; 32]);
    let tls12 = ChannelBindings {
        tls_exporter: None,
        ..channel()
    };
    assert_eq!(
        run(SHA256_PLUS, &client, &tls12),
        Err(SaslFault::BindingTypeUnsupported)
    );
}

#[test]
fn the_flag_must_go_with_the_mechanism() {
    for header in ["n,,", "y,,"] {
        let client = Client::new(Hash::Sha256, "pencil", header);
        assert_eq!(
            run(SHA256_PLUS, &client, &channel()),
            Err(SaslFault::BindingFlagMismatch),
            "{header}"
        );
    }
    let client = Client::bound(Hash::Sha256, "tls-exporter", &[7; 32]);
    assert_eq!(run(SHA256, &client, &channel()), Err(SaslFault::BindingFlagMismatch));
}

#[test]
fn names_are_unescaped() {
    let started = start_with("n,a=a=2Cb=3Dc@example.com,n==3D=2C=3D2C\u{3c0},r=x").unwrap();
    assert_eq!(started.authzid(), Some("a,b=c@example.com"));
    assert_eq!(started.authcid(), "=,=2C\u{3c0}");
}

#[test]
fn malformed_first_messages_are_refused() {
    let table = [
        "",
        "n",
        "n,",
        "n,,",
        "x,,n=user,r=abc",
        "N,,n=user,r=abc",
        ",,n=user,r=abc",
        "n,n=user,r=abc",
        "n,,n=user",
        "n,,r=abc,n=user",
        "n,,n=user,x=1,r=abc",
        "n,,n=,r=abc",
        "n,,n=user,r=",
        "n,,n=user,r=abc,",
        "n,,n=user,r=a b",
        "n,,n=user,r=\u{3c0}",
        "n,,n=us=er,r=abc",
        "n,,n=us=2cer,r=abc",
        "n,,n=user=,r=abc",
        "n,a=,n=user,r=abc",
        "n,user,n=user,r=abc",
        "n,a=b=,n=user,r=abc",
        "p=,,n=user,r=abc",
        "p=a/b,,n=user,r=abc",
        "n,,n=us\0er,r=abc",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,x=",
        "n,,n=user,r=abc,1=x",
        "n,,n=user,r=abc,r=def",
        "n,,n=user,r=abc,n=other",
        " n,,n=user,r=abc",
    ];
    for message in table {
        assert_eq!(start_with(message).err(), Some(SaslFault::Malformed), "{message:?}");
    }
    assert_eq!(start_with(b"n,,n=us\xffer,r=abc").err(), Some(SaslFault::Malformed));
}

#[test]
fn optional_extensions_are_ignored_and_mandatory_ones_refused() {
    assert!(start_with("n,,n=user,r=abc,x=1,Z=y=z").is_ok());
    for message in [
        "n,,m=x,n=user,r=abc",
        "n,,n=user,m=x,r=abc",
        "n,,n=user,r=abc,m=x",
        "n,,n=user,r=abc,x=1,m=y",
    ] {
        assert_eq!(
            start_with(message).err(),
            Some(SaslFault::ExtensionUnsupported),
            "{message}"
        );
    }
    let mandatory = finish_with(|last| last.replace(",p=", ",m=x,p="));
    assert_eq!(mandatory, Err(SaslFault::ExtensionUnsupported));
}

#[test]
fn long_messages_are_refused() {
    assert_eq!(
        start_with(format!("n,,n={},r=abc", "u".repeat(4096))).err(),
        Some(SaslFault::TooLong)
    );
    assert_eq!(
        start_with(format!("n,,n=user,r={}", "r".repeat(257))).err(),
        Some(SaslFault::TooLong)
    );
    assert!(start_with(format!("n,,n=user,r={}", "r".repeat(256))).is_ok());
    assert_eq!(finish_with(|last| last + &"A".repeat(8192)), Err(SaslFault::TooLong));
}

#[test]
fn malformed_final_messages_are_refused() {
    type Change = fn(String) -> String;
    let table: [(&str, Change); 9] = [
        ("empty", |_| String::new()),
        ("without a proof", |last| last.split(",p=").next().unwrap().to_owned()),
        ("proof not last", |last| last + ",x=1"),
        ("proof not base64", |last| last.replace(",p=", ",p=*")),
        ("proof without its padding", |last| {
            last.trim_end_matches('=').to_owned()
        }),
        ("proof too short", |last| {
            last.split(",p=").next().unwrap().to_owned() + ",p=AAAA"
        }),
        ("proof empty", |last| {
            last.split(",p=").next().unwrap().to_owned() + ",p="
        }),
        ("out of order", |last| last.replace("c=biws,", "") + ",c=biws"),
        ("binding empty", |last| last.replace("c=biws", "c=")),
    ];
    for (name, change) in table {
        assert_eq!(finish_with(change), Err(SaslFault::Malformed), "{name}");
    }
}

#[test]
fn untrue_final_messages_are_refused() {
    assert_eq!(
        finish_with(|last| last.replace("c=biws", "c=eSws")),
        Err(SaslFault::BindingMismatch),
        "now it is y,,"
    );
    assert_eq!(
        finish_with(|last| last.replace("c=biws", "c=biwsAA==")),
        Err(SaslFault::BindingMismatch)
    );
    assert_eq!(
        finish_with(|last| last.replace("r=abc", "r=abd")),
        Err(SaslFault::NonceMismatch)
    );
    assert_eq!(
        finish_with(|last| last.replace("r=abc", "r=abcd")),
        Err(SaslFault::NonceMismatch)
    );
    assert_eq!(
        finish_with(|last| last.replace(",p=", ",x=1,p=")),
        Err(SaslFault::WrongProof),
        "extension not signed"
    );
    assert!(finish_with(|last| last).is_ok());
}

#[test]
fn nobody_acts_for_another_account() {
    let account = |authcid, authzid| account(authcid, authzid, "example.com").map(|jid| jid.to_string());
    assert_eq!(account("Juliet", None).unwrap(), "juliet@example.com");
    assert_eq!(
        account("juliet", Some("Juliet@Example.com")).unwrap(),
        "juliet@example.com"
    );
    for authzid in [
        "romeo@example.com",
        "juliet",
        "juliet@example.com/x",
        "juliet@example.net",
        "",
        "@",
        "example.com",
    ] {
        assert_eq!(
            account("juliet", Some(authzid)),
            Err(SaslFault::InvalidAuthzid),
            "{authzid:?}"
        );
    }
    for authcid in ["", "juliet@example.com", "a b", "a/b"] {
        assert_eq!(account(authcid, None), Err(SaslFault::UsernameForbidden), "{authcid:?}");
    }
}

#[test]
fn an_unknown_user_looks_like_a_known_one_and_no_password_opens_it() {
    let secret = [1; 32];
    let fake = |name: &str, hash| keys::fake(&secret, name, 10_000).credentials(hash);
    let ghost = fake("ghost@example.com", Hash::Sha1);
    assert_eq!(ghost.salt.len(), keys::SALT_BYTES);
    assert_eq!(ghost.iterations, 10_000);
    assert_eq!(
        ghost.salt,
        fake("ghost@example.com", Hash::Sha1).salt,
        "the same whenever it is asked for"
    );
    assert_eq!(
        ghost.salt,
        fake("ghost@example.com", Hash::Sha256).salt,
        "real accounts share their salt too"
    );
    assert_ne!(ghost.salt, fake("ghosu@example.com", Hash::Sha1).salt);
    assert_ne!(
        ghost.salt,
        keys::fake(&[2; 32], "ghost@example.com", 10_000)
            .credentials(Hash::Sha1)
            .salt
    );

    let client = Client::new(Hash::Sha256, "pencil", "n,,");
    let started = start_with(client.first()).unwrap();
    let keys = keys::fake(&secret, "juliet@example.com", keys::ITERATIONS_MIN);
    let (challenged, server_first) = started.challenge(keys.credentials(Hash::Sha256), [5; NONCE_BYTES]);
    assert_eq!(
        challenged.finish(client.last(&server_first).as_bytes()),
        Err(SaslFault::WrongProof)
    );
    assert_eq!(keys::verify_password("pencil", &keys), Err(SaslFault::WrongProof));
}

#[test]
fn a_password_is_verified_and_prepared() {
    let keys = keys::derive("I\u{ad}X", b"salt", keys::ITERATIONS_MIN).unwrap();
    assert_eq!(
        keys::verify_password("IX", &keys),
        Ok(()),
        "RFC 4013 section 3, example 1"
    );
    assert_eq!(keys::verify_password("\u{2168}", &keys), Ok(()), "example 5");
    assert_eq!(
        keys::verify_password("ix", &keys),
        Err(SaslFault::WrongProof),
        "case counts"
    );
    assert_eq!(keys::verify_password("\u{7}", &keys), Err(SaslFault::WrongProof));
}

#[test]
fn unusable_passwords_and_parameters_are_refused() {
    let derive = |password: &str| keys::derive(password, b"salt", keys::ITERATIONS_MIN).err();
    assert_eq!(derive(""), Some(KeyError::PasswordEmpty));
    assert_eq!(derive("\u{ad}"), Some(KeyError::PasswordEmpty));
    assert_eq!(derive("a\u{7}"), Some(KeyError::PasswordForbidden));
    assert_eq!(
        derive("\u{627}1"),
        Some(KeyError::PasswordForbidden),
        "RFC 4013 section 3, example 7"
    );
    assert_eq!(derive(&"a".repeat(1025)), Some(KeyError::PasswordTooLong));
    for iterations in [0, keys::ITERATIONS_MIN - 1, keys::ITERATIONS_MAX + 1] {
        assert_eq!(
            keys::derive("a", b"salt", iterations).err(),
            Some(KeyError::IterationsOutOfRange)
        );
    }
    for salt in [&b""[..], &[0; 65]] {
        assert_eq!(
            keys::derive("a", salt, keys::ITERATIONS_MIN).err(),
            Some(KeyError::SaltOutOfRange)
        );
    }
}

#[test]
fn keys_are_kept_in_the_drawn_layout() {
    let keys = keys::derive("pencil", &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096).unwrap();
    let bytes = keys.encode();
    let golden = concat!(
        "01",
        "00100000",
        "10",
        "5b6d99689d12358eeca04b141236fa81",
        "836a44cd7dad31aa226f14c3e187c1264ab5cbcc",
        "64690d8ec98ac155f90b9cfcd2f1b11d9d368ce2",
        "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6",
        "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5"
    );
    assert_eq!(hex(&bytes), golden);
    let read = AccountKeys::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(keys::verify_password("pencil", &read), Ok(()));
    for cut in 0..bytes.len() {
        assert!(AccountKeys::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let with = |at: usize, byte: u8| AccountKeys::decode(&[&bytes[..at], &[byte], &bytes[at + 1..]].concat()).err();
    assert_eq!(with(0, 3), Some(KeyError::Undecodable), "a newer version");
    assert_eq!(with(0, 2), Some(KeyError::Undecodable), "partial keys end earlier");
    assert_eq!(with(4, 1), Some(KeyError::IterationsOutOfRange));
    assert_eq!(with(5, 0), Some(KeyError::SaltOutOfRange));
    assert_eq!(
        AccountKeys::decode(&[&bytes[..], &[0]].concat()).err(),
        Some(KeyError::Undecodable),
        "a byte too many"
    );
}

/// Those of "pencil", as a server hands them over that has no others.
fn partial() -> AccountKeys {
    AccountKeys::of_hashed(&pencil().hashed()[..1]).unwrap()
}

fn opens(keys: &AccountKeys, hash: Hash, password: &'static str) -> Result<(), SaslFault> {
    let client = Client::new(hash, password, "n,,");
    let mechanism = Mechanism { hash, plus: false };
    let started = Started::parse(mechanism, client.first().as_bytes(), &ChannelBindings::default()).unwrap();
    let (challenged, server_first) = started.challenge(keys.credentials(hash), [5; NONCE_BYTES]);
    challenged.finish(client.last(&server_first).as_bytes()).map(|_| ())
}

#[test]
fn partial_keys_open_by_sha1_and_plain_and_never_by_sha256() {
    let keys = partial();
    assert!(keys.is_partial() && !pencil().is_partial());
    assert_eq!(opens(&keys, Hash::Sha1, "pencil"), Ok(()));
    assert_eq!(opens(&keys, Hash::Sha1, "pencil2"), Err(SaslFault::WrongProof));
    assert_eq!(opens(&keys, Hash::Sha256, "pencil"), Err(SaslFault::WrongProof));
    assert_eq!(keys::verify_password("pencil", &keys), Ok(()));
    assert_eq!(keys::verify_password("pencil2", &keys), Err(SaslFault::WrongProof));
    assert_eq!(keys.hashed().len(), 1, "stand-ins are not handed on");
    assert_eq!(keys.fingerprint(), partial().fingerprint());
    assert_ne!(keys.fingerprint(), pencil().fingerprint());
}

#[test]
fn partial_keys_are_kept_in_a_layout_of_their_own() {
    let (keys, whole) = (partial(), pencil().encode());
    let bytes = keys.encode();
    assert_eq!(bytes, [&[2], &whole[1..whole.len() - 64]].concat());
    let read = AccountKeys::decode(&bytes).unwrap();
    assert!(read.is_partial());
    assert_eq!((read.encode(), read.fingerprint()), (bytes.clone(), keys.fingerprint()));
    assert_eq!(keys::verify_password("pencil", &read), Ok(()));
    for cut in 0..bytes.len() {
        assert!(AccountKeys::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(AccountKeys::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn partial_keys_become_what_the_password_would_have_given() {
    let salted = partial().missing("pencil").unwrap();
    assert_eq!(partial().completed(&salted).encode(), pencil().encode());
    assert_eq!(pencil().missing("pencil"), None);
    assert_eq!(
        pencil().completed(&[0; SALTED_BYTES]).encode(),
        pencil().encode(),
        "whole keys stay"
    );
}

#[test]
fn keys_of_other_servers_are_taken_within_the_bounds() {
    let mut few = pencil().hashed();
    few.iter_mut().for_each(|one| one.iterations = 4095);
    assert_eq!(AccountKeys::of_hashed(&few).err(), Some(KeyError::IterationsOutOfRange));
    assert_eq!(
        AccountKeys::of_hashed(&pencil().hashed()[1..]).err(),
        Some(KeyError::Undecodable)
    );
    let mut short = pencil().hashed();
    short[1].server.pop();
    assert_eq!(AccountKeys::of_hashed(&short).err(), Some(KeyError::Undecodable));
    let mut apart = pencil().hashed();
    apart[1].salt.push(0);
    assert!(
        AccountKeys::of_hashed(&apart).unwrap().is_partial(),
        "another salt: those of SHA-1 count"
    );
}

#[test]
fn nothing_prints_a_secret() {
    let keys = pencil();
    assert_eq!(format!("{keys:?}"), "AccountKeys(secret, 4096 iterations)");
    assert_eq!(
        format!("{:?}", keys.credentials(Hash::Sha1)),
        "Credentials(Sha1, secret)"
    );
    assert!(!format!("{:?}", Plain::parse(b"\0a\0hunter2").unwrap()).contains("hunter2"));
}

#[test]
fn plain_messages_are_cut_in_three() {
    let plain = Plain::parse(b"\0juliet\0pa ss").unwrap();
    assert_eq!(
        (plain.authzid, plain.authcid, plain.password),
        (None, "juliet", "pa ss")
    );
    assert_eq!(Plain::parse(b"z@x\0juliet\0p").unwrap().authzid, Some("z@x"));
    let malformed: [&[u8]; 8] = [
        b"",
        b"a",
        b"a\0b",
        b"\0a\0",
        b"\0\0p",
        b"\0a\0p\0",
        b"\0a\0p\0q",
        b"\0a\0\xff",
    ];
    for message in malformed {
        assert_eq!(Plain::parse(message), Err(SaslFault::Malformed), "{message:?}");
    }
    assert_eq!(
        Plain::parse(&[&b"\0a\0"[..], &[b'p'; 1025]].concat()),
        Err(SaslFault::TooLong)
    );
    assert_eq!(
        Plain::parse(&vec![b'p'; plain::PLAIN_BYTES_MAX + 1]),
        Err(SaslFault::TooLong)
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(message in "[nyp]?,?(a=[a-z=2C]{0,3})?,(m=x,)?n=\\PC{0,6},r=[!-~]{0,6}(,[a-z]=.{0,3})*") {
        let _ = start_with(message);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = start_with(&bytes);
        let _ = Plain::parse(&bytes);
        let _ = AccountKeys::decode(&bytes);
        let bytes = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(finish_with(|_| bytes.clone()).is_err());
    }

    #[test]
    fn no_change_of_a_byte_goes_unnoticed(at in 0..HONEST_LAST.len(), byte in 1u8..0x80) {
        let outcome = finish_with(|last| {
            let mut bytes = last.into_bytes();
            bytes[at] = byte;
            String::from_utf8(bytes).unwrap()
        });
        prop_assert_eq!(outcome.is_ok(), HONEST_LAST.as_bytes()[at] == byte);
    }
}
