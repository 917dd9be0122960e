# SPDX-License-Identifier: BSD-3-Clause
"""Statistics of samples: what a program said, brought together into the rows of results.json.

A sample is what a program prints for one measurement:
  {"case": ..., "metric": ..., "unit": ..., "role": ..., "value": ...}
A row compares the samples of one role with those of another that measured the same case and metric.
"""
import json
import math
import statistics

SAMPLE_KEYS = ('case', 'metric', 'unit', 'role', 'value')
ROW_KEYS = ('case', 'metric', 'unit', 'n', 'median', 'spread', 'min', 'max', 'peer', 'peer_median',
            'ratio')
OURS = 'trunkline'


class Malformed(Exception):
    """A program printed what is not a sample."""


def parse_sample(line):
    try:
        sample = json.loads(line)
    except ValueError:
        raise Malformed(f'not JSON: {line[:200]}') from None
    if not isinstance(sample, dict) or set(sample) != set(SAMPLE_KEYS):
        raise Malformed(f'its keys are not {", ".join(SAMPLE_KEYS)}: {line[:200]}')
    for key in SAMPLE_KEYS[:-1]:
        if not isinstance(sample[key], str) or not sample[key]:
            raise Malformed(f'{key} is not a word: {line[:200]}')
    value = sample['value']
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Malformed(f'its value is not a number: {line[:200]}')
    return sample


def quartiles(values):
    """The first and the third, by linear interpolation between the values in order."""
    ordered = sorted(values)

    def at(fraction):
        place = fraction * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    return at(0.25), at(0.75)


def spread(values):
    """The distance between the quartiles, as a fraction of the median: half of the values lie
    within it. 0 for a single value, which says nothing: look at n."""
    middle = statistics.median(values)
    first, third = quartiles(values)
    return (third - first) / abs(middle) if middle else 0.0


def row(key, values, peer=None, peer_values=()):
    case, metric, unit = key
    median = statistics.median(values)
    peer_median = statistics.median(peer_values) if peer_values else None
    ratio = median / peer_median if peer_median else None
    return {'case': case, 'metric': metric, 'unit': unit, 'n': len(values), 'median': median,
            'spread': spread(values), 'min': min(values), 'max': max(values), 'peer': peer,
            'peer_median': peer_median, 'ratio': ratio}


def rows(samples):
    """One for each case and metric of ours, and peer that has it too; what a peer alone measured
    stands by itself. In the order in which they came."""
    groups = {}
    for sample in samples:
        key = (sample['case'], sample['metric'], sample['unit'])
        groups.setdefault(key, {}).setdefault(sample['role'], []).append(sample['value'])
    out = []
    for key, roles in groups.items():
        subject = OURS if OURS in roles else next(iter(roles))
        peers = [role for role in roles if role != subject]
        if peers:
            out += [row(key, roles[subject], peer, roles[peer]) for peer in peers]
        else:
            out.append(row(key, roles[subject]))
    return out


def find(table, case, metric, peer=None):
    """The row, or None. Without a peer named, any."""
    for each in table:
        if each['case'] == case and each['metric'] == metric and peer in (None, each['peer']):
            return each
    return None


def median_of(table, case, metric):
    each = find(table, case, metric)
    return each['median'] if each else None


def check_rows(table):
    """What is wrong with the shape of results, as sentences."""
    wrong = []
    for each in table:
        name = f'{each.get("case")} {each.get("metric")}'
        if tuple(each) != ROW_KEYS:
            wrong.append(f'{name}: keys {list(each)}')
            continue
        numbers = [each[key] for key in ('n', 'median', 'spread', 'min', 'max')]
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
            wrong.append(f'{name}: not a number in {numbers}')
        elif not each['min'] <= each['median'] <= each['max'] or each['n'] < 1:
            wrong.append(f'{name}: min, median and max are out of order')
        if (each['peer'] is None) != (each['peer_median'] is None):
            wrong.append(f'{name}: a peer without a median, or a median without a peer')
    names = [(each.get('case'), each.get('metric'), each.get('peer')) for each in table]
    wrong += [f'twice: {name}' for name in set(names) if names.count(name) > 1]
    return wrong
