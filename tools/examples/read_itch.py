"""Reads a BinaryFILE of ITCH 5.0 (`vesta export --itch`) with itchfeed, which knows nothing of Vesta.

    pip install itchfeed
    python3 read_itch.py day.itch
"""

import sys

from itch.parser import MessageParser

FIELDS = ("order_reference_number", "new_order_reference_number", "buy_sell_indicator", "shares",
          "executed_shares", "cancelled_shares", "price", "match_number")


def main(path):
    with open(path, "rb") as file:
        for message in MessageParser().parse_file(file):
            said = [message.message_type.decode(), str(message.stock_locate), str(message.timestamp)]
            for name in FIELDS:
                value = getattr(message, name, None)
                if value is not None:
                    said.append(f"{name}={value.decode() if isinstance(value, bytes) else value}")
            # What it has understood, made bytes again.
            print(*said, message.to_bytes().hex())


main(*sys.argv[1:])
