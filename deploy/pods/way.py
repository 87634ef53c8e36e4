"""The program behind `stores.Way`: carries bytes between a listening socket that it is given and a store. It ends
with its caller, whose end closes its standard input.

    python -m pods.way DESCRIPTOR HOST PORT
"""

import asyncio
import contextlib
import socket
import sys


async def carry(target, reader, writer):
    try:
        upstream_reader, upstream_writer = await asyncio.open_connection(*target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(copy(reader, upstream_writer))
                group.create_task(copy(upstream_reader, writer))
        finally:
            upstream_writer.transport.abort()
    except (OSError, ExceptionGroup):
        pass
    finally:
        writer.transport.abort()


async def copy(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def main(descriptor, host, port):
    listener = socket.socket(fileno=int(descriptor))
    listener.setblocking(False)
    server = await asyncio.start_server(lambda r, w: carry((host, int(port)), r, w), sock=listener)
    async with server:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(sys.stdin.fileno(), ended.set)
        await ended.wait()
    sys.exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
