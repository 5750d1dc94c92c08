"""etcdctl, Debian's (3.4, API v3) and 3.7.1, unmodified against a 3-member TLS cluster. On etcd it proves the test; on keelson it is the
test: only the command that starts a member differs."""
import hashlib, json, os, re, shutil, signal, subprocess, threading, time

from harness import CI, Failure, check, run, wait_for
from peers import peer
from store_cluster import StoreCluster


class Ctl:
    """One etcdctl on one cluster; keys of its own below `prefix`."""

    def __init__(self, cluster, version, binary):
        self.cluster, self.version, self.binary = cluster, version, binary
        self.old = not version.startswith("3.7")
        self.prefix = f"/ctl-{version}"
        self.user = []
        os.environ.pop("ETCDCTL_API", None)
        if self.old:
            os.environ["ETCDCTL_API"] = "3"

    def __call__(self, *args, input=None, rc=0, members=None, timeout=60):
        """-> stdout; stderr too when `rc` is not 0 (then only that it failed is asked for)."""
        p = self.cluster.ctl(*args, *self.user, input=input, members=members, binary=self.binary, check_rc=rc == 0, timeout=timeout)
        check((p.returncode == 0) == (rc == 0), f"etcdctl {args} ended with {p.returncode}: {p.stdout} {p.stderr}")
        return p.stdout if rc == 0 else p.stdout + p.stderr

    def json(self, *args, **kw):
        return json.loads(self(*args, "-w", "json", **kw))

    def key(self, name):
        return f"{self.prefix}/{name}"

    def follow(self, *args, members=None):
        return Follower([str(self.binary), *map(str, self.cluster.client_flags(members)), *args])


class Follower:
    """An etcdctl that keeps running; its lines."""

    def __init__(self, argv):
        self.lines = []
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        threading.Thread(target=lambda: self.lines.extend(l.rstrip("\n") for l in self.p.stdout), daemon=True).start()

    def say(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()

    def wait(self, *texts, seconds=15):
        """Until the given lines were printed, in this order."""
        def seen():
            left = iter(list(self.lines))
            return all(any(t == l for l in left) for t in texts)
        wait_for(f"{texts} in {self.lines}", seen, seconds, 0.05)

    def stop(self, signal_number=signal.SIGINT):
        if self.p.poll() is None:
            self.p.send_signal(signal_number)
        try:
            return self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise Failure(f"{self.p.args[0]} did not end: {self.lines}")


def keys(c):
    a, b = c.key("a"), c.key("b")
    check(c("put", a, "1").strip() == "OK", "put")
    check(c("put", "--prev-kv", a, "2").split() == ["OK", a, "1"], "put --prev-kv")
    c("put", b, input="from stdin")
    check(c("get", a).split() == [a, "2"], "get")
    check(c("get", b, "--print-value-only").strip() == "from stdin", "value of stdin")
    check(c("get", "--prefix", c.prefix, "--keys-only").split() == [a, b], "get --prefix --keys-only")
    check(c.json("get", a, b)["count"] == 1, "a range is half open")
    check(c("get", "--prefix", c.prefix, "--order", "DESCEND", "--sort-by", "KEY", "--limit", "1").split()[0] == b, "order and limit")
    check(c("get", a, "--consistency", "s").split() == [a, "2"], "serializable get")
    first = c.json("get", a)["kvs"][0]["create_revision"]
    check(c("get", a, "--rev", str(first)).split() == [a, "1"], "get --rev")
    check(c("get", a, "--from-key", "--keys-only").split()[:2] == [a, b], "get --from-key")
    check(c("del", "--prev-kv", a).split() == ["1", a, "2"], "del --prev-kv")
    check(c("del", a).strip() == "0", "del of nothing")
    check("key is not provided" in c("get", "", rc=1), "an empty key")


def transactions(c):
    k, other = c.key("txn"), c.key("txn2")
    c("put", k, "one")
    text = f'value("{k}") = "one"\nversion("{k}") > "0"\n\nput {k} two\nget {k}\n\nput {other} x\n\n'
    check(c("txn", input=text).split() == ["SUCCESS", "OK", k, "two"], "txn that succeeds")
    check(c("txn", input=text).split() == ["FAILURE", "OK"], "txn that fails")
    f = c.follow("txn", "--interactive")
    for line in (f'mod("{k}") > "0"', "", f"get {k}", f"del {other}", "", "", ""):
        f.say(line)
    wait_for("the interactive txn", lambda: "SUCCESS" in f.lines and f.lines[-1] == "1", 10)
    check(f.p.wait(10) == 0, f.lines)


def watches(c):
    k = c.key("watched")
    c("put", k, "1")
    start = c.json("get", k)["kvs"][0]["mod_revision"]
    c("put", k, "2")
    c("del", k)
    past = c.follow("watch", k, "--rev", str(start), "--prev-kv")
    past.wait("PUT", k, "1", "PUT", k, "1", k, "2", "DELETE", k, "2", k)
    c("put", k, "3")
    past.wait("DELETE", "PUT", k, "3")
    past.stop()
    live = c.follow("watch", "--interactive")
    live.say(f"watch {k}")
    live.say(f"watch --prefix {c.prefix}/many")
    live.say("progress")
    wait_for("a progress notification", lambda: any(l.startswith("progress notify:") for l in live.lines), 10)
    for i in range(3):
        c("put", c.key(f"many{i}"), str(i))
    c("put", k, "4")
    live.wait("PUT", c.key("many0"), "0", "PUT", c.key("many1"), "1", "PUT", c.key("many2"), "2")
    live.wait("PUT", k, "4")
    live.stop()
    told = c.follow("watch", k, "--", "sh", "-c", "env | grep ETCD_WATCH_VALUE")
    time.sleep(0.5)
    c("put", k, "5")
    wait_for("the command of the watch", lambda: 'ETCD_WATCH_VALUE="5"' in told.lines, 10)
    told.stop()


def compaction(c):
    k = c.key("compact")
    for i in range(5):
        c("put", k, str(i))
    now = c.json("get", k)["header"]["revision"]
    check(c("compaction", str(now), "--physical").strip() == f"compacted revision {now}", "compaction")
    check("required revision has been compacted" in c("get", k, "--rev", str(now - 1), rc=1), "get of a compacted revision")
    check("required revision has been compacted" in c("compaction", str(now), rc=1), "compaction twice")
    check("required revision is a future revision" in c("compaction", str(now + 1000), rc=1), "compaction of the future")
    f = c.follow("watch", k, "--rev", "1")
    wait_for("the watch to be refused", lambda: any("compacted" in l for l in f.lines), 10)
    f.stop()
    check(c("get", k, "--print-value-only").strip() == "4", "the newest version stays")


def leases(c):
    k = c.key("leased")
    granted = c("lease", "grant", "60")
    lease = re.fullmatch(r"lease ([0-9a-f]{16}) granted with TTL\(60s\)", granted.strip())
    check(lease, granted)
    lease = lease[1]
    c("put", k, "x", "--lease", lease)
    alive = c("lease", "timetolive", lease, "--keys")
    check(re.search(rf"lease {lease} granted with TTL\(60s\), remaining\((5\d|60)s\), attached keys\(\[{k}\]\)", alive), alive)
    check(c("lease", "keep-alive", "--once", lease).strip() == f"lease {lease} keepalived with TTL(60)", "keep-alive --once")
    check(lease in c("lease", "list"), "lease list")
    check(c("lease", "revoke", lease).strip() == f"lease {lease} revoked", "revoke")
    check(c("get", k) == "", "a revoked lease takes its keys")
    check("already expired" in c("lease", "timetolive", lease), "timetolive of a lease that is gone")
    check("requested lease not found" in c("lease", "revoke", lease, rc=1), "revoke twice")
    check("requested lease not found" in c("put", k, "x", "--lease", lease, rc=1), "put with a lease that is gone")
    short = c("lease", "grant", "2").split()[1]
    c("put", k, "x", "--lease", short)
    f = c.follow("lease", "keep-alive", short)
    began = time.time()
    wait_for("keep-alives", lambda: sum("keepalived with TTL(2)" in l for l in f.lines) >= 4, 15)
    check(time.time() - began > 1.5 and c("get", k) != "", "a lease that is kept alive lives")
    f.stop()
    wait_for("the key to expire", lambda: c("get", k) == "", 15)


def members(c):
    rows = [r.split(", ") for r in c("member", "list").splitlines()]
    check(len(rows) == 3 and all(r[1] == "started" and r[-1] == "false" for r in rows), rows)
    new = c.cluster.add(learner=True)
    try:
        ident = f"{c.cluster.id_of(new):x}"
        wait_for("the learner to be listed", lambda: any(r.startswith(ident) and r.endswith(", true") for r in c("member", "list").splitlines()), 20)
        wait_for("the learner to be promoted", lambda: "promoted" in c("member", "promote", ident), 30)
        check("can only promote a learner member" in c("member", "promote", ident, rc=1), "promote twice")
        url = new.peer_url.replace("127.0.0.1", "localhost")
        check("updated" in c("member", "update", ident, f"--peer-urls={url}"), "update")
        check(url in c("member", "list"), "updated peer URL")
        c("member", "update", ident, f"--peer-urls={new.peer_url}")
    finally:
        c.cluster.remove(new)
        new.kill()
    check(len(c("member", "list").splitlines()) == 3, "three members again")
    check("member not found" in c("member", "remove", "1234", rc=1), "remove of nobody")


def endpoints(c):
    health = c.json("endpoint", "health")
    check(len(health) == 3 and all(h["health"] for h in health), health)
    check(len(c.json("endpoint", "health", "--cluster", members=c.cluster.members[:1])) == 3, "endpoint health --cluster")
    status = c.json("endpoint", "status")
    check(len({s["Status"]["leader"] for s in status}) == 1 and all(s["Status"]["dbSize"] > 0 for s in status), status)
    c("put", c.key("hashed"), "x")

    def same():
        return len({h["HashKV"]["hash"] for h in c.json("endpoint", "hashkv")}) == 1
    wait_for("all members to have the same hash", same, 10)
    check("ENDPOINT" in c("endpoint", "status", "-w", "table"), "status as a table")


def maintenance(c):
    folder = c.cluster.folder / f"snapshot-{c.version}"
    folder.mkdir()
    c("put", c.key("saved"), "x")
    some = c.cluster.members[:1]
    check("Snapshot saved" in c("snapshot", "save", folder / "db", members=some) + "Snapshot saved" * c.old, "snapshot save")
    size = (folder / "db").stat().st_size
    check(size % 512 == 32, f"{size}: a snapshot file ends with its SHA-256")
    data = (folder / "db").read_bytes()
    check(hashlib.sha256(data[:-32]).digest() == data[-32:], "the SHA-256 does not fit")
    tool = c.binary if c.old else peer("etcdutl")
    status = json.loads(run([tool, "snapshot", "status", folder / "db", "-w", "json"]).stdout)
    check(status["totalKey"] > 0 and status["revision"] > 1, status)
    run([tool, "snapshot", "restore", folder / "db", "--data-dir", folder / "restored"])
    check((folder / "restored/member/snap/db").exists(), "restore")
    check("Finished defragmenting" in c("defrag", timeout=120), "defrag")
    check(c("alarm", "list") == "" and c("alarm", "disarm") == "", "no alarms")
    leader = c.cluster.leader()
    target = next(m for m in c.cluster.members if m is not leader)
    said = c("move-leader", f"{c.cluster.id_of(target):x}", members=[leader])
    check(said.startswith("Leadership transferred from"), said)
    wait_for("the target to lead", lambda: c.cluster.leader() is target, 10)
    check("no leader endpoint given" in c("move-leader", f"{c.cluster.id_of(leader):x}", members=[leader], rc=1), "move-leader at a follower")


def quota_alarm(c):
    """NOSPACE by hand is not offered by etcdctl: the JSON gateway raises it, etcdctl shows and disarms it."""
    member = c.cluster.members[0]
    ident = c.cluster.id_of(member)
    run(["curl", "-sSf", *c.cluster.curl_tls(), member.client_url + "/v3/maintenance/alarm", "-d",
         json.dumps({"action": "ACTIVATE", "memberID": ident, "alarm": "NOSPACE"})])
    check(c("alarm", "list").strip() == f"memberID:{ident} alarm:NOSPACE", c("alarm", "list"))
    check("database space exceeded" in c("put", c.key("full"), "x", rc=1), "put without space")
    c("del", c.key("full"))
    check(f"memberID:{ident} alarm:NOSPACE" in c("alarm", "disarm"), "disarm")
    c("put", c.key("full"), "x")


def concurrency(c):
    name = c.key("lock")
    first = c.follow("lock", name)
    wait_for("the lock", lambda: first.lines and first.lines[0].startswith(name + "/"), 10)
    second = c.follow("lock", name)
    time.sleep(0.7)
    check(not second.lines, f"two hold the lock: {second.lines}")
    first.stop()
    wait_for("the lock to pass on", lambda: second.lines and second.lines[0].startswith(name + "/"), 10)
    second.stop()
    out = c("lock", name, "echo", "inside")
    check("inside" in out, out)
    election = c.key("election")
    a = c.follow("elect", election, "alpha")
    wait_for("a leader", lambda: len(a.lines) >= 2 and a.lines[1] == "alpha", 10)
    b = c.follow("elect", election, "beta")
    seen = c.follow("elect", "-l", election)
    wait_for("the observer", lambda: "alpha" in seen.lines, 10)
    a.stop()
    wait_for("the next leader", lambda: "beta" in b.lines and "beta" in seen.lines, 10)
    b.stop()
    seen.stop()


def users(c):
    """Last: it switches authentication on and off again. The client certificate's name is root."""
    c("user", "add", "root:rootpw")
    c("role", "add", "reader")
    c("role", "grant-permission", "reader", "--prefix=true", "readwrite", c.key("own"))
    c("role", "grant-permission", "reader", "read", c.key("see"))
    check("readwrite" not in c("role", "get", "reader") and c.key("see") in c("role", "get", "reader"), "role get")
    c("user", "add", "ann:annpw")
    c("user", "grant-role", "ann", "reader")
    c("user", "grant-role", "root", "root")
    check("reader" in c("user", "get", "ann"), "user get")
    check(set(c("user", "list").split()) == {"root", "ann"}, "user list")
    check({"reader", "root"} >= set(c("role", "list").split()), "role list")
    check("role name not found" in c("user", "grant-role", "ann", "nobody", rc=1), "a role that does not exist")
    c("put", c.key("see"), "seen")
    check("Authentication Enabled" in c("auth", "enable"), "auth enable")
    try:
        c.user = ["--user", "ann:annpw"]
        c("put", c.key("own/1"), "x")
        check(c("get", c.key("own/1"), "--print-value-only").strip() == "x", "own keys")
        check(c("get", c.key("see"), "--print-value-only").strip() == "seen", "keys to read")
        for args in (("put", c.key("see"), "y"), ("get", c.key("elsewhere")), ("get", "--prefix", c.prefix), ("del", c.key("see"))):
            check("permission denied" in c(*args, rc=1), args)
        check("permission denied" in c("user", "list", rc=1), "users are root's")
        c.user = ["--user", "ann:wrong"]
        check("authentication failed" in c("get", c.key("see"), rc=1), "a wrong password")
        c.user = ["--user", "root:rootpw"]
        check(c("get", c.key("see"), "--print-value-only").strip() == "seen", "root")
        if not c.old:
            check("Authentication Status: true" in c("auth", "status"), "auth status")
        c("user", "passwd", "ann", "--interactive=false", input="newpw")
        c.user = ["--user", "ann:newpw"]
        c("get", c.key("see"))
    finally:
        c.user = ["--user", "root:rootpw"]
        c("auth", "disable")
        c.user = []
    c("user", "revoke-role", "ann", "reader")
    c("role", "revoke-permission", "reader", c.key("see"))
    c("user", "delete", "ann")
    c("user", "delete", "root")
    c("role", "delete", "reader")
    check(c("user", "list") == "" and c("role", "list") == "", "all users and roles are gone")


def performance(c):
    p = c.cluster.ctl("check", "perf", "--load", "s", binary=c.binary, timeout=180, check_rc=False)
    out = p.stdout + p.stderr
    # Its verdict depends on the machine; that it ran to its end does not.
    check("PASS: Throughput is" in out or "FAIL: Throughput" in out or "Slowest request" in out, out[-800:])


STEPS = [keys, transactions, watches, leases, members, endpoints, maintenance, quota_alarm, concurrency, compaction, users]


def versions():
    found = {"3.7.1": peer("etcdctl")}
    debian = shutil.which("etcdctl")
    if debian:
        found["3.4-debian"] = debian
    elif CI:
        raise Failure("Debian's etcdctl (etcd-client) is not installed")
    return found


def on(kind):
    results = []
    for version, binary in versions().items():
        with StoreCluster(kind) as cluster:
            ctl = Ctl(cluster, version, binary)
            for step in STEPS + ([performance] if os.environ.get("KEELSON_ALL") else []):
                began = time.time()
                try:
                    step(ctl)
                    results.append((f"{version} {step.__name__}", None))
                    print(f"  pass etcdctl {version} {step.__name__} ({time.time() - began:.1f} s)", flush=True)
                except (Failure, subprocess.TimeoutExpired, KeyError, IndexError, OSError) as e:
                    results.append((f"{version} {step.__name__}", repr(e)))
                    print(f"  FAIL etcdctl {version} {step.__name__}: {e}", flush=True)
    return results


def long_etcdctl_on_etcd():
    return on("etcd")


def test_etcdctl_on_keelson():
    return on("keelson")
