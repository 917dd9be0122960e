#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Judges a capture with tshark: every SCTP packet must decode, with no Malformed, Checksum or
Protocol finding, no ICMP error may quote one, and a FORWARD TSN needs both ends' announcement. Sequence findings (retransmissions, zero window)
are for runs with loss only.

    counts = check(path)                        # Counter of chunk types, or CaptureError
    counts = check(path, allow_sequence=True, sent_by={'10.9.0.1'})

By hand: capture_check.py [--allow-sequence] FILE
"""
import argparse
import collections
import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

CHUNKS = {0: 'DATA', 1: 'INIT', 2: 'INIT_ACK', 3: 'SACK', 4: 'HEARTBEAT', 5: 'HEARTBEAT_ACK',
          6: 'ABORT', 7: 'SHUTDOWN', 8: 'SHUTDOWN_ACK', 9: 'ERROR', 10: 'COOKIE_ECHO',
          11: 'COOKIE_ACK', 12: 'ECNE', 13: 'CWR', 14: 'SHUTDOWN_COMPLETE', 130: 'RE_CONFIG',
          192: 'FORWARD_TSN', 193: 'ASCONF', 128: 'ASCONF_ACK'}
GROUPS = {0x01000000: 'Checksum', 0x02000000: 'Sequence', 0x05000000: 'Undecoded',
          0x06000000: 'Reassemble', 0x07000000: 'Malformed', 0x09000000: 'Protocol'}
FATAL = ('Checksum', 'Malformed', 'Protocol', 'Undecoded', 'Reassemble', 'ICMP')
# The payload is ours: no dissector above SCTP may guess at it.
KEEP = {'arp', 'data', 'eth', 'ethertype', 'frame', 'icmp', 'icmpv6', 'ip', 'ipv6', 'null', 'raw',
        'sctp', 'sll', 'vlan', 'pkt_comment', 'file-pcapng', '_ws.expert', '_ws.malformed',
        '_ws.short', '_ws.unreassembled', 'ipv6.hopopts', 'ipv6.fraghdr', 'ipv6.routing',
        'ipv6.dstopts'}
FIELDS = ['frame.number', 'ip.src', 'ipv6.src', 'sctp.chunk_type', '_ws.expert.group',
          '_ws.expert.message', 'sctp.checksum.status', 'sctp.chunk_length',
          'icmp.type', 'icmpv6.type', 'frame.time_epoch', 'sctp.srcport', 'sctp.dstport',
          'sctp.data_tsn_raw', 'sctp.sack_cumulative_tsn_ack_raw', 'sctp.sack_a_rwnd',
          'sctp.parameter_type']
FORWARD_TSN_SUPPORTED = 0xc000  # RFC 3758 section 3.1


class CaptureError(AssertionError):
    """The capture holds what it must not."""


@functools.cache
def _protocols():
    """The names of all that this tshark decodes."""
    with tempfile.TemporaryDirectory() as folder:
        listed = subprocess.run(['tshark', '-G', 'protocols'], capture_output=True, text=True,
                                check=True, env={**os.environ, 'XDG_CONFIG_HOME': folder})
    return [line.split('\t')[2] for line in listed.stdout.splitlines() if line.count('\t') >= 2]


def _config(folder):
    """A configuration of our own, so that the user's cannot change the verdict."""
    config = pathlib.Path(folder) / 'wireshark'
    config.mkdir()
    (config / 'disabled_protos').write_text(
        '\n'.join(name for name in _protocols() if name not in KEEP) + '\n')
    return {**os.environ, 'XDG_CONFIG_HOME': str(folder), 'HOME': str(folder)}


def decode(path):
    """One dict per SCTP packet: number, time (s), source, ports (from, to), chunks (names), tsns,
    acks (cumulative), windows, findings (group, message)."""
    with tempfile.TemporaryDirectory() as folder:
        # In two passes: the second knows which fragments become a packet, with the last of them.
        command = ['tshark', '-n', '-2', '-r', str(path), '-o', 'sctp.checksum:CRC 32c',
                   '-o', 'sctp.tsn_analysis:TRUE',
                   '-Y', 'sctp || ip.proto == 132 && !ip.reassembled_in || ipv6.nxt == 132',
                   '-T', 'fields',
                   '-E', 'separator=/t', '-E', 'aggregator=;', '-E', 'occurrence=a']
        for field in FIELDS:
            command += ['-e', field]
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              env=_config(folder), timeout=300)
    if done.returncode != 0:
        raise CaptureError(f'{path}: tshark: {done.stderr.strip()}')
    return _unannounced([_packet(line.split('\t')) for line in done.stdout.splitlines()])


def _packet(fields):
    number, ip4, ip6, chunks, groups, messages, checksum, lengths, icmp4, icmp6, *rest = fields
    # An ICMP error quotes the packet it is about: the outer header comes first.
    source = (ip4 or ip6).split(';')[0]
    if icmp4 or icmp6:
        return {'number': int(number), 'source': source, 'chunks': [],
                'findings': [('ICMP', f'type {icmp4 or icmp6} about an SCTP packet')]}
    names = [CHUNKS.get(int(c), c) for c in chunks.split(';') if c]
    groups = [GROUPS.get(int(g), hex(int(g))) for g in groups.split(';') if g]
    messages = messages.split(';') if messages else []
    findings = [(group, messages[i] if i < len(messages) else '') for i, group in enumerate(groups)]
    if checksum and checksum.split(';')[0] not in ('1', 'Good') \
            and not any(group == 'Checksum' for group, _ in findings):
        findings.append(('Checksum', f'status {checksum}'))
    if any(int(length) < 4 for length in lengths.split(';') if length):
        findings.append(('Malformed', 'a chunk shorter than its header'))  # tshark has no finding
    if not names:
        findings.append(('Malformed', 'no chunk in the packet'))
    epoch, from_port, to_port, tsns, acks, windows, parameters = rest
    return {'number': int(number), 'source': source, 'chunks': names, 'findings': findings,
            'time': float(epoch), 'ports': tuple(_numbers(f'{from_port};{to_port}')),
            'tsns': _numbers(tsns), 'acks': _numbers(acks), 'windows': _numbers(windows),
            'parameters': [int(word, 0) for word in parameters.split(';') if word]}


def _unannounced(packets):
    """Marks each FORWARD TSN of an association whose INIT or INIT ACK said nothing of it (RFC 3758
    section 3.3.1). What began before the capture is believed."""
    announced = {}
    for packet in packets:
        if 'ports' not in packet:
            continue
        both = announced.setdefault(frozenset(packet['ports']), {})
        for chunk in packet['chunks']:
            if chunk in ('INIT', 'INIT_ACK'):
                both[chunk] = FORWARD_TSN_SUPPORTED in packet['parameters']
            elif chunk == 'FORWARD_TSN' and not all(both.values()):
                packet['findings'].append(('Protocol', 'a FORWARD TSN that was not agreed on'))
    return packets


def _numbers(text):
    return [int(word) for word in text.split(';') if word]


def check(path, allow_sequence=False, sent_by=None):
    """Counter of chunk types of the capture (from the addresses in sent_by, when given, which
    also limits what is judged). Raises CaptureError on findings and on an empty capture."""
    return count(judged(path, allow_sequence, sent_by))


def judged(path, allow_sequence=False, sent_by=None):
    """The packets, as decode() gives them, once they have passed; see check()."""
    packets = decode(path)
    if sent_by is not None:
        packets = [p for p in packets if p['source'] in sent_by]
    fatal = FATAL if allow_sequence else FATAL + ('Sequence',)
    bad = [f'packet {p["number"]} ({"+".join(p["chunks"])}): {group}: {message}'
           for p in packets for group, message in p['findings'] if group in fatal]
    if bad:
        raise CaptureError(f'{path}: {len(bad)} findings: ' + '; '.join(bad[:5]))
    if not packets:
        raise CaptureError(f'{path}: no SCTP packet in it')
    return packets


def count(packets):
    counts = collections.Counter(name for p in packets for name in p['chunks'])
    counts['packets'] = len(packets)
    return counts


class Capture:
    """dumpcap on a device of a namespace, for peers that have no capture of their own."""

    def __init__(self, namespace, device, path):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._process = namespace.start(['dumpcap', '-q', '-B', '64', '-i', device,
                                         '-w', self.path],
                                        self.path.with_suffix('.log'))
        self._process.expect('File:', 10)

    def stop(self):
        """Ends the capture; gives its path."""
        time.sleep(0.2)  # dumpcap reads its ring in blocks: let the last packets arrive
        self._process.send_signal(2)
        self._process.wait(10)
        return self.path


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file')
    parser.add_argument('--allow-sequence', action='store_true')
    options = parser.parse_args()
    try:
        for name, number in sorted(check(options.file, options.allow_sequence).items()):
            print(f'{number:8} {name}')
    except CaptureError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
