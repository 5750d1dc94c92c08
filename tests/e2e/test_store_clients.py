"""Clients that know only etcd on a 3-member TLS store: Debian's python3-etcd3, and a stock grpc++ client built from its own .proto files.
On etcd it proves the checks."""
import pathlib, shutil

from harness import ROOT, run
from store_cluster import StoreCluster

INTEROP = pathlib.Path(ROOT) / "tests/interop"


def credentials(cluster):
    return ["--cacert", cluster.pki / "ca.crt", "--cert", cluster.pki / "client.crt", "--key", cluster.pki / "client.key"]


def clients(kind):
    with StoreCluster(kind) as cluster:
        for member in cluster.members:
            endpoint = ["--endpoint", f"127.0.0.1:{member.client_port}", *credentials(cluster)]
            run(["/usr/bin/python3", INTEROP / "python_etcd3/check.py", *endpoint], timeout=120)
            run([INTEROP / "grpcpp/check.sh", ROOT / "build/interop/grpcpp", *endpoint], timeout=300)
        pki = cluster.pki
        run(["/usr/bin/python3", INTEROP / "websocket_watch.py", "127.0.0.1", str(cluster.members[1].client_port), pki / "ca.crt",
             pki / "client.crt", pki / "client.key"], timeout=60)
    return [("python3-etcd3 on every member", None), ("grpc++ on every member", None), ("a watch over a WebSocket", None)]


def long_clients_on_etcd():
    return clients("etcd")


def test_clients_on_keelson():
    return clients("keelson")
