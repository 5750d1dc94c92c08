"""/metrics serves what the etcd mixin's alerts and dashboard ask for, with the types and labels of a real etcd."""
import re

from harness import Process, check, wait_for
from peers import peer
from store_cluster import StoreCluster

# Metric -> type, of contrib/mixin (alerts.libsonnet, dashboards/targets.libsonnet).
MIXIN = {
    "etcd_disk_backend_commit_duration_seconds": "histogram",
    "etcd_disk_wal_fsync_duration_seconds": "histogram",
    "etcd_mvcc_db_total_size_in_bytes": "gauge",
    "etcd_mvcc_db_total_size_in_use_in_bytes": "gauge",
    "etcd_network_client_grpc_received_bytes_total": "counter",
    "etcd_network_client_grpc_sent_bytes_total": "counter",
    "etcd_network_peer_received_bytes_total": "counter",
    "etcd_network_peer_round_trip_time_seconds": "histogram",
    "etcd_network_peer_sent_bytes_total": "counter",
    "etcd_network_peer_sent_failures_total": "counter",
    "etcd_server_has_leader": "gauge",
    "etcd_server_leader_changes_seen_total": "counter",
    "etcd_server_proposals_failed_total": "counter",
    "etcd_server_quota_backend_bytes": "gauge",
    "grpc_server_handled_total": "counter",
    "grpc_server_handling_seconds": "histogram",
    "grpc_server_started_total": "counter",
    "process_resident_memory_bytes": "gauge",
}


def scrape(kind):
    """-> {metric: (type, its labels)} of all members of a cluster that has done a little of everything."""
    with StoreCluster(kind, members=3, tls=False, flags=["--metrics", "extensive"]) as cluster:
        cluster.ctl("put", "a", "1")
        cluster.ctl("get", "a")
        cluster.ctl("lease", "grant", "60")
        leader = cluster.leader()
        gone = next(m for m in cluster.members if m is not leader)  # without a leader a put may time out
        gone.kill()
        rest = [m for m in cluster.members if m is not gone]
        cluster.ctl("put", "a", "2", members=rest)
        text = "".join(m.get("/metrics") for m in rest)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.M))
    found = {name: (kind, set()) for name, kind in types.items()}
    for sample, labels in re.findall(r"^(\w+)(?:\{([^}]*)\})? ", text, re.M):
        name = sample if sample in found else re.sub(r"_(bucket|sum|count)$", "", sample)
        found[name][1].update(re.findall(r'(\w+)="', labels))
    return found


def test_mixin():
    etcd, keelson = scrape("etcd"), scrape("keelson")
    for name, kind in MIXIN.items():
        check(name in keelson, f"{name} is missing")
        check(keelson[name][0] == kind, f"{name} is a {keelson[name][0]}, not a {kind}")
        if name in etcd:
            check(keelson[name] == etcd[name], f"{name}: {keelson[name]}, in etcd {etcd[name]}")
    same = [n for n in etcd if n in keelson and not n.startswith("etcd_debugging")]
    for name in same:
        check(keelson[name][0] == etcd[name][0], f"{name} is a {keelson[name][0]}, in etcd a {etcd[name][0]}")
    check(len(same) > 45, f"only {len(same)} metrics in common with etcd")


def ended_watches(kind):
    """A client that goes away is no failed request: etcd's alert on those would fire."""
    with StoreCluster(kind, members=1, tls=False) as cluster:
        cluster.ctl("put", "a", "1")
        log = cluster.folder / "watch.log"
        watch = Process([peer("etcdctl"), *cluster.client_flags(), "watch", "a", "--rev", "1"], log)
        wait_for("the watch's event", lambda: "PUT" in log.read_text(), 10)
        watch.kill()

        def codes():
            text = cluster.members[0].get("/metrics")
            found = re.findall(r'^grpc_server_handled_total{grpc_code="(\w+)",grpc_method="Watch",grpc_service="etcdserverpb.Watch",[^}]*} (\d+)',
                               text, re.M)
            return {code: int(n) for code, n in found if n != "0"}
        wait_for("the end of the watch to be counted", codes, 10)
        check(codes() == {"Canceled": 1}, f"counted as {codes()}")


def test_ended_watches():
    ended_watches("keelson")


def long_ended_watches_on_etcd():
    ended_watches("etcd")
