"""In-band registration (XEP-0077): closed by default; when opened, an account is made, changed and removed by its client."""

import pathlib

from interop.raw import Raw, Refused, StreamEnd, condition_of
from interop.stage import Stage, expect, expect_equal

from .hostile_stage import fresh_source

OFFER = "{http://jabber.org/features/iq-register}register"
REGISTER = "<query xmlns='jabber:iq:register'>%s</query>"
FIELDS = "<username>%s</username><password>%s</password>"

stage = Stage()
play = stage.play


def run(server, only=()):
    folder = pathlib.Path(str(server.folder) + "-open")
    opened = type(server)(folder, settings={"registration": "open", **server.OPEN_REGISTRATION})
    server.start()
    opened.start()
    try:
        return stage.run("registration", server, only, opened=opened)
    finally:
        server.stop()
        opened.stop()


async def stranger(server, source=None):
    """An encrypted stream that has not authenticated."""
    raw = await Raw.connect(server, source or fresh_source())
    await raw.open()
    await raw.encrypt(server.trust())
    return raw


async def register(raw, user, password="secret"):
    return await raw.query("set", REGISTER % (FIELDS % (user, password)))


@play()
async def it_is_closed_by_default(server, **_):
    raw = await stranger(server)
    expect(raw.features.find(OFFER) is None, "registration is offered")
    try:
        answer = await register(raw, "intruder")
        expect_equal(answer.get("type"), "error", "answer")
    except StreamEnd:
        pass
    raw = await stranger(server)
    try:
        await raw.login("intruder", "secret")
    except Refused:
        return
    raise AssertionError("the account was made")


@play()
async def an_account_is_made_and_used(opened, **_):
    raw = await stranger(opened)
    expect(raw.features.find(OFFER) is not None, "registration is offered")
    form = await raw.query("get", REGISTER % "")
    expect(form.find(".//{jabber:iq:register}username") is not None, "the form asks for a username")
    expect_equal((await register(raw, "newcomer")).get("type"), "result", "answer")
    await raw.login("newcomer", "secret")
    expect((await raw.bind()).startswith(opened.jid("newcomer")), raw.bound)


@play()
async def an_account_that_exists_is_not_made_again(opened, **_):
    opened.add_accounts([("taken", "secret-taken")])
    raw = await stranger(opened)
    answer = await register(raw, "taken", "stolen")
    expect_equal((answer.get("type"), condition_of(answer)), ("error", "conflict"), "answer")
    await raw.login("taken", "secret-taken")


@play()
async def half_a_form_is_refused(opened, **_):
    for fields in ("<username>half</username>", "<password>half</password>", FIELDS % ("", "x"), FIELDS % ("half", ""),
                   FIELDS % ("ha lf", "x"), FIELDS % ("half@elsewhere", "x")):
        raw = await stranger(opened)
        answer = await raw.query("set", REGISTER % fields)
        expect_equal(answer.get("type"), "error", "answer to " + fields)
        if opened.strict:
            expect(condition_of(answer) in ("not-acceptable", "bad-request", "jid-malformed"), condition_of(answer))


@play()
async def one_address_makes_few_accounts(opened, **_):
    source, answers = fresh_source(), []
    for number in range(8):
        raw = await stranger(opened, source)
        try:
            answer = await register(raw, "many%d" % number)
            answers.append(condition_of(answer) if answer.get("type") == "error" else "made")
        except StreamEnd as end:
            answers.append(end.condition)
    expect(0 < answers.count("made") < 8, "answers %s" % answers)


@play()
async def a_password_is_changed_by_its_owner(opened, **_):
    opened.add_accounts([("changer", "old-secret")])
    raw = await stranger(opened)
    await raw.login("changer", "old-secret")
    await raw.bind()
    answer = await raw.query("set", REGISTER % (FIELDS % ("changer", "new-secret")), to=opened.domain)
    expect_equal(answer.get("type"), "result", "answer")
    await (await stranger(opened)).login("changer", "new-secret")
    try:
        await (await stranger(opened)).login("changer", "old-secret")
    except Refused:
        return
    raise AssertionError("the old password still opens the account")


@play()
async def nobody_changes_anothers_password(opened, **_):
    opened.add_accounts([("owner", "secret-owner"), ("thief", "secret-thief")])
    raw = await stranger(opened)
    await raw.login("thief", "secret-thief")
    await raw.bind()
    answer = await raw.query("set", REGISTER % (FIELDS % ("owner", "stolen")), to=opened.domain)
    expect_equal(answer.get("type"), "error", "answer")
    await (await stranger(opened)).login("owner", "secret-owner")


@play()
async def an_account_is_removed_by_its_owner(opened, **_):
    opened.add_accounts([("leaver", "secret-leaver")])
    raw = await stranger(opened)
    await raw.login("leaver", "secret-leaver")
    await raw.bind()
    raw.say("<iq type='set' id='bye'>%s</iq>" % (REGISTER % "<remove/>"))
    await raw.ended()
    try:
        await (await stranger(opened)).login("leaver", "secret-leaver")
    except Refused:
        return
    raise AssertionError("the account still opens")
