//! Service discovery cannot be made to work for others: one question, one answer, and nobody else is asked or told (XEP-0030 section 8).

mod features_support;

use features_support::Stage;

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@capulet.example/orchard";
const SERVER: &str = "capulet.example";
/// What an answer may be larger than what was asked, domain and accounts with all that they have.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

#[test]
fn disco_does_not_recurse_and_does_not_amplify() {
    let mut stage = Stage::new();
    stage.host.show(JULIETS, "romeo@capulet.example");
    stage.host.online(JULIET);
    let deep = "a/".repeat(400);
    let nodes = [
        "",
        "http://jabber.org/protocol/commands",
        "urn:xmpp:avatar:data",
        SERVER,
        &deep,
    ];
    for what in ["info", "items"] {
        for node in nodes {
            let node = if node.is_empty() {
                String::new()
            } else {
                format!(" node='{node}'")
            };
            let query = format!("<query xmlns='http://jabber.org/protocol/disco#{what}'{node}/>");
            for (from, to) in [
                (JULIET, SERVER),
                (JULIET, JULIETS),
                (ROMEO, JULIETS),
                (ROMEO, "nobody@capulet.example"),
            ] {
                let answer = stage.ask(from, to, "get", &query);
                assert!(
                    answer.len() <= ANSWER_BYTES_MAX,
                    "{from} -> {to} {query}: {} bytes",
                    answer.len()
                );
                assert_eq!(
                    stage.host.inquiries_open(),
                    0,
                    "{from} -> {to} {query}: others are asked"
                );
                assert!(stage.told().is_empty(), "{from} -> {to} {query}: others are told");
            }
        }
    }
}
