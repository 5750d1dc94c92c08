"""Members that do not know each other become one cluster: by v3 discovery (a token, and where to ask: an etcd or a keelson), and by DNS
SRV records."""
import json, os

from dns_server import DnsServer
from harness import check, temp_dir, wait_for
from store_cluster import StoreCluster

TOKEN = "8A591FAB-1D72-41FA-BDF2-A27162FDA1E0"
SIZE_KEY = f"/_etcd/registry/{TOKEN}/_config/size"


class Strangers(StoreCluster):
    """Members that are not told of each other."""

    def initial_cluster(self):
        return ""


def members(cluster):
    listed = json.loads(cluster.ctl("member", "list", "-w", "json").stdout)["members"]
    return {(m["name"], *m["peerURLs"]) for m in listed}


def discovery_flags(service, token=TOKEN):
    pki = service.pki
    return ["--discovery-token", token, "--discovery-endpoints", ",".join(m.client_url for m in service.members),
            "--discovery-cacert", pki / "ca.crt", "--discovery-cert", pki / "client.crt", "--discovery-key", pki / "client.key"]


def meet(service_kind):
    with StoreCluster(service_kind, members=1) as service:
        service.ctl("put", SIZE_KEY, "3")
        with Strangers("keelson", members=3, flags=discovery_flags(service)) as found:
            want = {(m.name, m.peer_url) for m in found.members}
            wait_for("all to have told their names", lambda: members(found) == want, 10)
            found.ctl("put", "a", "1")
            late = Strangers("keelson", members=1, flags=discovery_flags(service))
            late.members[0].start("")
            wait_for("a fourth to be refused", lambda: not late.members[0].alive(), 10)
            check("cluster is full" in late.members[0].log.read_text(), "and told why")
            found.members[0].kill()
            service.members[0].kill()
            found.members[0].restart()
            found.wait_healthy()
            check("discovery token is ignored" in found.members[0].log.read_text(), "a restart asks nobody")
        unknown = Strangers("keelson", members=1, flags=discovery_flags(service))
        service.members[0].restart()
        service.wait_healthy()
        service.ctl("del", SIZE_KEY)
        unknown.members[0].start("")
        wait_for("a token without a size to be refused", lambda: not unknown.members[0].alive(), 10)
        check("size key not found" in unknown.members[0].log.read_text(), "and told why")
        service.ctl("put", SIZE_KEY, "5")
        unknown.members[0].start("")
        wait_for("it to wait for others", lambda: "waiting for peers" in unknown.members[0].log.read_text(), 10)
        unknown.members[0].process.p.terminate()
        wait_for("SIGTERM to end it", lambda: not unknown.members[0].alive(), 10)


def test_at_etcd():
    meet("etcd")


def test_at_keelson():
    meet("keelson")


def meet_as_user(service_kind):
    with StoreCluster(service_kind, members=1, tls=False) as service:
        service.ctl("put", SIZE_KEY, "2")
        service.ctl("user", "add", "root:rootpw")
        service.ctl("user", "grant-role", "root", "root")
        service.ctl("auth", "enable")
        flags = ["--discovery-token", TOKEN, "--discovery-endpoints", service.members[0].client_url, "--discovery-user", "root"]
        with Strangers("keelson", members=2, tls=False, flags=[*flags, "--discovery-password", "rootpw"]) as found:
            want = {(m.name, m.peer_url) for m in found.members}
            wait_for("both to have told their names", lambda: members(found) == want, 10)
        for wrong, why in (([*flags, "--discovery-password", "wrong"], "invalid user ID or password"), (flags[:4], "user name is empty")):
            stranger = Strangers("keelson", members=1, tls=False, flags=wrong)
            stranger.members[0].start("")
            wait_for(f"{wrong[4:]} to be refused", lambda s=stranger: not s.members[0].alive(), 10)
            check(why in stranger.members[0].log.read_text(), "and told why")


def test_as_user_of_etcd():
    meet_as_user("etcd")


def test_as_user_of_keelson():
    meet_as_user("keelson")


def test_by_srv_records():
    address, domain = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}", "cluster.test"
    resolver = temp_dir("dns") / "resolv.conf"
    resolver.write_text(f"nameserver {address}\n")
    # Each process sees a resolv.conf of its own.
    enter = ["unshare", "-m", "sh", "-c", f'mount --bind {resolver} /etc/resolv.conf && exec "$@"', "sh"]
    strangers = Strangers("keelson", members=3, tls=False, flags=["--discovery-srv", domain, "--discovery-srv-name", "blue"], enter=enter)
    names = {m: f"{m.name}.{domain}" for m in strangers.members}
    dns = DnsServer(address, {f"_etcd-server-blue._tcp.{domain}": [(m.peer_port, name) for m, name in names.items()]},
                    {name: "127.0.0.1" for name in names.values()})
    try:
        with strangers as found:
            want = {(m.name, f"http://{name}:{m.peer_port}") for m, name in names.items()}
            wait_for("all to have told their names", lambda: members(found) == want, 10)
            found.ctl("put", "a", "1")
    finally:
        dns.close()
