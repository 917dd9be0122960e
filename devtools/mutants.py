#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Finds what could be mutated in C++ sources: conditions that can be negated, terms, early exits,
comparisons, assignments that can go. Text in, changes out; mutate_random.py draws from them.

Left alone, since no test could ever tell: assertions, `if constexpr`, comments and texts, what only
prefetches, and the functions that only tests call, to ask whether all is in order. A loop may lose its turns and gains none: one without end says nothing.
"""
import dataclasses
import hashlib
import re

OPEN, CLOSE = '([{', ')]}'
COMPARISONS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '=='}
SERIALS = {'.before(': '.at_or_before(', '.at_or_before(': '.before(', '.after(': '.at_or_after(',
           '.at_or_after(': '.after('}
ENDS = ('&&', '||', '?', ':', ',', ';', '=', 'return', '{', '}')
ASSIGNMENT = re.compile(r'(?:[\w.\[\]*]|->|::)+(?:\([\w.]*\)(?:[\w.\[\]]|->)+)* (?:[-+*/%&|^]|<<|>>)?= [^=]'
                        r'|(?:\+\+|--)(?:[\w.\[\]]|->)+;')
UNTOLD = re.compile(r'\b(static_assert|assert|constexpr|prefetch|count_steps)\b|^\s*(#|using |template)')


FOR_TESTS = re.compile(r'^[\w:<>*&, \[\]]*\b(?:is_sound|\w*_fault)\([^;{}]*\{', re.M)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change: text[start:end] becomes `new`."""
    file: str
    start: int
    end: int
    new: str
    line: str      # the line where it begins, stripped
    what: str      # the change in words: 'negate: a < b'
    twin: int = 0  # how many like it come before it in the file

    @property
    def key(self):
        return f'{self.file}\0{self.line}\0{self.what}\0{self.twin}'

    def rank(self, seed):
        """Its place in the order that a seed gives; what else is in the sources does not matter."""
        return hashlib.sha256(f'{seed}\0{self.key}'.encode()).hexdigest()

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]


def blank(text):
    """The same text, of the same length, without comments, texts and characters."""
    def spaces(match):
        return re.sub(r'[^\n]', ' ', match[0])
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'', spaces,
                  text, flags=re.S)


def closing(code, at):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        depth += (code[i] in OPEN) - (code[i] in CLOSE)
        if depth == 0:
            return i
    return len(code)


def opening(code, at):
    """The place of the bracket that the one at `at` closes."""
    depth = 0
    for i in range(at, -1, -1):
        depth += (code[i] in CLOSE) - (code[i] in OPEN)
        if depth == 0:
            return i
    return -1


def enclosing(code, at):
    """The place of the bracket around `at`, or -1."""
    depth = 0
    for i in range(at - 1, -1, -1):
        depth += (code[i] in OPEN) - (code[i] in CLOSE)
        if depth == 1:
            return i
    return -1


def conditions(code):
    """(keyword, start, end) of each condition that is an expression."""
    for match in re.finditer(r'\b(if|while|for) \(', code):
        start = match.end()
        end = closing(code, start - 1)
        parts, depth, begin = [], 0, start
        for i in range(start, end):
            depth += (code[i] in OPEN) - (code[i] in CLOSE)
            if depth == 0 and code[i] == ';':
                parts.append((begin, i))
                begin = i + 1
        parts.append((begin, end))
        if match[1] == 'for':
            if len(parts) != 3:
                continue  # over a range
            start, end = parts[1]
        else:
            start, end = parts[-1]
        while start < end and code[start].isspace():
            start += 1
        condition = code[start:end]
        if not condition.strip() or re.search(r'[\w>*&] ?= (?!=)', condition.replace('==', '')):
            continue  # a declaration
        yield match[1], start, end


def term_start(code, at):
    """Where the operand that ends before `at` begins."""
    depth = 0
    i = at
    while i > 0:
        c = code[i - 1]
        if c in CLOSE:
            depth += 1
        elif c in OPEN:
            if depth == 0:
                return i
            depth -= 1
        elif depth == 0:
            if c in ',;?' or code[i - 2:i] in ('&&', '||') or re.search(r'(?<![=!<>])= $', code[max(0, i - 3):i]):
                return i
            if c == ':' and code[i - 2:i] != '::' and code[i:i + 1] != ':':
                return i
            if code[i - 6:i] == 'return' and not code[i - 7].isalnum():
                return i
        i -= 1
    return 0


def term_end(code, at):
    """Where the operand that begins at `at` ends."""
    depth = 0
    for i in range(at, len(code)):
        c = code[i]
        if c in OPEN:
            depth += 1
        elif c in CLOSE:
            if depth == 0:
                return i
            depth -= 1
        elif depth == 0 and (c in ',;?' or code[i:i + 2] in ('&&', '||')
                             or (c == ':' and '::' not in code[i - 1:i + 2])):
            return i
    return len(code)


def is_guarded(code, at):
    """Does the statement at `at` stand inside, or right behind, an if, else, loop or case?"""
    before = code[:at].rstrip()
    if before.endswith('else') or before.endswith(':'):
        return True
    if before.endswith(')'):
        return re.search(r'\b(if|while|for)(?: constexpr)? $', code[:opening(code, len(before) - 1)]) is not None
    brace = enclosing(code, at)
    if brace < 0 or code[brace] != '{':
        return False
    head = code[:brace].rstrip()
    if head.endswith('else') or head.endswith(':'):
        return True
    return head.endswith(')') and re.search(r'\b(if|while|for|switch) $',
                                            code[:opening(code, len(head) - 1)]) is not None


def changes(text):
    """(start, end, new, what) of all that can be changed."""
    code = blank(text)

    def said(start, end):
        return re.sub(r'\s+', ' ', text[start:end]).strip()

    for keyword, start, end in conditions(code):
        what = said(start, end)
        yield start, end, 'false', f'false: {what}'
        if keyword == 'if':
            yield start, end, f'!({text[start:end]})', f'negate: {what}'
            yield start, end, 'true', f'true: {what}'
    for match in re.finditer(r'(?<= )(&&|\|\|)(?=\s)', code):
        left, right = term_start(code, match.start()), term_end(code, match.end())
        kept = match.end()
        while code[kept:kept + 1].isspace():
            kept += 1
        while code[left:left + 1].isspace():
            left += 1
        yield left, kept, '', f'drop: {said(left, match.end())}'
        yield match.start(), right, '', f'drop: {said(match.start(), right)}'
    for match in re.finditer(r' (<=|>=|==|!=|<|>) ', code):
        old = match[1]
        line = code[code.rfind('\n', 0, match.start()) + 1:match.start()]
        if re.search(r'\btemplate\b|\boperator$', line):
            continue
        where = said(term_start(code, match.start()), term_end(code, match.end()))
        yield match.start(1), match.end(1), COMPARISONS[old], f'{old} to {COMPARISONS[old]}: {where}'
    for match in re.finditer(r'\.(at_or_)?(before|after)\(', code):
        new = SERIALS[match[0]]
        where = said(term_start(code, match.start()), term_end(code, match.start()))
        yield match.start(), match.end(), new, f'{match[0]} to {new}: {where}'
    for match in re.finditer(r'\b(return|break|continue)\b[^;{}]*;', code):
        if is_guarded(code, match.start()):
            yield match.start(), match.end(), ';', f'drop: {said(*match.span())}'
    for match in re.finditer(r'(?:(?<=[;{}]\n)|(?<=\)\n)|(?<=\) )|(?<=else )|(?<=\n\n)|(?<= \n)) *(?=[\w+*-])', code):
        statement = ASSIGNMENT.match(code, match.end())
        end = code.find(';', match.end()) + 1
        if statement is None or not code[match.end():end].count('{') == code[match.end():end].count('}'):
            continue
        yield match.end(), end, ';', f'drop: {said(match.end(), end)}'


def find(file, text):
    """The mutants of one file."""
    code = blank(text)
    for_tests = [(m.start(), closing(code, m.end() - 1)) for m in FOR_TESTS.finditer(code)]
    seen, out = {}, []
    for start, end, new, what in sorted(changes(text)):
        if any(first < start < last for first, last in for_tests):
            continue
        begin = text.rfind('\n', 0, start) + 1
        line = text[begin:text.find('\n', start)]
        if UNTOLD.search(line):
            continue
        mutant = Mutant(file, start, end, new, line.strip(), what)
        twin = seen.get(mutant.key, 0)
        seen[mutant.key] = twin + 1
        out.append(dataclasses.replace(mutant, twin=twin))
    return out
