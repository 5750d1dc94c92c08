"""Snapshots, both ways: etcd's file becomes a keelson cluster, keelson's file an etcd. What is asked before and after must be the same:
keys with their revisions and history, leases, users, roles and that authentication is on."""
import json, re

from harness import BINARY, check, run, wait_for
from peers import peer
from store_cluster import StoreCluster

ROOT_USER = ["--user", "root:rootpw"]
BUMP = 1_000_000_000


def fill(cluster):
    """Everything that a snapshot keeps. -> the lease."""
    ctl = cluster.ctl
    for i in range(200):
        ctl("txn", input=f"\nput /a/{i % 40} value-{i}\nput /b/{i} {'x' * 300}\n\n\n")
    ctl("del", "/a/3")
    ctl("put", "/a/4", input=bytes(range(1, 128)).decode())
    ctl("compaction", "101")
    lease = re.search(r"lease (\w+) granted", ctl("lease", "grant", "86400").stdout)[1]
    ctl("put", "/leased", "x", "--lease", lease)
    ctl("role", "add", "reader")
    ctl("role", "grant-permission", "reader", "--prefix=true", "read", "/a/")
    ctl("role", "grant-permission", "reader", "readwrite", "/own")
    for user in ("root:rootpw", "ann:annpw"):
        ctl("user", "add", user)
    ctl("user", "grant-role", "root", "root")
    ctl("user", "grant-role", "ann", "reader")
    ctl("auth", "enable")
    return lease


def look(cluster, lease):
    """What clients see, in one value; times and member ids are left out."""
    def ask(*args, user=ROOT_USER):
        p = cluster.ctl(*args, *user, check_rc=False)
        text = p.stdout if p.returncode == 0 else p.stderr
        return [p.returncode, re.sub(r'"ts":"[^"]*"|"(cluster_id|member_id|raft_term)":\d+,?', "", text)]
    seen = {name: ask(*args) for name, args in {
        "now": ("get", "--prefix", "", "-w", "json"),
        "at 150": ("get", "--prefix", "/", "--rev", "150", "-w", "json"),
        "at 101": ("get", "--prefix", "/", "--rev", "101", "-w", "json"),
        "users": ("user", "get", "ann", "--detail"),
        "auth": ("auth", "status"),
    }.items()}
    seen["compacted"] = "required revision has been compacted" in ask("get", "/a/1", "--rev", "100")[1]
    seen["lease"] = re.sub(r"remaining\(\d+s\)", "", ask("lease", "timetolive", lease, "--keys")[1])
    ann = ["--user", "ann:annpw"]
    seen["ann"] = [ask("get", "/a/5", "--print-value-only", user=ann),
                   "permission denied" in ask("put", "/a/5", "x", user=ann)[1],
                   "authentication failed" in ask("get", "/a/5", user=["--user", "ann:wrong"])[1],
                   "user name is empty" in ask("get", "/a/5", user=[])[1]]
    return seen


def same(before, after):
    for name in before:
        check(before[name] == after[name], f"{name}: before {str(before[name])[:1500]}\nafter {str(after[name])[:1500]}")


def tool(kind):
    return [BINARY, "kv"] if kind == "keelson" else [peer("etcdutl")]


def restore(kind, cluster, file, *flags):
    """Makes the data dirs of all members of a cluster that has not started."""
    for m in cluster.members:
        run([*tool(kind), "snapshot", "restore", file, "--data-dir", m.data, "--name", m.name, "--initial-cluster", cluster.initial_cluster(),
             "--initial-cluster-token", "e2e", "--initial-advertise-peer-urls", m.peer_url, *flags])


def check_serves(cluster):
    """A cluster of a snapshot goes on: writes, a new lease, equal hashes."""
    def ctl(*args):
        return cluster.ctl(*args, *ROOT_USER)
    before = json.loads(ctl("get", "/a/5", "-w", "json").stdout)["header"]["revision"]
    ctl("put", "/after", "x")
    check(json.loads(ctl("get", "/after", "-w", "json").stdout)["kvs"][0]["mod_revision"] == before + 1, "the next revision")
    ctl("lease", "grant", "60")

    def hashes():
        return len({h["HashKV"]["hash"] for h in json.loads(ctl("endpoint", "hashkv", "-w", "json").stdout)}) == 1
    wait_for("all members to have the same hash", hashes, 10)


def moves(source, target, members):
    """A snapshot of `source` is read alike by both tools and serves as a cluster of `target`."""
    with StoreCluster(source, members=1, tls=False) as old:
        lease = fill(old)
        before = look(old, lease)
        check(before["compacted"] and before["ann"] == [[0, "value-165\n"], True, True, True], before["ann"])
        file = old.folder / "snapshot.db"
        old.ctl("snapshot", "save", file, *ROOT_USER)
        for form in ("json", "simple", "table", "fields"):
            ours, theirs = (run([*tool(k), "snapshot", "status", file, "-w", form]).stdout for k in ("keelson", "etcd"))
            check(ours == theirs, f"snapshot status -w {form}: {ours} and {theirs}")
        with_new(target, members, file, lease, before)


def with_new(target, members, file, lease, before):
    new = StoreCluster(target, members=members, tls=False)
    restore(target, new, file)
    with new:
        same(before, look(new, lease))
        check_serves(new)
    bumped = StoreCluster(target, members=1, tls=False)
    restore(target, bumped, file, "--bump-revision", BUMP, "--mark-compacted")
    with bumped:
        got = json.loads(bumped.ctl("get", "/a/5", "-w", "json", *ROOT_USER).stdout)
        old = int(re.search(r'"revision":(\d+)', before["now"][1])[1])
        check(got["header"]["revision"] >= old + BUMP, f"revision {got['header']} after a bump of {old}")
        p = bumped.ctl("get", "/a/5", "--rev", old, *ROOT_USER, check_rc=False)
        check("required revision has been compacted" in p.stderr, f"history after --mark-compacted: {p.stdout} {p.stderr}")
        check_serves(bumped)


def test_refusals():
    """Damaged files and directories in use are refused by both tools, with etcdutl's exit codes."""
    with StoreCluster("etcd", members=1, tls=False) as c:
        c.ctl("put", "a", "b")
        file, bad = c.folder / "snapshot.db", c.folder / "bad.db"
        c.ctl("snapshot", "save", file)
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        bad.write_bytes(data)
        used = c.folder / "used"
        used.mkdir()
        (used / "x").touch()
        for kind in ("keelson", "etcd"):
            new = c.folder / f"new-{kind}"
            for args, code in ((["restore", bad, "--data-dir", new], 1), (["restore", file, "--data-dir", used], 1),
                               (["restore", file, "--data-dir", new, "--bump-revision", "5"], 128), (["restore"], 128),
                               (["status", c.folder / "nothing"], 1)):
                p = run([*tool(kind), "snapshot", *args], check_rc=False)
                check(p.returncode == code and p.stderr, f"{kind} {args}: {p.returncode} {p.stderr}")
        check(not (c.folder / "new-keelson").exists(), "a refused restore leaves nothing")


def test_etcd_to_keelson():
    moves("etcd", "keelson", 3)


def test_keelson_to_etcd():
    moves("keelson", "etcd", 3)


def test_keelson_to_keelson():
    moves("keelson", "keelson", 1)


def long_etcd_to_etcd():
    """Proves the test itself."""
    moves("etcd", "etcd", 3)
