#!/usr/bin/env python3
"""Checks who includes whom (DESIGN.md §2): every `#include "folder/…"` must follow an allowed edge.

Prints one line per offence and exits 1. `edges.py --self-test` proves that an offence is found.
"""
import pathlib, re, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Most specific folder first: the first prefix that fits a file decides.
ALLOWED = [
    ("base", []),
    ("net", ["base"]),
    ("raft/core", ["base"]),
    ("raft/wal", ["base", "raft/core"]),
    ("raft/transport", ["base", "raft/core", "net"]),
    ("kvstore/mvcc", ["base", "kvstore/types.h", "kvstore/event_list.h"]),
    ("kvstore/backend", ["base", "kvstore/mvcc", "kvstore/types.h"]),
    ("kvstore/types.h", ["base"]),
    ("kvstore/event_list.h", ["base", "kvstore/types.h"]),
    ("kvstore/store.h", ["base", "kvstore/types.h", "kvstore/event_list.h"]),
    ("kvstore/rpc", ["base", "kvstore/types.h"]),
    ("kvstore/server", ["base", "net", "raft", "kvstore/mvcc", "kvstore/backend", "kvstore/rpc", "kvstore/store.h",
                        "kvstore/types.h"]),
    ("kvstore/client", ["base", "net", "kvstore/rpc", "kvstore/store.h", "kvstore/types.h"]),
    ("api", ["base"]),
    ("client", ["base", "net", "api"]),
    ("auth", ["base", "net", "api", "client"]),
    ("admission", ["base", "net", "api", "client", "auth"]),
    ("apiserver", ["base", "net", "api", "auth", "admission", "kvstore/store.h", "kvstore/types.h"]),
] + [(f, ["base", "net", "api", "client"]) for f in ("scheduler", "controllers", "kubelet", "proxy", "dns")]
# These may include anything, and nothing includes them.
TOP = ("cmd", "tests", "chaos", "jepsen", "bench", "tools")
FOLDERS = {rule.split("/")[0] for rule, _ in ALLOWED} | set(TOP)
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
# Pure folders: no I/O, threads, time or randomness of their own (DESIGN.md §3). Some of base is not for them. The MVCC tree
# has readers on other threads, so it may lock.
NO_WORLD = (r"boost/asio.*|thread|condition_variable|future|stop_token|semaphore|latch|barrier|chrono|ctime|time\.h|random|fstream"
            r"|iostream|filesystem|coroutine|unistd\.h|pthread\.h|sys/.*")
PURE = {
    "raft/core": re.compile(rf"({NO_WORLD}|atomic|mutex|shared_mutex|base/(?!(bytes|check|error|rng|strong|wire)\.h$).*)$"),
    "kvstore/mvcc": re.compile(rf"({NO_WORLD}|base/(async|file|log|mem_file|process|task|virtual_clock)\.h)$"),
}


def under(path, prefix):
    return path == prefix or path.startswith(prefix + "/")


def impurity(path, target):
    for folder, forbidden in PURE.items():
        if under(path, folder) and forbidden.match(target):
            return f"{folder} is pure: no I/O, threads, clock or randomness of its own"
    return None


def offence(path, target):
    """The reason why `path` may not include `target`, or None."""
    if why := impurity(path, target):
        return why
    if target.split("/")[0] not in FOLDERS or target.startswith("api/gen/") and under(path, "api"):
        return None
    if path.split("/")[0] in TOP:
        return None
    if target.split("/")[0] in TOP:
        return "nothing includes " + target.split("/")[0]
    for prefix, allowed in ALLOWED:
        if under(path, prefix):
            if under(target, prefix) or any(under(target, a) for a in allowed):
                return None
            return f"{prefix} may include only {', '.join([prefix] + allowed)}"
    return "the folder is not in tools/lint/edges.py"


def check(files):
    bad = 0
    for path in files:
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
            m = INCLUDE.match(line)
            why = m and offence(path, m.group(1))
            if why:
                print(f"{path}:{number}: includes {m.group(1)}: {why}")
                bad += 1
    return bad


def main():
    if "--self-test" in sys.argv:
        assert offence("net/a.cc", "api/object.h") and offence("base/a.h", "net/http.h") and offence("api/a.cc", "tests/x.h")
        assert offence("apiserver/a.cc", "kvstore/server/x.h") and not offence("apiserver/a.cc", "kvstore/store.h")
        for header in ("thread", "chrono", "random", "boost/asio/io_context.hpp", "base/clock.h", "base/task.h", "base/file.h"):
            assert offence("raft/core/a.cc", header) and not offence("raft/wal/a.cc", header), header
        assert not offence("raft/core/a.cc", "base/rng.h") and not offence("raft/core/a.cc", "vector")
        assert offence("kvstore/mvcc/a.cc", "thread") and offence("kvstore/mvcc/a.cc", "base/task.h")
        assert offence("scheduler/a.cc", "apiserver/endpoint.h") and not offence("cmd/a.cc", "apiserver/endpoint.h")
    files = subprocess.run(["git", "ls-files", "*.h", "*.cc"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    bad = check(files)
    print(f"edges: {len(files)} files, {bad} offences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
