#!/usr/bin/python3
"""Debian's python3-etcd3 against a running store: every call of its client that a store answers.

usage: check.py --endpoint HOST:PORT [--cacert F [--cert F --key F]] [--user U --password P]

Exits 0 when all checks passed, 1 with the name of the first that did not. It leaves no keys behind, and works on
keys below "python-etcd3/" only, so that it may run beside other clients.
"""
import argparse
import io
import sys
import threading
import time

import etcd3
import tenacity

PREFIX = "python-etcd3/"


def retry_of_today(retry):
    """etcd3's Lock hands Debian's tenacity a `wait` of two arguments, which stopped working with tenacity 6."""
    def adapted(*args, **kwargs):
        wait = kwargs["wait"]
        kwargs["wait"] = lambda state: wait(state.attempt_number, state.seconds_since_start)
        return retry(*args, **kwargs)
    return adapted


tenacity.retry = retry_of_today(tenacity.retry)


def same(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def kv(c):
    c.put(PREFIX + "a", "1")
    first = c.get(PREFIX + "a")
    same(first[0], b"1")
    previous = c.put(PREFIX + "a", "2", prev_kv=True)
    same(previous.prev_kv.value, b"1")
    value, meta = c.get(PREFIX + "a")
    same((value, meta.version), (b"2", 2))
    same(meta.create_revision, first[1].mod_revision)
    same(meta.mod_revision > first[1].mod_revision, True)
    for i in range(10):
        c.put(f"{PREFIX}list/{i}", str(i))
    same([v for v, _ in c.get_prefix(PREFIX + "list/")], [str(i).encode() for i in range(10)])
    backwards = c.get_prefix(PREFIX + "list/", sort_order="descend", sort_target="key")
    same([v for v, _ in backwards], [str(i).encode() for i in reversed(range(10))])
    same([m.key for _, m in c.get_range(PREFIX + "list/3", PREFIX + "list/5")],
         [(PREFIX + "list/3").encode(), (PREFIX + "list/4").encode()])
    same(c.get(PREFIX + "missing"), (None, None))
    same(c.delete(PREFIX + "list/0"), True)
    same(c.delete(PREFIX + "list/0"), False)
    same(c.delete_prefix(PREFIX + "list/").deleted, 9)


def replace(c):
    c.put(PREFIX + "r", "old")
    same(c.replace(PREFIX + "r", "other", "new"), False)
    same(c.replace(PREFIX + "r", "old", "new"), True)
    same(c.put_if_not_exists(PREFIX + "r", "x"), False)
    same(c.put_if_not_exists(PREFIX + "r2", "x"), True)


def txn(c):
    c.put(PREFIX + "t", "1")
    t = c.transactions
    ok, answers = c.transaction(
        compare=[t.value(PREFIX + "t") == "1", t.version(PREFIX + "t") > 0, t.create(PREFIX + "none") == 0],
        success=[t.put(PREFIX + "t", "2"), t.get(PREFIX + "t"),
                 t.txn(compare=[t.version(PREFIX + "t") > 0],
                       success=[t.put(PREFIX + "nested", "yes")], failure=[])],
        failure=[t.put(PREFIX + "t", "failed")])
    same(ok, True)
    same(answers[1][0][0], b"2")
    same(c.get(PREFIX + "nested")[0], b"yes")
    ok, answers = c.transaction(compare=[t.mod(PREFIX + "t") < 1], success=[t.delete(PREFIX + "t")],
                                failure=[t.get(PREFIX + "t")])
    same((ok, answers[0][0][0]), (False, b"2"))


def leases(c):
    lease = c.lease(30)
    c.put(PREFIX + "leased", "1", lease=lease)
    same((lease.granted_ttl, 25 <= lease.remaining_ttl <= 30), (30, True))
    same(list(lease.keys), [(PREFIX + "leased").encode()])
    same(list(lease.refresh())[0].TTL, 30)
    lease.revoke()
    same(c.get(PREFIX + "leased"), (None, None))
    short = c.lease(2)
    c.put(PREFIX + "short", "1", lease=short)
    deadline = time.monotonic() + 15
    while c.get(PREFIX + "short")[0] is not None:
        if time.monotonic() > deadline:
            raise AssertionError("a lease of 2 s lives after 15 s")
        time.sleep(0.1)


def watch(c):
    events, cancel = c.watch_prefix(PREFIX + "w/", prev_kv=True)
    watched = threading.Event()

    def write():
        watched.wait(5)
        for i in range(3):
            c.put(PREFIX + "w/k", str(i))
        c.delete(PREFIX + "w/k")

    writer = threading.Thread(target=write)
    writer.start()
    watched.set()
    seen = []
    for event in events:
        seen.append((type(event).__name__, event.value))
        if len(seen) == 4:
            cancel()
    writer.join()
    same(seen, [("PutEvent", b"0"), ("PutEvent", b"1"), ("PutEvent", b"2"), ("DeleteEvent", b"")])
    # From the past: all of it again.
    start = c.get(PREFIX + "a")[1].create_revision
    events, cancel = c.watch(PREFIX + "a", start_revision=start)
    same([next(events).value for _ in range(2)], [b"1", b"2"])
    cancel()


def locks(c):
    lock = c.lock("python-etcd3-lock", ttl=10)
    same(lock.acquire(timeout=5), True)
    same(lock.is_acquired(), True)
    other = c.lock("python-etcd3-lock", ttl=10)
    same(other.acquire(timeout=1), False)
    same(lock.release(), True)
    same(other.acquire(timeout=5), True)
    same(other.release(), True)


def members(c):
    all_members = list(c.members)
    same(len(all_members) >= 1, True)
    same(all(m.id and m.name and list(m.client_urls) for m in all_members), True)


def maintenance(c):
    status = c.status()
    same(status.version, "3.7.1")
    same(status.db_size > 0 and status.raft_index > 0 and status.raft_term > 0, True)
    same(status.leader is not None, True)
    same(list(c.list_alarms()), [])
    c.defragment()
    same(isinstance(c.hash(), int), True)


def snapshot(c):
    out = io.BytesIO()
    c.snapshot(out)
    data = out.getvalue()
    # A bbolt file is made of whole pages; the SHA-256 of 32 bytes stands behind it.
    same((len(data) > 4096, len(data) % 512), (True, 32))


def compaction(c):
    revision = c.put(PREFIX + "a", "3").header.revision
    c.compact(revision, physical=True)
    try:
        events, cancel = c.watch(PREFIX + "a", start_revision=1)
        next(events)
    except etcd3.exceptions.RevisionCompactedError as e:
        same(e.compacted_revision, revision)
    else:
        raise AssertionError("a compacted watch was not cancelled")


CHECKS = [kv, replace, txn, leases, watch, locks, members, maintenance, snapshot, compaction]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--endpoint", required=True)
    for name in ("cacert", "cert", "key", "user", "password"):
        p.add_argument("--" + name)
    a = p.parse_args()
    host, port = a.endpoint.rsplit(":", 1)
    c = etcd3.client(host=host, port=int(port), ca_cert=a.cacert, cert_cert=a.cert, cert_key=a.key,
                     user=a.user, password=a.password, timeout=20)
    try:
        c.delete_prefix(PREFIX)
        for check in CHECKS:
            begin = time.monotonic()
            try:
                check(c)
            except Exception as e:  # whatever it is, it is this check's failure
                print(f"FAIL {check.__name__}: {type(e).__name__}: {e}", flush=True)
                return 1
            print(f"ok   {check.__name__} ({time.monotonic() - begin:.2f} s)", flush=True)
        c.delete_prefix(PREFIX)
    finally:
        c.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
