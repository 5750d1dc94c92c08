"""kill -9 of keelson at random moments under load: nothing acknowledged is lost, nothing goes back (must be shown 2)."""
import http.client, json, os, random, re, ssl, threading, time

from harness import Cluster, Failure, check, wait_for

KILLS = int(os.environ.get("KEELSON_KILLS", "20"))
API = "/api/v1/namespaces/load/configmaps"


class Api:
    """A plain HTTPS client inside the cluster's network namespace (this thread enters it)."""

    def __init__(self, cluster):
        enter_netns(f"/run/netns/keelson-{cluster.name}")
        config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
        self.host, self.port = re.match(r"https://(.*):(\d+)", config["clusters"][0]["cluster"]["server"]).groups()
        self.context = client_context(config, cluster.data)
        self.connection = None

    def call(self, method, path, body=None, timeout=10):
        """-> (status, document); None when the server was not there or went away before it answered."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(self.host, int(self.port), context=self.context, timeout=timeout)
            self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            r = self.connection.getresponse()
            return r.status, json.loads(r.read())
        except (OSError, http.client.HTTPException, ValueError):
            if self.connection:
                self.connection.close()
            self.connection = None
            time.sleep(0.02)
            return None


def enter_netns(path):
    import ctypes
    fd = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


def client_context(config, folder):
    import base64
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    names = {}
    for name, data in (("ca", cluster["certificate-authority-data"]), ("crt", user["client-certificate-data"]),
                       ("key", user["client-key-data"])):
        names[name] = folder / f"kill-test-{threading.get_ident()}.{name}"
        names[name].write_bytes(base64.b64decode(data))
    context = ssl.create_default_context(cafile=names["ca"])
    context.load_cert_chain(names["crt"], names["key"])
    return context


class Load(threading.Thread):
    """One writer with ConfigMaps of its own. `known` holds what was acknowledged: name -> (resourceVersion, value) or None when
    deleted; a write without an answer makes its object `unsure`: either outcome is right."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster, self.number = cluster, number
        self.known, self.unsure, self.acknowledged, self.newest = {}, {}, 0, 0
        self.stop, self.errors, self.quiet = False, [], threading.Event()

    def run(self):
        try:
            api, rng, i = Api(self.cluster), random.Random(self.number), 0
            while not self.stop:
                i += 1
                self.step(api, f"cm-{self.number}-{rng.randrange(20)}", rng.random(), f"v{i}")
        except Exception as e:
            self.errors.append(repr(e))

    def step(self, api, name, dice, value):
        exists = self.known.get(name)
        if name in self.unsure:
            return self.settle(api, name)
        body = {"metadata": {"name": name}, "data": {"v": value}}
        if not exists:
            answer, want = api.call("POST", API, body), (201,)
        elif dice < 0.2:
            answer, want = api.call("DELETE", f"{API}/{name}"), (200,)
            value = None
        else:
            body["metadata"]["resourceVersion"] = exists[0]
            answer, want = api.call("PUT", f"{API}/{name}", body), (200,)
        if answer is None or answer[0] >= 500 or answer[0] == 429:
            self.unsure[name] = (exists, value)
            return
        if answer[0] not in want:
            self.errors.append(f"{name}: {answer[0]} {answer[1].get('message')}; we knew {exists}")
            return
        self.acknowledged += 1
        if value is None:
            self.known[name] = None
            return
        rv = answer[1]["metadata"]["resourceVersion"]
        if int(rv) <= self.newest:
            self.errors.append(f"{name}: resourceVersion went back: {rv} after {self.newest}")
        self.newest = int(rv)
        self.known[name] = (rv, value)

    def settle(self, api, name):
        answer = api.call("GET", f"{API}/{name}")
        if answer is None or answer[0] >= 429:
            return
        before, attempted = self.unsure.pop(name)
        self.compare(name, answer, [before[1] if before else None, attempted])
        self.known[name] = (answer[1]["metadata"]["resourceVersion"], answer[1]["data"]["v"]) if answer[0] == 200 else None

    def compare(self, name, answer, allowed):
        got = answer[1]["data"]["v"] if answer[0] == 200 else None
        if got not in allowed:
            self.errors.append(f"{name}: is {got!r}, acknowledged or attempted was {allowed}")

    def verify(self, api):
        for name, state in list(self.known.items()):
            if name in self.unsure:
                continue
            answer = wait_for("an answer", lambda: api.call("GET", f"{API}/{name}"), 30)
            self.compare(name, answer, [state[1] if state else None])
            if state and answer[0] == 200 and answer[1]["metadata"]["resourceVersion"] != state[0]:
                self.errors.append(f"{name}: resourceVersion {answer[1]['metadata']['resourceVersion']}, acknowledged {state[0]}")


class Watcher(threading.Thread):
    """Watches the load's ConfigMaps and resumes from the last resourceVersion after every break; 410 is a failure here."""

    def __init__(self, cluster, resource_version):
        super().__init__(daemon=True)
        self.cluster, self.rv = cluster, resource_version
        self.state, self.stop, self.resumed, self.errors = {}, False, 0, []

    def run(self):
        try:
            api = Api(self.cluster)
            while not self.stop:
                self.follow(api)
        except Exception as e:
            self.errors.append(repr(e))

    def follow(self, api):
        connection = http.client.HTTPSConnection(api.host, int(api.port), context=api.context, timeout=5)
        try:
            connection.request("GET", f"{API}?watch=true&allowWatchBookmarks=true&resourceVersion={self.rv}")
            response = connection.getresponse()
            if response.status != 200:
                time.sleep(0.1)
                return
            self.resumed += 1
            while not self.stop:
                line = response.readline()
                if not line:
                    return
                self.event(json.loads(line))
        except (OSError, http.client.HTTPException, ValueError):
            time.sleep(0.05)
        finally:
            connection.close()

    def event(self, event):
        if event["type"] == "ERROR":
            self.errors.append(f"watch from {self.rv}: {event['object'].get('message')}")
            self.stop = True
            return
        meta = event["object"]["metadata"]
        if event["type"] != "BOOKMARK" and int(meta["resourceVersion"]) <= int(self.rv):
            self.errors.append(f"event {meta['name']} at {meta['resourceVersion']} after {self.rv}")
        self.rv = meta["resourceVersion"]
        if event["type"] == "DELETED":
            self.state.pop(meta["name"], None)
        elif event["type"] != "BOOKMARK":
            self.state[meta["name"]] = (meta["resourceVersion"], event["object"]["data"]["v"])


def containers(cluster):
    """-> {pod/container: (containerID, restarts)} of the demo."""
    return {f"{p['metadata']['name']}/{c['name']}": (c["containerID"], c["restartCount"])
            for p in cluster.get("pods", "-l", "app=demo")["items"] for c in p["status"]["containerStatuses"]}


def test_kill():
    rng = random.Random(os.getpid())
    with Cluster("kill") as cluster:
        cluster.kubectl("create", "namespace", "load")
        from harness import ROOT
        cluster.kubectl("apply", "-f", str(ROOT / "examples/deployment.yaml"))
        cluster.kubectl("rollout", "status", "deployment/demo", "--timeout=90s")
        before = containers(cluster)
        main = {}
        worker = threading.Thread(target=lambda: main.update(result=under_kills(cluster, rng)), daemon=True)
        worker.start()
        worker.join(600)
        check("result" in main, "the kill loop did not end")
        loads, watcher, kills = main["result"]
        errors = [e for l in loads for e in l.errors] + watcher.errors
        check(not errors, f"{len(errors)} errors, first: {errors[:3]}")
        total = sum(l.acknowledged for l in loads)
        check(total > 20 * kills, f"only {total} writes were acknowledged over {kills} kills")
        check(watcher.resumed >= kills // 2, f"the watch resumed only {watcher.resumed} times")
        wait_for("the node to be Ready", lambda: "True" in cluster.kubectl(
            "get", "nodes", "-o", "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}").stdout, 60)
        after = containers(cluster)
        check(before == after, f"containers changed: before {before}, after {after}")
        print(f"  {kills} kills, {total} acknowledged writes, watch resumed {watcher.resumed} times, containers untouched")


def under_kills(cluster, rng):
    api = Api(cluster)
    status, listing = api.call("GET", API)
    check(status == 200, listing)
    watcher = Watcher(cluster, listing["metadata"]["resourceVersion"])
    loads = [Load(cluster, n) for n in range(4)]
    for t in [watcher, *loads]:
        t.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.3, 1.5))
        cluster.kill()
        cluster.up()
    for l in loads:
        l.stop = True
    for l in loads:
        l.join(30)
    for l in loads:
        l.verify(api)
    want = lambda: {c["metadata"]["name"]: (c["metadata"]["resourceVersion"], c["data"]["v"]) for c in api.call("GET", API)[1]["items"]
                    if c["metadata"]["name"].startswith("cm-")}
    wait_for("the watcher to have seen every write", lambda: {k: v for k, v in watcher.state.items() if k.startswith("cm-")} == want(), 20)
    watcher.stop = True
    return loads, watcher, KILLS
