"""A real kube-apiserver 1.36 on a 3-member TLS store answers the transcripts as recorded, also while leaders are killed. On etcd it
proves the harness; on keelson it is the test."""
import json, os, shutil

from harness import Process, Skipped, check, free_port, run, temp_dir, wait_for
from peers import kube_apiserver
from store_cluster import StoreCluster
from test_transcripts import ApiServer, TRANSCRIPTS, load_replayer

# A leader is killed before every so-manieth scenario.
KILL_EVERY = 1 if os.environ.get("KEELSON_ALL") else 12


class KubeApiServer(ApiServer):
    """As the transcripts were recorded: see their README."""

    token = "admintoken"  # sub/token-request knows it

    def __enter__(self):
        self.dir, self.port = temp_dir("kube-apiserver"), free_port()
        (self.dir / "tokens.csv").write_text('admintoken,admin,1,"system:masters"\n')
        run(["openssl", "genrsa", "-out", self.dir / "sa.key", "2048"])
        self.process = Process([kube_apiserver(), *self.flags, "--secure-port", self.port, "--bind-address", "127.0.0.1",
                                "--advertise-address", "192.0.2.2", "--cert-dir", self.dir / "certs", "--token-auth-file",
                                self.dir / "tokens.csv", "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/16",
                                "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-signing-key-file",
                                self.dir / "sa.key", "--service-account-key-file", self.dir / "sa.key",
                                "--disable-admission-plugins=ServiceAccount", "--anonymous-auth=true"], self.dir / "log")
        self.url = f"https://127.0.0.1:{self.port}"
        wait_for("kube-apiserver to be ready", self.ready, 90)
        return self

    def lists(self):
        """-> the paths of all lists it has now."""
        groups = ["/api/v1"] + [f"/apis/{v['groupVersion']}" for g in json.loads(self.read("/apis")[1])["groups"] for v in g["versions"]]
        return [f"{g}/{r['name']}" for g in groups for r in json.loads(self.read(g)[1])["resources"] if "list" in r["verbs"]]

    def settled(self):
        """Each kind is served from its watch cache. Meanwhile lists are answered with 429 and Retry-After, on etcd too: clients of
        Kubernetes wait that long, the replayer does not."""
        return all(self.read(f"{path}?resourceVersion=0&limit=1")[0] != 429 for path in self.lists())

    def __exit__(self, kind, *_):
        if kind:
            print(self.process.tail())
        self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def scenarios():
    if not TRANSCRIPTS.exists():
        raise Skipped(f"{TRANSCRIPTS} is not here: NO TRANSCRIPT WAS REPLAYED (set KEELSON_SHARED)")
    return sorted(TRANSCRIPTS.glob("*/*.json"))


def kill_leader(store, server):
    """Kills the leader, waits until another leads and the API server writes again, starts the killed one."""
    victim = store.leader()
    victim.kill()
    check(store.leader() is not victim, "a dead member leads")
    victim.restart()
    wait_for("all members to be healthy", lambda: all(m.healthy() for m in store.members), 30, 0.1)
    wait_for("kube-apiserver to be ready", server.ready, 30)
    wait_for("kube-apiserver's caches", server.settled, 30)


def replay(kind, kill):
    replayer, results, kills = load_replayer(), [], 0
    with StoreCluster(kind) as store, KubeApiServer(store.api_flags()) as server:
        client = replayer.Client(server.url, KubeApiServer.token)
        for number, path in enumerate(scenarios()):
            if kill and number % KILL_EVERY == 0:
                kill_leader(store, server)
                kills += 1
            ok, steps, _, diffs = replayer.run(client, json.loads(path.read_text()))
            results.append((f"{path.parent.name}/{path.stem}", f"{ok}/{steps} steps; {diffs[0]}" if diffs else None))
    if kill:
        print(f"  {kills} leaders killed")
    return results


def long_transcripts_on_etcd():
    return replay("etcd", False)


def long_transcripts_on_keelson():
    return replay("keelson", False)


def long_transcripts_while_etcd_leaders_are_killed():
    return replay("etcd", True)


def long_transcripts_while_keelson_leaders_are_killed():
    return replay("keelson", True)
