"""Unmodified kubectls run an application on a real single-node cluster (first light, must be shown 1)."""
import json, os, re, shutil, subprocess, threading, time

from harness import ROOT, Cluster, Failure, check, kubectls, wait_for
from store_cluster import StoreCluster

EXAMPLE = ROOT / "examples/deployment.yaml"


class Session:
    """One kubectl version working in a namespace of its own."""

    def __init__(self, cluster, version, binary):
        self.cluster, self.version, self.binary = cluster, version, binary
        self.ns = "e2e-" + version.replace(".", "-")

    def k(self, *argv, ns=True, **kw):
        return self.cluster.kubectl(*(["-n", self.ns] if ns else []), *argv, binary=self.binary, **kw).stdout

    def get(self, *argv):
        return json.loads(self.k("get", *argv, "-o", "json"))

    def pods(self, selector="app=demo"):
        return [p for p in self.get("pods", "-l", selector)["items"] if not p["metadata"].get("deletionTimestamp")]

    def ready_pods(self, selector="app=demo"):
        return [p for p in self.pods(selector)
                if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))]

    def wait_ready(self, count, seconds=60):
        def probe():
            return len(self.ready_pods()) == count and len(self.pods()) == count
        wait_for(f"{count} ready pods", probe, seconds)


def nodes_are_ready(s):
    out = s.k("get", "nodes", ns=False)
    check(re.search(r"\bReady\b", out), out)


def create_namespace_and_apply(s):
    s.k("create", "namespace", s.ns, ns=False)
    out = s.k("apply", "-f", str(EXAMPLE))
    check("deployment.apps/demo created" in out and "service/demo created" in out, out)
    s.k("rollout", "status", "deployment/demo", "--timeout=60s")
    s.wait_ready(3)
    out = s.k("apply", "-f", str(EXAMPLE))
    check("deployment.apps/demo unchanged" in out, out)


def show_everything(s):
    wide = s.k("get", "pods", "-o", "wide")
    check(wide.count("1/1") == 3 and wide.count("Running") == 3 and "10.22." in wide, wide)
    everything = s.k("get", "all")
    for kind in ("pod/demo-", "service/demo", "deployment.apps/demo", "replicaset.apps/demo-"):
        check(kind in everything, f"{kind} is not in:\n{everything}")
    pod = s.pods()[0]["metadata"]["name"]
    check("3 desired | 3 updated | 3 total | 3 available" in s.k("describe", "deployment", "demo"), "describe deployment")
    described = s.k("describe", "pod", pod)
    for text in ("localhost/keelson/demo:1", "Successfully assigned", "Started", "Ready "):
        check(text in described, f"'{text}' is not in:\n{described}")
    check("Endpoints:" in s.k("describe", "service", "demo"), "describe service")
    check("kind: Deployment" in s.k("get", "deployment", "demo", "-o", "yaml"), "-o yaml")


def logs_and_exec(s):
    pod = s.pods()[0]["metadata"]["name"]
    check("etc" in s.k("exec", pod, "--", "ls", "/").split(), "exec ls /")
    out = s.k("exec", "-i", pod, "--", "cat", input="x\n")
    check(out == "x\n", f"cat answered {out!r}")
    big = "0123456789abcdef" * 16384
    check(s.k("exec", "-i", pod, "--", "wc", "-c", input=big).strip() == str(len(big)), "stdin to its end")
    p = s.cluster.kubectl("-n", s.ns, "exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7", binary=s.binary,
                          check_rc=False)
    check((p.returncode, p.stdout) == (7, "out\n") and "err" in p.stderr, f"exit code: {p.returncode} {p.stdout!r} {p.stderr!r}")
    s.k("logs", pod)
    s.k("run", "talker", "--image=localhost/keelson/demo:1", "--restart=Never", "--", "sh", "-c", "for i in 1 2 3; do echo line $i; done")
    wait_for("the talker to end", lambda: s.get("pod", "talker")["status"].get("phase") == "Succeeded", 30)
    check(s.k("logs", "talker") == "line 1\nline 2\nline 3\n", "logs")
    check(s.k("logs", "-f", "--tail=1", "talker") == "line 3\n", "logs -f --tail=1")
    s.k("delete", "pod", "talker", "--wait=true")


def scale_while_watching(s):
    env = {**os.environ, "KUBECONFIG": str(s.cluster.kubeconfig), "HOME": str(s.cluster.data / "home")}
    watch = subprocess.Popen([*s.cluster.enter(), str(s.binary), "-n", s.ns, "get", "pods", "-w"], env=env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(watch.stdout), daemon=True)
    reader.start()
    try:
        s.k("scale", "deployment/demo", "--replicas=10")
        s.wait_ready(10, 90)
        wait_for("the watch to show ten running pods",
                 lambda: len({l.split()[0] for l in list(lines) if " 1/1 " in l and "Running" in l}) >= 10, 30)
    finally:
        watch.terminate()
        watch.wait()
    s.k("scale", "deployment/demo", "--replicas=3")
    s.wait_ready(3, 60)


def deleted_pod_is_replaced(s):
    before = {p["metadata"]["name"] for p in s.pods()}
    victim = sorted(before)[0]
    s.k("delete", "pod", victim)
    s.wait_ready(3)
    check(victim not in {p["metadata"]["name"] for p in s.pods()}, "the deleted pod is still there")


def rolling_update_and_undo(s):
    s.k("set", "image", "deployment/demo", "web=localhost/keelson/demo:none")
    wait_for("the image error to show", lambda: re.search("ErrImagePull|ImagePullBackOff", s.k("get", "pods")), 60)
    check(len(s.ready_pods()) >= 2, "a broken image must not take the old pods away")
    s.k("rollout", "undo", "deployment/demo")
    s.k("rollout", "status", "deployment/demo", "--timeout=60s")
    s.k("set", "env", "deployment/demo", "COLOUR=blue")
    s.k("rollout", "status", "deployment/demo", "--timeout=90s")
    s.wait_ready(3)
    check(all("COLOUR" in json.dumps(p["spec"]) for p in s.pods()), "not every pod has the new template")
    history = s.k("rollout", "history", "deployment/demo")
    check(len(re.findall(r"^\d+\s", history, re.M)) >= 2, history)
    s.k("rollout", "undo", "deployment/demo")
    s.k("rollout", "status", "deployment/demo", "--timeout=90s")


def service_answers_from_every_replica(s):
    s.wait_ready(3)
    names = {p["metadata"]["name"] for p in s.pods()}
    service = s.get("service", "demo")["spec"]
    ip, port = service["clusterIP"], service["ports"][0]["nodePort"]
    node = s.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    for url in (f"http://{ip}/", f"http://{node}:{port}/"):
        seen = set()

        def probe():
            out = s.cluster.inside("curl", "-s", "--max-time", "3", url, check_rc=False).stdout.strip()
            seen.add(out)
            return names <= seen
        wait_for(f"every replica to answer at {url} (want {names}, seen {seen})", probe, 40, 0.05)
    s.k("create", "service", "clusterip", "nobody", "--tcp=80:80")
    empty = s.get("service", "nobody")["spec"]["clusterIP"]

    def refused():
        began = time.time()
        p = s.cluster.inside("curl", "-s", "--max-time", "5", f"http://{empty}/", check_rc=False)
        return p.returncode == 7 and time.time() - began < 1
    wait_for("a Service without endpoints to refuse at once", refused, 20)
    p = s.cluster.inside("curl", "-s", "--max-time", "5", "http://10.96.250.250/", check_rc=False)
    check(p.returncode == 7, f"an address of no service must be refused, curl ended with {p.returncode}")


def create_label_annotate_edit(s):
    s.k("create", "deployment", "made", "--image=localhost/keelson/demo:1")
    wait_for("the created deployment to run", lambda: s.get("deployment", "made")["status"].get("readyReplicas") == 1, 60)
    s.k("create", "configmap", "cm", "--from-literal=a=1")
    s.k("create", "secret", "generic", "sec", "--from-literal=password=hunter2")
    check(s.get("secret", "sec")["data"]["password"] == "aHVudGVyMg==", "secret data")
    s.k("label", "deployment", "made", "tier=web")
    s.k("annotate", "deployment", "made", "note=hello")
    meta = s.get("deployment", "made")["metadata"]
    check(meta["labels"].get("tier") == "web" and meta["annotations"].get("note") == "hello", meta)
    editor = s.cluster.data / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/^  a: .*/  a: \"2\"/' \"$1\"\n")
    editor.chmod(0o755)
    env = {**os.environ, "KUBECONFIG": str(s.cluster.kubeconfig), "HOME": str(s.cluster.data / "home"), "KUBE_EDITOR": str(editor)}
    p = subprocess.run([*s.cluster.enter(), str(s.binary), "-n", s.ns, "edit", "configmap", "cm"], env=env, text=True,
                       capture_output=True, timeout=60)
    check(p.returncode == 0 and s.get("configmap", "cm")["data"]["a"] == "2", f"edit: {p.stdout} {p.stderr}")


def information(s):
    check("Healthy" in s.k("get", "componentstatuses", ns=False), "componentstatuses")
    check("control plane" in s.k("cluster-info", ns=False), "cluster-info")
    resources = s.k("api-resources", ns=False)
    for kind in ("deployments", "configmaps", "leases", "endpointslices"):
        check(kind in resources, f"{kind} is not in api-resources")
    check("Server Version" in s.k("version", ns=False), "version")
    check("Scheduled" in s.k("get", "events"), "events")
    check("replicas" in s.k("explain", "deployment.spec", ns=False), "explain")


def delete_everything(s):
    s.k("delete", "-f", str(EXAMPLE))
    wait_for("the pods to go", lambda: not s.get("pods", "-l", "app=demo")["items"], 60)
    s.k("delete", "namespace", s.ns, ns=False, timeout=120)
    p = s.cluster.kubectl("get", "namespace", s.ns, binary=s.binary, check_rc=False)
    check("NotFound" in p.stderr, p.stderr)


STEPS = [nodes_are_ready, create_namespace_and_apply, show_everything, logs_and_exec, scale_while_watching,
         deleted_pod_is_replaced, rolling_update_and_undo, service_answers_from_every_replica,
         create_label_annotate_edit, information, delete_everything]


def test_kubectl():
    return with_store(None)


def long_kubectl_on_etcd():
    return with_store("etcd", ["1.36"])


def test_kubectl_on_keelson():
    return with_store("keelson", ["1.36"])


def with_store(kind, versions=None):
    """`keelson up` with its own store, or on a remote one of three members over TLS."""
    binaries = {v: b for v, b in kubectls().items() if not versions or v in versions}
    results = []
    with Cluster("e2e", kind and (lambda enter: StoreCluster(kind, enter=enter))) as cluster:
        for version, binary in binaries.items():
            session = Session(cluster, version, binary)
            for step in STEPS:
                began = time.time()
                try:
                    step(session)
                    results.append((f"{version} {step.__name__}", None))
                    print(f"  pass kubectl {version} {step.__name__} ({time.time() - began:.1f} s)", flush=True)
                except (Failure, subprocess.TimeoutExpired, KeyError, IndexError) as e:
                    results.append((f"{version} {step.__name__}", repr(e)))
                    print(f"  FAIL kubectl {version} {step.__name__}: {e}", flush=True)
    return results
