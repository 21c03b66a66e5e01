"""The archive suite: people on slixmpp read what was said (XEP-0313), page by page, from every side, and tell copies apart by
their identities (XEP-0359)."""

import datetime

from slixmpp.xmlstream import ET

from interop import servers
from interop.people import Cast
from interop.stage import Stage, expect, expect_equal

from .slixmpp_people import refused

stage = Stage()
play = stage.play

PLUGINS = ("xep_0313", "xep_0359", "xep_0280", "xep_0203")
MAM = "{urn:xmpp:mam:2}"
PAGES = "{http://jabber.org/protocol/rsm}"


def run(server, only=()):
    if server.name == "prosody":
        server.settings["modules"] = '"private"; "ping"; "carbons"; "smacks"; "offline"; "mam"; "blocklist";'
        server.settings["extra"] = 'archive_expires_after = "never"; default_archive_policy = true; max_archive_query_results = 250'
    elif server.name == "ejabberd":
        server.settings["modules"] = servers.EJABBERD_MODULES + "  mod_mam: {default: always}\n"
    server.start()
    try:
        return stage.run("archive", server, only)
    finally:
        server.stop()


class Page:
    """One answer: its results in the order in which they came, and what `<fin/>` says."""

    def __init__(self, results, answer):
        self.results = results
        fin = answer.xml.find(MAM + "fin")
        expect(fin is not None, "a <fin/>: %s" % answer)
        self.complete = fin.get("complete") in ("true", "1")
        self.first = fin.findtext(PAGES + "set/" + PAGES + "first")
        self.last = fin.findtext(PAGES + "set/" + PAGES + "last")

    @property
    def bodies(self):
        return [result["mam_result"]["forwarded"]["stanza"]["body"] for result in self.results]

    @property
    def ids(self):
        return [result["mam_result"]["id"] for result in self.results]


async def read(person, page="", form="", extra="", to=None, queryid="q1"):
    """One query, written by hand; its results are what came before the answer. `page` is the inside of <set/>."""
    fields = "".join("<field var='%s'>%s</field>" % (name, "".join("<value>%s</value>" % one for one in values))
                     for name, *values in form) if form else ""
    if fields:
        fields = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
                  "<value>urn:xmpp:mam:2</value></field>%s</x>" % fields)
    rsm = "<set xmlns='http://jabber.org/protocol/rsm'>%s</set>" % page if page is not None else ""
    person.inbox.clear()
    answer = await person.ask("set", "<query xmlns='urn:xmpp:mam:2' queryid='%s'>%s%s%s</query>" % (
        queryid, fields, rsm, extra), to=to)
    results = [one for one in person.inbox if one.xml.find(MAM + "result") is not None]
    for one in results:
        expect_equal(one["mam_result"]["queryid"], queryid, "the query's id")
        expect(one["from"].bare in (person.boundjid.bare, to or ""), "who sends results: %s" % one["from"])
        person.inbox.remove(one)
    return Page(results, answer)


def stanza_ids(message, by):
    """The identities that an archive's owner has put on a message."""
    return [one.get("id") for one in message.xml.findall("{urn:xmpp:sid:0}stanza-id") if one.get("by") == by]


async def talk(cast, count, **options):
    """Romeo says `m0`, `m1`, ... to Juliet, who is there and hears all of it."""
    romeo, juliet = await cast.online("romeo", plugins=PLUGINS), await cast.online("juliet", plugins=PLUGINS)
    for number in range(count):
        romeo.send_message(mto=juliet.boundjid.bare, mbody="m%d" % number, mtype="chat")
    for number in range(count):
        await juliet.heard("m%d" % number)
    await romeo.settled()
    return romeo, juliet


def names(first, last):
    return ["m%d" % number for number in range(first, last)]


@play()
async def both_sides_find_what_was_said(server):
    async with Cast(server) as cast:
        romeo, juliet = await talk(cast, 3)
        juliet.send_message(mto=romeo.boundjid.full, mbody="m3", mtype="chat")
        await romeo.heard("m3")
        for person in (romeo, juliet):
            page = await read(person)
            expect_equal((page.bodies, page.complete), (names(0, 4), True), "the archive of %s" % person.boundjid)
            expect_equal((page.first, page.last), (page.ids[0], page.ids[-1]), "its ends")
            one = page.results[0]["mam_result"]["forwarded"]["stanza"]
            expect_equal((one["from"].full, one["to"].bare, one["type"]),
                         (romeo.boundjid.full, juliet.boundjid.bare, "chat"), "addressing")
            stamp = page.results[0]["mam_result"]["forwarded"]["delay"]["stamp"]
            now = datetime.datetime.now(datetime.timezone.utc)
            expect(abs((now - stamp).total_seconds()) < 20, "a stamp of now: %s" % stamp)


@play()
async def the_librarys_own_reader_reads_everything(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 45)
        for options in ({}, {"reverse": True}):
            answers = romeo["xep_0313"].retrieve(iterator=True, rsm={"max": 10}, **options)
            said = []
            async for answer in answers:
                page = [one["mam_result"]["forwarded"]["stanza"]["body"] for one in answer["mam"]["results"]]
                said = page + said if options else said + page
            expect_equal(said, names(0, 45), "what was read %s" % options)


@play()
async def pages_go_forward_and_backward(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 25)
        first = await read(romeo, "<max>10</max>")
        expect_equal((first.bodies, first.complete), (names(0, 10), False), "the first page")
        second = await read(romeo, "<max>10</max><after>%s</after>" % first.last)
        expect_equal((second.bodies, second.complete), (names(10, 20), False), "the second page")
        third = await read(romeo, "<max>10</max><after>%s</after>" % second.last)
        expect_equal((third.bodies, third.complete), (names(20, 25), True), "the third page")
        last = await read(romeo, "<max>10</max><before/>")
        expect_equal((last.bodies, last.complete), (names(15, 25), False), "the last page")
        middle = await read(romeo, "<max>10</max><before>%s</before>" % last.first)
        expect_equal((middle.bodies, middle.complete), (names(5, 15), False), "the page before it")
        start = await read(romeo, "<max>10</max><before>%s</before>" % middle.first)
        expect_equal((start.bodies, start.complete), (names(0, 5), True), "the page at the start")
        expect_equal(first.ids + second.ids + third.ids, start.ids + middle.ids + last.ids, "identities")
        beyond = await read(romeo, "<max>10</max><after>%s</after>" % third.last)
        expect_equal((beyond.bodies, beyond.complete), ([], True), "beyond the end")


@play()
async def a_live_message_has_the_identity_that_the_archive_knows(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PLUGINS)
        juliet = await cast.online("juliet", plugins=PLUGINS)
        phone = await cast.online("juliet", "phone", PLUGINS)
        for one in (juliet, phone):
            await one["xep_0280"].enable()
        copies = []
        phone.add_event_handler("carbon_received", lambda one: copies.append(one["carbon_received"]))
        phone.add_event_handler("carbon_sent", lambda one: copies.append(one["carbon_sent"]))
        romeo.send_message(mto=juliet.boundjid.full, mbody="live", mtype="chat")
        live = await juliet.heard("live")
        juliet.send_message(mto=romeo.boundjid.full, mbody="back", mtype="chat")
        back = await romeo.heard("back")
        await juliet.settled()
        await phone.settled()
        hers = juliet.boundjid.bare
        page = await read(juliet)
        expect_equal(page.bodies, ["live", "back"], "the archive")
        expect_equal(stanza_ids(live, hers), page.ids[:1], "the identity of the message")
        expect_equal([stanza_ids(copy, hers) for copy in copies], [[one] for one in page.ids], "those of the copies")
        expect_equal(stanza_ids(back, hers), [], "her archive's identities in what she sent")
        his = await read(romeo)
        expect_equal(stanza_ids(back, romeo.boundjid.bare), his.ids[1:], "the identity in his archive")


@play()
async def what_waited_and_what_is_read_are_one_message(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PLUGINS)
        juliet = cast.someone("juliet", plugins=PLUGINS)
        for number in range(5):
            romeo.send_message(mto=juliet.boundjid.bare, mbody="m%d" % number, mtype="chat")
        await romeo.settled()
        await juliet.arrive()
        late = [await juliet.heard("m%d" % number) for number in range(5)]
        page = await read(juliet)
        expect_equal(page.bodies, names(0, 5), "the archive holds each once")
        hers = juliet.boundjid.bare
        expect_equal([stanza_ids(one, hers) for one in late], [[one] for one in page.ids], "identities")


@play()
async def a_reader_who_came_first_is_given_nothing_twice(server):
    """Before she says that she is there, Juliet reads; what waited then comes with identities that she has seen."""
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PLUGINS)
        juliet = cast.someone("juliet", plugins=PLUGINS)
        for number in range(5):
            romeo.send_message(mto=juliet.boundjid.bare, mbody="m%d" % number, mtype="chat")
        await romeo.settled()
        await juliet.arrive(presence=False)
        page = await read(juliet)
        expect_equal(page.bodies, names(0, 5), "the archive")
        juliet.send_presence()
        await juliet.settled()
        romeo.send_message(mto=juliet.boundjid.bare, mbody="now", mtype="chat")
        now = await juliet.heard("now")
        await juliet.settled()
        hers = juliet.boundjid.bare
        again = [stanza_ids(one, hers) for one in juliet.inbox if one["body"]]
        expect(all(len(one) == 1 and one[0] in page.ids for one in again), "what came again: %s" % again)
        expect(stanza_ids(now, hers)[0] not in page.ids, "a new message has a new identity")


@play()
async def filters_by_correspondent(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=PLUGINS), await cast.online("juliet", plugins=PLUGINS)
        nurse, other = await cast.online("nurse", plugins=PLUGINS), await cast.online("nurse", "other", PLUGINS)
        for number in range(12):
            writer = (romeo, nurse, other)[number % 3]
            writer.send_message(mto=juliet.boundjid.full, mbody="m%d" % number, mtype="chat")
            await juliet.heard("m%d" % number)
        juliet.send_message(mto=nurse.boundjid.full, mbody="m12", mtype="chat")
        await nurse.heard("m12")
        juliet.send_message(mto=juliet.boundjid.bare, mbody="note", mtype="chat")
        await juliet.settled()
        page = await read(juliet, form=[("with", romeo.boundjid.bare)])
        expect_equal((page.bodies, page.complete), (["m0", "m3", "m6", "m9"], True), "with Romeo")
        page = await read(juliet, "<max>3</max><before/>", form=[("with", nurse.boundjid.bare)])
        expect_equal((page.bodies, page.complete), (["m10", "m11", "m12"], False), "the last with the nurse")
        page = await read(juliet, "<max>50</max><before>%s</before>" % page.first, form=[("with", nurse.boundjid.bare)])
        expect_equal((page.bodies, page.complete), (["m1", "m2", "m4", "m5", "m7", "m8"], True), "those before")


@play()
async def filters_by_full_address(server):
    async with Cast(server) as cast:
        juliet = await cast.online("juliet", plugins=PLUGINS)
        nurse, other = await cast.online("nurse", plugins=PLUGINS), await cast.online("nurse", "other", PLUGINS)
        for number in range(4):
            (nurse, other)[number % 2].send_message(mto=juliet.boundjid.full, mbody="m%d" % number, mtype="chat")
            await juliet.heard("m%d" % number)
        page = await read(juliet, form=[("with", nurse.boundjid.full)])
        expect_equal(page.bodies, ["m0", "m2"], "with one of the nurse's resources")


@play()
async def filters_by_time(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 3)
        now = datetime.datetime.now(datetime.timezone.utc)
        earlier, later = [(now + datetime.timedelta(seconds=by)).strftime("%Y-%m-%dT%H:%M:%SZ") for by in (-60, 60)]
        page = await read(romeo, form=[("start", earlier), ("end", later)])
        expect_equal(page.bodies, names(0, 3), "around now")
        for form in ([("start", later)], [("end", earlier)]):
            page = await read(romeo, form=form)
            expect_equal((page.bodies, page.complete), ([], True), "%s" % form)


@play("mam-extended")
async def ranges_between_identities(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 10)
        ids = (await read(romeo)).ids
        page = await read(romeo, form=[("after-id", ids[2]), ("before-id", ids[6])])
        expect_equal((page.bodies, page.complete), (names(3, 6), True), "between two")


@play("mam-extended")
async def the_last_before_an_identity(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 10)
        ids = (await read(romeo)).ids
        page = await read(romeo, "<max>2</max><before/>", form=[("before-id", ids[6])])
        expect_equal(page.bodies, names(4, 6), "the last two before one")


@play("mam-extended")
async def single_messages_by_identity(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 6)
        ids = (await read(romeo)).ids
        page = await read(romeo, form=[("ids", ids[4], ids[1])])
        expect_equal(page.bodies, ["m1", "m4"], "two by name")


@play("mam-extended")
async def a_flipped_page_begins_with_the_newest(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 8)
        page = await read(romeo, "<max>3</max><before/>", extra="<flip-page/>")
        expect_equal(page.bodies, ["m7", "m6", "m5"], "a flipped page")
        expect_equal((page.last, page.first), (page.ids[0], page.ids[-1]), "its ends are those of the page")


@play("mam-extended")
async def the_ends_of_the_archive(server):
    async with Cast(server) as cast:
        nurse = await cast.online("nurse", plugins=PLUGINS)
        answer = await nurse.ask("get", "<metadata xmlns='urn:xmpp:mam:2'/>")
        expect_equal(len(answer.xml.find(MAM + "metadata")), 0, "children of an empty archive's metadata")
        romeo, _ = await talk(cast, 5)
        ids = (await read(romeo)).ids
        answer = await romeo.ask("get", "<metadata xmlns='urn:xmpp:mam:2'/>")
        metadata = answer.xml.find(MAM + "metadata")
        ends = [metadata.find(MAM + name) for name in ("start", "end")]
        expect_equal([end.get("id") for end in ends], [ids[0], ids[-1]], "the ends")
        expect(all(end.get("timestamp") for end in ends), "their times")


@play()
async def what_is_not_there_is_told(server):
    async with Cast(server) as cast:
        romeo, juliet = await talk(cast, 3)
        hers = (await read(juliet)).ids
        for unknown in ("no-such-id", "0123456789abcdef"):
            for page in ("<after>%s</after>", "<max>5</max><before>%s</before>"):
                await refused(read(romeo, page % unknown), "item-not-found")
        await refused(read(romeo, "<after>%s</after>" % hers[0]), "item-not-found")


@play("mam-extended")
async def what_a_form_names_and_is_not_there_is_told(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 3)
        for field in ("before-id", "after-id", "ids"):
            await refused(read(romeo, form=[(field, "no-such-id")]), "item-not-found")


@play()
async def an_unknown_field_is_refused(server):
    async with Cast(server) as cast:
        romeo, _ = await talk(cast, 1)
        await refused(read(romeo, form=[("{urn:example}mood", "lonely")]), "feature-not-implemented", "bad-request")


@play()
async def nobody_reads_anothers_archive(server):
    async with Cast(server) as cast:
        romeo, juliet = await talk(cast, 1)
        await refused(read(romeo, to=juliet.boundjid.bare), "forbidden", "service-unavailable", "not-allowed")


@play()
async def the_form_and_the_features(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=PLUGINS)
        answer = await romeo.ask("get", "<query xmlns='urn:xmpp:mam:2'/>")
        fields = {one.get("var") for one in answer.xml.iter("{jabber:x:data}field")}
        expect({"FORM_TYPE", "with", "start", "end"} <= fields, "fields: %s" % fields)
        info = await romeo["xep_0030"].get_info(jid=romeo.boundjid.bare)
        features = info["disco_info"]["features"]
        expect({"urn:xmpp:mam:2", "urn:xmpp:sid:0"} <= features, "features: %s" % features)


@play("mam-preferences")
async def what_a_user_does_not_want_is_not_kept(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=PLUGINS), await cast.online("juliet", plugins=PLUGINS)
        answer = await juliet.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
        expect_equal(answer.xml.find(MAM + "prefs").get("default"), "always", "what holds as it comes")
        await juliet.ask("set", "<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never><jid>%s</jid></never></prefs>"
                         % romeo.boundjid.bare)
        answer = await juliet.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
        never = [one.text for one in answer.xml.iter(MAM + "jid")]
        expect_equal(never, [romeo.boundjid.bare], "whom she does not keep")
        romeo.send_message(mto=juliet.boundjid.bare, mbody="forget it", mtype="chat")
        got = await juliet.heard("forget it")
        expect_equal(stanza_ids(got, juliet.boundjid.bare), [], "identities of what is not kept")
        await romeo.settled()
        expect_equal((await read(juliet)).bodies, [], "her archive")
        expect_equal((await read(romeo)).bodies, ["forget it"], "his archive")


@play()
async def what_a_sender_does_not_want_is_not_kept(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=PLUGINS), await cast.online("juliet", plugins=PLUGINS)
        for hint in ("no-store", "no-permanent-store", "store"):
            message = romeo.make_message(mto=juliet.boundjid.bare, mbody=hint, mtype="chat")
            message.append(ET.fromstring("<%s xmlns='urn:xmpp:hints'/>" % hint))
            message.send()
            await juliet.heard(hint)
        for child in ("<active xmlns='http://jabber.org/protocol/chatstates'/>",
                      "<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>"):
            message = romeo.make_message(mto=juliet.boundjid.bare, mtype="chat")
            message.append(ET.fromstring(child))
            message.send()
        await romeo.settled()
        await juliet.settled()
        for person in (romeo, juliet):
            page = await read(person)
            said = [one["mam_result"]["forwarded"]["stanza"].xml for one in page.results]
            kinds = [next(iter(one)).tag.rpartition("}")[2] for one in said]
            expect_equal((page.bodies, kinds), (["store", ""], ["body", "displayed"]), "the archive of %s" % person.boundjid)


@play("forged-results")
async def nobody_speaks_for_the_archive_or_the_server(server):
    """What only the server may say does not reach anybody from a client: results, copies, identities, delays."""
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=PLUGINS), await cast.online("juliet", plugins=PLUGINS)
        hers = juliet.boundjid.bare
        never = ("<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='%s' to='%s'><body>never</body></message>"
                 "</forwarded>" % (hers, romeo.boundjid.bare))
        for forged in ("<result xmlns='urn:xmpp:mam:2' queryid='q1' id='1'>%s</result>" % never,
                       "<received xmlns='urn:xmpp:carbons:2'>%s</received>" % never,
                       "<sent xmlns='urn:xmpp:carbons:2'>%s</sent>" % never,
                       "<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='1'/>" % hers,
                       "<delay xmlns='urn:xmpp:delay' from='%s' stamp='2002-09-10T23:08:25Z'/>" % server.domain):
            message = romeo.make_message(mto=juliet.boundjid.full, mbody="really", mtype="chat")
            message.append(ET.fromstring(forged))
            message.send()
            got = await juliet.heard("really")
            name = ET.fromstring(forged).tag
            came = [one for one in got.xml if one.tag == name and one.get("id") not in stanza_ids(got, hers)]
            expect_equal((came, "1" in stanza_ids(got, hers)), ([], False), "what came of %s" % name)
