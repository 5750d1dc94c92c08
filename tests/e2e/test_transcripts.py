"""The recorded requests and answers of a real kube-apiserver, replayed against `keelson apiserver` running alone: with its store in
the process, and with a remote one over TLS, etcd's and keelson's."""
import importlib.util, json, pathlib, shutil, ssl, urllib.error, urllib.request

from harness import BINARY, Process, SHARED, Skipped, check, free_port, temp_dir, wait_for
from store_cluster import StoreCluster

TRANSCRIPTS = SHARED / "data/transcripts"


def load_replayer():
    spec = importlib.util.spec_from_file_location("replay", TRANSCRIPTS / "replay.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ApiServer:
    """`keelson apiserver` alone, no controllers: as the transcripts were recorded. `flags` may name a remote store."""

    token = "transcript-token"

    def __init__(self, flags=()):
        self.flags = flags

    def __enter__(self):
        self.dir, self.port = temp_dir("apiserver"), free_port()
        (self.dir / "tokens.csv").write_text('transcript-token,admin,1,"system:masters"\n')
        self.process = Process([BINARY, "apiserver", "--data-dir", self.dir / "data", "--secure-port", self.port,
                                "--bind-address", "127.0.0.1", "--token-auth-file", self.dir / "tokens.csv",
                                "--service-cluster-ip-range", "10.96.0.0/16", "--disable-admission-plugins=ServiceAccount",
                                "--anonymous-auth=true", *self.flags], self.dir / "log")
        self.url = f"https://127.0.0.1:{self.port}"
        wait_for("the API server to be ready", self.ready, 30)
        return self

    def read(self, path):
        """-> (status, text) of a GET as admin."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": "Bearer " + self.token})
        try:
            with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=15) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def ready(self):
        check(self.process.alive(), "keelson apiserver ended: " + self.process.tail())
        return self.read("/readyz")[0] == 200

    def __exit__(self, kind, *_):
        if kind:
            print(self.process.tail())
        self.process.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def replay_all(url, names):
    """-> [(scenario, None or what was different)]"""
    replay = load_replayer()
    client = replay.Client(url, "transcript-token")
    results = []
    for name in names:
        ok, steps, _, diffs = replay.run(client, json.loads((TRANSCRIPTS / f"{name}.json").read_text()))
        results.append((name, f"{ok}/{steps} steps; {diffs[0]}" if diffs else None))
    return results


def first_light_names():
    if not TRANSCRIPTS.exists():
        raise Skipped(f"{TRANSCRIPTS} is not here: NO TRANSCRIPT WAS REPLAYED (set KEELSON_SHARED)")
    return (TRANSCRIPTS / "first-light.txt").read_text().split()


def with_remote(kind, prefix="/registry"):
    names = first_light_names()
    with StoreCluster(kind) as store, ApiServer([*store.api_flags(), f"--etcd-prefix={prefix}"]) as server:
        results = replay_all(server.url, names)
        keys = store.ctl("get", "/", "--prefix", "--keys-only").stdout.split()
        check(keys and all(key.startswith(prefix + "/") for key in keys), f"keys outside {prefix}: {keys[:5]}")
        return results


def test_first_light():
    names = first_light_names()
    with ApiServer() as server:
        return replay_all(server.url, names)


def test_first_light_on_etcd():
    return with_remote("etcd")


def test_first_light_on_keelson():
    return with_remote("keelson", "/clusters/blue")


def test_store_goes_and_comes_back():
    """/readyz and /livez tell that the store is down; requests work again once it is back."""
    with StoreCluster("etcd", members=1) as store, ApiServer(store.api_flags()) as server:
        check(server.read("/api/v1/namespaces/default")[0] == 200, "the API server must work")
        store.members[0].kill()
        wait_for("/readyz and /livez to tell of the store", lambda: all(
            server.read(p)[0] == 500 and "[-]etcd failed" in server.read(p)[1] for p in ("/readyz", "/livez")), 20)
        store.members[0].restart()
        wait_for("/readyz to be well again", lambda: server.read("/readyz") == (200, "ok"), 20)
        check(server.read("/api/v1/namespaces/default")[0] == 200, "the API server must work again")
