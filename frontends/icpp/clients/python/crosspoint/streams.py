"""Bounded asynchronous streams from the client to the application.

A stream is read by one reader, by `async for` or by `get`. What was handed out counts as taken when the application asks for the next,
or says so; until then the server keeps it.
"""

import asyncio
import collections
import typing

from .errors import Closed

# What may be lost is dropped, oldest first, beyond so many.
LOSSY_MAX = 1024


T = typing.TypeVar("T")


class Stream(typing.Generic[T]):
    """`taken(entry)` is called for each entry that the application is done with."""

    def __init__(self, taken: typing.Callable[[typing.Any], None]) -> None:
        self.taken = taken
        self.queue: collections.deque[tuple[T, typing.Any]] = collections.deque()
        self.lossy = 0
        self.handed: typing.Any = None
        self.wanted = False
        self.end: BaseException | None = None
        self.stirred = asyncio.Event()

    def put(self, value: T, entry: typing.Any = None) -> None:
        """Adds a value. One with an entry is bounded by what the server leaves unacknowledged, others by LOSSY_MAX."""
        if entry is None:
            if self.lossy >= LOSSY_MAX:
                self._drop_oldest()
            self.lossy += 1
        self.queue.append((value, entry))
        self.stirred.set()

    def replace(self, same: typing.Callable[[T], bool], value: T) -> None:
        """Puts a lossy value in place of the one that waits for which `same` holds, or at the end."""
        for index, (old, entry) in enumerate(self.queue):
            if entry is None and same(old):
                self.queue[index] = (value, None)
                return
        self.put(value)

    def finish(self, error: BaseException | None = None, failed: bool = False) -> None:
        """Nothing more will come. What was handed out is taken, unless the application `failed` over it; what was not stays with the server."""
        if failed:
            self.handed = None
        self.acknowledge()
        self.queue.clear()
        self.end = error or Closed("the client was closed")
        self.stirred.set()

    def acknowledge(self) -> None:
        """The application is done with what it was handed last."""
        entry, self.handed = self.handed, None
        if entry is not None:
            self.taken(entry)

    async def get(self) -> T:
        """The next value. StopAsyncIteration, or the client's error, at the end."""
        self.acknowledge()
        while not self.queue:
            if isinstance(self.end, Closed):
                raise StopAsyncIteration
            if self.end is not None:
                raise self.end
            self.stirred.clear()
            await self.stirred.wait()
        value, self.handed = self.queue.popleft()
        if self.handed is None:
            self.lossy -= 1
        return value

    def __aiter__(self) -> "Stream[T]":
        return self

    __anext__ = get

    def _drop_oldest(self) -> None:
        for index, (_, entry) in enumerate(self.queue):
            if entry is None:
                del self.queue[index]
                self.lossy -= 1
                return
