#!/usr/bin/env python3
"""The whole of `keelson up` on one node: time until /readyz and until the node is Ready on an existing data dir, idle RSS and CPU.

usage: cluster.py [OUTPUT.md]   (root; the cluster runs in a network namespace of its own)
"""
import os, pathlib, re, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness import BINARY, Cluster, wait_for  # noqa: E402

IDLE_SECONDS = 60


def usage(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    rss = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss


def node_ready(cluster):
    path = "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}"
    return cluster.kubectl("get", "nodes", "-o", path, check_rc=False).stdout == "True"


def restart(cluster):
    """-> (seconds to /readyz, seconds to node Ready) of a start on the data dir as it is."""
    cluster.down_process()
    log = open(cluster.data / "keelson.log", "ab")
    began = time.time()
    p = subprocess.Popen([*cluster.enter(), str(BINARY), "up", "--data-dir", str(cluster.data)], stdout=log, stderr=log, start_new_session=True)
    (cluster.data / "keelson.pid").write_text(str(p.pid))
    probe = [*cluster.enter(), "curl", "-sk", "--max-time", "1", "https://127.0.0.1:6443/readyz"]
    wait_for("/readyz", lambda: subprocess.run(probe, text=True, capture_output=True).stdout == "ok", 60, 0.005)
    ready = time.time() - began
    wait_for("the node", lambda: node_ready(cluster), 60, 0.05)
    return ready, time.time() - began


def main():
    with Cluster("bench") as cluster:
        cluster.kubectl("apply", "-f", str(ROOT / "examples/deployment.yaml"))
        cluster.kubectl("rollout", "status", "deployment/demo", "--timeout=90s")

        def down_process():
            pid = cluster.pid()
            os.kill(pid, 15)
            wait_for("keelson to end", lambda: not pathlib.Path(f"/proc/{pid}").exists() or "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text(), 30, 0.05)
        cluster.down_process = down_process
        starts = [restart(cluster) for _ in range(3)]
        time.sleep(10)
        pid = cluster.pid()
        cpu, rss = usage(pid)
        time.sleep(IDLE_SECONDS)
        later, rss_later = usage(pid)
        rows = [("`keelson up` on an existing data dir until /readyz", f"{min(s[0] for s in starts) * 1000:.0f} ms (of {len(starts)}: best)", "≤ 1 s"),
                ("… until the node is Ready", f"{min(s[1] for s in starts):.2f} s", ""),
                ("idle RSS of the whole process, 3 pods running", f"{max(rss, rss_later):.0f} MB", "≤ 100 MB"),
                (f"idle CPU over {IDLE_SECONDS} s", f"{(later - cpu) / IDLE_SECONDS * 100:.2f} % of a core", "≤ 1 %")]
    text = "| what | measured | bar |\n|---|---|---|\n" + "".join(f"| {' | '.join(r)} |\n" for r in rows)
    print(text)
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text(f"# One node, all in one process\n\n`./x bench cluster` on {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}.\n\n" + text)


if __name__ == "__main__":
    main()
