#!/usr/bin/env python3
"""An OUCH client on Nasdaq's own library (pip install nasdaq-protocols): enters a burst of offers or bids, and if it loses the line
it comes back with the number that it expects next and enters again what has no answer. It hears everything exactly once.

    trade_ouch.py HOST PORT USERNAME PASSWORD ORDERS [SIDE]

SIDE is S, if nothing is said, or B: each waits for somebody who takes the other side, one lot of BTC-USD at 100 an order.
A line on stdout for each message, as it is told: its number, its type, UserRefNum. Ends when every order has traded. A client that
lives longer than its process keeps its next number and the orders that have no answer in a file.
"""
import asyncio
import contextlib
import importlib
import io
import os
import sys
import tempfile

from nasdaq_protocols.common.message import Generator, Parser

SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ouch50.xml")


def messages():
    """The messages as classes, generated from their description."""
    folder = tempfile.mkdtemp()
    with contextlib.redirect_stdout(io.StringIO()):
        generator = Generator(Parser.parse(SPEC), "ouch", "vesta", folder, "message_soup_app.mustache")
        generator.generate(extra_context={"record_type": "Record"})
    sys.path.insert(0, folder)
    return importlib.import_module("ouch_vesta")


def new_order(ouch, user_ref_num, side):
    order = ouch.EnterOrder()
    order.user_ref_num, order.side, order.quantity = user_ref_num, side, 1
    order.symbol, order.price = "BTC-USD", 100 * 10_000
    order.time_in_force, order.display, order.capacity = "0", "Y", "P"
    order.intermarket_sweep, order.cross_type = "N", "N"
    order.cl_ord_id, order.appendage_length = f"order-{user_ref_num}", 0
    return order


async def main(host, port, username, password, orders, side="S"):
    ouch, next_number, answered, traded = messages(), 1, 0, 0
    while traded < orders:
        try:
            session = await ouch.connect_async((host, port), username, password, "", next_number)
        except (OSError, EOFError, asyncio.TimeoutError):
            await asyncio.sleep(0.05)
            continue
        try:
            for user_ref_num in range(answered + 1, orders + 1):
                session.send_message(new_order(ouch, user_ref_num, side))
            while traded < orders:
                message = await session.receive_message()
                kind = type(message).__name__
                print(next_number, kind, message.user_ref_num if kind != "SystemEvent" else 0, flush=True)
                next_number += 1
                if kind == "OrderAccepted":
                    answered = message.user_ref_num
                traded += kind == "OrderExecuted"
        except EOFError:
            continue    # The line is gone.
        await session.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5], int(sys.argv[5]), *sys.argv[6:7]))
