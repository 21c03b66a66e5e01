//! However the network cuts a stream, the scanner gives the same frames and the same fault, and looks at
//! each byte a bounded number of times.

mod codec_support;

use codec_support::{CORPUS, HEADER, Seed, mutate, scan_split, scan_whole, stream};
use crosspoint_xmpp::codec::{Fault, Flaw, Frame, Limit, Scan, ScanLimits, Scanner};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[test]
fn every_byte_boundary_of_real_stanzas_gives_the_same_frames() {
    let document = [HEADER, " \n", &CORPUS.concat(), "\n</stream:stream>"].concat();
    let input = document.as_bytes();
    let whole = scan_whole(input, ScanLimits::AFTER_AUTH);
    assert_eq!((whole.fault, whole.left), (None, 0));
    assert_eq!(whole.frames.len(), CORPUS.len() + 2);
    for cut in 0..=input.len() {
        assert_eq!(scan_split(input, &[cut], ScanLimits::AFTER_AUTH), whole, "cut at {cut}");
    }
    let dribble: Vec<usize> = (1..input.len()).collect();
    assert_eq!(scan_split(input, &dribble, ScanLimits::AFTER_AUTH), whole);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        rng_seed: RngSeed::Fixed(6120),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_split_of_a_valid_stream_gives_the_same_frames(
        seed in any::<u64>(),
        mut cuts in prop::collection::vec(0usize..1_500, 0..12),
    ) {
        cuts.sort_unstable();
        let document = stream(seed);
        let whole = scan_whole(document.as_bytes(), ScanLimits::AFTER_AUTH);
        prop_assert_eq!(scan_split(document.as_bytes(), &cuts, ScanLimits::AFTER_AUTH), whole);
    }

    #[test]
    fn any_split_of_a_damaged_stream_gives_the_same_frames_and_fault(
        seed in any::<u64>(),
        mut cuts in prop::collection::vec(0usize..1_500, 0..12),
        limits in prop_oneof![
            Just(ScanLimits::AFTER_AUTH),
            Just(ScanLimits::BEFORE_AUTH),
            Just(ScanLimits { stanza_bytes_max: 120, depth_max: 3, name_bytes_max: 9, ..ScanLimits::BEFORE_AUTH }),
        ],
    ) {
        cuts.sort_unstable();
        let document = mutate(stream(seed).as_bytes(), &mut Seed(seed));
        let whole = scan_whole(&document, limits);
        prop_assert_eq!(&scan_split(&document, &cuts, limits), &whole);
        let dribble: Vec<usize> = (1..document.len()).collect();
        prop_assert_eq!(&scan_split(&document, &dribble, limits), &whole);
    }
}

/// What arrives whole is read in one go where it is usual, and what arrives in single bytes is read carefully.
#[test]
fn a_tag_that_is_read_in_one_go_is_read_as_carefully() {
    let attributes = [
        "",
        " to='a' from=\"b\" type='c' id=\"d\" xml:lang='e'",
        " to='a' to='b'",
        " to='a' id='b' to=\"c\"",
        " xml:lang='a' xml:lang='b'",
        " xmlns='a' xmlns='b'",
        " xmlns=''",
        " xmlns='http://www.w3.org/2000/xmlns/'",
        " xmlns=\"http://www.w3.org/XML/1998/namespace\"",
        " xmlns='http://www.w3.org/2000/xmlns;'",
        " xmlns:a='b' a:to='c' to='d'",
        " stamp='1' by='2' node='3' ver='4' hash='5' jid='6' name='7' label='8'",
        " stamp='1' by='2' node='3' ver='4' hash='5' jid='6' name='7' label='8' sid='9' rid='0'",
        " stamp='1' by='2' stamp='3'",
        " stamp='1' stamp2='2' Stamp='3' st-amp='4' _='5' s.t='6'",
        " to='a'id='b'",
        " to='a'  id='b'",
        " to='a'\tid='b'",
        " to ='a'",
        " to= 'a'",
        " to='a\" id='b\"'",
        " to='&amp;'",
        " to='&amp'",
        " to='a<b'",
        " to='a< id='b'",
        " to='a& id='b'",
        " to=<a< id=&b&",
        " to='a>b/>'",
        " to='\u{e9}\n\t' id='\u{0}'",
        " to=a",
        " to='a",
        " to",
        " type=''",
        " typo='a' types='b' fro='c' idx='d' tom='e' xmlnt='f'",
        " 1='a'",
        " =''",
        " xml:lan='a' xml:langu='b'",
        " \u{e9}='a'",
        " a-name-of-more-than-eight-bytes='1' a-name-of-more-than-eight='2'",
    ];
    let names = [
        "iq",
        "a",
        "presence",
        "a-long-name.of_some9",
        "x:y",
        "\u{e9}",
        "A",
        "9",
        "-",
        "",
    ];
    let around = [
        ("", ""),
        ("<iq>", "</iq>"),
        ("<iq to='a' xmlns='urn:x'><q>t", "</q ></iq>"),
    ];
    let tight = ScanLimits {
        name_bytes_max: 13,
        attributes_max: 5,
        depth_max: 2,
        ..ScanLimits::BEFORE_AUTH
    };
    for ((name, attributes), (before, behind)) in names
        .iter()
        .flat_map(|name| attributes.iter().map(move |attributes| (name, attributes)))
        .flat_map(|tag| around.iter().map(move |around| (tag, around)))
    {
        for end in [
            "/>",
            ">text</NAME>",
            "></NAME >",
            "></NAMe>",
            "></NAMEs>",
            "/ >",
            "",
            "/",
        ] {
            let element = format!("<{name}{attributes}{}", end.replace("NAME", name));
            let document = format!("{HEADER}{before}{element}{behind}<iq/>");
            for limits in [ScanLimits::AFTER_AUTH, tight] {
                let dribble: Vec<usize> = (HEADER.len()..document.len()).collect();
                let whole = scan_whole(document.as_bytes(), limits);
                assert_eq!(scan_split(document.as_bytes(), &dribble, limits), whole, "{document}");
            }
        }
    }
}

/// Long runs of every kind that may be cut anywhere. Quadratic work on 200 KiB in single bytes would be
/// 20 G steps per run: this test would not end.
#[test]
fn a_long_run_in_single_bytes_is_linear() {
    let long = |c: &str| c.repeat((200 << 10) / c.len());
    let runs = [
        format!("<message><body>{}</body></message>", long("x")),
        format!("<message><body>{}</body></message>", long("&amp;")),
        format!("<message><body>{}</body></message>", long(">")),
        format!("<message><body><![CDATA[{}]]></body></message>", long("]>")),
        format!("<message id='{}'/>", long("x")),
        format!("<message id='{}'/>", long("&#65;")),
        format!("<message {} id='1'/>", long(" ")),
        format!("<message id{}='1'/>", long(" ")),
        format!("<message id={}'1'/>", long(" ")),
        format!("<message></message{}>", long(" ")),
        format!("<message>{}</message>", "<a/>".repeat(50)),
    ];
    for run in &runs {
        let document = [HEADER, run].concat();
        let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
        let (mut start, mut stanzas) = (0, 0);
        for end in 1..=document.len() {
            while let Scan::Frame { frame, consumed } = scanner.scan(&document.as_bytes()[start..end]).unwrap() {
                stanzas += usize::from(matches!(frame, Frame::Stanza(_)));
                start += consumed;
            }
        }
        assert_eq!((stanzas, start), (1, document.len()), "{}", &run[..30]);
    }
}

#[test]
fn the_limit_of_a_stanza_is_the_same_in_any_split() {
    let limits = ScanLimits {
        stanza_bytes_max: 200,
        ..ScanLimits::BEFORE_AUTH
    };
    let body = |n: usize| format!("<message><body>{}</body></message>", "x".repeat(n));
    let overhead = body(0).len();
    for (bytes, fault) in [(200, None), (201, Some(Limit::StanzaBytes.into()))] {
        let stanza = body(bytes - overhead);
        assert_eq!(stanza.len(), bytes);
        let document = [HEADER, &stanza].concat();
        let dribble: Vec<usize> = (1..document.len()).collect();
        assert_eq!(scan_whole(document.as_bytes(), limits).fault, fault);
        assert_eq!(scan_split(document.as_bytes(), &dribble, limits).fault, fault);
    }
}

/// Found by fuzzing: in one piece the broken byte was told, in pieces the length.
#[test]
fn of_two_faults_in_a_name_the_first_is_told() {
    let limits = ScanLimits {
        name_bytes_max: 9,
        ..ScanLimits::BEFORE_AUTH
    };
    for (name, fault) in [
        (&b"<abcdefghijkl\xff/>"[..], Limit::NameBytes.into()),
        (b"<abcdef\xffghijkl/>", Fault::UnsupportedEncoding),
        (b"<abcdefgh\xc3\xa9\xff/>", Limit::NameBytes.into()),
        (b"<abcdefghi\xc3\xff/>", Fault::UnsupportedEncoding),
    ] {
        let document = [b"<stream xmlns='http://etherx.jabber.org/streams'>", name].concat();
        let dribble: Vec<usize> = (1..document.len()).collect();
        assert_eq!(scan_whole(&document, limits).fault, Some(fault), "{name:?}");
        assert_eq!(scan_split(&document, &dribble, limits).fault, Some(fault), "{name:?}");
    }
}

#[test]
fn a_fault_stays_until_the_stream_restarts() {
    let mut scanner = Scanner::new(ScanLimits::BEFORE_AUTH);
    let fault = Fault::NotWellFormed(Flaw::Outside);
    assert_eq!(scanner.scan(b"GET / HTTP/1.1\r\n").unwrap_err(), fault);
    assert_eq!(scanner.scan(HEADER.as_bytes()).unwrap_err(), fault);
    scanner.reset();
    assert!(matches!(scanner.scan(HEADER.as_bytes()), Ok(Scan::Frame { .. })));
}

#[test]
fn an_idle_scanner_is_small() {
    let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
    let document = [HEADER, CORPUS[0], CORPUS[4]].concat();
    let mut rest = document.as_bytes();
    while let Ok(Scan::Frame { consumed, .. }) = scanner.scan(rest) {
        rest = &rest[consumed..];
    }
    scanner.rest();
    assert!(scanner.memory_bytes() <= 300, "{}", scanner.memory_bytes());
}

#[test]
fn buffers_grown_by_one_stanza_are_given_back() {
    let mut scanner = Scanner::for_stanzas(ScanLimits::AFTER_AUTH);
    let wide = format!("<iq>{}</iq>", "<a/>".repeat(256));
    assert!(matches!(scanner.scan(wide.as_bytes()), Ok(Scan::Frame { .. })));
    let grown = scanner.memory_bytes();
    assert!(matches!(scanner.scan(b"<presence/>"), Ok(Scan::Frame { .. })));
    assert!(
        scanner.memory_bytes() * 4 < grown,
        "{} of {grown}",
        scanner.memory_bytes()
    );
}
