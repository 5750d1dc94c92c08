#!/usr/bin/env python3
"""Asks a real etcd and a keelson store the same and compares the answers.

  compare.py OURS REAL [--etcdctl PATH]     two client URLs, e.g. http://127.0.0.1:23790 http://127.0.0.1:23791

Both must be empty. Ids, terms, sizes and times are normalised; revisions are not: both count alike. Ends with
status 1 and the differences where there are any.
"""
import argparse
import base64
import json
import re
import subprocess
import urllib.error
import urllib.request


def b(s):
    return base64.b64encode(s.encode()).decode()


RANGE, PUT, DEL, TXN = "/v3/kv/range", "/v3/kv/put", "/v3/kv/deleterange", "/v3/kv/txn"
put = lambda k, v="", **o: (PUT, dict(key=b(k), value=b(v), **o))
get = lambda k, end=None, **o: (RANGE, dict(key=b(k), **({"range_end": b(end)} if end else {}), **o))
rm = lambda k, end=None, **o: (DEL, dict(key=b(k), **({"range_end": b(end)} if end else {}), **o))


def requests():
    """(path, body): body a dict, a text sent as it is, or None for a GET."""
    out = [get("a"), put("a", "1"), put("a", "2", prev_kv=True), get("a"), get("a", revision=2), get("a", revision=99),
           put(""), put("a", "x", ignore_value=True), put("nokey", ignore_value=True), put("a", ignore_value=True),
           put("a", "y", ignore_lease=True), put("a", "y", lease=5), put("a", "y", ignore_lease=True, lease=5),
           rm("nope"), rm(""), get("")]
    out += [put("k%02d" % i, "v%d" % (50 - i)) for i in range(12)]
    for order in ("NONE", "ASCEND", "DESCEND", 7):
        for target in ("KEY", "VERSION", "CREATE", "MOD", "VALUE"):
            # With NONE and a limit etcd cuts off before it sorts; we after it.
            out.append(get("k", "l", sort_order=order, sort_target=target, **({} if order == "NONE" else {"limit": 5})))
    out += [get("k", "l", count_only=True), get("k", "l", keys_only=True), get("k", "l", limit=3), get("\0", "\0"),
            get("k05", "\0", limit=2), get("l", "k"), get("k", "l", min_mod_revision=8), get("k", "l", max_mod_revision=8),
            get("k", "l", min_create_revision=8, max_create_revision=10), get("k", "l", serializable=True),
            get("k", "l", limit=-1), get("k", "l", revision=-5), rm("k0", "k05", prev_kv=True), get("k", "l", keys_only=True)]
    cmp = lambda **o: dict(key=b("a"), **o)
    rng = {"request_range": get("a")[1]}
    p = lambda k, v: {"request_put": put(k, v)[1]}
    d = lambda k, e=None: {"request_delete_range": rm(k, e, prev_kv=True)[1]}
    for target, field, value in (("VERSION", "version", "4"), ("CREATE", "create_revision", "2"), ("MOD", "mod_revision", "3"),
                                 ("VALUE", "value", b("2")), ("LEASE", "lease", "0")):
        for result in ("EQUAL", "GREATER", "LESS", "NOT_EQUAL"):
            out.append((TXN, {"compare": [cmp(target=target, result=result, **{field: value})], "success": [rng]}))
    out += [(TXN, {"success": [p("t1", "1"), p("t2", "2"), rng]}), (TXN, {"success": [p("t1", "1"), p("t1", "2")]}),
            (TXN, {"success": [p("t1", "1"), d("t", "u")]}), (TXN, {"success": [d("t1"), d("t2")]}), (TXN, {"success": [{}]}),
            (TXN, {"success": [p("t%d" % i, "") for i in range(129)]}), (TXN, {}), (TXN, {"success": [p("", "")]}),
            (TXN, {"success": [{"request_txn": {"success": [p("n1", "1")], "failure": [p("n2", "1")]}}, p("n3", "1")]}),
            (TXN, {"success": [{"request_txn": {"success": [p("n1", "1")]}}, p("n1", "1")]}),
            (TXN, {"compare": [{"key": b("n"), "range_end": b("o"), "target": "VERSION", "result": "GREATER", "version": 0}],
                   "success": [{"request_txn": {"success": [rng]}}]}),
            (TXN, {"compare": [{"target": "VERSION"}]}), (TXN, {"success": [{"request_range": dict(key=b("a"), revision=1000)}]}),
            (TXN, {"success": [{"request_put": dict(key=b("a"), lease=77)}]})]
    out += [("/v3/lease/grant", {"TTL": 100, "ID": 123}), ("/v3/lease/grant", {"TTL": 100, "ID": 123}),
            ("/v3/lease/grant", {"TTL": "9000000001"}), ("/v3/lease/grant", {"TTL": -1, "ID": 9}), ("/v3/lease/grant", {"TTL": "x"}),
            put("leased", "1", lease=123), put("leased", ignore_value=True, ignore_lease=True), get("leased"),
            ("/v3/lease/keepalive", {"ID": 123}), ("/v3/lease/keepalive", {"ID": 124}), ("/v3/lease/leases", {}),
            ("/v3/lease/timetolive", {"ID": 123, "keys": True}), ("/v3/lease/timetolive", {"ID": 124}),
            ("/v3/kv/lease/timetolive", {"ID": 124}), ("/v3/lease/revoke", {"ID": 123}), ("/v3/lease/revoke", {"ID": 123}),
            ("/v3/kv/lease/revoke", {"ID": 5}), get("leased")]
    out += [("/v3/cluster/member/list", {}), ("/v3/cluster/member/list", {"linearizable": True}),
            ("/v3/cluster/member/add", {}), ("/v3/cluster/member/add", {"peerURLs": ["127.0.0.1:1"]}),
            ("/v3/cluster/member/add", {"peerURLs": ["http://127.0.0.1"]}), ("/v3/cluster/member/remove", {"ID": 5}),
            ("/v3/cluster/member/update", {"ID": 5, "peerURLs": ["http://127.0.0.1:7"]}), ("/v3/cluster/member/promote", {"ID": 5}),
            ("/v3/maintenance/status", {}), ("/v3/maintenance/alarm", {}), ("/v3/maintenance/alarm", {"action": "GET", "alarm": "CORRUPT"}),
            ("/v3/maintenance/hash", {}), ("/v3/maintenance/hashkv", {}), ("/v3/maintenance/defragment", {}),
            ("/v3/maintenance/transfer-leadership", {"targetID": 5}), ("/v3/maintenance/downgrade", {"action": "VALIDATE", "version": "3.6"}),
            ("/v3/maintenance/downgrade", {"action": "VALIDATE", "version": "3.5.0"}), ("/v3/maintenance/downgrade", {"action": "VALIDATE", "version": "q"}),
            ("/v3/maintenance/downgrade", {"action": "CANCEL"}),
            ("/v3/maintenance/alarm", {"action": "ACTIVATE", "memberID": 1, "alarm": "CORRUPT"}), ("/v3/maintenance/alarm", {}),
            ("/health", None), ("/readyz?verbose", None), ("/health?exclude=CORRUPT", None),
            ("/v3/maintenance/alarm", {"action": "DEACTIVATE", "memberID": 1, "alarm": "CORRUPT"}), ("/v3/maintenance/alarm", {})]
    out += [("/v3/kv/compaction", {"revision": 10}), ("/v3/kv/compaction", {"revision": 5}), ("/v3/kv/compaction", {"revision": 9999}),
            ("/v3/kv/compaction", {"revision": 12, "physical": True}), get("a", revision=3), get("a", revision=12),
            (TXN, {"success": [{"request_range": dict(key=b("a"), revision=1)}]})]
    out += [(RANGE, "{bad"), (RANGE, ""), (RANGE, "[]"), (RANGE, '{"key":5}'), (RANGE, '{"key":"!!"}'), (RANGE, '{"keysOnly":true,"key":"AA=="}'),
            (RANGE, None), ("/v3/nope", {}), ("/v3beta/kv/range", {"key": b("a")}), ("/nope", None), ("/health", None),
            ("/health?serializable=true", None), ("/livez", None), ("/livez?verbose", None), ("/livez/serializable_read", None), ("/readyz", None),
            ("/readyz?exclude=non_learner&verbose", None), ("/readyz/linearizable_read", None), ("/version", None), ("/health", ""),
            put("big", "x" * 1_600_000), put("unknown", "1", nonsense=[1, {"a": 2}]), ("/v3/watch", {"create_request": {"key": b("a"), "start_revision": 2}}),
            ("/v3/watch", {"create_request": {"key": b("b"), "range_end": b("a")}}), ("/v3/watch", {"create_request": {"key": b("b"), "start_revision": -1}}),
            ("/v3/watch", {"create_request": {"key": b("unknown"), "start_revision": 20, "watch_id": 7}})]
    return out


def ask(url, path, body):
    data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, data=data), timeout=20) as r:
            # Watches never end: their first line (or two) says it all.
            text = (r.readline() if path == "/v3/watch" else r.read()).decode()
            return r.status, text
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


LOOSE = {"cluster_id", "member_id", "raft_term", "raftIndex", "raftTerm", "raftAppliedIndex", "dbSize", "dbSizeInUse",
         "leader", "hash", "clientURLs", "peerURLs", "memberID"}


def normal(v, key=""):
    if isinstance(v, dict):
        return {k: normal(x, k) for k, x in v.items() if k not in LOOSE and not (k == "ID" and len(str(x)) > 12)}
    if isinstance(v, list):
        return [normal(x) for x in v]
    if key == "message" and re.search(r"proto:|invalid character|unexpected EOF", str(v)):
        return "malformed JSON"
    return v


def normal_text(path, text):
    if "verbose" in path:
        return sorted(text.splitlines())
    try:
        return normal(json.loads(text))
    except ValueError:
        return re.sub(r"\d{10,}", "N", text)


def run_http(ours, real):
    bad = 0
    all_requests = requests()
    for path, body in all_requests:
        a, z = ask(ours, path, body), ask(real, path, body)
        na, nz = normal_text(path, a[1]), normal_text(path, z[1])
        if a[0] != z[0] or na != nz:
            bad += 1
            shown = body if len(str(body)) < 300 else str(body)[:300] + "…"
            print(f"DIFFERS {path} {shown}\n  ours {a[0]} {str(na)[:600]}\n  real {z[0]} {str(nz)[:600]}")
    return len(all_requests), bad


def run_etcdctl(etcdctl, ours, real):
    commands = [["endpoint", "status", "-w", "fields"], ["endpoint", "health"], ["member", "list", "-w", "table"], ["get", "", "--prefix", "-w", "fields"],
                ["get", "k", "--prefix", "--keys-only"], ["alarm", "list"], ["defrag"], ["put", "c1", "v", "-w", "json"], ["del", "c1", "-w", "fields"],
                ["lease", "timetolive", "77"], ["endpoint", "hashkv", "-w", "json"], ["move-leader", "77"], ["compact", "99999"], ["get", "a", "--rev=1"]]
    bad = 0
    for c in commands:
        texts = []
        for url in (ours, real):
            p = subprocess.run([etcdctl, "--endpoints", url, *c], capture_output=True, text=True, timeout=60)
            t = (p.stdout + "".join(l for l in p.stderr.splitlines(True) if not l.startswith("{"))).replace(url, "URL").replace(url[7:], "URL")
            t = re.sub(r"\d+(\.\d+)?(µs|ms|s)\b", "TIME", re.sub(r"[0-9a-f]{15,16}|\d{8,}", "N", t))
            t = re.sub(r"[─┬┴┼ ]+", " ", re.sub(r"https?://\S+", "URL", t))
            t = re.sub(r"\bN\d+\b", "N", t)
            t = re.sub(r'("(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize\w*)" :|"raft_term":|"hash":) ?\d+', "LOOSE", t)
            texts.append(f"{p.returncode}\n{t}")
        if texts[0] != texts[1]:
            bad += 1
            print(f"DIFFERS etcdctl {' '.join(c)}\n--- ours {texts[0]}--- real {texts[1]}")
    return len(commands), bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("ours")
    p.add_argument("real")
    p.add_argument("--etcdctl")
    o = p.parse_args()
    n, bad = run_http(o.ours, o.real)
    if o.etcdctl:
        m, more = run_etcdctl(o.etcdctl, o.ours, o.real)
        n, bad = n + m, bad + more
    print(f"{n} requests, {bad} answered differently")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
