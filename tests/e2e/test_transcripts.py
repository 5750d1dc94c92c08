"""The recorded requests and answers of a real kube-apiserver, replayed against `keelson apiserver` running alone."""
import importlib.util, json, pathlib, shutil, ssl, urllib.request

from harness import BINARY, Process, SHARED, Skipped, check, free_port, temp_dir, wait_for

TRANSCRIPTS = SHARED / "data/transcripts"


def load_replayer():
    spec = importlib.util.spec_from_file_location("replay", TRANSCRIPTS / "replay.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ApiServer:
    """`keelson apiserver` alone, the store embedded, no controllers: as the transcripts were recorded."""

    def __enter__(self):
        self.dir, self.port = temp_dir("apiserver"), free_port()
        (self.dir / "tokens.csv").write_text('transcript-token,admin,1,"system:masters"\n')
        self.process = Process([BINARY, "apiserver", "--data-dir", self.dir / "data", "--secure-port", self.port,
                                "--bind-address", "127.0.0.1", "--token-auth-file", self.dir / "tokens.csv",
                                "--service-cluster-ip-range", "10.96.0.0/16", "--disable-admission-plugins=ServiceAccount",
                                "--anonymous-auth=true"], self.dir / "log")
        self.url = f"https://127.0.0.1:{self.port}"
        wait_for("the API server to be ready", self.ready, 30)
        return self

    def ready(self):
        check(self.process.alive(), "keelson apiserver ended: " + self.process.tail())
        with urllib.request.urlopen(self.url + "/readyz", context=ssl._create_unverified_context(), timeout=5) as r:
            return r.status == 200

    def __exit__(self, kind, *_):
        if kind:
            print(self.process.tail())
        self.process.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def test_first_light():
    if not TRANSCRIPTS.exists():
        raise Skipped(f"{TRANSCRIPTS} is not here: NO TRANSCRIPT WAS REPLAYED (set KEELSON_SHARED)")
    replay = load_replayer()
    names = (TRANSCRIPTS / "first-light.txt").read_text().split()
    results = []
    with ApiServer() as server:
        client = replay.Client(server.url, "transcript-token")
        for name in names:
            scenario = json.loads((TRANSCRIPTS / f"{name}.json").read_text())
            ok, steps, _, diffs = replay.run(client, scenario)
            results.append((name, f"{ok}/{steps} steps; {diffs[0]}" if diffs else None))
    return results
