"""A bit of a member's log rots on its disk: the member mends it from the others and goes on, and nothing acknowledged is lost; a member
that is alone refuses and says what to do."""
import time

from harness import check, wait_for
from store_cluster import StoreCluster
from test_store_kill import Load

BATCH = b"\x4bWBT"  # docs/formats/wal.md
FROM_OTHERS = "write-ahead log repaired from the other members"
TRIES = 8


def rot(member):
    """Flips a bit in a record a few batches before the log's end. False: the log has only begun."""
    path = sorted((member.data / "member" / "wal").glob("*.wal"))[-1]
    log = bytearray(path.read_bytes())
    batches = [at for at in range(512, len(log) - 4, 8) if log[at:at + 4] == BATCH]
    if len(batches) < 8:
        return False
    log[batches[-6] + 52] ^= 4
    path.write_bytes(log)
    return True


def said(member, text):
    return any(text in line for line in member.log.read_text().splitlines())


def test_three_members():
    with StoreCluster(members=3) as cluster:
        with Load(cluster, writers=8) as load:
            for n in range(TRIES):  # what the database has already is mended without the others
                victim = cluster.members[n % 3]
                before = load.acknowledged()
                wait_for("writes to go on", lambda: load.acknowledged() > before + 200, 20, 0.02)
                victim.kill()
                rot(victim)
                time.sleep(0.2)
                victim.restart()
                wait_for(f"{victim.name} to be healthy", victim.healthy, 30, 0.05)
                if said(victim, FROM_OTHERS):
                    break
            check(said(victim, FROM_OTHERS), f"no log was mended from the others in {TRIES} tries")
            check("keelson_store_log_repairs_total 1" in victim.get("/metrics"), "the repair is counted")
        for m in cluster.members:
            check(m.alive() and not said(m, "differs from a quorum"), f"{m.name} is not as the others")


def test_alone():
    with StoreCluster(members=1) as cluster:
        member = cluster.members[0]
        load = Load(cluster, writers=8).__enter__()
        for _ in range(TRIES):  # as above
            before = load.acknowledged()
            wait_for("writes to go on", lambda: load.acknowledged() > before + 200, 20, 0.02)
            member.kill()
            rot(member)
            member.restart()
            wait_for("an end or a beginning", lambda: not member.alive() or member.healthy(), 30, 0.05)
            if not member.alive():
                break
        for w in load.writers:
            w.stop = True
        for w in load.writers:
            w.join(30)
        check(not member.alive(), f"damage was never refused in {TRIES} tries")
        check(said(member, "restore the data from a snapshot"), "the refusal does not say what to do")
