#!/usr/bin/env python3
"""Reads the feed over SoupBinTCP with Nasdaq's own library (pip install nasdaq-protocols): each message as it is understood, a
line each, and at the end of the line what was understood, made bytes again.

    read_nasdaq.py HOST PORT FIRST COUNT
"""
import asyncio
import contextlib
import importlib
import io
import os
import sys
import tempfile

from nasdaq_protocols.common.message import Generator, Parser

SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "itch50.xml")

FIELDS = ("order_reference_number", "new_order_reference_number", "buy_sell_indicator", "shares",
          "executed_shares", "cancelled_shares", "price", "match_number")


def messages():
    """The messages as classes, generated from their description."""
    folder = tempfile.mkdtemp()
    with contextlib.redirect_stdout(io.StringIO()):
        generator = Generator(Parser.parse(SPEC), "itch", "vesta", folder, "message_soup_app.mustache")
        generator.generate(extra_context={"record_type": "Record"})
    sys.path.insert(0, folder)
    return importlib.import_module("itch_vesta")


async def main(host, port, first, count):
    itch = messages()
    session = await itch.connect_async((host, port), "reader", "any", "", first)
    for _ in range(count):
        message = await session.receive_message()
        said = message.record.as_collection()
        _, understood = message.to_bytes()
        nanoseconds = (said["timestamp_high"] << 32) + said["timestamp_low"]
        fields = [f"{name}={said[name]}" for name in FIELDS if name in said]
        print(understood[:1].decode(), said["stock_locate"], nanoseconds, *fields, understood.hex())
    await session.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
