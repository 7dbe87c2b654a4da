"""Rebuilds a book from a BinaryFILE of ITCH 5.0 (`vesta export --itch`) with meatpy, which knows nothing of Vesta: its
orders at the end, and how many executions were not of the first order of the best price.

    pip install meatpy
    python3 build_book.py day.itch BTC-USD
"""

import datetime
import sys

from meatpy.itch50 import ITCH50MarketProcessor, ITCH50MessageReader
from meatpy.lob import ExecutionPriorityExceptionList


def main(path, symbol):
    processor = ITCH50MarketProcessor(symbol, datetime.datetime(2026, 1, 2))
    out_of_priority = executions = 0
    with ITCH50MessageReader(path) as reader:
        for message in reader:
            executions += message.type in (b"E", b"C")
            try:
                processor.process_message(message)
            except ExecutionPriorityExceptionList as error:
                out_of_priority += len(error.args[1])
    book = processor.current_lob
    if book is not None:
        out_of_priority += len(book.execution_errors_buffer)
        for side, levels in (("B", book.bid_levels), ("S", book.ask_levels)):
            for level in levels:
                for order in level.queue:
                    print(side, level.price, order.order_id, order.volume)
    print("executions", executions, "out of priority", out_of_priority)


main(*sys.argv[1:])
