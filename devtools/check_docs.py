#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do the documents name what exists?

In README.md, CHANGELOG.md and docs/**/*.md, a code span
  `some/path.ext`           must be a file or folder of the tree (spans that begin with build/ are
                            made by the build and are passed over),
  `name()`, `Class::name()` must be a function that the sources name,
  `name()` (`some/path`)    must be named in that very file,
and every relative link must lead somewhere. Run with --self-test, it must find planted mistakes.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = {".h", ".c", ".cpp", ".py", ".sh"}
SPAN = re.compile(r"`([^`\n]+)`")
FUNCTION = re.compile(r"^(?:[\w:]+::)?(~?\w+)\(\)$")
PATH = re.compile(r"^[\w.+-]+(?:/[\w.+*-]+)+/?$")
PLACED = re.compile(r"`((?:\w+::)*\w+)\(\)`\s+\(`([\w./+-]+)`\)")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)[^)]*\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def tracked():
    try:
        out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                             cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
        names = [name for name in out if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
                 if p.is_file() and not p.relative_to(ROOT).parts[0].startswith((".git", "build"))]
    return [name for name in names if (ROOT / name).is_file()]


def is_named(text, function):
    return re.search(r"(?<![\w])" + re.escape(function) + r"(?![\w])", text) is not None


def check(name, text, sources, everything):
    """The mistakes of one document, as sentences."""
    mistakes = []
    folders = {str(parent) for path in everything for parent in pathlib.PurePath(path).parents}
    plain = FENCE.sub("", text)
    for span in SPAN.findall(plain):
        function = FUNCTION.match(span)
        if function:
            if not any(is_named(body, function.group(1)) for body in sources.values()):
                mistakes.append(f"{name}: no source names `{span}`")
        elif PATH.match(span) and not span.startswith(("build/", "net_")) and "*" not in span:
            top = span.split("/")[0]
            if top in {pathlib.PurePath(path).parts[0] for path in everything}:
                if span.rstrip("/") not in folders and span not in everything:
                    mistakes.append(f"{name}: there is no {span}")
    for function, path in PLACED.findall(plain):
        if path in sources and not is_named(sources[path], function.split("::")[-1]):
            mistakes.append(f"{name}: {path} does not name {function}()")
    for link in LINK.findall(plain):
        target = (ROOT / name).parent / link
        if not target.exists():
            mistakes.append(f"{name}: the link to {link} leads nowhere")
    return mistakes


def read_tree():
    everything = set(tracked())
    sources = {path: (ROOT / path).read_text(errors="replace") for path in everything
               if pathlib.PurePath(path).suffix in SOURCES and not path.startswith("docs/")}
    return sources, everything


def self_test():
    sources = {"stack/a.cpp": "void walk_the_packet() {}", "dpdk_app/b.cpp": "int other();"}
    everything = set(sources) | {"docs/x.md"}
    good = "`walk_the_packet()` (`stack/a.cpp`), `stack/`, `build/anything/here`, `--option`"
    planted = ["`never_written()`", "`stack/gone.cpp`", "`other()` (`stack/a.cpp`)",
               "[here](gone.md)"]
    if check("docs/x.md", good, sources, everything):
        return "it finds mistakes where there are none"
    for plant in planted:
        if not check("docs/x.md", plant, sources, everything):
            return f"it does not find {plant}"
    return None


def main():
    if "--self-test" in sys.argv[1:]:
        failure = self_test()
        print(f"check_docs: {failure}" if failure else "check_docs: finds what is planted")
        return 1 if failure else 0
    failure = self_test()
    if failure:
        print(f"check_docs: {failure}")
        return 1
    sources, everything = read_tree()
    documents = sorted(path for path in everything
                       if path in ("README.md", "CHANGELOG.md") or
                       (path.startswith("docs/") and path.endswith(".md")))
    mistakes = [mistake for path in documents
                for mistake in check(path, (ROOT / path).read_text(), sources, everything)]
    for mistake in mistakes:
        print(mistake)
    print(f"check_docs: {len(documents)} documents, {len(mistakes)} mistakes")
    return 1 if mistakes or not documents else 0


if __name__ == "__main__":
    sys.exit(main())
