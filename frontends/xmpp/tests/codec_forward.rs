//! What a stanza's journey needs of the codec: addressing, rewriting the start tag, cutting forged
//! children, standing on its own in another stream, writing elements, reading payloads.

mod codec_support;

use codec_support::{CORPUS, HEADER};
use crosspoint_xmpp::codec::{
    Attrs, Builder, Cut, Element, Fault, Frame, Header, Limit, Scan, ScanLimits, Scanner, Stanza, cut, reserialise,
    unescape_text, write_head, write_tail,
};

/// Scans `header` and then `stanza`, and shows both to `look`.
fn with<T>(header: &str, stanza: &str, look: impl FnOnce(&Scanner, Stanza<'_>) -> T) -> T {
    let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
    let document = [header, stanza].concat();
    let mut rest = document.as_bytes();
    loop {
        match scanner.scan(rest) {
            Ok(Scan::Frame {
                frame: Frame::Stanza(stanza),
                ..
            }) => return look(&scanner, stanza),
            Ok(Scan::Frame { consumed, .. }) => rest = &rest[consumed..],
            other => panic!("{other:?}"),
        }
    }
}

fn header_of<T>(text: &str, look: impl FnOnce(&Scanner, Header<'_>) -> T) -> T {
    let mut scanner = Scanner::new(ScanLimits::BEFORE_AUTH);
    match scanner.scan(text.as_bytes()) {
        Ok(Scan::Frame {
            frame: Frame::Header(header),
            ..
        }) => look(&scanner, header),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_tells_its_attributes_and_declarations() {
    let text = "<s:stream to='localhost' from='r&amp;j@localhost' id='x' version='1.0' xml:lang='de' \
        xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>";
    header_of(text, |scanner, header| {
        assert_eq!(header.raw, text);
        assert_eq!(header.prefix, Some("s"));
        assert_eq!(header.default_namespace, "jabber:client");
        assert_eq!(header.to.unwrap().raw(), "localhost");
        assert_eq!(header.from.unwrap().unescape(), "r&j@localhost");
        assert_eq!(header.id.unwrap().raw(), "x");
        assert_eq!(header.version.unwrap().raw(), "1.0");
        assert_eq!(header.lang.unwrap().raw(), "de");
        let prefixes: Vec<_> = scanner.stream_prefixes().collect();
        assert_eq!(
            prefixes,
            [
                ("s", "http://etherx.jabber.org/streams"),
                ("db", "jabber:server:dialback")
            ]
        );
        assert_eq!(scanner.content_namespace(), "jabber:client");
    });
}

#[test]
fn a_stanza_tells_its_addressing_and_spans() {
    with(HEADER, CORPUS[0], |scanner, stanza| {
        assert!(stanza.is("message", "jabber:client"));
        assert_eq!(stanza.from.unwrap().raw(), "romeo@montague.example/orchard-7f3a");
        assert_eq!(stanza.to.unwrap().raw(), "juliet@capulet.example");
        assert_eq!(stanza.kind.unwrap(), "chat");
        assert_eq!(stanza.lang.unwrap(), "en");
        assert!(stanza.id.is_some() && stanza.verbatim && !stanza.self_closing);
        assert!(stanza.rest().is_empty());
        assert!(stanza.head().ends_with("xml:lang='en'>"));
        assert!(stanza.body().starts_with("<body>But soft") && stanza.body().ends_with("receipts'/>"));
        let children: Vec<_> = scanner.children(&stanza).collect();
        let names: Vec<_> = children.iter().map(|c| (c.name, &*c.namespace)).collect();
        assert_eq!(
            names,
            [
                ("body", "jabber:client"),
                ("active", "http://jabber.org/protocol/chatstates"),
                ("request", "urn:xmpp:receipts")
            ]
        );
        assert!(unescape_text(children[0].inner()).ends_with("sun & more."));
        assert_eq!(children[1].inner(), "");
        assert_eq!(children[2].attr("xmlns").unwrap(), "urn:xmpp:receipts");
        assert_eq!(&stanza.raw[children[2].range.clone()], children[2].raw);
    });
}

#[test]
fn a_self_closing_stanza_has_an_empty_body() {
    with(HEADER, "<presence type='unavailable' />", |scanner, stanza| {
        assert!(stanza.self_closing && stanza.body().is_empty());
        assert_eq!(scanner.children(&stanza).count(), 0);
    });
    with(HEADER, "<presence></presence>", |_, stanza| {
        assert!(!stanza.self_closing && stanza.body().is_empty());
    });
}

#[test]
fn the_start_tag_is_rewritten_and_the_rest_carried_on() {
    let stanza = "<message foo='1' to='a\"b'  xmlns='jabber:client' xmlns:x = \"urn:x\" id='&lt;' x:y='2' \
        xml:space='preserve' from='evil@x'><x:z/></message>";
    with(HEADER, stanza, |_, stanza| {
        assert!(stanza.verbatim);
        let attrs = Attrs {
            from: Some("o'hara@localhost/<&>\"".into()),
            to: stanza.to.map(Into::into),
            id: stanza.id.map(Into::into),
            lang: Some("en".into()),
            rest: stanza.rest(),
            ..Attrs::default()
        };
        let mut out = Vec::new();
        write_head(&mut out, stanza.name, &attrs, false);
        out.extend_from_slice(stanza.body().as_bytes());
        write_tail(&mut out, stanza.name);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "<message from=\"o&apos;hara@localhost/&lt;&amp;&gt;&quot;\" to='a\"b' id=\"&lt;\" xml:lang=\"en\" \
             foo='1' xmlns:x = \"urn:x\" x:y='2' xml:space='preserve'><x:z/></message>"
        );
        with(HEADER, &text, |_, again| {
            assert_eq!(again.from.unwrap().unescape(), "o'hara@localhost/<&>\"");
            assert!(again.verbatim);
        });
    });
}

#[test]
fn all_forged_children_are_cut_and_nothing_else() {
    let stanza = "<message> <delay xmlns='urn:xmpp:delay' from='localhost'/>a<d:delay xmlns:d='urn:xmpp:dela&#121;' \
        from='localh&#111;st'>x</d:delay><delay xmlns='urn:xmpp:delay' from='other'/><fwd xmlns='f'><delay \
        xmlns='urn:xmpp:delay' from='localhost'/></fwd><delay from='localhost' xmlns='urn:xmpp:delay'></delay >b\
        </message>";
    let ours = |child: &crosspoint_xmpp::codec::Child<'_>| {
        child.is("delay", "urn:xmpp:delay") && child.attr("from").is_some_and(|from| from == "localhost")
    };
    with(HEADER, stanza, |scanner, stanza| {
        let body = cut(&stanza, scanner, ours);
        assert_eq!(
            String::from_utf8_lossy(body.as_bytes()),
            " a<delay xmlns='urn:xmpp:delay' from='other'/><fwd xmlns='f'><delay xmlns='urn:xmpp:delay' \
             from='localhost'/></fwd>b"
        );
        assert_eq!(
            cut(&stanza, scanner, |child| child.name == "none"),
            Cut::Whole(stanza.body())
        );
    });
    with(
        HEADER,
        "<message xmlns:d='urn:xmpp:delay'><d:delay from='localhost'/></message>",
        |s, stanza| {
            assert_eq!(cut(&stanza, s, ours), Cut::Rebuilt(Vec::new()));
        },
    );
}

/// `]]` and `>` are legal text on two sides of an element, and illegal once it is gone.
#[test]
fn a_cut_joins_no_text_to_something_else() {
    let plays = [
        ("a]]<x/>>b", "a]&#93;>b"),
        ("a]<x/>]>b", "a&#93;]>b"),
        ("a]<x/><x/>]<x/>>b", "a&#93;&#93;>b"),
        ("\r<x/>\nb", "\n\nb"),
        ("]]<x/>&gt;<![CDATA[]]]><x/>>", "]]&gt;<![CDATA[]]]>>"),
    ];
    for (body, expected) in plays {
        with(HEADER, &format!("<message>{body}</message>"), |scanner, stanza| {
            let cut = cut(&stanza, scanner, |child| child.name == "x");
            assert_eq!(String::from_utf8_lossy(cut.as_bytes()), expected);
        });
    }
}

#[test]
fn what_leans_on_its_stream_is_not_verbatim_and_can_be_made_so() {
    let usual = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
        xmlns:p='urn:p&amp;q'>";
    let prefixed = "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client'>";
    let plays = [
        // A child's prefix is the stream's.
        (
            usual,
            "<message><p:x/></message>",
            "<message xmlns:p=\"urn:p&amp;q\"><p:x/></message>",
        ),
        (
            usual,
            "<message p:a='1'/>",
            "<message p:a='1' xmlns:p=\"urn:p&amp;q\"/>",
        ),
        // The prefix `stream` is inherited, too.
        (
            usual,
            "<iq><stream:x/></iq>",
            "<iq xmlns:stream=\"http://etherx.jabber.org/streams\"><stream:x/></iq>",
        ),
        // A stanza with a prefix of its own, whose children are in the stream's default namespace.
        (
            usual,
            "<c:iq xmlns:c='jabber:client'><a/></c:iq>",
            "<iq xmlns:c='jabber:client'><a/></iq>",
        ),
        // The stanza is prefixed, and unprefixed children are in another namespace.
        (
            prefixed,
            "<c:iq><a/><c:b><d/></c:b><e xmlns=''/></c:iq>",
            "<iq xmlns:c=\"jabber:client\"><a xmlns=\"http://etherx.jabber.org/streams\"/><c:b \
             xmlns=\"http://etherx.jabber.org/streams\"><d/></c:b><e xmlns=''/></iq>",
        ),
        (
            usual,
            "<c:iq xmlns:c='jabber:client' xmlns='urn:o'><a/></c:iq>",
            "<iq xmlns:c='jabber:client'><a xmlns=\"urn:o\"/></iq>",
        ),
        // In no default stream, an own declaration is enough.
        (prefixed, "<iq xmlns='jabber:client'><a/></iq>", "<iq><a/></iq>"),
    ];
    for (header, stanza, expected) in plays {
        with(header, stanza, |scanner, stanza| {
            let own = expected == "<iq><a/></iq>";
            assert_eq!(stanza.verbatim, own, "{}", stanza.raw);
            assert_eq!(stanza.namespace, "jabber:client");
            let mut out = Vec::new();
            reserialise(&stanza, scanner, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            let mut again = Scanner::for_stanzas(ScanLimits::AFTER_AUTH);
            match again.scan(&out) {
                Ok(Scan::Frame {
                    frame: Frame::Stanza(copy),
                    ..
                }) => assert!(copy.verbatim),
                other => panic!("{other:?}"),
            }
        });
    }
}

#[test]
fn a_prefix_declared_again_is_not_inherited() {
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='a'>";
    with(header, "<iq><p:x xmlns:p='b'/></iq>", |_, stanza| {
        assert!(stanza.verbatim)
    });
    with(header, "<iq><p:x xmlns:p='b'/><p:y/></iq>", |_, stanza| {
        assert!(!stanza.verbatim)
    });
}

#[test]
fn elements_are_built_escaped() {
    let mut out = Vec::new();
    write_head(
        &mut out,
        "iq",
        &Attrs {
            kind: Some("result".into()),
            ..Attrs::default()
        },
        false,
    );
    let mut el = Builder::within(&mut out, "iq");
    el.open("query")
        .attr("xmlns", "jabber:iq:roster")
        .attr_opt("ver", None::<&str>);
    el.open("item")
        .attr("name", "a<b>&'\"\t\r\n")
        .open("group")
        .text("x ]]> <\r\u{1}\u{ffff}&")
        .close()
        .close();
    el.empty("ping", "urn:xmpp:ping").text("").open("e");
    el.finish();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "<iq type=\"result\"><query xmlns=\"jabber:iq:roster\"><item name=\"a&lt;b&gt;&amp;&apos;&quot;&#9;&#13;&#10;\">\
         <group>x ]]&gt; &lt;&#13;\u{fffd}\u{fffd}&amp;</group></item><ping xmlns=\"urn:xmpp:ping\"/><e/></query></iq>"
    );
    with(HEADER, &text, |scanner, stanza| {
        let tree = scanner.tree(&stanza).unwrap();
        let item = tree
            .child("query", "jabber:iq:roster")
            .unwrap()
            .child("item", "jabber:iq:roster")
            .unwrap();
        assert_eq!(item.attr("name"), Some("a<b>&'\"\t\r\n"));
        assert_eq!(item.children().next().unwrap().text(), "x ]]> <\r\u{fffd}\u{fffd}&");
    });
}

#[test]
fn a_payload_is_read_as_a_tree() {
    let slice = "<query xmlns='jabber:iq:x' a='1&amp;&#x41;' x:b='2' xml:lang='de' xmlns:x='urn:x'>\n<x:c>t&lt;<![CDATA[&]]>\r\n\
        </x:c><d xmlns=''/>u</query>";
    let tree = Element::parse(slice, "jabber:client").unwrap();
    assert!(tree.is("query", "jabber:iq:x"));
    assert_eq!(tree.attr("a"), Some("1&A"));
    assert_eq!(
        (tree.attr("b"), tree.attr_ns("b", "urn:x"), tree.lang()),
        (None, Some("2"), Some("de"))
    );
    assert_eq!(tree.child("c", "urn:x").unwrap().text(), "t<&\n");
    assert!(tree.child("d", "").is_some());
    assert_eq!(tree.text(), "\nu");
    assert!(
        Element::parse("<a/>", "jabber:client")
            .unwrap()
            .is("a", "jabber:client")
    );
}

#[test]
fn a_tree_of_a_child_knows_the_prefixes_around_it() {
    let header =
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='urn:p'>";
    with(
        header,
        "<iq xmlns:q='urn:q'><q:a p:b='1'><c/></q:a></iq>",
        |scanner, stanza| {
            let child = scanner.children(&stanza).next().unwrap();
            let tree = scanner.child_tree(&stanza, &child).unwrap();
            assert!(tree.is("a", "urn:q"));
            assert_eq!(tree.attr_ns("b", "urn:p"), Some("1"));
            assert!(tree.child("c", "jabber:client").is_some());
            assert!(Element::parse(child.raw, "jabber:client").is_err());
        },
    );
}

#[test]
fn a_tree_is_bounded() {
    let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
    assert_eq!(Element::parse(&wide, "").unwrap_err(), Fault::from(Limit::TreeNodes));
    let deep = "<a>".repeat(200) + &"</a>".repeat(200);
    assert_eq!(Element::parse(&deep, "").unwrap_err(), Fault::from(Limit::Depth));
}
