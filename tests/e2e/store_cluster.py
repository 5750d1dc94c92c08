"""A cluster of store members as processes on 127.0.0.1: keelson kvstore or etcd, by the same flags, plain or with mutual TLS."""
import itertools, json, os, pathlib, re, shutil, subprocess, tempfile, time

from harness import BINARY, Failure, Process, check, free_port, run, wait_for
from peers import peer

TICKS = os.sysconf("SC_CLK_TCK")


def make_certificates(folder):
    """A CA, a server certificate for 127.0.0.1 and localhost, a client certificate (CN root): folder/{ca,server,client}.{crt,key}."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*args):
        run(["openssl", *args])
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=store-ca",
            "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    for name, cn in (("server", "member"), ("client", "root")):
        extensions = folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={cn}",
                "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr")
        openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial",
                "-days", "30", "-extfile", extensions, "-out", folder / f"{name}.crt")
    return folder


class Member:
    """One process. `client_url` and `peer_url` stay the same over restarts."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.client_port, self.peer_port = free_port(), free_port()
        self.client_url = f"{cluster.scheme}://127.0.0.1:{self.client_port}"
        self.peer_url = f"{cluster.scheme}://127.0.0.1:{self.peer_port}"
        self.data = cluster.folder / name
        self.log = cluster.folder / f"{name}.log"
        self.process = None

    def start(self, initial_cluster, state="new", extra=()):
        c = self.cluster
        argv = [*c.command, "--name", self.name, "--data-dir", self.data,
                "--listen-client-urls", self.client_url, "--advertise-client-urls", self.client_url,
                "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
                "--initial-cluster", initial_cluster, "--initial-cluster-state", state, "--initial-cluster-token", "e2e"]
        if c.tls:
            pki = c.pki
            argv += ["--cert-file", pki / "server.crt", "--key-file", pki / "server.key", "--trusted-ca-file", pki / "ca.crt",
                     "--client-cert-auth", "--peer-cert-file", pki / "server.crt", "--peer-key-file", pki / "server.key",
                     "--peer-trusted-ca-file", pki / "ca.crt", "--peer-client-cert-auth"]
        self.process = Process([*argv, *c.flags, *extra], self.log, env={**os.environ, "ETCD_UNSUPPORTED_ARCH": ""})
        self.argv_tail = (initial_cluster, state, extra)

    def restart(self):
        self.start(*self.argv_tail)

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop()

    def alive(self):
        return self.process is not None and self.process.alive()

    def get(self, path, timeout=2):
        """GET on the client URL by curl -> body; raises when nobody answers."""
        return run([*self.cluster.enter, "curl", "-sS", "--max-time", timeout, *self.cluster.curl_tls(), self.client_url + path]).stdout

    def healthy(self):
        try:
            return json.loads(self.get("/health")).get("health") == "true"
        except (Failure, ValueError):
            return False

    def usage(self):
        """-> CPU seconds, RSS MB, bytes written so far."""
        pid = self.process.p.pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        rss = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024
        written = int(re.search(r"^write_bytes: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text(), re.M).group(1))
        return (int(fields[11]) + int(fields[12])) / TICKS, rss, written


class StoreCluster:
    """kind: "keelson" or "etcd". `flags` go to every member; `enter` begins every command, e.g. nsenter …."""

    def __init__(self, kind="keelson", members=3, tls=True, flags=(), folder=None, enter=()):
        self.kind, self.tls, self.flags, self.enter = kind, tls, list(flags), list(enter)
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix=f"store-{kind}-"))
        self.scheme = "https" if tls else "http"
        self.command = [*self.enter, *([BINARY, "kvstore"] if kind == "keelson" else [peer("etcd")])]
        self.pki = make_certificates(self.folder / "pki") if tls else None
        self.names = (f"m{n}" for n in itertools.count())
        self.members = [Member(self, next(self.names)) for _ in range(members)]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        for m in self.members:
            if m.process:
                m.kill()
        if kind is None and not os.environ.get("KEELSON_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        elif kind is not None:
            print(f"the members' files are kept in {self.folder}", flush=True)

    def start(self):
        for m in self.members:
            m.start(self.initial_cluster())
        self.wait_healthy()

    def initial_cluster(self):
        return ",".join(f"{m.name}={m.peer_url}" for m in self.members)

    def wait_healthy(self, seconds=30):
        for m in self.members:
            wait_for(f"{self.kind} {m.name} to be healthy", lambda m=m: m.alive() and m.healthy(), seconds, 0.05)

    def endpoints(self, members=None):
        return ",".join(m.client_url for m in members or self.members)

    def curl_tls(self):
        return ["--cacert", self.pki / "ca.crt", "--cert", self.pki / "client.crt", "--key", self.pki / "client.key"] if self.tls else []

    def client_flags(self, members=None):
        """What etcdctl, benchmark and store_load take alike."""
        flags = ["--endpoints", self.endpoints(members)]
        if self.tls:
            flags += ["--cacert", self.pki / "ca.crt", "--cert", self.pki / "client.crt", "--key", self.pki / "client.key"]
        return flags

    def api_flags(self):
        """Of an API server that works on this store: kube-apiserver's names."""
        flags = [f"--etcd-servers={self.endpoints()}"]
        if self.tls:
            flags += [f"--etcd-cafile={self.pki / 'ca.crt'}", f"--etcd-certfile={self.pki / 'client.crt'}",
                      f"--etcd-keyfile={self.pki / 'client.key'}"]
        return flags

    def ctl(self, *args, members=None, input=None, timeout=60, check_rc=True, binary=None):
        return run([*self.enter, binary or peer("etcdctl"), *self.client_flags(members), *args], input=input, timeout=timeout, check_rc=check_rc)

    def status(self, member):
        return json.loads(self.ctl("endpoint", "status", "-w", "json", members=[member]).stdout)[0]["Status"]

    def leader(self, seconds=30):
        """-> the member that leads, once one does."""
        def find():
            for m in (m for m in self.members if m.alive()):
                p = self.ctl("endpoint", "status", "-w", "json", "--command-timeout", "1s", members=[m], check_rc=False, timeout=5)
                if p.returncode == 0:
                    s = json.loads(p.stdout)[0]["Status"]
                    if s.get("leader") and s["leader"] == s["header"]["member_id"]:
                        return m
            return None
        return wait_for("a leader", find, seconds, 0.05)

    def lead(self, member):
        """Leadership goes to `member`."""
        leader = self.leader()
        if leader is not member:
            self.ctl("move-leader", f"{self.id_of(member):x}", members=[leader])

    def add(self, learner=False, flags=()):
        """Adds a member by etcdctl and starts it. -> the Member."""
        m = Member(self, next(self.names))
        # etcd refuses while it has not seen all members for five seconds.
        wait_for(f"{m.name} to be added", lambda: self.ctl("member", "add", m.name, f"--peer-urls={m.peer_url}", *(["--learner"] if learner else [])), 20)
        self.members.append(m)
        m.start(self.initial_cluster(), "existing", flags)
        return m

    def id_of(self, member):
        listed = json.loads(self.ctl("member", "list", "-w", "json", members=[m for m in self.members if m.alive()]).stdout)["members"]
        found = [m["ID"] for m in listed if member.peer_url in m["peerURLs"]]
        check(found, f"{member.name} is not in {listed}")
        return found[0]

    def remove(self, member):
        """Removes it by etcdctl and waits until its process has ended by itself."""
        rest = [m for m in self.members if m is not member]
        wait_for(f"{member.name} to be removed", lambda: self.ctl("member", "remove", f"{self.id_of(member):x}", members=rest), 20)
        self.members = rest
        wait_for(f"{member.name} to end by itself", lambda: not member.alive(), 20, 0.05)

    def replace_data(self, member):
        shutil.rmtree(member.data)


def disk_sync_us(folder, count=400):
    """Median of fdatasync after a 2 KiB write inside a zero-filled file, in microseconds."""
    path = pathlib.Path(folder) / "sync.probe"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"\0" * (1 << 21), 0)
    os.fsync(fd)
    samples = []
    for i in range(count):
        os.pwrite(fd, b"x" * 2048, (i * 2048) % (1 << 21))
        began = time.perf_counter()
        os.fdatasync(fd)
        samples.append((time.perf_counter() - began) * 1e6)
    os.close(fd)
    path.unlink()
    return sorted(samples)[count // 2]
