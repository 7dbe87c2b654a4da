#!/usr/bin/env python3
"""A FIX client on QuickFIX (pip install quickfix): logs on, sends a burst of orders, and hears everything exactly once,
whatever happens to the line meanwhile. Each message is held against the venue's own dictionary.

    trade_quickfix.py HOST PORT VERSION COMP_ID ORDERS FOLDER       (VERSION: 4.2, 4.4 or 5.0sp2)

FOLDER keeps the session's numbers, and has the dictionaries that `vesta fix dictionary` writes: 4.2.xml, 4.4.xml, or
fixt1.1.xml and 5.0sp2.xml. A line on stdout for each report, as it is told: ClOrdID, ExecID, ExecType.
"""
import os
import queue
import sys

import quickfix as fix

BEGIN = {"4.2": "FIX.4.2", "4.4": "FIX.4.4", "5.0sp2": "FIXT.1.1"}


class Application(fix.Application):
    def __init__(self):
        super().__init__()
        self.heard = queue.Queue()

    def onCreate(self, session_id):
        pass

    def onLogon(self, session_id):
        self.heard.put(("logon", session_id))

    def onLogout(self, session_id):
        pass

    def toAdmin(self, message, session_id):
        if message.getHeader().getField(35) == "3":
            self.heard.put(("we reject", message.toString()))

    def toApp(self, message, session_id):
        pass

    def fromAdmin(self, message, session_id):
        if message.getHeader().getField(35) == "3":
            self.heard.put(("rejected", message.toString()))

    def fromApp(self, message, session_id):
        kind = message.getHeader().getField(35)
        if kind == "8":
            self.heard.put(("report", [message.getField(tag) for tag in (11, 17, 150, 39)]))
        else:
            self.heard.put(("unexpected", message.toString()))


def order(version, cl_ord_id):
    message = fix.Message()
    message.getHeader().setField(35, "D")
    for tag, value in [(11, cl_ord_id), (55, "BTC-USD"), (54, "1"), (38, "1"), (40, "2"), (44, "100"), (59, "0")]:
        message.setField(tag, value)
    if version == "4.2":
        message.setField(21, "1")
    message.setField(fix.TransactTime())
    return message


def main():
    host, port, version, comp_id, orders, folder = sys.argv[1:]
    dictionaries = [f"DataDictionary={folder}/{version}.xml"]
    if version == "5.0sp2":
        dictionaries = ["DefaultApplVerID=FIX.5.0SP2", f"TransportDataDictionary={folder}/fixt1.1.xml",
                        f"AppDataDictionary={folder}/5.0sp2.xml"]
    settings = ["[DEFAULT]", "ConnectionType=initiator", "StartTime=00:00:00", "EndTime=00:00:00", "HeartBtInt=30",
                "ReconnectInterval=1", f"FileStorePath={folder}/store", "ResetOnLogon=N", "SocketNodelay=Y", "[SESSION]",
                f"BeginString={BEGIN[version]}", f"SenderCompID={comp_id}", "TargetCompID=VESTA",
                f"SocketConnectHost={host}", f"SocketConnectPort={port}", "UseDataDictionary=Y", *dictionaries]
    path = os.path.join(folder, "trade.cfg")
    with open(path, "w") as file:
        file.write("\n".join(settings) + "\n")
    application, settings = Application(), fix.SessionSettings(path)
    initiator = fix.SocketInitiator(application, fix.FileStoreFactory(settings), settings)
    initiator.start()
    unfilled = {f"{comp_id}-{n}" for n in range(int(orders))}
    sent = False
    while unfilled:
        what, of = application.heard.get(timeout=240)
        if what == "logon":
            # Once: a message that is sent without a line is kept under its number, and asked for.
            for cl_ord_id in sorted(unfilled) if not sent else []:
                fix.Session.sendToTarget(order(version, cl_ord_id), of)
            sent = True
        elif what == "report":
            cl_ord_id, exec_id, exec_type, status = of
            print(cl_ord_id, exec_id, exec_type, flush=True)
            if status == "2":
                unfilled.remove(cl_ord_id)
        else:
            sys.exit(f"{what}: {of}")
    initiator.stop()
    sys.stdout.flush()
    os._exit(0)     # the binding's threads outlive their interpreter


main()
