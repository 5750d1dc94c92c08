"""`keelson kvstore` is started, told and ended as an etcd: every flag of `etcd --help` 3.7.1 and its environment name, bad values, the
ready line, the log's form, SIGTERM."""
import json, os, re, signal, subprocess, time

from harness import BINARY, Process, check, free_port, run, temp_dir, wait_for
from peers import peer
from store_cluster import make_certificates


def flags_of(text):
    return set(re.findall(r"^\s+--([a-z0-9-]+)", text, re.M))


def test_every_flag_of_etcd_is_taken():
    etcd = run([peer("etcd"), "--help"], check_rc=False)
    theirs = flags_of(etcd.stdout + etcd.stderr)
    check(len(theirs) > 80, f"only {len(theirs)} flags in etcd --help")
    ours = flags_of(run([BINARY, "kvstore", "--help"]).stdout)
    check(not theirs - ours, f"not taken: {sorted(theirs - ours)}")
    # Each by its environment name: what is not known is warned of, so no warning means it is known.
    # Each by its environment name; the initial cluster will not do, so that every run ends by itself.
    folder, refused = temp_dir("flags"), []
    for flag in sorted(theirs - {"config-file", "log-outputs", "version"}):
        name = "ETCD_" + flag.upper().replace("-", "_")
        p = subprocess.run([BINARY, "kvstore", "--initial-cluster", "other=http://127.0.0.1:1"], capture_output=True, text=True, cwd=folder,
                           env={**os.environ, name: "1"}, timeout=10)
        check(p.returncode != 0, f"{name} started a member")
        if "unrecognized environment variable" in p.stdout + p.stderr or not (name in p.stdout + p.stderr or flag in p.stderr):
            refused.append(name)
    check(not refused, f"not taken from the environment: {refused}")


def bad(*args):
    p = subprocess.run([BINARY, "kvstore", *args], capture_output=True, text=True, timeout=10)
    check(p.returncode != 0, f"{args} was accepted")
    return p.stderr


def test_bad_values_are_refused():
    check("no-such-flag" in bad("--no-such-flag"), "an unknown flag is named")
    check("--election-timeout" in bad("--heartbeat-interval", "500", "--election-timeout", "600"), "timing")
    check("snapshot-count" in bad("--snapshot-count", "many"), "a number")
    check("listen-client-urls" in bad("--listen-client-urls", "ftp://127.0.0.1:1", "--advertise-client-urls", "http://127.0.0.1:1"), "a scheme")
    check("couldn't find local name" in bad("--data-dir", temp_dir("flags") / "d", "--initial-cluster", "other=http://127.0.0.1:1"), "the name")


class One:
    """One plain member, started as unit files start etcd."""

    def __init__(self, *flags):
        self.folder = temp_dir("one")
        self.url, self.peer_url = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        self.argv = [BINARY, "kvstore", "--name", "wrong", "--name", "one", "--data-dir", self.folder / "data", "--listen-client-urls", self.url,
                     "--advertise-client-urls", self.url, "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
                     "--initial-cluster", f"one={self.peer_url}", *flags]
        self.log = self.folder / "log"
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.process.kill()

    def start(self):
        def ready():
            return self.log.read_text().count("ready to serve client requests") if self.log.exists() else 0
        before = ready()
        self.process = Process(self.argv, self.log)
        wait_for("the ready line", lambda: ready() > before, 20, 0.05)
        return self

    def ctl(self, *args, check_rc=True):
        return run([peer("etcdctl"), "--endpoints", self.url, *args], check_rc=check_rc)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def test_log_lines_and_sigterm():
    with One("--snapshot-count", "5000", "--max-wals", "5") as one:
        one.ctl("put", "a", "1")
        for line in one.lines():
            check({"level", "ts", "caller", "msg"} <= set(line), f"a field is missing: {line}")
        warned = [line for line in one.lines() if line["level"] == "warn" and "max-wals" in line["msg"]]
        check(len(warned) == 1, f"one warning about what has no meaning: {warned}")
        process = one.process.p
        process.send_signal(signal.SIGTERM)
        check(process.wait(10) == 0, f"SIGTERM ended it with {process.returncode}")
        one.start()
        check(one.ctl("get", "a", "--print-value-only").stdout.strip() == "1", "the value is there again")
        one.process.kill()
        one.start()
        check(one.ctl("get", "a", "--print-value-only").stdout.strip() == "1", "the value is there after kill -9")
        one.process.stop()


def test_unsafe_no_fsync():
    with One("--unsafe-no-fsync") as one:
        one.ctl("put", "a", "1")
        warned = [line["msg"] for line in one.lines() if line["level"] == "warn"]
        check(any("acknowledged writes are lost" in msg for msg in warned), f"a warning: {warned}")
        one.process.kill()
        one.start()
        check(one.ctl("get", "a", "--print-value-only").stdout.strip() == "1", "a kill of the process loses nothing")
        one.process.stop()


def test_quota_by_bytes_stored():
    with One("--quota-backend-bytes", str(4 << 20)) as one:
        value = "x" * (100 << 10)
        refused = None
        for n in range(100):
            p = one.ctl("put", f"k{n % 4}", value, check_rc=False)
            if p.returncode:
                refused = p.stderr
                break
            time.sleep(0.02)
        check(refused and "database space exceeded" in refused, f"puts went on: {refused}")
        check("NOSPACE" in one.ctl("alarm", "list").stdout, "the alarm is shown")
        one.ctl("del", "k0")
        revision = json.loads(one.ctl("get", "k1", "-w", "json").stdout)["header"]["revision"]
        one.ctl("compact", str(revision))
        wait_for("the alarm to clear itself", lambda: "NOSPACE" not in one.ctl("alarm", "list").stdout, 20, 0.2)
        one.ctl("put", "k0", "y")
        one.process.stop()


def test_tls_and_plain_on_one_port():
    pki = make_certificates(temp_dir("one-port"))
    with One("--cert-file", pki / "server.crt", "--key-file", pki / "server.key") as one:
        one.process.stop()
        secure = one.url.replace("http:", "https:")
        one.argv += ["--listen-client-urls", f"{one.url},{secure}"]
        one.start()
        one.ctl("put", "a", "plain")
        got = run([peer("etcdctl"), "--endpoints", secure, "--cacert", pki / "ca.crt", "get", "a", "--print-value-only"])
        check(got.stdout.strip() == "plain", got.stdout)
        check("true" in run(["curl", "-sSf", "--cacert", pki / "ca.crt", secure + "/health"]).stdout, "HTTP over TLS")
        check("true" in run(["curl", "-sSf", one.url + "/health"]).stdout, "plain HTTP")
