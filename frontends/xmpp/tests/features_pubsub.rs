//! Personal eventing: requests and answers after the examples of XEP-0060 and XEP-0163, refusals, bounds, and who is told.

mod features_support;

use crosspoint_engine::envelope::{
    Codec, Condition, Content, Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind,
};
use crosspoint_engine::service::Table;
use crosspoint_xmpp::features;
use features_support::{Stage, jid};

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@capulet.example/orchard";
const ROMEOS: &str = "romeo@capulet.example";
const NOBODY: &str = "nobody@capulet.example";

const TUNE: &str = "<tune xmlns='http://jabber.org/protocol/tune'><title>Heroes</title></tune>";

fn pubsub(children: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{children}</pubsub>")
}

fn owner(children: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{children}</pubsub>")
}

fn publish(node: &str, id: &str, options: &[(&str, &str)]) -> String {
    let fields: String = options
        .iter()
        .map(|(name, value)| format!("<field var='pubsub#{name}'><value>{value}</value></field>"))
        .collect();
    let options = match options {
        [] => String::new(),
        _ => format!("<publish-options><x xmlns='jabber:x:data' type='submit'>{fields}</x></publish-options>"),
    };
    pubsub(&format!(
        "<publish node='{node}'><item id='{id}'>{TUNE}</item></publish>{options}"
    ))
}

fn items(node: &str) -> String {
    pubsub(&format!("<items node='{node}'/>"))
}

/// The names of the items in an answer.
fn names(answer: &str) -> Vec<&str> {
    let parts = answer.split("<item id=\"").skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

impl Stage {
    /// The owner asks the own account.
    fn own(&mut self, kind: &str, payload: &str) -> String {
        self.ask(JULIET, JULIETS, kind, payload)
    }

    fn other(&mut self, kind: &str, payload: &str) -> String {
        self.ask(ROMEO, JULIETS, kind, payload)
    }
}

mod publishing {
    use super::*;

    /// XEP-0163 section 1.1, examples 1 and 2.
    #[test]
    fn a_tune_is_published_and_read_back() {
        let mut stage = Stage::new();
        assert_eq!(
            stage.own("set", &publish("http://jabber.org/protocol/tune", "bffe6584", &[])),
            "result <pubsub xmlns=\"http://jabber.org/protocol/pubsub\">\
             <publish node=\"http://jabber.org/protocol/tune\"><item id=\"bffe6584\"/></publish></pubsub>"
        );
        assert_eq!(
            stage.own("get", &items("http://jabber.org/protocol/tune")),
            "result <pubsub xmlns=\"http://jabber.org/protocol/pubsub\"><items node=\"http://jabber.org/protocol/tune\">\
             <item id=\"bffe6584\"><tune xmlns=\"http://jabber.org/protocol/tune\"><title>Heroes</title></tune></item>\
             </items></pubsub>"
        );
    }

    #[test]
    fn an_item_without_a_name_is_given_one_of_its_own() {
        let mut stage = Stage::new();
        let payload = pubsub(&format!("<publish node='n'><item>{TUNE}</item></publish>"));
        let options = [("max_items", "max")];
        stage.own("set", &publish("n", "first", &options));
        let (one, two) = (stage.own("set", &payload), stage.own("set", &payload));
        assert_ne!(names(&one), names(&two));
        assert_eq!(
            names(&stage.own("get", &items("n"))),
            [&["first"], &names(&one)[..], &names(&two)[..]].concat()
        );
    }

    /// XEP-0060 section 7.1.3 and 7.2.3.
    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        let two = format!("<publish node='n'><item id='1'>{TUNE}</item><item id='2'>{TUNE}</item></publish>");
        let table = [
            (
                "set",
                format!("<publish><item>{TUNE}</item></publish>"),
                "bad-request nodeid-required",
            ),
            ("set", "<publish node='n'/>".to_owned(), "bad-request item-required"),
            (
                "set",
                "<publish node='n'><item/></publish>".to_owned(),
                "bad-request payload-required",
            ),
            (
                "set",
                format!("<publish node='n'><item>{TUNE}{TUNE}</item></publish>"),
                "bad-request invalid-payload",
            ),
            ("set", two, "not-allowed max-items-exceeded"),
            (
                "set",
                "<retract><item id='1'/></retract>".to_owned(),
                "bad-request nodeid-required",
            ),
            ("set", "<retract node='n'/>".to_owned(), "bad-request item-required"),
            (
                "set",
                "<retract node='n'><item/></retract>".to_owned(),
                "bad-request item-required",
            ),
            ("set", "<subscribe node='n'/>".to_owned(), "bad-request jid-required"),
            (
                "set",
                "<subscribe node='n' jid='romeo@capulet.example'/>".to_owned(),
                "bad-request invalid-jid",
            ),
            ("get", "<items/>".to_owned(), "bad-request nodeid-required"),
            (
                "get",
                "<options node='n' jid='a@b'/>".to_owned(),
                "feature-not-implemented unsupported",
            ),
        ];
        let mut stage = Stage::new();
        for (kind, request, expected) in table {
            assert_eq!(
                stage.own(kind, &pubsub(&request)),
                format!("error {expected}"),
                "{request}"
            );
        }
        for (kind, request, expected) in [
            ("set", "<retract node='n'><item id='1'/></retract>", "ItemNotFound"),
            ("get", "<items node='n'/>", "ItemNotFound"),
            ("set", "<unheard-of/>", "BadRequest"),
        ] {
            assert_eq!(
                stage.own(kind, &pubsub(request)),
                format!("error {expected}"),
                "{request}"
            );
        }
        for (kind, request, expected) in [
            ("get", "<configure node='n'/>", "ItemNotFound"),
            ("set", "<delete node='n'/>", "ItemNotFound"),
            ("set", "<purge node='n'/>", "ItemNotFound"),
        ] {
            assert_eq!(
                stage.own(kind, &owner(request)),
                format!("error {expected}"),
                "{request}"
            );
        }
    }

    /// XEP-0060 section 7.1.5: what OMEMO and bookmarks rely on.
    #[test]
    fn a_node_is_made_as_its_publisher_demands_and_is_not_used_otherwise() {
        let mut stage = Stage::new();
        let list = [
            ("access_model", "whitelist"),
            ("max_items", "max"),
            ("persist_items", "true"),
        ];
        assert!(stage.own("set", &publish("n", "1", &list)).starts_with("result"));
        assert!(stage.own("set", &publish("n", "2", &list)).starts_with("result"));
        assert_eq!(
            stage.own("set", &publish("n", "3", &[("access_model", "open")])),
            "error conflict precondition-not-met"
        );
        assert_eq!(
            stage.own("set", &publish("m", "3", &[("access_model", "nonsense")])),
            "error conflict precondition-not-met"
        );
        assert_eq!(names(&stage.own("get", &items("n"))), ["1", "2"]);
        assert_eq!(
            stage.own("get", &items("m")),
            "error ItemNotFound",
            "a fault makes no node"
        );
    }

    #[test]
    fn the_oldest_items_leave_and_a_republished_one_is_the_newest() {
        let mut stage = Stage::new();
        for id in ["1", "2", "1", "3"] {
            stage.own("set", &publish("n", id, &[("max_items", "2")]));
        }
        assert_eq!(names(&stage.own("get", &items("n"))), ["1", "3"]);
        let rows = stage.host.table(Table::Pubsub);
        assert_eq!(rows.len(), 4, "an index, a node, two items: {rows:?}");
        let submit = |value| {
            owner(&format!(
                "<configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#max_items'>\
                 <value>{value}</value></field></x></configure>"
            ))
        };
        assert_eq!(stage.own("set", &submit("1")), "result");
        assert_eq!(names(&stage.own("get", &items("n"))), ["3"]);
        assert_eq!(stage.own("set", &submit("0")), "error NotAcceptable");
    }

    #[test]
    fn publications_that_come_together_are_taken_in_their_order() {
        let mut stage = Stage::new();
        for id in 0..20 {
            stage.send(
                JULIET,
                JULIETS,
                "set",
                "",
                &publish("n", &id.to_string(), &[("max_items", "max")]),
            );
        }
        stage.host.settle();
        assert_eq!(stage.host.sent.len(), 20, "each is answered");
        stage.host.sent.clear();
        let expected: Vec<String> = (0..20).map(|id| id.to_string()).collect();
        assert_eq!(names(&stage.own("get", &items("n"))), expected);
    }

    /// Bookmarks and displayed markers, even when a client forgets to say so.
    #[test]
    fn private_things_are_private_by_default() {
        let mut stage = Stage::new();
        stage.befriend(JULIETS, ROMEOS);
        for node in ["urn:xmpp:bookmarks:1", "urn:xmpp:mds:displayed:0", "storage:bookmarks"] {
            stage.own("set", &publish(node, "1", &[]));
            assert_eq!(
                stage.other("get", &items(node)),
                "error not-allowed closed-node",
                "{node}"
            );
        }
    }
}

mod access {
    use super::*;

    /// XEP-0060 section 4.5, for reading, subscribing and publishing.
    #[test]
    fn each_access_model_lets_in_whom_it_should() {
        let mut stage = Stage::new();
        for model in ["open", "presence", "roster", "whitelist"] {
            let options = [("access_model", model), ("roster_groups_allowed", "friends")];
            assert!(
                stage.own("set", &publish(model, "1", &options)).starts_with("result"),
                "{model}"
            );
        }
        let subscribe = |node| pubsub(&format!("<subscribe node='{node}' jid='{ROMEOS}'/>"));
        for (node, fault) in [
            ("presence", "error not-authorized presence-subscription-required"),
            ("roster", "error not-authorized not-in-roster-group"),
            ("whitelist", "error not-allowed closed-node"),
        ] {
            assert_eq!(stage.other("get", &items(node)), fault);
            assert_eq!(stage.other("set", &subscribe(node)), fault);
        }
        assert_eq!(names(&stage.other("get", &items("open"))), ["1"]);
        stage.befriend(JULIETS, ROMEOS);
        let groups = vec!["friends".to_owned()];
        let roster = stage.host.roster_mut(JULIETS);
        roster.set(&jid(ROMEOS), String::new(), groups).expect("room");
        let member = format!("<affiliation jid='{ROMEOS}' affiliation='member'/>");
        let affiliate = owner(&format!("<affiliations node='whitelist'>{member}</affiliations>"));
        assert_eq!(stage.own("set", &affiliate), "result");
        for node in ["open", "presence", "roster", "whitelist"] {
            assert_eq!(names(&stage.other("get", &items(node))), ["1"], "{node}");
            assert!(stage.other("set", &subscribe(node)).starts_with("result"), "{node}");
        }
    }

    #[test]
    fn an_outcast_reads_nothing_and_a_publisher_writes() {
        let mut stage = Stage::new();
        stage.own("set", &publish("n", "1", &[("access_model", "open")]));
        assert_eq!(stage.other("set", &publish("n", "2", &[])), "error Forbidden");
        let affiliate = |affiliation| {
            owner(&format!(
                "<affiliations node='n'><affiliation jid='{ROMEOS}' affiliation='{affiliation}'/></affiliations>"
            ))
        };
        assert_eq!(stage.own("set", &affiliate("publisher")), "result");
        assert!(stage.other("set", &publish("n", "2", &[])).starts_with("result"));
        assert_eq!(stage.own("set", &affiliate("outcast")), "result");
        assert_eq!(stage.other("get", &items("n")), "error Forbidden");
        assert_eq!(
            stage.own("set", &affiliate("owner")),
            "error NotAcceptable",
            "there is one owner"
        );
        assert_eq!(
            stage.own("get", &owner("<affiliations node='n'/>")),
            format!(
                "result <pubsub xmlns=\"http://jabber.org/protocol/pubsub#owner\"><affiliations node=\"n\">\
                 <affiliation jid=\"{JULIETS}\" affiliation=\"owner\"/>\
                 <affiliation jid=\"{ROMEOS}\" affiliation=\"outcast\"/></affiliations></pubsub>"
            )
        );
    }

    #[test]
    fn only_the_owner_makes_changes_and_looks_into_nodes() {
        let mut stage = Stage::new();
        stage.own("set", &publish("n", "1", &[("access_model", "open")]));
        stage.befriend(JULIETS, ROMEOS);
        for (kind, request) in [
            ("get", "<configure node='n'/>"),
            ("get", "<affiliations node='n'/>"),
            ("get", "<subscriptions node='n'/>"),
            (
                "set",
                "<configure node='n'><x xmlns='jabber:x:data' type='submit'/></configure>",
            ),
            ("set", "<delete node='n'/>"),
            ("set", "<purge node='n'/>"),
            ("set", "<affiliations node='n'/>"),
            ("set", "<subscriptions node='n'/>"),
        ] {
            assert_eq!(stage.other(kind, &owner(request)), "error Forbidden", "{request}");
        }
        assert_eq!(stage.other("set", &pubsub("<create node='m'/>")), "error Forbidden");
        assert_eq!(stage.other("set", &publish("m", "1", &[])), "error ItemNotFound");
    }

    /// An account that does not exist says what one without nodes says.
    #[test]
    fn a_stranger_cannot_tell_an_account_from_none() {
        let mut stage = Stage::new();
        stage.own("set", &publish("n", "1", &[]));
        for (kind, request) in [
            ("get", items("m")),
            ("get", pubsub("<subscriptions/>")),
            ("get", pubsub("<affiliations/>")),
            ("set", publish("m", "1", &[])),
            ("set", pubsub("<create node='m'/>")),
            ("set", owner("<delete node='n'/>")),
            ("set", pubsub(&format!("<subscribe node='m' jid='{ROMEOS}'/>"))),
        ] {
            let (one, other) = (
                stage.ask(ROMEO, JULIETS, kind, &request),
                stage.ask(ROMEO, NOBODY, kind, &request),
            );
            assert_eq!(one, other, "{request}");
        }
    }
}

mod managing {
    use super::*;

    #[test]
    fn a_node_is_made_configured_purged_and_deleted() {
        let mut stage = Stage::new();
        assert_eq!(stage.own("set", &pubsub("<create node='n'/>")), "result");
        assert_eq!(stage.own("set", &pubsub("<create node='n'/>")), "error Conflict");
        let form = stage.own("get", &owner("<configure node='n'/>"));
        assert!(
            form.contains("<field var=\"pubsub#access_model\" type=\"list-single\"><value>presence</value>"),
            "{form}"
        );
        let cancel = "<configure node='n'><x xmlns='jabber:x:data' type='cancel'/></configure>";
        assert_eq!(stage.own("set", &owner(cancel)), "result");
        stage.own("set", &publish("n", "1", &[]));
        assert_eq!(stage.own("set", &owner("<purge node='n'/>")), "result");
        assert_eq!(names(&stage.own("get", &items("n"))), [""; 0]);
        stage.own("set", &publish("n", "1", &[]));
        assert_eq!(stage.own("set", &owner("<delete node='n'/>")), "result");
        assert_eq!(stage.own("get", &items("n")), "error ItemNotFound");
        let rows = stage.host.table(Table::Pubsub);
        assert_eq!(rows.len(), 1, "nothing but an empty index is left: {rows:?}");
    }

    /// Names are compared whole, although rows stand beside each other.
    #[test]
    fn deleting_a_node_leaves_those_whose_names_begin_alike() {
        let mut stage = Stage::new();
        for node in ["n", "nn", "n:1"] {
            stage.own("set", &publish(node, "1", &[]));
        }
        stage.own("set", &owner("<delete node='n'/>"));
        for node in ["nn", "n:1"] {
            assert_eq!(names(&stage.own("get", &items(node))), ["1"], "{node}");
        }
    }

    #[test]
    fn nodes_and_items_are_discovered_by_who_may_read_them() {
        let mut stage = Stage::new();
        stage.own("set", &publish("open", "1", &[("access_model", "open")]));
        stage.own("set", &publish("secret", "1", &[("access_model", "whitelist")]));
        let list = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
        let found = |answer: String| (answer.contains("node=\"open\""), answer.contains("node=\"secret\""));
        assert_eq!(found(stage.own("get", list)), (true, true));
        assert_eq!(found(stage.other("get", list)), (true, false));
        let info = |node: &str| format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
        assert!(
            stage
                .other("get", &info("open"))
                .contains("category=\"pubsub\" type=\"leaf\"")
        );
        assert_eq!(stage.other("get", &info("secret")), "error ServiceUnavailable");
        let held = "<query xmlns='http://jabber.org/protocol/disco#items' node='open'/>";
        assert!(stage.other("get", held).contains("name=\"1\""));
    }

    #[test]
    fn pages_of_items_are_what_was_asked_for() {
        let mut stage = Stage::new();
        for id in ["a", "b", "c", "d", "e"] {
            stage.own("set", &publish("n", id, &[("max_items", "max")]));
        }
        let table: [(&str, &str, &[&str]); 8] = [
            ("", "<max>2</max>", &["a", "b"]),
            ("", "<max>2</max><after>b</after>", &["c", "d"]),
            ("", "<max>2</max><after>e</after>", &[]),
            ("", "<max>2</max><before/>", &["d", "e"]),
            ("", "<max>2</max><before>d</before>", &["b", "c"]),
            ("", "<max>0</max>", &[]),
            (" max_items='2'", "", &["d", "e"]),
            (" max_items='9'", "<max>3</max>", &["a", "b", "c"]),
        ];
        for (attribute, page, expected) in table {
            let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>");
            let set = if page.is_empty() { "" } else { &set };
            let answer = stage.own("get", &pubsub(&format!("<items node='n'{attribute}/>{set}")));
            assert_eq!(names(&answer), expected, "{attribute} {page}");
            assert_eq!(answer.contains("<count>5</count>"), !page.is_empty(), "{answer}");
        }
        let unknown = "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><after>x</after></set>";
        assert_eq!(stage.own("get", &pubsub(unknown)), "error ItemNotFound");
        let named = "<items node='n'><item id='d'/><item id='x'/><item id='b'/></items>";
        assert_eq!(names(&stage.own("get", &pubsub(named))), ["b", "d"]);
    }
}

mod telling {
    use super::*;

    fn to(stage: &mut Stage) -> Vec<String> {
        stage.told().into_iter().map(|(to, _)| to).collect()
    }

    #[test]
    fn contacts_who_may_read_and_the_owner_are_told_once() {
        let mut stage = Stage::new();
        stage.befriend(JULIETS, ROMEOS);
        stage.own("set", &publish("n", "1", &[]));
        let event = "<items node=\"n\"><item id=\"1\"><tune xmlns=\"http://jabber.org/protocol/tune\">\
                     <title>Heroes</title></tune></item></items>";
        let sent = stage.host.told.clone();
        assert!(sent.iter().all(|one| one.from == jid(JULIETS)
            && one.kind == Kind::Message(MessageKind::Headline)
            && one.hints.has(Hints::EVENT.with(Hints::DEFER))));
        assert_eq!(
            stage.told(),
            [
                (JULIETS.to_owned(), event.to_owned()),
                (ROMEOS.to_owned(), event.to_owned())
            ]
        );
        stage.own("set", &publish("list", "1", &[("access_model", "whitelist")]));
        assert_eq!(to(&mut stage), [JULIETS]);
    }

    /// PEP pushes only from their owner: whoever publishes, the event is the owner's, and nobody else has a say in it.
    #[test]
    fn an_event_comes_from_the_nodes_owner_whoever_published() {
        let mut stage = Stage::new();
        stage.own(
            "set",
            &publish("n", "1", &[("publish_model", "open"), ("access_model", "open")]),
        );
        stage.told();
        assert!(stage.other("set", &publish("n", "2", &[])).starts_with("result"));
        assert!(!stage.host.told.is_empty());
        assert!(stage.host.told.iter().all(|one| one.from == jid(JULIETS)));
        assert_eq!(
            stage.ask(ROMEO, ROMEOS, "get", &items("n")),
            "error ItemNotFound",
            "it is not his"
        );
    }

    #[test]
    fn whom_the_owner_blocks_is_told_nothing() {
        let mut stage = Stage::new();
        stage.befriend(JULIETS, ROMEOS);
        let block = format!("<block xmlns='urn:xmpp:blocking'><item jid='{ROMEOS}'/></block>");
        stage.own("set", &block);
        stage.own("set", &publish("n", "1", &[]));
        assert_eq!(to(&mut stage), [JULIETS]);
    }

    #[test]
    fn an_explicit_subscriber_is_told_without_conditions_and_not_twice() {
        let mut stage = Stage::new();
        stage.befriend(JULIETS, ROMEOS);
        stage.own("set", &publish("n", "1", &[]));
        stage.told();
        stage.other("set", &pubsub(&format!("<subscribe node='n' jid='{ROMEOS}'/>")));
        let last = stage.told();
        assert_eq!(last.len(), 1, "the last item follows: {last:?}");
        assert!(last[0].1.contains("<delay xmlns='urn:xmpp:delay'"), "{last:?}");
        stage.own("set", &publish("n", "2", &[]));
        let hints: Vec<_> = stage.host.told.iter().map(|one| one.hints.has(Hints::EVENT)).collect();
        assert_eq!(
            (to(&mut stage), hints),
            (vec![JULIETS.to_owned(), ROMEOS.to_owned()], vec![true, false])
        );
        stage.other("set", &pubsub(&format!("<unsubscribe node='n' jid='{ROMEOS}'/>")));
        assert_eq!(
            stage.other("set", &pubsub(&format!("<unsubscribe node='n' jid='{ROMEOS}'/>"))),
            "error unexpected-request not-subscribed"
        );
    }

    /// Who is no contact any more, or was cast out, hears nothing more, although the subscription is still written.
    #[test]
    fn a_subscriber_who_may_not_read_any_more_is_not_told() {
        let mut stage = Stage::new();
        stage.own("set", &publish("n", "1", &[("access_model", "open")]));
        stage.other("set", &pubsub(&format!("<subscribe node='n' jid='{ROMEO}'/>")));
        stage.told();
        let outcast =
            format!("<affiliations node='n'><affiliation jid='{ROMEOS}' affiliation='outcast'/></affiliations>");
        stage.own("set", &owner(&outcast));
        stage.own("set", &publish("n", "2", &[]));
        assert_eq!(to(&mut stage), [JULIETS]);
    }

    #[test]
    fn retraction_purge_and_deletion_are_told() {
        let mut stage = Stage::new();
        stage.own("set", &publish("n", "1", &[]));
        stage.own(
            "set",
            &pubsub("<retract node='n' notify='true'><item id='1'/></retract>"),
        );
        stage.own("set", &owner("<purge node='n'/>"));
        stage.own("set", &owner("<delete node='n'/>"));
        let told: Vec<String> = stage.told().into_iter().skip(1).map(|(_, event)| event).collect();
        let expected = [
            "<items node=\"n\"><retract id=\"1\"/></items>",
            "<purge node=\"n\"/>",
            "<delete node=\"n\"/>",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_is_told_of_what_did_not_reach_the_disk() {
        let mut stage = Stage::new();
        stage.send(JULIET, JULIETS, "set", "", &publish("n", "1", &[]));
        stage.host.settle_one();
        stage.host.settle_one();
        stage.host.failure = Some(Condition::InternalServerError);
        assert_eq!(to(&mut stage), [""; 0]);
        assert_eq!(
            features_support::show(&stage.host.sent.remove(0)),
            "error InternalServerError"
        );
        assert!(
            stage.own("set", &publish("n", "1", &[])).starts_with("result"),
            "the turn was ended"
        );
    }

    /// Amplification: one publication is one message for each contact, whatever the number of their sessions; all share its
    /// bytes, and whoever reads slowly is spared them.
    #[test]
    fn a_publication_to_many_contacts_is_bounded_by_the_roster_and_shed_like_presence() {
        let mut stage = Stage::new();
        for number in 0..500 {
            stage.befriend(JULIETS, &format!("friend{number}@capulet.example"));
        }
        stage.own("set", &publish("n", "1", &[]));
        assert_eq!(stage.host.told.len(), 501);
        let told = &stage.host.told;
        let bytes = told[0].content.body.as_ptr();
        assert!(
            told.iter().all(|one| one.content.body.as_ptr() == bytes),
            "one body for all"
        );
        assert!(told.iter().all(|one| one.hints.has(Hints::DEFER)), "all may be shed");
        let allowed = features::EVENTS_BURST.get() / 501;
        for _ in 1..allowed {
            assert!(stage.own("set", &publish("n", "1", &[])).starts_with("result"));
        }
        assert_eq!(stage.own("set", &publish("n", "1", &[])), "error ResourceConstraint");
        assert!(
            stage
                .ask(ROMEO, ROMEOS, "set", &publish("n", "1", &[]))
                .starts_with("result"),
            "others may"
        );
    }
}

mod bounds {
    use super::*;

    #[test]
    fn a_user_has_a_bounded_number_of_nodes() {
        let mut stage = Stage::new();
        for number in 0..features::NODES_PER_USER_MAX {
            assert_eq!(
                stage.own("set", &pubsub(&format!("<create node='n{number}'/>"))),
                "result"
            );
        }
        let fault = "error resource-constraint max-nodes-exceeded";
        assert_eq!(stage.own("set", &pubsub("<create node='more'/>")), fault);
        assert_eq!(stage.own("set", &publish("more", "1", &[])), fault);
        stage.own("set", &owner("<delete node='n7'/>"));
        assert_eq!(stage.own("set", &pubsub("<create node='more'/>")), "result");
    }

    #[test]
    fn a_node_keeps_a_bounded_number_of_items() {
        let mut stage = Stage::new();
        let max = features::ITEMS_PER_NODE_MAX;
        for number in 0..max + 5 {
            stage.own(
                "set",
                &publish("n", &number.to_string(), &[("max_items", "4000000000")]),
            );
        }
        let answer = stage.own("get", &items("n"));
        let kept = names(&answer);
        assert_eq!((kept.len(), kept[0]), (max as usize, "5"));
        assert_eq!(stage.host.table(Table::Pubsub).len(), max as usize + 2);
    }

    #[test]
    fn payloads_names_and_all_of_a_users_bytes_are_bounded() {
        let mut stage = Stage::new();
        let item = |id: usize, bytes: usize| {
            let text = "x".repeat(bytes);
            pubsub(&format!(
                "<publish node='n{id}'><item id='1'><a xmlns='b'>{text}</a></item></publish>"
            ))
        };
        let most = features::ITEM_BYTES_MAX - 32;
        assert_eq!(
            stage.own("set", &item(0, features::ITEM_BYTES_MAX)),
            "error not-acceptable payload-too-big"
        );
        let room = features::BYTES_PER_USER_MAX as usize / features::ITEM_BYTES_MAX;
        for id in 0..room {
            assert!(stage.own("set", &item(id, most)).starts_with("result"), "{id}");
        }
        assert_eq!(stage.own("set", &item(room, most)), "error ResourceConstraint");
        assert!(
            stage.own("set", &item(0, 1)).starts_with("result"),
            "less is always taken"
        );
        let long = "n".repeat(features::NAME_BYTES_MAX + 1);
        assert_eq!(stage.own("set", &publish(&long, "1", &[])), "error NotAcceptable");
        assert_eq!(stage.own("set", &publish("n", &long, &[])), "error NotAcceptable");
    }

    #[test]
    fn a_node_has_a_bounded_number_of_subscribers_and_affiliations() {
        let mut stage = Stage::new();
        stage.own("set", &publish("n", "1", &[("access_model", "open")]));
        let max = features::SUBSCRIBERS_PER_NODE_MAX;
        for number in 0..=max {
            let who = format!("u{number}@capulet.example/r");
            let answer = stage.ask(
                &who,
                JULIETS,
                "set",
                &pubsub(&format!("<subscribe node='n' jid='{who}'/>")),
            );
            match number < max {
                true => assert!(answer.starts_with("result"), "{answer}"),
                false => assert_eq!(answer, "error policy-violation too-many-subscriptions"),
            }
        }
        let all: String = (0..=features::AFFILIATIONS_PER_NODE_MAX)
            .map(|number| format!("<affiliation jid='u{number}@x.org' affiliation='member'/>"))
            .collect();
        let affiliate = owner(&format!("<affiliations node='n'>{all}</affiliations>"));
        assert_eq!(stage.own("set", &affiliate), "error ResourceConstraint");
    }

    /// What an answer cannot hold is left to the next page, and the answer says so.
    #[test]
    fn a_large_node_is_answered_in_part() {
        let mut stage = Stage::new();
        let text = "x".repeat(features::ITEM_BYTES_MAX - 64);
        for id in 0..20 {
            let item = format!("<publish node='n'><item id='{id}'><a xmlns='b'>{text}</a></item></publish>");
            let options = "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#max_items'>\
                           <value>max</value></field></x></publish-options>";
            stage.own("set", &pubsub(&format!("{item}{options}")));
        }
        let answer = stage.own("get", &items("n"));
        assert!(answer.len() < features::ANSWER_BYTES_MAX + 4096, "{}", answer.len());
        let kept = names(&answer);
        assert_eq!(kept.last(), Some(&"19"), "the newest are there");
        assert!(answer.contains("<count>20</count>"));
        let before = format!(
            "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><before>{}</before></set>",
            kept[0]
        );
        let answer = stage.own("get", &pubsub(&before));
        assert_eq!(names(&answer).last(), Some(&&*(20 - kept.len() - 1).to_string()));
    }
}

mod interest {
    use super::*;

    /// XEP-0115 section 5.2's client, with an interest: `client/pc//A<n+notify<`.
    const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:x:client#VER'>\
        <identity category='client' type='pc' name='A'/><feature var='n+notify'/></query>";

    fn ver(features: &[&str]) -> String {
        use base64::Engine as _;
        use sha1::Digest as _;
        let text = format!("client/pc//A<{}<", features.join("<"));
        base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(text))
    }

    fn presence(session: &str, ver: &str) -> Envelope {
        let mut presence = Envelope::neutral(
            jid(session),
            jid(session).to_bare(),
            Kind::Presence(PresenceKind::Available),
        );
        let c = format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x:client' ver='{ver}'/>");
        presence.content = content(&c);
        presence
    }

    fn content(body: &str) -> Content {
        Content {
            codec: Codec::Xmpp,
            head: Default::default(),
            body: body.to_owned().into(),
        }
    }

    fn answer(stage: &mut Stage, info: &str) {
        let query = stage.host.inquiry().expect("somebody is asked");
        assert_eq!(query.from, query.to.to_bare(), "the client's own account asks");
        let mut answer = query.answer(content(info));
        answer.kind = Kind::Query(QueryKind::Result);
        stage.host.end_inquiry(Ok(answer));
    }

    fn event(node: &str) -> Envelope {
        let mut event = Envelope::neutral(jid(ROMEOS), jid(JULIETS), Kind::Message(MessageKind::Headline));
        event.content = content(&format!(
            "<event xmlns=\"http://jabber.org/protocol/pubsub#event\"><items node=\"{node}\"/></event>"
        ));
        event
    }

    fn wants(stage: &Stage, session: &str, node: &str) -> bool {
        stage.features.wants(&jid(session), &event(node))
    }

    #[test]
    fn an_unknown_hash_is_asked_for_once_and_then_known() {
        let mut stage = Stage::new();
        let ver = ver(&["n+notify"]);
        for session in [JULIET, "juliet@capulet.example/chamber", ROMEO] {
            stage.features.on_presence(&presence(session, &ver), &mut stage.host);
        }
        assert_eq!(stage.host.inquiries_open(), 1, "one question for all");
        assert!(!wants(&stage, JULIET, "n"), "nothing is known yet");
        answer(&mut stage, INFO);
        for session in [JULIET, "juliet@capulet.example/chamber", ROMEO] {
            assert!(wants(&stage, session, "n") && !wants(&stage, session, "m"), "{session}");
        }
        stage
            .features
            .on_presence(&presence("nurse@capulet.example/hall", &ver), &mut stage.host);
        assert!(stage.host.inquiries_open() == 0 && wants(&stage, "nurse@capulet.example/hall", "n"));
        let mut gone = presence(JULIET, &ver);
        gone.kind = Kind::Presence(PresenceKind::Unavailable);
        stage.features.on_presence(&gone, &mut stage.host);
        assert!(!wants(&stage, JULIET, "n"), "who is gone wants nothing");
    }

    /// Caps cache poisoning: an answer that does not fit the hash is believed about nobody else; the next client is asked.
    #[test]
    fn caps_cache_poisoning_by_an_answer_that_does_not_fit_the_hash() {
        let mut stage = Stage::new();
        let ver = ver(&["n+notify"]);
        stage.features.on_presence(&presence(ROMEO, &ver), &mut stage.host);
        stage.features.on_presence(&presence(JULIET, &ver), &mut stage.host);
        answer(&mut stage, &INFO.replace("n+notify", "m+notify"));
        assert!(wants(&stage, ROMEO, "m"), "of itself a client says what it likes");
        assert!(!wants(&stage, JULIET, "m") && !wants(&stage, JULIET, "n"));
        let next = stage.host.inquiry().expect("the next one is asked");
        assert_eq!(next.to, jid(JULIET));
        answer(&mut stage, INFO);
        assert!(wants(&stage, JULIET, "n") && !wants(&stage, ROMEO, "n"));
        stage
            .features
            .on_presence(&presence("nurse@capulet.example/hall", &ver), &mut stage.host);
        assert!(wants(&stage, "nurse@capulet.example/hall", "n"), "what fits is known");
    }

    #[test]
    fn who_does_not_answer_wants_nothing_and_the_next_is_asked() {
        let mut stage = Stage::new();
        let ver = ver(&["n+notify"]);
        stage.features.on_presence(&presence(ROMEO, &ver), &mut stage.host);
        stage.features.on_presence(&presence(JULIET, &ver), &mut stage.host);
        stage.host.end_inquiry(Err(Condition::RemoteServerTimeout));
        assert!(!wants(&stage, ROMEO, "n"));
        answer(&mut stage, INFO);
        assert!(wants(&stage, JULIET, "n"));
    }

    /// A refusal by the switch itself comes at once, while the question is asked.
    #[test]
    fn when_too_much_is_asked_already_nobody_else_is_and_the_next_presence_asks_again() {
        let mut stage = Stage::new();
        let ver = ver(&["n+notify"]);
        for session in [ROMEO, JULIET] {
            stage.features.on_presence(&presence(session, &ver), &mut stage.host);
        }
        stage.host.end_inquiry(Err(Condition::ResourceConstraint));
        assert_eq!(stage.host.inquiries_open(), 0);
        stage
            .features
            .on_presence(&presence("nurse@capulet.example/hall", &ver), &mut stage.host);
        answer(&mut stage, INFO);
        assert!(wants(&stage, "nurse@capulet.example/hall", "n"));
    }

    #[test]
    fn what_is_known_and_asked_is_bounded() {
        let mut stage = Stage::new();
        for number in 0..features::CAPS_ASKING_MAX + 10 {
            let session = format!("u{number}@capulet.example/r");
            stage
                .features
                .on_presence(&presence(&session, &format!("unknown{number}")), &mut stage.host);
        }
        assert_eq!(stage.host.inquiries_open(), features::CAPS_ASKING_MAX);
        for _ in 0..features::CAPS_ASKING_MAX {
            stage.host.end_inquiry(Err(Condition::RemoteServerTimeout));
        }
        let first = ver(&["n0+notify"]);
        for number in 0..=features::CAPS_KNOWN_MAX {
            let feature = format!("n{number}+notify");
            let ver = ver(&[&feature]);
            stage.features.on_presence(&presence(JULIET, &ver), &mut stage.host);
            answer(&mut stage, &INFO.replace("n+notify", &feature));
        }
        stage.features.on_presence(&presence(ROMEO, &first), &mut stage.host);
        assert_eq!(stage.host.inquiries_open(), 1, "the oldest was forgotten");
    }

    #[test]
    fn whoever_comes_asks_those_whom_it_sees_for_the_last_items() {
        let mut stage = Stage::new();
        stage.befriend(ROMEOS, JULIETS);
        stage.ask(ROMEO, ROMEOS, "set", &publish("n", "1", &[]));
        stage.told();
        let roster = stage.host.roster_mut(JULIETS);
        use crosspoint_engine::roster::Kind as Step;
        roster.outbound(&jid(ROMEOS), Step::Subscribe).expect("room");
        roster.inbound(&jid(ROMEOS), Step::Subscribed, None).expect("room");
        stage
            .features
            .on_presence(&presence(JULIET, &ver(&["n+notify"])), &mut stage.host);
        answer(&mut stage, INFO);
        let probes = std::mem::take(&mut stage.host.told);
        let asked: Vec<_> = probes.iter().map(|probe| (probe.kind, probe.to.as_str())).collect();
        let probe = Kind::Presence(PresenceKind::Probe);
        assert_eq!(asked, [(probe, ROMEOS), (probe, JULIETS)]);
        stage.features.on_probe(&probes[0], &mut stage.host);
        let told = stage.told();
        assert_eq!(told.len(), 1);
        assert!(told[0].0 == JULIET && told[0].1.contains("<item id=\"1\">"), "{told:?}");
        stage
            .features
            .on_presence(&presence(JULIET, &ver(&["n+notify"])), &mut stage.host);
        assert!(
            stage.told().is_empty(),
            "another presence with the same hash asks nobody"
        );
    }
}
