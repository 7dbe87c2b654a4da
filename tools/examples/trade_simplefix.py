#!/usr/bin/env python3
"""A FIX client on a codec alone (pip install simplefix): logs on, sends a burst of orders, and if it loses the line it
comes back, is asked for what did not arrive, asks for what it missed, and hears everything exactly once.

    trade_simplefix.py HOST PORT VERSION COMP_ID ORDERS        (VERSION: 4.2, 4.4 or 5.0sp2)

A line on stdout for each report, as it is told: ClOrdID, ExecID, ExecType. This is what an engine does for you; with
one, see trade_quickfix.py. A client that lives longer than its process keeps its numbers and what it sent in a file.
"""
import select
import socket
import sys
import time

import simplefix

BEGIN = {"4.2": "FIX.4.2", "4.4": "FIX.4.4", "5.0sp2": "FIXT.1.1"}
SESSION_LAYER = ("0", "1", "2", "3", "4", "5", "A")


class Session:
    def __init__(self, address, version, comp_id):
        self.address, self.version, self.comp_id = address, version, comp_id
        self.next_out = self.next_in = 1
        self.sent = {}          # what we may be asked for again: number → (MsgType, fields)
        self.early = {}         # what came in front of something that is missing, by number
        self.stream = None

    def connect(self):
        self.stream = socket.create_connection(self.address, timeout=20)
        self.parser, self.early = simplefix.FixParser(), {}
        logon = [(98, 0), (108, 30)]
        self.send("A", logon + [(1137, 9)] if self.version == "5.0sp2" else logon)

    def encode(self, kind, number, fields, again=False):
        message = simplefix.FixMessage()
        message.append_pair(8, BEGIN[self.version], header=True)
        message.append_pair(35, kind, header=True)
        message.append_pair(34, number, header=True)
        if again:
            message.append_pair(43, "Y", header=True)
            message.append_utc_timestamp(122, precision=3, header=True)
        message.append_pair(49, self.comp_id, header=True)
        message.append_utc_timestamp(52, precision=3, header=True)
        message.append_pair(56, "VESTA", header=True)
        for tag, value in fields:
            message.append_pair(tag, value)
        return message.encode()

    def send(self, kind, fields):
        number, self.next_out = self.next_out, self.next_out + 1
        if kind not in SESSION_LAYER:
            self.sent[number] = (kind, fields)
        self.write(self.encode(kind, number, fields))

    def write(self, message):
        """What a broken line does not take is asked for by the venue when we are back."""
        try:
            if self.stream is not None:
                self.stream.sendall(message)
        except OSError:
            self.stream = None

    def resend(self, begin, end):
        """Orders again under their numbers; what is of the session layer is passed over."""
        last = self.next_out - 1 if end == 0 else min(end, self.next_out - 1)
        gap = None
        for number in range(begin, last + 2):
            if number <= last and number not in self.sent:
                gap = gap or number
                continue
            if gap is not None:
                self.write(self.encode("4", gap, [(123, "Y"), (36, number)], again=True))
                gap = None
            if number <= last:
                kind, fields = self.sent[number]
                self.write(self.encode(kind, number, fields, again=True))

    def hear(self, wait):
        """Application messages that have come, each once and in order; None if the line is gone."""
        if self.stream is None:
            return None
        heard = []
        try:
            if select.select([self.stream], [], [], wait)[0]:
                more = self.stream.recv(65536)
                if not more:
                    self.stream = None
                    return None
                self.parser.append_buffer(more)
        except OSError:
            self.stream = None
            return None
        while (message := self.parser.get_message()) is not None:
            number = int(message.get(34))
            if message.get(35) == b"2":     # whatever its number: two sides that both miss something would wait for ever
                self.resend(int(message.get(7)), int(message.get(16)))
            if number > self.next_in and not self.early:
                self.send("2", [(7, self.next_in), (16, 0)])
            if number >= self.next_in:
                self.early[number] = message    # else we had it: PossDupFlag(43)=Y
            while (due := self.early.pop(self.next_in, None)) is not None:
                self.take(due, heard)
        return heard

    def take(self, message, heard):
        """The message that is due."""
        kind = message.get(35).decode()
        self.next_in += 1
        if kind == "4":
            self.next_in = int(message.get(36))
            self.early = {number: kept for number, kept in self.early.items() if number >= self.next_in}
        elif kind == "1":
            self.send("0", [(112, message.get(112).decode())])
        elif kind == "5":
            sys.exit(f"logged out: {message.get(58)}")
        elif kind not in SESSION_LAYER:
            heard.append(message)


def order(version, cl_ord_id):
    time_now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    handling = [(21, 1)] if version == "4.2" else []
    return [(11, cl_ord_id), *handling, (55, "BTC-USD"), (54, 1), (60, time_now), (38, 1), (40, 2), (44, 100), (59, 0)]


def main():
    host, port, version, comp_id, orders = sys.argv[1:]
    session = Session((host, int(port)), version, comp_id)
    session.connect()
    unfilled = {f"{comp_id}-{n}" for n in range(int(orders))}
    for cl_ord_id in sorted(unfilled):
        session.send("D", order(version, cl_ord_id))
    while unfilled:
        heard = session.hear(20)
        if heard is None:
            session.connect()
            continue
        for report in heard:
            cl_ord_id, exec_type = report.get(11).decode(), report.get(150).decode()
            print(cl_ord_id, report.get(17).decode(), exec_type, flush=True)
            if report.get(39) == b"2":
                unfilled.remove(cl_ord_id)
    session.send("5", [])


main()
