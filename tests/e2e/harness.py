"""What the end-to-end tests share: the binary, test hosts, clusters, kubectls. Standard library only."""
import json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("KEELSON_BIN", ROOT / "build/release/keelson"))
SHARED = pathlib.Path(os.environ.get("KEELSON_SHARED", ROOT.parent / "shared"))
CI = bool(os.environ.get("CI"))


class Failure(AssertionError):
    pass


class Skipped(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def wait_for(what, probe, seconds=60, every=0.2):
    """Calls probe() until it returns something true; its last exception or value is told when the time is over."""
    end, last = time.time() + seconds, None
    while time.time() < end:
        try:
            last = probe()
            if last:
                return last
        except (Failure, subprocess.SubprocessError, OSError, ValueError, KeyError) as e:
            last = e
        time.sleep(every)
    raise Failure(f"gave up waiting {seconds} s for {what}; last: {str(last)[:600]}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(argv, input=None, env=None, timeout=120, check_rc=True, cwd=None):
    p = subprocess.run([str(a) for a in argv], input=input, env=env, timeout=timeout, text=True, cwd=cwd,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check_rc and p.returncode != 0:
        raise Failure(f"{' '.join(map(str, argv))} ended with {p.returncode}:\n{p.stdout[-1500:]}\n{p.stderr[-1500:]}")
    return p


def kubectls():
    """-> {version: path}: 1.28 and 1.33 beside the kubectl on the PATH, 1.36 built from its Go module."""
    found = {}
    onpath = shutil.which("kubectl")
    if onpath:
        folder = pathlib.Path(onpath).resolve().parent
        for v in ("1.28", "1.33"):
            if (folder / f"kubectl.{v}").exists():
                found[v] = folder / f"kubectl.{v}"
        if not found:
            found["path"] = pathlib.Path(onpath)
    newest = build_kubectl()
    if newest:
        found["1.36"] = newest
    if not found:
        message = "no kubectl on the PATH and no Go >= 1.26 to build one: end-to-end tests with kubectl cannot run"
        if CI:
            raise Failure(message)
        raise Skipped(message)
    return found


def build_kubectl():
    """kubectl 1.36 from tests/interop/kubectl, cached under build/; None where no Go can build it."""
    out = ROOT / "build/interop/kubectl.1.36"
    if out.exists():
        return out
    if not shutil.which("go"):
        return None
    out.parent.mkdir(parents=True, exist_ok=True)
    version = "k8s.io/component-base/version"
    flags = f"-X {version}.gitVersion=v1.36.0 -X {version}.gitMajor=1 -X {version}.gitMinor=36"
    p = subprocess.run(["go", "build", "-ldflags", flags, "-o", out, "."], cwd=ROOT / "tests/interop/kubectl", text=True, capture_output=True)
    if p.returncode != 0:
        print(f"kubectl 1.36 could not be built: {p.stderr[-800:]}", file=sys.stderr)
        return None
    return out


class Process:
    """A child of ours, with its output in a file."""

    def __init__(self, argv, log, env=None):
        self.argv, self.log = [str(a) for a in argv], pathlib.Path(log)
        self.p = subprocess.Popen(self.argv, stdout=open(log, "ab"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env,
                                  start_new_session=True)

    def alive(self):
        return self.p.poll() is None

    def kill(self):
        if self.alive():
            os.kill(self.p.pid, signal.SIGKILL)
        self.p.wait()

    def stop(self, seconds=20):
        if self.alive():
            os.kill(self.p.pid, signal.SIGTERM)
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.argv[0]} did not end within {seconds} s of SIGTERM")

    def tail(self, n=3000):
        return self.log.read_text(errors="replace")[-n:] if self.log.exists() else ""


class Cluster:
    """An isolated single-node cluster (./x up --isolated). Use as a context manager: it is purged at the end. `store`: makes the
    StoreCluster it works on, given what begins a command in its network namespace; none: the store is its own."""

    def __init__(self, name, store=None):
        self.name = f"{name}-{os.getpid()}"
        self.make_store, self.store, self.flags = store, None, []
        self.data = pathlib.Path(f"/var/lib/keelson-{self.name}")
        self.kubeconfig = self.data / "kubeconfig"
        self.env = {**os.environ, "KEELSON_BIN": str(BINARY)}

    def __enter__(self):
        try:
            if self.make_store:
                run(["bash", "-c", ". tools/x/common.sh; . tools/x/netns.sh; make_host $0", self.name], cwd=ROOT)
                self.store = self.make_store(self.enter())
                self.store.start()
                self.flags = self.store.api_flags()
            self.up()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if kind and (self.data / "keelson.log").exists():
            print((self.data / "keelson.log").read_text(errors="replace")[-6000:])
        if self.store:
            self.store.__exit__(kind, None, None)
        if not os.environ.get("KEELSON_KEEP"):
            run([ROOT / "x", "down", "--isolated", self.name, "--purge"], env=self.env, check_rc=False, timeout=180)

    def up(self):
        run([ROOT / "x", "up", "--isolated", self.name, *self.flags], env=self.env, timeout=240)

    def down(self):
        run([ROOT / "x", "down", "--isolated", self.name], env=self.env, timeout=120)

    def pid(self):
        """Of keelson itself."""
        return int((self.data / "keelson.pid").read_text())

    def kill(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for("the killed process to be gone", lambda: not pathlib.Path(f"/proc/{pid}").exists() or
                 "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0], 10, 0.02)

    def enter(self):
        return ["nsenter", f"--net=/run/netns/keelson-{self.name}"]

    def inside(self, *argv, **kw):
        return run([*self.enter(), *argv], **kw)

    def kubectl(self, *argv, binary="kubectl", **kw):
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.data / "home")}
        return run([*self.enter(), binary, *argv], env=env, **kw)

    def get(self, *argv, **kw):
        return json.loads(self.kubectl("get", *argv, "-o", "json", **kw).stdout)


def temp_dir(prefix):
    return pathlib.Path(tempfile.mkdtemp(prefix=f"keelson-{prefix}-"))
