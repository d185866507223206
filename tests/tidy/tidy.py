#!/usr/bin/env python3
"""The rules of the house that a compiler does not check: who may include whom, that each header
compiles alone, formatting, sizes, and that C handles stay in the folder that wraps them.

    tests/tidy/tidy.py [--root DIR] [--cache FILE] [--only RULE]...

Prints one line a finding, and exits with 1 when there is any. The include table here is the one that
docs/design.md shows; there is no other.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys

# folder -> what it may include, besides itself and the standard library.
TABLE = {
    "base": [],
    "net": ["base"],
    "media": ["base"],
    "index": ["base"],
    "storage": ["base", "media", "index"],
    "recorder": ["base", "net", "media", "storage", "index"],
    "query": ["base", "media", "index", "storage"],
    "doctor": ["base"],
    "evidence": ["base", "media", "index", "storage", "query"],
    "api": ["base", "net", "media", "index", "storage", "recorder", "query", "doctor", "evidence"],
    "apps": ["base", "net", "media", "index", "storage", "recorder", "query", "doctor", "evidence", "api"],
}
# These may include everything.
FREE = ["tests", "bench"]

# C handles, and the one folder whose headers may show them.
HANDLES = [
    (re.compile(r"\buv_\w+"), "net"),
    (re.compile(r"\b(AV[A-Z]\w+|av_\w+)"), "media"),
    (re.compile(r"\brocksdb::"), "index"),
    (re.compile(r"\bhttp_parser\w*\b(?!\.h)"), "net"),
    (re.compile(r"\bSSL(_\w+)?\b"), "net"),
    (re.compile(r"\bCURL\w*\b"), "apps"),
    (re.compile(r"\bGst\w+"), "apps"),
]
# The simulator and its eye wrap libav and GStreamer themselves, apart from the product.
HANDLE_FREE = ["apps/camera_sim/", "tests/", "bench/"]

MAX_COLUMNS = 100  # Also of comments, which clang-format leaves as they are.
MAX_HEADER_LINES = 180
MAX_SOURCE_LINES = 450
MAX_LINES = 500  # Of any file, of tests too.
# Larger ones than a header or source of the product is to be, each for a reason.
LARGE = {
    "index/records.h": "a table: one struct for each kind of record",
    "index/record_fields.h": "a table: the fields of each kind of record",
    "net/http2_session.cpp": "one state machine: what libnghttp2 calls, and the streams that it drives",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
# What no line can be broken in: the text of a raw string, an address, an include.
UNBREAKABLE = [
    re.compile(r'\bR"([^()\\\s]{0,16})\(.*?\)\1"', re.S),
    re.compile(r"\bhttps?://\S+"),
    re.compile(r"^\s*#\s*include\b.*", re.M),
]


def sources(root):
    for folder in list(TABLE) + FREE:
        for here, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".h", ".cpp")):
                    yield os.path.relpath(os.path.join(here, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def check_includes(root):
    for path in sources(root):
        folder = path.split("/")[0]
        if folder in FREE:
            continue
        for include in INCLUDE.findall(read(root, path)):
            target = include.split("/")[0]
            if "/" not in include or target not in TABLE:
                yield f"{path}: includes \"{include}\"; write it as \"folder/file.h\""
            elif target != folder and target not in TABLE[folder]:
                allowed = ", ".join(TABLE[folder]) or "nothing but std"
                yield f"{path}: includes \"{include}\", but {folder}/ may include {allowed}"


def check_handles(root):
    for path in sources(root):
        if not path.endswith(".h") or path.startswith(tuple(HANDLE_FREE)):
            continue
        text = re.sub(r"//.*|\"[^\"\n]*\"", "", read(root, path))
        for pattern, home in HANDLES:
            found = pattern.search(text)
            if found and path.split("/")[0] != home:
                yield f"{path}: shows {found.group(0)}, which belongs behind a wrapper in {home}/"


def long_lines(text):
    """The numbers of the lines, from 1, that are too long without what cannot be broken."""
    for pattern in UNBREAKABLE:
        text = pattern.sub(lambda found: "\n" * found.group(0).count("\n"), text)
    return [number for number, line in enumerate(text.split("\n"), 1) if len(line) > MAX_COLUMNS]


def check_shape(root):
    for path in sources(root):
        text = read(root, path)
        for number in long_lines(text):
            yield f"{path}:{number}: is longer than {MAX_COLUMNS} columns"
        lines = text.count("\n")
        limit = MAX_HEADER_LINES if path.endswith(".h") else MAX_SOURCE_LINES
        if lines > MAX_LINES:
            yield f"{path}: has {lines} lines, more than {MAX_LINES}; split it by subject"
        elif lines > limit and path not in LARGE and not path.startswith("tests/"):
            yield f"{path}: has {lines} lines, more than {limit}; split it, or give a reason in LARGE"
        if path.endswith(".h"):
            if not text.startswith(f"// {path}: "):
                yield f"{path}: must open with \"// {path}: \" and its purpose"
            if "#pragma once" not in text:
                yield f"{path}: lacks #pragma once"
        if re.search(r"\b(TODO|FIXME|XXX)\b", text):
            yield f"{path}: holds a note of unfinished work"


def check_format(root):
    paths = list(sources(root))
    for start in range(0, len(paths), 50):
        done = subprocess.run(
            ["clang-format", "--dry-run", "-Werror", *paths[start:start + 50]],
            cwd=root, capture_output=True, text=True)
        for path in sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M))):
            yield f"{path}: is not as clang-format has it"


def closure(root, path, seen):
    """The header and every header of ours that it reaches."""
    if path in seen or not os.path.exists(os.path.join(root, path)):
        return seen
    seen.add(path)
    for include in INCLUDE.findall(read(root, path)):
        closure(root, include, seen)
    return seen


def compiler_flags():
    packages = ["gstreamer-rtsp-server-1.0", "gstreamer-app-1.0", "libuv"]
    flags = []
    for package in packages:
        done = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
        flags += done.stdout.split()
    return flags


def check_alone(root, cache_path):
    try:
        with open(cache_path, encoding="utf-8") as file:
            good = set(json.load(file))
    except (OSError, ValueError):
        good = set()
    flags = compiler_flags()

    def check(path):
        digest = hashlib.sha256()
        for part in sorted(closure(root, path, set())):
            digest.update(part.encode() + read(root, part).encode())
        key = digest.hexdigest()
        if key in good:
            return key, None
        done = subprocess.run(
            ["nice", "-n", "19",  # It gives way to tests beside it.
             "g++", "-std=c++20", "-I.", "-DLOOKBACK_TEST_DATA=\"\"", *flags, "-fsyntax-only", "-x", "c++", path],
            cwd=root, capture_output=True, text=True)
        first = next((l for l in done.stderr.splitlines() if "error" in l), done.stderr[:200])
        return key, None if done.returncode == 0 else f"{path}: does not compile alone: {first}"

    headers = [path for path in sources(root) if path.endswith(".h")]
    kept = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for key, problem in pool.map(check, headers):
            if problem:
                yield problem
            else:
                kept.append(key)
    if cache_path:
        with open(cache_path, "w", encoding="utf-8") as file:
            json.dump(sorted(kept), file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--cache", default="")
    parser.add_argument("--only", action="append")
    options = parser.parse_args()
    root = os.path.abspath(options.root)
    rules = {
        "includes": lambda: check_includes(root),
        "handles": lambda: check_handles(root),
        "shape": lambda: check_shape(root),
        "format": lambda: check_format(root),
        "alone": lambda: check_alone(root, options.cache),
    }
    findings = 0
    for name in options.only or rules:
        for finding in rules[name]():
            print(f"{name}: {finding}")
            findings += 1
    print(f"tidy: {findings} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
