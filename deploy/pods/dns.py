"""The cluster's DNS, as far as the services ask it: addresses of Services by their names."""

import asyncio
import struct

A, AAAA = 1, 28
NAME_ERROR = 3
TTL_SECONDS = 5


class Dns(asyncio.DatagramProtocol):
    """`names` is {name without a dot at its end: [addresses]}, replaced by the caller."""

    def __init__(self):
        self.names = {}
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        answer = self.answer(data)
        if answer:
            self.transport.sendto(answer, address)

    def answer(self, query):
        if len(query) < 17:
            return None
        labels, at = [], 12
        while at < len(query) and query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
            at += 1 + query[at]
        question = query[12 : at + 5]
        if len(question) != at - 7:
            return None
        (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
        found = self.names.get(".".join(labels))
        addresses = found if found and kind == A else []
        # Response, authoritative, recursion as asked and available.
        flags = 0x8480 | (query[2] & 1) << 8 | (NAME_ERROR if found is None else 0)
        head = query[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0)
        records = (
            b"\xc0\x0c" + struct.pack("!HHIH", A, 1, TTL_SECONDS, 4) + bytes(map(int, address.split(".")))
            for address in addresses
        )
        return head + question + b"".join(records)
