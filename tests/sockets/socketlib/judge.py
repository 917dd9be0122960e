# SPDX-License-Identifier: BSD-3-Clause
"""Runs walks on two sides at once, and judges them: what differs gets more time, once."""
import re
import threading

from . import compare


def at_once(*jobs):
    """The results of functions that run side by side; the first error."""
    results = [None] * len(jobs)

    def go(index):
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error
    threads = [threading.Thread(target=go, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


FAILED = re.compile(r'((?:ASSOC_CHANGE\{[^}]* state=4|SEND_FAILED\{)[^}]* assoc=)\w+')


# What names come in order of appearance, or belongs to other differences: no sorting by it.
UNSORTED = re.compile(r'\b[at]\d+\b|\d+\.\d+\.\d+\.\d+(?=:)')
REASON = re.compile(r'^\(\d+|length=\d+|\+("\S+"\.\.)?\d+(#\w+)?')
ENDS = re.compile(r'flags=(4|512)\b|^\d (close|shutdown|peeloff|exit|kill|exec)\b')


def place(message):
    bare = UNSORTED.sub('', message)
    return REASON.sub('', bare) if ' state=1 ' in bare else bare


def without_order(messages, has_ended):
    """What one peer sent, if it had one association after the other, or attempts at them: they take turns, so
    that only the order of each is compared, and none of what does not say whose it is. `has_ended`: that may
    have been so where no message says whose it is."""
    owners = [re.search(r'\bassoc=(\S+?)}', one) for one in messages]
    owners = [owner[1] if owner else '' for owner in owners]
    named = set(owners) - {''}
    several = len(named) > 1 or sum(bool(re.search(' state=[04] ', one)) for one in messages) > 1
    if not (several or has_ended and not named):
        return messages
    shares = {owner: [one for one, its in zip(messages, owners) if its == owner] for owner in owners}
    for owner in {'', '*'} & set(shares):
        shares[owner].sort(key=place)
    return [one for share in sorted(shares.values(), key=lambda some: list(map(place, some))) for one in share]


def sorted_groups(line, has_ended):
    """The groups of a collect(), which the driver sorted by their text."""
    groups = [without_order(re.split(r'(?<=\)) (?=\()', group), has_ended)
              for group in re.findall(r'\[ (.*?) \](?=  \[| then )', line)]
    if not groups:
        return line
    groups.sort(key=lambda some: list(map(place, some)))
    begin, end = line.index('[ '), line.rindex(' ] then ')
    return line[:begin] + '  '.join(f'[ {" ".join(group)} ]' for group in groups) + line[end + 2:]


def comparable(lines):
    """An association that was refused has an id here, and mostly 0 on the kernel (differences.toml,
    many/connect_refused*): those that come after it would have other names."""
    names = {}
    has_ended = False

    def name(match):
        return names.setdefault(match[0], f'{match[0][0]}{len(names) + 1}')

    def one(line):
        nonlocal has_ended
        has_ended = has_ended or ENDS.search(line) is not None
        line = FAILED.sub(r'\g<1>*', line)
        if ' collect ' in line:
            line = sorted_groups(line, has_ended)
        return re.sub(r'\b[at]\d+\b', name, line)
    return [one(line) for line in lines]


def once(first, second, some, known, patience=1):
    """(differences, lines of the first side)"""
    if first is second:
        theirs, ours = (first.run(some, 1800, patience) for _ in range(2))
    else:
        theirs, ours = at_once(lambda: first.run(some, 1800, patience),
                               lambda: second.run(some, 1800, patience))
    theirs, ours = ({name: comparable(lines) for name, lines in each.items()}
                    for each in (theirs, ours))
    return compare.compare('walks', theirs, ours, known), theirs


def calls(lines):
    """How many calls the lines of walks tell of."""
    return sum(line[:1].isdigit() for some in lines.values() for line in some)


def judge(first, second, some, known):
    """As once(), but a busy machine may stand still for longer than a driver waits."""
    found, lines = once(first, second, some, known)
    if not found:
        return found, lines
    again = {each.script.partition('/')[2] for each in found}
    found, _ = once(first, second, [walk for walk in some if walk[0] in again], known, patience=3)
    return found, lines
