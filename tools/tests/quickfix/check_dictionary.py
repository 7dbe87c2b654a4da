"""Asks QuickFIX what it has read from a dictionary: check_dictionary.py FILE < QUESTIONS, one a line.

    message TYPE | field TYPE TAG | required TYPE TAG | group TYPE TAG | value TAG VALUE | novalue TAG VALUE
"""
import sys

import quickfix as fix

read = fix.DataDictionary(sys.argv[1])
ask = {
    "message": lambda msg_type: read.isMsgType(msg_type),
    "field": lambda msg_type, tag: read.isMsgField(msg_type, int(tag)),
    "required": lambda msg_type, tag: read.isRequiredField(msg_type, int(tag)),
    "group": lambda msg_type, tag: read.isGroup(msg_type, int(tag)),
    "value": lambda tag, value: read.isFieldValue(int(tag), value),
    "novalue": lambda tag, value: not read.isFieldValue(int(tag), value),
}
asked = 0
for line in sys.stdin:
    kind, *of = line.split()
    asked += 1
    if not ask[kind](*of):
        sys.exit(f"{sys.argv[1]}: no: {line}")
print(asked)
