#!/usr/bin/env python3
"""Counts and checks the records of a stopped venue's journal: journal/FORMAT.md and the standard library are all
it needs.  python3 read_journal.py DIR [--print]   exit code 0: sound, 1: not, 2: called wrongly"""
import os, struct, sys
from collections import Counter
INPUTS = ("Configure DefineInstrument DefineSession SetPhase New Cancel Replace MassCancel Status Refuse Note ExpireDay "
          "NewSpecial ReplaceStop SetBands SetReference SetSession SetRisk SetPermission PublishIndicative Expire Bust")
EVENTS = ("Configured InstrumentDefined SessionDefined PhaseChanged CommandRefused Accepted Rejected Rested Traded "
          "Canceled Replaced CancelRejected MassCanceled MassCancelRejected StatusReported Numbered Applied Held "
          "Triggered Restated Replenished Uncrossed Indicative Busted")
NAMES = dict(enumerate(INPUTS.split(), 1)) | dict(enumerate(EVENTS.split(), 64))
TABLE = list(range(256))
for step in range(8):  # The polynomial 1EDC6F41, reflected.
    TABLE = [entry >> 1 ^ (0x82F63B78 if entry & 1 else 0) for entry in TABLE]

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
def check(holds, path, offset, what):
    if not holds:
        sys.exit(f"{path} at offset {offset}: {what}")
def begin(folder, names):
    """The segment that the log begins with, once its first ones were taken away as configured."""
    if not os.path.exists(path := os.path.join(folder, "retained")):
        return 0
    with open(path, "rb") as file:
        head = file.read(80)
    sound = len(head) == 80 and crc32c(head[:76]) == struct.unpack_from("<I", head, 76)[0]
    check(sound and head[:10] == b"VESTARET\1\0", path, 0, "not what says where a log begins")
    first = struct.unpack_from("<Q", head, 24)[0]
    while f"{first - 1:016}.seg" in names:
        first -= 1  # Left by a crash, or put back.
    return first
def frames(folder):
    """File, offset, sequence, flags and payload of every frame of a turn."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".seg"))
    begins = begin(folder, names)
    for index, name in enumerate((name for name in names if name >= f"{begins:016}"), begins):
        path, at = os.path.join(folder, name), 64
        with open(path, "rb") as file:
            data = file.read()
        if not any(data[:4]):
            return  # Made ahead, not begun: the log ends before it.
        magic, version, _, size, log, number, first = struct.unpack_from("<8sHHIQQQ", data)
        check((magic, version, number) == (b"VESTAJNL", 1, index), path, 0, "not the segment that comes here")
        check(crc32c(data[:60]) == struct.unpack_from("<I", data, 60)[0], path, 60, "wrong checksum of the header")
        seed, end = crc32c(struct.pack("<QQ", log, number)), len(data.rstrip(b"\0"))
        while at + 24 <= size and at < end:
            length, checksum, sequence, _, kind, flags, _ = struct.unpack_from("<IIQIBBH", data, at)
            check(24 <= length <= size - at, path, at, f"impossible length {length}, sequence {first} or later")
            turned = (length << 16 | length >> 16) & 0xFFFFFFFF
            check(crc32c(data[at + 8:at + length]) ^ seed ^ at ^ turned == checksum, path, at, "wrong checksum")
            if kind == 2:
                break  # A seal: the rest of the segment is unused.
            yield path, at, sequence, flags, data[at + 24:at + length]
            at += length

def main(folder, *options):
    counts, last, is_open = Counter(), None, False
    for path, offset, sequence, flags, payload in frames(folder):
        if last is None and not flags & 1 and not path.endswith(f"{0:016}.seg"):
            continue  # The rest of a turn whose beginning has gone.
        comes = last is None or sequence == (last if is_open else last + 1)
        check(comes and is_open != bool(flags & 1), path, offset, f"sequence {sequence} does not come after {last}")
        last, is_open = sequence, not flags & 2
        while payload:
            length, kind, code, subject = struct.unpack_from("<HBBI", payload)
            counts[NAMES[kind]] += 1
            if "--print" in options:
                print(sequence, NAMES[kind], f"code={code} subject={subject}", payload[8:length].hex())
            payload = payload[length:]
    print("\n".join(f"{name} {count}" for name, count in sorted(counts.items())), f"last {last}", sep="\n")
main(*sys.argv[1:]) if len(sys.argv) > 1 else sys.exit(print(__doc__, file=sys.stderr) or 2)
