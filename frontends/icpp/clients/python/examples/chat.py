"""A chat in the terminal: what you type goes to one person, what comes is shown.

    python3 examples/chat.py romeo@localhost icpp://127.0.0.1:5299 --to juliet@localhost     (password: $PASSWORD)

    /edit TEXT   replaces your last message        /away, /here    your presence
    /recall      takes it back                     /history        what was said
    /add         asks to see their presence        /block, /unblock
    /accept      lets them see yours               /quit
"""

import argparse
import asyncio
import os
import ssl
import sys

from crosspoint import (Activity, Bounced, Client, Connected, CrosspointError, Disconnected, Receipt, Show, Subscription,
                        Typing, Verb)


def arguments(text):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("account", help="user@domain")
    parser.add_argument("urls", nargs="+", metavar="URL", help="icpp://, icpps://, ws:// or wss://")
    parser.add_argument("--state", metavar="FILE", help="where to keep what was sent and seen")
    parser.add_argument("--certificate", metavar="FILE", help="the server's own certificate, if it is self-signed")
    return parser


def tls(options):
    """Trusts exactly that certificate, whatever the name in it, or what the system trusts."""
    if not options.certificate:
        return None
    context = ssl.create_default_context(cafile=options.certificate)
    context.check_hostname = False
    return context


class Chat:
    def __init__(self, client, to):
        self.client, self.to, self.last = client, to, None

    async def listen(self):
        async for message in self.client.messages():
            mark = {Verb.EDIT: " (edited)", Verb.RECALL: " took a message back"}.get(message.verb, "")
            print("%s%s: %s" % (message.sender, mark, message.text))
            if message.verb == Verb.DELIVER and message.copy is None:
                self.client.displayed(message)

    async def watch(self):
        async for one in self.client.presence():
            print("* %s is %s %s" % (one.address, Show(one.show).name.lower(), one.status))

    async def notice(self):
        async for event in self.client.events():
            if isinstance(event, (Connected, Disconnected)):
                print("* %s" % type(event).__name__.lower())
            elif isinstance(event, Receipt):
                print("* %s" % event.kind.name.lower())
            elif isinstance(event, Bounced):
                print("* it came back: %s" % event.condition)
            elif isinstance(event, Typing) and event.activity == Activity.COMPOSING:
                print("* %s is typing" % event.sender)
            elif isinstance(event, Subscription):
                print("* %s: %s" % (event.address, event.verb.name.lower()))

    async def obey(self, line):
        """Does what a line says; False at the end."""
        command, _, text = line.partition(" ")
        client = self.client
        if command == "/quit":
            return False
        if command == "/edit":
            await client.edit(self.to, self.last, text)
        elif command == "/recall":
            await client.recall(self.to, self.last)
        elif command == "/add":
            await client.subscribe(self.to)
        elif command == "/accept":
            await client.approve(self.to)
        elif command in ("/away", "/here"):
            client.show(Show.AWAY if command == "/away" else Show.AVAILABLE, text)
        elif command in ("/block", "/unblock"):
            await getattr(client, command[1:])(self.to)
        elif command == "/history":
            for one in (await client.history(self.to)).messages:
                print("  %s: %s" % (one.sender, one.text))
        elif line:
            self.last = await client.send(self.to, line, receipt=True)
        return True


def run(main, options):
    """Until its end, which is said in words."""
    try:
        asyncio.run(main(options))
    except (CrosspointError, ValueError, OSError) as error:
        sys.exit("%s: %s" % (type(error).__name__, error))


async def main(options):
    client = Client(options.account, os.environ.get("PASSWORD", "secret"), options.urls, state=options.state, tls=tls(options))
    chat = Chat(client, options.to)
    tasks = [asyncio.ensure_future(one()) for one in (chat.listen, chat.watch, chat.notice)]
    async with client:
        typed = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(typed), sys.stdin)
        while line := await typed.readline():
            try:
                if not await chat.obey(line.decode().strip()):
                    break
            except CrosspointError as error:
                print("* %s" % error)
    await asyncio.wait(tasks)
    # What ended the client ended its streams.
    for task in tasks:
        task.result()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--to", required=True, metavar="ADDRESS")
    run(main, parser.parse_args())
