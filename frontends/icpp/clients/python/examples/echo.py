"""An echo bot: answers every message by its text, keeps what it has done in a file, and can be killed at any time.

    python3 examples/echo.py juliet@localhost icpp://127.0.0.1:5299 --state juliet.state     (password: $PASSWORD)
"""

import asyncio
import os
import signal

from chat import arguments, run, tls

from crosspoint import Client, Subscription, Verb


async def approve(client):
    """Whoever asks may see us."""
    async for event in client.events():
        if isinstance(event, Subscription) and event.verb == Verb.SUBSCRIBE:
            client.approve(event.address)


async def echo(client):
    async for message in client.messages():
        if message.verb == Verb.DELIVER and message.copy is None and message.text:
            client.displayed(message)
            client.post(message.sender, message.text, receipt=True)
            print("%s: %s" % (message.sender, message.text), flush=True)


async def main(options):
    async with Client(options.account, os.environ.get("PASSWORD", "secret"), options.urls, state=options.state,
                      tls=tls(options)) as client:
        print("%s is online" % client.session.address, flush=True)
        work = asyncio.ensure_future(asyncio.wait((asyncio.ensure_future(approve(client)), asyncio.ensure_future(echo(client)))))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            await asyncio.wait_for(client.drain(), 5)


if __name__ == "__main__":
    run(main, arguments(__doc__).parse_args())
