"""Plays about who may do what in a room: each privilege, and each error of XEP-0045 sections 8 to 10."""

from interop.conference import Company, codes, denied, item, reason
from interop.stage import expect, expect_equal

from .rooms_entering import play


async def ranks(company, **config):
    """A room with one of each rank: owner, admin, member, and one without an affiliation, nicknamed so."""
    room, *people = await company.gathering("owner", "admin", "member", "nobody", **config)
    owner, admin, member, nobody = people
    await owner.change(room, affiliation="admin", jid=admin.boundjid.bare)
    await owner.change(room, affiliation="member", jid=member.boundjid.bare)
    for person in people:
        await person.took_presence(lambda one: item(one).get("affiliation") == "admin", "the admin's rank")
        await person.took_presence(lambda one: item(one).get("affiliation") == "member", "the member's rank")
        await person.settled()
        person.presences.clear()
    return (room, *people)


@play()
async def a_moderator_kicks(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        await admin.change(room, "Avaunt", role="none", nick="nobody")
        for person in (owner, admin, member, nobody):
            gone = await person.saw(room, "nobody", "unavailable", 307)
            expect_equal((item(gone)["role"], reason(gone), 110 in codes(gone)), ("none", "Avaunt", person is nobody), "how")
        await nobody.come_in(room, "nobody")


@play()
async def who_may_not_kick(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        await denied(member.change(room, role="none", nick="nobody"), "forbidden", "auth")
        await denied(nobody.change(room, role="none", nick="member"), "forbidden", "auth")
        await owner.change(room, role="moderator", nick="member")
        await denied(member.change(room, role="none", nick="admin"), "not-allowed", "cancel")
        await denied(member.change(room, role="none", nick="owner"), "not-allowed", "cancel")
        await denied(admin.change(room, role="none", nick="owner"), "not-allowed", "cancel")
        await member.change(room, role="none", nick="nobody")
        await nobody.saw(room, "nobody", "unavailable", 307)


@play()
async def a_voice_is_given_and_taken(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        await denied(member.change(room, role="visitor", nick="nobody"), "forbidden", "auth")
        await admin.change(room, "Silence", role="visitor", nick="nobody")
        for person in (owner, nobody):
            seen = await person.saw(room, "nobody")
            expect_equal((item(seen)["role"], reason(seen)), ("visitor", "Silence"), "what is seen")
        await owner.configure(room, moderatedroom=1)
        nobody.say(room, "mmh")
        expect_equal(await nobody.returned(room), ("forbidden", "auth"), "no voice")
        await denied(member.change(room, role="participant", nick="nobody"), "forbidden", "auth")
        await admin.change(room, role="participant", nick="nobody")
        await nobody.took_presence(lambda one: item(one).get("role") == "participant", "the voice")
        nobody.say(room, "I can speak")
        await member.heard("I can speak")
        await owner.change(room, role="moderator", nick="member")
        await denied(member.change(room, role="visitor", nick="admin"), "not-allowed", "cancel")
        await denied(member.change(room, role="visitor", nick="owner"), "not-allowed", "cancel")


@play()
async def an_admin_bans(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        await admin.change(room, "Treason", affiliation="outcast", jid=nobody.boundjid.bare)
        for person in (owner, member, nobody):
            gone = await person.saw(room, "nobody", "unavailable", 301)
            expect_equal((item(gone)["affiliation"], item(gone)["role"], reason(gone)), ("outcast", "none", "Treason"), "how")
        listed = await admin.listed(room, affiliation="outcast")
        expect_equal([(one["jid"], one["affiliation"]) for one in listed], [(nobody.boundjid.bare, "outcast")], "the list")
        expect_equal(await nobody.kept_out(room, "nobody"), ("forbidden", "auth"), "the banned")
        await admin.change(room, affiliation="none", jid=nobody.boundjid.bare)
        await nobody.come_in(room, "nobody")


@play()
async def who_may_not_ban(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        await denied(member.change(room, affiliation="outcast", jid=nobody.boundjid.bare), "forbidden", "auth")
        await owner.change(room, role="moderator", nick="member")
        await denied(member.change(room, affiliation="outcast", jid=nobody.boundjid.bare), "forbidden", "auth")
        await denied(admin.change(room, affiliation="outcast", jid=owner.boundjid.bare), "not-allowed", "cancel")
        await denied(admin.change(room, affiliation="outcast", jid=admin.boundjid.bare), "conflict", "cancel")
        await denied(owner.change(room, affiliation="outcast", jid=owner.boundjid.bare), "conflict", "cancel")
        await denied(member.listed(room, affiliation="outcast"), "forbidden", "auth")
        await denied(nobody.listed(room, affiliation="outcast"), "forbidden", "auth")


@play()
async def membership_is_given_and_taken(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company, membersonly=0)
        await denied(member.change(room, affiliation="member", jid=nobody.boundjid.bare), "forbidden", "auth")
        await denied(nobody.change(room, affiliation="none", jid=member.boundjid.bare), "forbidden", "auth")
        await admin.change(room, affiliation="member", jid=nobody.boundjid.bare)
        for person in (owner, nobody):
            expect_equal(item(await person.saw(room, "nobody"))["affiliation"], "member", "the new rank")
        listed = await admin.listed(room, affiliation="member")
        expect_equal(sorted(one["jid"] for one in listed), sorted([member.boundjid.bare, nobody.boundjid.bare]), "the list")
        await owner.configure(room, membersonly=1)
        await admin.change(room, "Not you", affiliation="none", jid=nobody.boundjid.bare)
        gone = await nobody.saw(room, "nobody", "unavailable", 321)
        expect_equal((item(gone)["affiliation"], item(gone)["role"]), ("none", "none"), "out")
        expect_equal(await nobody.kept_out(room, "nobody"), ("registration-required", "auth"), "no member any more")


@play()
async def moderators_are_made_and_unmade(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        await denied(member.change(room, role="moderator", nick="nobody"), "forbidden", "auth")
        await admin.change(room, role="moderator", nick="member")
        for person in (owner, member):
            expect_equal(item(await person.saw(room, "member"))["role"], "moderator", "the new role")
        await denied(member.change(room, role="moderator", nick="nobody"), "forbidden", "auth")
        listed = await admin.listed(room, role="moderator")
        expect_equal(sorted(one["nick"] for one in listed), ["admin", "member", "owner"], "the list")
        await denied(nobody.listed(room, role="moderator"), "forbidden", "auth")
        await denied(admin.change(room, role="participant", nick="owner"), "not-allowed", "cancel")
        await admin.change(room, role="participant", nick="member")
        expect_equal(item(await member.saw(room, "member"))["role"], "participant", "the role is taken")


@play()
async def admins_and_owners_are_an_owners_business(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        for rank in ("admin", "owner"):
            for person in (admin, member, nobody):
                await denied(person.change(room, affiliation=rank, jid=nobody.boundjid.bare), "forbidden", "auth")
            await denied(member.listed(room, affiliation=rank), "forbidden", "auth")
            await owner.change(room, affiliation=rank, jid=nobody.boundjid.bare)
            expect_equal(item(await member.saw(room, "nobody"))["affiliation"], rank, "the new rank")
        listed = await owner.listed(room, affiliation="owner")
        expect_equal(sorted(one["jid"] for one in listed), sorted([owner.boundjid.bare, nobody.boundjid.bare]), "the owners")
        await denied(admin.change(room, affiliation="none", jid=owner.boundjid.bare), "forbidden", "auth")
        await owner.change(room, affiliation="member", jid=nobody.boundjid.bare)
        await denied(owner.change(room, affiliation="admin", jid=owner.boundjid.bare), "conflict", "cancel")


@play()
async def changes_that_have_no_shape_are_refused(server):
    async with Company(server) as company:
        room, owner, admin, member, nobody = await ranks(company)
        for attributes in (
                {"nick": "nobody"}, {"role": "none"}, {"affiliation": "member"}, {"role": "king", "nick": "nobody"},
                {"affiliation": "king", "jid": "a@b.lit"}, {"affiliation": "member", "role": "none", "nick": "nobody"}):
            await denied(owner.change(room, **attributes), "bad-request", "modify")
        await denied(owner.change(room, affiliation="member", jid="@@"), "jid-malformed", "modify")
        await denied(owner.listed(room), "bad-request", "modify")


@play()
async def an_account_that_is_not_in_gets_its_rank(server):
    async with Company(server) as company:
        room, owner = await company.gathering("owner")
        guest = await company.online("guest")
        await owner.change(room, affiliation="admin", jid=guest.boundjid.bare)
        own = await guest.enter(room, "guest")
        expect_equal((item(own)["affiliation"], item(own)["role"]), ("admin", "moderator"), "its rank")
        expect(await owner.listed(room, affiliation="admin"), "it is listed")
