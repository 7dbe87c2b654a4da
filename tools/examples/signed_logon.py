#!/usr/bin/env python3
"""Logs on under TLS with a signature, enters an order, says what comes back, logs out. The standard library is enough.

    signed_logon.py HOST PORT CA.pem COMP_ID KEY        (KEY: what `vesta password --hmac-key` printed)
"""
import base64
import hashlib
import hmac
import socket
import ssl
import sys
from datetime import datetime, timezone

SOH = "\x01"


def now():
    return datetime.now(timezone.utc).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


class Session:
    def __init__(self, stream, comp_id):
        self.stream, self.comp_id, self.number, self.buffer = stream, comp_id, 0, b""

    def send(self, kind, fields, key=None):
        self.number += 1
        time = now()
        if key is not None:
            # SendingTime, MsgType, MsgSeqNum, SenderCompID, TargetCompID: gateway/FIX.md
            text = SOH.join([time, kind, str(self.number), self.comp_id, "VESTA"]).encode()
            raw = base64.b64encode(hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()).decode()
            fields = fields + [(95, len(raw)), (96, raw)]
        head = [(35, kind), (34, self.number), (49, self.comp_id), (52, time), (56, "VESTA")]
        body = "".join(f"{tag}={value}{SOH}" for tag, value in head + fields)
        message = f"8=FIX.4.4{SOH}9={len(body)}{SOH}{body}"
        self.stream.sendall(f"{message}10={sum(message.encode()) % 256:03}{SOH}".encode())

    def read(self):
        """The next message as a dictionary; groups are not taken apart."""
        while b"\x0110=" not in self.buffer or not self.buffer.split(b"\x0110=", 1)[1].count(b"\x01"):
            more = self.stream.recv(65536)
            if not more:
                sys.exit("the venue closed the connection")
            self.buffer += more
        message, rest = self.buffer.split(b"\x0110=", 1)
        self.buffer = rest.split(b"\x01", 1)[1]
        return dict(field.split("=", 1) for field in message.decode().split(SOH))


def main():
    host, port, issuer, comp_id, key = sys.argv[1:]
    context = ssl.create_default_context(cafile=issuer)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            session = Session(stream, comp_id)
            session.send("A", [(98, 0), (108, 30), (141, "Y")], key)
            print(stream.version(), "logged on as", session.read()["56"])
            order = [(11, "python-1"), (55, "BTC-USD"), (54, 1), (60, now()), (38, 1), (40, 2), (44, 100), (59, 1)]
            session.send("D", order)
            report = session.read()
            print("order", report["11"], "is", report["39"])
            session.send("5", [])
            print("answered by", session.read()["35"])


main()
