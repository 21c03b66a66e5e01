"""biboumi, the IRC gateway from Debian, as a component: without any IRC, to see that it connects and is what it says."""

import asyncio
import shutil

from interop import process, servers
from interop.people import Cast, WAIT_SECONDS
from interop.stage import Skip, expect, expect_equal

from .components_people import IRC, stage

play = stage.play

CONFIG = """hostname={name}
password={secret}
xmpp_server_ip={address}
port={port}
admin={admin}
db_name={folder}/biboumi.sqlite
log_level=1
"""


class Biboumi:
    """One running gateway."""

    def __init__(self, server, admin):
        if not shutil.which("biboumi"):
            raise Skip("biboumi is not installed; run with --install once")
        self.folder = server.folder / "biboumi"
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "biboumi.cfg"
        config.write_text(CONFIG.format(address=server.address, port=servers.COMPONENT_PORT, admin=admin,
                                        folder=self.folder, **IRC))
        self.child = process.Child(["biboumi", config], self.folder / "biboumi.log")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        self.child.stop(2)


@play()
async def biboumi_connects_and_answers_discovery(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=("xep_0050",))
        async with Biboumi(server, romeo.boundjid.bare) as gateway:
            identities = await discovered(romeo)
            expect(("conference", "irc") in {(one[0], one[1]) for one in identities}, "an IRC gateway: %s" % identities)
            commands = await romeo["xep_0050"].get_commands(IRC["name"])
            nodes = {item[1] for item in commands["disco_items"]["items"]}
            expect("ping" in nodes, "its ad-hoc commands: %s" % nodes)
            expect(gateway.child.running(), "it goes on")


@play()
async def biboumi_runs_a_command(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=("xep_0050",))
        async with Biboumi(server, romeo.boundjid.bare):
            await discovered(romeo)
            answer = await romeo["xep_0050"].send_command(IRC["name"], "ping", timeout=WAIT_SECONDS)
            expect_equal(answer["command"]["status"], "completed", "the command")


async def discovered(person):
    """Its identities, as soon as it is there."""
    found = []

    async def look():
        try:
            info = await person["xep_0030"].get_info(jid=IRC["name"], timeout=WAIT_SECONDS)
            found.extend(info["disco_info"]["identities"])
        except Exception:
            pass
    for _ in range(40):
        await look()
        if found:
            return found
        await asyncio.sleep(0.2)
    raise AssertionError("it never answered")
