"""Which members are let in by their certificates: the addresses and names in them against where they connect from, the common names and
host names that flags allow. An etcd says it in the same words (long_*)."""
import shutil

from harness import check, run, wait_for
from store_cluster import StoreCluster, make_certificates

REJECTED = "rejected connection on peer endpoint"


def certificate(cluster, name, subject_names, cn="member", ca="ca"):
    """A certificate of the cluster's CA for connecting to members. -> flags that present it."""
    pki = cluster.pki
    run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={cn}",
         "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.csr"])
    (pki / f"{name}.ext").write_text(f"subjectAltName={subject_names}\nextendedKeyUsage=serverAuth,clientAuth\n"
                                        "subjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n")
    run(["openssl", "x509", "-req", "-in", pki / f"{name}.csr", "-CA", pki / f"{ca}.crt", "-CAkey", pki / f"{ca}.key", "-CAcreateserial",
         "-days", "30", "-extfile", pki / f"{name}.ext", "-out", pki / f"{name}.crt"])
    return ["--peer-client-cert-file", pki / f"{name}.crt", "--peer-client-key-file", pki / f"{name}.key"]


def said(member, *parts):
    return any(all(part in line for part in parts) for line in member.log.read_text().splitlines())


def refused(kind, why, subject_names=None, flags=(), both_ways=False):
    """Three members whose certificates will not do never become a cluster, and say why of each other. `both_ways`: who connects refuses
    too, and then the other's line tells of an alert."""
    cluster = StoreCluster(kind, members=3)
    if subject_names:
        cluster.flags += certificate(cluster, "stranger", subject_names)
    cluster.flags += flags
    try:
        for m in cluster.members:
            m.start(cluster.initial_cluster())
        for m in cluster.members:
            wait_for(f"{kind} {m.name} to say {why}", lambda m=m: said(m, REJECTED, "bad certificate") and said(m, why) if both_ways else said(m, REJECTED, why), 20)
        check(not any(m.healthy() for m in cluster.members), "none of them has a leader")
    finally:
        cluster.__exit__(None, None, None)


def accepted(subject_names, flags=(), cn="friend"):
    cluster = StoreCluster("keelson", members=3)
    cluster.flags += [*certificate(cluster, "friend", subject_names, cn=cn), *flags]
    with cluster:
        cluster.ctl("put", "a", "1")
        check(not any(REJECTED in m.log.read_text() for m in cluster.members), "nobody was rejected")


def addresses_must_fit(kind):
    refused(kind, "x509: certificate is valid for 127.0.0.9, not 127.0.0.1", "IP:127.0.0.9")
    refused(kind, "does not match any of DNSNames", "DNS:member.invalid,DNS:*.wild.invalid")


def test_addresses_must_fit():
    addresses_must_fit("keelson")


def long_addresses_must_fit_with_etcd():
    addresses_must_fit("etcd")


def test_what_fits_is_let_in():
    accepted("DNS:localhost")
    accepted("IP:127.0.0.9", ["--peer-skip-client-san-verification"])
    accepted("IP:127.0.0.1,DNS:member.invalid", ["--peer-cert-allowed-cn", "member,friend"])
    accepted("IP:127.0.0.1,DNS:*.members.invalid", ["--peer-cert-allowed-hostname", "a.members.invalid,localhost"])


def test_a_certificate_named_as_its_authority():
    """OpenSSL takes it for self-signed where no key identifier says otherwise; etcd does not."""
    accepted("IP:127.0.0.1", cn="store-ca")
    cluster = StoreCluster("keelson", members=2)
    other = make_certificates(cluster.folder / "other")
    for end in ("crt", "key"):
        shutil.copy(other / f"ca.{end}", cluster.pki / f"other.{end}")
    cluster.flags += certificate(cluster, "stranger", "IP:127.0.0.1", cn="store-ca", ca="other")
    try:
        for m in cluster.members:
            m.start(cluster.initial_cluster())
        for m in cluster.members:
            wait_for(f"{m.name} to reject it", lambda m=m: said(m, REJECTED, "self-signed certificate"), 20)
    finally:
        cluster.__exit__(None, None, None)


def names_must_be_allowed(kind):
    refused(kind, "client certificate authentication failed", flags=["--peer-cert-allowed-cn", "somebody"], both_ways=True)
    refused(kind, "client certificate authentication failed", "IP:127.0.0.1,DNS:*.members.invalid",
            ["--peer-cert-allowed-hostname", "a.b.members.invalid"], both_ways=True)


def test_names_must_be_allowed():
    names_must_be_allowed("keelson")


def long_names_must_be_allowed_with_etcd():
    names_must_be_allowed("etcd")


def test_one_way():
    """The certificate of one is refused by the others, theirs are not by it: it answers on the streams that they open to it."""
    cluster = StoreCluster("keelson", members=3)
    stranger = certificate(cluster, "stranger", "IP:127.0.0.9")
    with_certificate = {m: stranger if m is cluster.members[0] else [] for m in cluster.members}
    try:
        for m in cluster.members:
            m.start(cluster.initial_cluster(), extra=with_certificate[m])
        cluster.wait_healthy()
        for m in cluster.members:
            cluster.ctl("put", m.name, "1", members=[m])
        check(any(said(m, REJECTED, "not 127.0.0.1") for m in cluster.members[1:]), "the others reject it")
        check(not said(cluster.members[0], REJECTED), "it rejects nobody")
    finally:
        cluster.__exit__(None, None, None)
