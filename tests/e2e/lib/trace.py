# SPDX-License-Identifier: BSD-3-Clause
"""Questions about the packets that capture_check.judged() gives, in the order of the capture.
`source` is an address, `port` the SCTP port of that side."""


def sent_by(packets, source, port=None):
    return [p for p in packets if p['source'] == source and port in (None, p['ports'][0])]


def sent_to(packets, source, port=None):
    """What the other side sent to `source`."""
    return [p for p in packets if p['source'] != source and port in (None, p['ports'][1])]


def transmissions(packets, source, port=None):
    """{TSN: [when it was sent, each time]}"""
    times = {}
    for packet in sent_by(packets, source, port):
        for tsn in packet['tsns']:
            times.setdefault(tsn, []).append(packet['time'])
    return times


def covers(ack, tsn):
    """RFC 9260 section 1.6: serial numbers."""
    return (ack - tsn) % (1 << 32) < 1 << 31


def acknowledged(packets, source, port=None):
    """{TSN: when the first SACK that covers it was captured}, None for those without."""
    acks = [(p['time'], ack) for p in sent_to(packets, source, port) for ack in p['acks']]
    return {tsn: next((when for when, ack in acks if when >= times[0] and covers(ack, tsn)), None)
            for tsn, times in transmissions(packets, source, port).items()}


def windows(packets, source, port=None):
    """[(when, a_rwnd)] of its SACKs."""
    return [(p['time'], window) for p in sent_by(packets, source, port) for window in p['windows']]


def gaps(times):
    return [later - earlier for earlier, later in zip(times, times[1:])]
