//! One line for each rule of RFC 6120 sections 4 and 11, XML 1.0 and Namespaces in XML 1.0 that the
//! scanner holds: what breaks it, and the fault that follows. Each is also tried in single bytes.

mod codec_support;

use codec_support::{HEADER, fault_of, scan_split, scan_whole};
use crosspoint_xmpp::codec::{Fault, Flaw, Frame, Limit, Scan, ScanLimits, Scanner};

const RESTRICTED: Option<Fault> = Some(Fault::RestrictedXml);
const FORMAT: Option<Fault> = Some(Fault::BadFormat);
const ENCODING: Option<Fault> = Some(Fault::UnsupportedEncoding);

fn flaw(flaw: Flaw) -> Option<Fault> {
    Some(Fault::NotWellFormed(flaw))
}

fn limit(limit: Limit) -> Option<Fault> {
    Some(Fault::PolicyViolation(limit))
}

fn hold(rules: &[(&str, Option<Fault>)]) {
    for (stanza, fault) in rules {
        assert_eq!(fault_of(stanza), *fault, "{stanza}");
        let document = [HEADER, stanza].concat();
        let dribble: Vec<usize> = (1..document.len()).collect();
        let split = scan_split(document.as_bytes(), &dribble, ScanLimits::AFTER_AUTH);
        assert_eq!(split.fault, *fault, "in single bytes: {stanza}");
    }
}

#[test]
fn restricted_xml_is_refused() {
    hold(&[
        ("<!-- c -->", RESTRICTED),
        ("<message><!-- c --></message>", RESTRICTED),
        ("<?php x?>", RESTRICTED),
        ("<message><?php x?></message>", RESTRICTED),
        ("<?xml version='1.0'?>", RESTRICTED),
        ("<!DOCTYPE a>", RESTRICTED),
        ("<message><!DOCTYPE a></message>", RESTRICTED),
        ("<!ENTITY a 'b'>", RESTRICTED),
        ("<message>&nbsp;</message>", RESTRICTED),
        ("<message>&am;</message>", RESTRICTED),
        ("<message>&ampx;</message>", RESTRICTED),
        ("<message>&\u{e9};</message>", RESTRICTED),
        ("<message to='&foo;'/>", RESTRICTED),
    ]);
}

#[test]
fn tags_must_match() {
    hold(&[
        ("<message><a></b></message>", flaw(Flaw::Mismatch)),
        ("<message><a></message></a>", flaw(Flaw::Mismatch)),
        ("<message></messag></message>", flaw(Flaw::Mismatch)),
        ("<message></messages>", flaw(Flaw::Mismatch)),
        ("<message></message x>", flaw(Flaw::Mismatch)),
        ("<x:a xmlns:x='u'></a>", flaw(Flaw::Mismatch)),
        ("<x:a xmlns:x='u' xmlns:y='u'></y:a>", flaw(Flaw::Mismatch)),
        ("</message>", flaw(Flaw::Mismatch)),
        ("</stream:streams>", flaw(Flaw::Mismatch)),
        ("</>", flaw(Flaw::Mismatch)),
        ("</stream:stream>", None),
        ("</stream:stream \n>", None),
    ]);
}

/// The scanner knows which values need no unescaping, and forgot it for the header's namespaces.
#[test]
fn namespaces_of_a_header_are_unescaped() {
    let header = "<stream:stream xmlns='urn:&#x65;xample' xmlns:stream='http://etherx.jabber.org/stream&#x73;' \
        version='1.0' to='a&amp;b'>";
    let mut scanner = Scanner::new(ScanLimits::BEFORE_AUTH);
    let Ok(Scan::Frame {
        frame: Frame::Header(header),
        ..
    }) = scanner.scan(header.as_bytes())
    else {
        panic!("no header");
    };
    assert_eq!(header.default_namespace, "urn:example");
    assert_eq!(header.to.map(|to| to.unescape().into_owned()).as_deref(), Some("a&b"));
    assert_eq!(scanner.stream_default(), "urn:example");
}

#[test]
fn nothing_but_white_space_follows_the_end() {
    hold(&[
        ("</stream:stream> \r\n\t", None),
        ("</stream:stream><message/>", flaw(Flaw::Outside)),
        ("</stream:stream>x", flaw(Flaw::Outside)),
    ]);
}

#[test]
fn text_between_stanzas_is_refused() {
    hold(&[
        (" \n\t\r", None),
        ("x", FORMAT),
        ("&amp;", FORMAT),
        ("\u{feff}", FORMAT),
        ("\0", FORMAT),
        ("<![CDATA[x]]>", FORMAT),
        ("<message/>x", FORMAT),
    ]);
}

#[test]
fn names_follow_the_fifth_edition() {
    hold(&[
        ("<1a/>", flaw(Flaw::Name)),
        ("<-a/>", flaw(Flaw::Name)),
        ("<.a/>", flaw(Flaw::Name)),
        ("< a/>", flaw(Flaw::Name)),
        ("<>", flaw(Flaw::Name)),
        ("<a\u{d7}/>", flaw(Flaw::Name)),
        ("<\u{b7}a/>", flaw(Flaw::Name)),
        ("<a\u{37e}/>", flaw(Flaw::Name)),
        ("<\u{300}/>", flaw(Flaw::Name)),
        ("<a\u{b7}\u{300}\u{2040}/>", None),
        ("<_a-1.b/>", None),
        ("<\u{e9}l\u{e9}ment/>", None),
        ("<\u{10000}/>", None),
        ("<\u{fdf0}\u{fffd}/>", None),
        ("<\u{fdd0}/>", flaw(Flaw::Name)),
        ("<a\u{f0000}/>", flaw(Flaw::Name)),
        ("<a \u{d7}='1'/>", flaw(Flaw::Name)),
        ("<a 1='1'/>", flaw(Flaw::Name)),
    ]);
}

#[test]
fn names_are_qnames() {
    hold(&[
        ("<:a/>", flaw(Flaw::Name)),
        ("<xml:/>", flaw(Flaw::Name)),
        ("<x:y:z xmlns:x='u'/>", flaw(Flaw::Name)),
        ("<x:1 xmlns:x='u'/>", flaw(Flaw::Name)),
        ("<a :b='1'/>", flaw(Flaw::Name)),
        ("<a xmlns:='1'/>", flaw(Flaw::Name)),
        ("<a xml:a:b='1'/>", flaw(Flaw::Name)),
    ]);
}

#[test]
fn tags_follow_the_grammar() {
    hold(&[
        ("<a b='1'c='2'/>", flaw(Flaw::Tag)),
        ("<a b/>", flaw(Flaw::Tag)),
        ("<a b=1/>", flaw(Flaw::Tag)),
        ("<a b='<'/>", flaw(Flaw::Tag)),
        ("<a / >", flaw(Flaw::Tag)),
        ("<a/b>", flaw(Flaw::Tag)),
        ("<a\"b\"/>", flaw(Flaw::Tag)),
        ("<a b='1\"/>", None), // goes on, unfinished
        ("<a ='1'/>", flaw(Flaw::Name)),
        ("<a><![cdata[x]]></a>", flaw(Flaw::Tag)),
        ("<a><![CDATAx", flaw(Flaw::Tag)),
        ("<a\tb = '1'\r\nc=\n\"2\" />", None),
        ("<a b='>' c='\"' d=\"'\"/>", None),
    ]);
}

#[test]
fn attributes_are_unique() {
    let duplicate = flaw(Flaw::DuplicateAttribute);
    hold(&[
        ("<a b='1' b='1'/>", duplicate),
        ("<a b='1' c='2' b='3'/>", duplicate),
        ("<a xml:lang='1' xml:lang='2'/>", duplicate),
        ("<a xmlns='u' xmlns='u'/>", duplicate),
        ("<a xmlns:x='u' xmlns:x='v'/>", duplicate),
        ("<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", duplicate),
        ("<a xmlns:x='u&#65;' xmlns:y='u&#x41;' x:b='1' y:b='2'/>", duplicate),
        ("<a xmlns:x='u'><b xmlns:y='u' y:b='1' x:b='2'/></a>", duplicate),
        ("<a xmlns:x='u' xmlns:y='v' x:b='1' y:b='2'/>", None),
        ("<a xmlns='u' xmlns:x='u' x:b='1' b='2'/>", None),
        ("<a b='1' B='2'/>", None),
    ]);
}

#[test]
fn references_name_xml_characters() {
    let reference = flaw(Flaw::Reference);
    hold(&[
        ("<a>&;</a>", reference),
        ("<a>& </a>", reference),
        ("<a>&#;</a>", reference),
        ("<a>&#x;</a>", reference),
        ("<a>&#X41;</a>", reference),
        ("<a>&#12a;</a>", reference),
        ("<a>&#xg;</a>", reference),
        ("<a>&#0;</a>", reference),
        ("<a>&#8;</a>", reference),
        ("<a>&#xD800;</a>", reference),
        ("<a>&#xFFFE;</a>", reference),
        ("<a>&#x110000;</a>", reference),
        ("<a b='&#1;'/>", reference),
        ("<a>&#9;&#10;&#13;&#x20;&#xFFFD;&#x10FFFF;&#128512;</a>", None),
        ("<a b='&lt;&gt;&amp;&quot;&apos;'>&lt;&gt;&amp;&quot;&apos;</a>", None),
    ]);
}

#[test]
fn characters_are_xml_characters() {
    let character = flaw(Flaw::Character);
    hold(&[
        ("<a>\0</a>", character),
        ("<a>\u{8}</a>", character),
        ("<a>\u{b}</a>", character),
        ("<a>\u{1f}</a>", character),
        ("<a>\u{fffe}</a>", character),
        ("<a>\u{ffff}</a>", character),
        ("<a b='\u{1}'/>", character),
        ("<a b='\u{ffff}'/>", character),
        ("<a><![CDATA[\u{c}]]></a>", character),
        (
            "<a>\t\n\r\u{7f}\u{80}\u{85}\u{fffd}\u{feff}\u{1fffe}\u{10ffff}</a>",
            None,
        ),
    ]);
}

#[test]
fn bytes_are_utf8() {
    let broken: &[&[u8]] = &[
        b"<a>\xff</a>",
        b"<a>\xc0\x80</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>\xf4\x90\x80\x80</a>",
        b"<a>\xe2\x82</a>",
        b"<a b='\x80'/>",
        b"<a\xff/>",
        b"<a\xe2\x82/>",
        b"<a \xc3\x28='1'/>",
        b"<a xmlns:\xff='u'/>",
        b"<a xmlns='u&amp;\xff'/>",
    ];
    for stanza in broken {
        let document = [HEADER.as_bytes(), stanza].concat();
        assert_eq!(
            scan_whole(&document, ScanLimits::AFTER_AUTH).fault,
            ENCODING,
            "{stanza:?}"
        );
        let dribble: Vec<usize> = (1..document.len()).collect();
        let split = scan_split(&document, &dribble, ScanLimits::AFTER_AUTH);
        assert_eq!(split.fault, ENCODING, "{stanza:?}");
    }
}

#[test]
fn cdata_is_text_and_ends_once() {
    hold(&[
        ("<a>]]></a>", flaw(Flaw::CdataEnd)),
        ("<a>x]]]></a>", flaw(Flaw::CdataEnd)),
        ("<a>&amp;]]></a>", flaw(Flaw::CdataEnd)),
        ("<a><![CDATA[x]]>]]></a>", flaw(Flaw::CdataEnd)),
        ("<a>]] >]&gt;]]&gt;</a>", None),
        ("<a><![CDATA[]]></a>", None),
        ("<a><![CDATA[<&]]]]>></a>", None),
        ("<a><![CDATA[]]]]></a>", None),
        ("<a><![CDATA[>]]>]]</a>", None),
        ("<a b=']]>'/>", None),
    ]);
}

#[test]
fn prefixes_are_declared() {
    let undeclared = flaw(Flaw::UndeclaredPrefix);
    hold(&[
        ("<message><foo:body>What is this foo?</foo:body></message>", undeclared),
        ("<message foo:a='1'/>", undeclared),
        ("<foo:message/>", undeclared),
        ("<message><a xmlns:x='u'/><x:b/></message>", undeclared),
        ("<message xml:lang='en'><xml:a/></message>", None),
        ("<x:message x:a='1' xmlns:x='u'><x:b/></x:message>", None),
        ("<stream:features/>", None),
    ]);
}

#[test]
fn reserved_prefixes_stay_reserved() {
    let reserved = flaw(Flaw::ReservedPrefix);
    hold(&[
        ("<a xmlns:xml='u'/>", reserved),
        ("<a xmlns:xml=''/>", reserved),
        ("<a xmlns:xmlns='u'/>", reserved),
        ("<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>", reserved),
        ("<a xmlns:x='http://www.w3.org/XML/1998/namespac&#101;'/>", reserved),
        ("<a xmlns:x='http://www.w3.org/2000/xmlns/'/>", reserved),
        ("<a xmlns='http://www.w3.org/XML/1998/namespace'/>", reserved),
        ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", reserved),
        ("<xmlns:a/>", reserved),
        ("<a xmlns:x=''/>", flaw(Flaw::EmptyPrefix)),
        ("<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", None),
        ("<a xmlns=''/>", None),
    ]);
}

#[test]
fn headers_are_stream_headers() {
    let etherx = "xmlns:stream='http://etherx.jabber.org/streams'";
    let cases = [
        (format!("<stream:stream {etherx}>"), None),
        (format!(" \n<stream:stream {etherx}>"), None),
        ("<s:stream xmlns:s='http://etherx.jabber.org/streams'>".into(), None),
        ("<stream xmlns='http://etherx.jabber.org/streams'>".into(), None),
        (
            "<stream:stream xmlns:stream='http://wrong.example/'>".into(),
            Some(Fault::InvalidNamespace),
        ),
        ("<stream xmlns='jabber:client'>".into(), Some(Fault::BadNamespacePrefix)),
        (
            "<stream:stream xmlns='jabber:client'>".into(),
            flaw(Flaw::UndeclaredPrefix),
        ),
        (format!("<stream:flood {etherx}>"), FORMAT),
        ("<html>".into(), FORMAT),
        (format!("<stream:stream {etherx}/>"), FORMAT),
        (
            format!("<stream:stream {etherx} to='a' to='b'>"),
            flaw(Flaw::DuplicateAttribute),
        ),
        (format!("<stream:stream {etherx} to='\u{1}'>"), flaw(Flaw::Character)),
        ("</stream:stream>".into(), flaw(Flaw::Outside)),
        ("<!DOCTYPE html>".into(), RESTRICTED),
        ("\u{feff}<stream:stream>".into(), flaw(Flaw::Outside)),
        ("GET / HTTP/1.1".into(), flaw(Flaw::Outside)),
        ("\u{16}\u{3}\u{1}".into(), flaw(Flaw::Outside)),
    ];
    for (header, fault) in &cases {
        for prolog in ["", "<?xml version='1.0'?>"] {
            let document = [prolog, header].concat();
            let whole = scan_whole(document.as_bytes(), ScanLimits::BEFORE_AUTH);
            assert_eq!(whole.fault, *fault, "{document}");
            let dribble: Vec<usize> = (1..document.len()).collect();
            let split = scan_split(document.as_bytes(), &dribble, ScanLimits::BEFORE_AUTH);
            assert_eq!(split, whole, "{document}");
        }
    }
}

#[test]
fn declarations_are_xml_1_0_in_utf_8() {
    let declaration = flaw(Flaw::Declaration);
    let cases = [
        ("<?xml version='1.0'?>", None),
        ("<?xml\tversion = \"1.0\"\nencoding='utf-8' standalone='yes' ?>", None),
        ("<?xml version='1.1'?>", declaration),
        ("<?xml encoding='UTF-8'?>", declaration),
        ("<?xml version='1.0'encoding='UTF-8'?>", declaration),
        ("<?xml version=1.0?>", declaration),
        ("<?xml version='1.0' foo='bar'?>", declaration),
        ("<?xml version='1.0' standalone='maybe'?>", declaration),
        ("<?xml ?>", declaration),
        ("<?xml version='1.0' encoding='UTF-16'?>", ENCODING),
        ("<?xml version='1.0' standalone='no'?>", RESTRICTED),
        ("<?xml-stylesheet href='a'?>", RESTRICTED),
        ("<?XML version='1.0'?>", RESTRICTED),
        ("<?xml version='1.0'?><?xml version='1.0'?>", RESTRICTED),
    ];
    for (prolog, fault) in cases {
        let document = [prolog, "<stream xmlns='http://etherx.jabber.org/streams'>"].concat();
        let whole = scan_whole(document.as_bytes(), ScanLimits::BEFORE_AUTH);
        assert_eq!(whole.fault, fault, "{document}");
        let dribble: Vec<usize> = (1..document.len()).collect();
        assert_eq!(
            scan_split(document.as_bytes(), &dribble, ScanLimits::BEFORE_AUTH),
            whole
        );
    }
}

#[test]
fn each_limit_is_a_policy_violation_and_not_before() {
    let limits = ScanLimits {
        stanza_bytes_max: 400,
        depth_max: 3,
        attributes_max: 4,
        children_max: 2,
        name_bytes_max: 13,
        prefixes_max: 2,
    };
    let cases = [
        ("<a><b><c/></b></a>".to_owned(), None),
        ("<a><b><c><d/></c></b></a>".to_owned(), limit(Limit::Depth)),
        ("<a b='' c='' d='' e=''/>".to_owned(), None),
        ("<a b='' c='' d='' e='' f=''/>".to_owned(), limit(Limit::Attributes)),
        ("<a><b/><b><c/><c/><c/></b></a>".to_owned(), None),
        ("<a><b/><b/><b/></a>".to_owned(), limit(Limit::Children)),
        (format!("<{}/>", "n".repeat(13)), None),
        (format!("<{}/>", "n".repeat(14)), limit(Limit::NameBytes)),
        (format!("<{}", "\u{e9}".repeat(7)), limit(Limit::NameBytes)),
        (format!("<a {}=''/>", "n".repeat(14)), limit(Limit::NameBytes)),
        ("<a xmlns:b='u'><c xmlns:d='u'/><e xmlns:f='u'/></a>".to_owned(), None),
        (
            "<a xmlns:b='u' xmlns:c='u'><d xmlns:e='u'/></a>".to_owned(),
            limit(Limit::Prefixes),
        ),
        ("<a>&#x0000041;</a>".to_owned(), None),
        ("<a>&#x000000041;</a>".to_owned(), limit(Limit::ReferenceDigits)),
        (format!("<a>{}</a>", "x".repeat(393)), None),
        (format!("<a>{}</a>", "x".repeat(394)), limit(Limit::StanzaBytes)),
    ];
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    for (stanza, fault) in cases {
        let whole = scan_whole([header, &stanza].concat().as_bytes(), limits);
        assert_eq!(whole.fault, fault, "{stanza}");
    }
    let declaration = format!("<?xml version='1.0'{}", " ".repeat(200));
    let fault = scan_whole(declaration.as_bytes(), limits).fault;
    assert_eq!(fault, limit(Limit::DeclarationBytes));
}

#[test]
fn limits_can_grow_within_a_stream() {
    let small = ScanLimits {
        depth_max: 1,
        ..ScanLimits::BEFORE_AUTH
    };
    let mut scanner = Scanner::for_stanzas(small);
    assert!(matches!(
        scanner.scan(b"<a/>"),
        Ok(Scan::Frame {
            frame: Frame::Stanza(_),
            ..
        })
    ));
    scanner.set_limits(ScanLimits::AFTER_AUTH);
    assert!(matches!(scanner.scan(b"<a><b/></a>"), Ok(Scan::Frame { .. })));
}

#[test]
fn every_fault_has_its_condition() {
    let conditions = [
        (Fault::BadFormat, "bad-format"),
        (Fault::BadNamespacePrefix, "bad-namespace-prefix"),
        (Fault::InvalidNamespace, "invalid-namespace"),
        (Flaw::Tag.into(), "not-well-formed"),
        (Limit::Depth.into(), "policy-violation"),
        (Fault::RestrictedXml, "restricted-xml"),
        (Fault::UnsupportedEncoding, "unsupported-encoding"),
    ];
    for (fault, condition) in conditions {
        assert_eq!(fault.condition(), condition);
        assert!(fault.to_string().starts_with(condition));
    }
}
