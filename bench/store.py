#!/usr/bin/env python3
"""keelson kvstore against etcd 3.7.1: the same load program, box and run, alternating; ratios. TLS, fsync on.

usage: store.py OUTPUT.md [--quick] [--only one,three,single,big,raft] [--seconds N] [--rounds N]
(build/release/{keelson,bench/store_load,bench/raft_bench}; etcd and benchmark from tests/peers)
"""
import argparse, json, os, pathlib, re, statistics, subprocess, sys, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness import run, wait_for  # noqa: E402
from peers import peer  # noqa: E402
from store_cluster import StoreCluster, disk_sync_us  # noqa: E402

LOAD = ROOT / "build/release/bench/store_load"
RAFT = ROOT / "build/release/bench/raft_bench"
SECTIONS = ("one", "three", "single", "big", "raft")
KINDS = ("etcd", "keelson")
ROUNDS = 3
NOTES = "<!-- written by hand from here on -->"

# name, workload and its flags, what one operation is
UNARY = [
    ("put, 1 client", ["put", "--clients", 1]),
    ("put, 100 clients", ["put", "--clients", 100, "--conns", 10]),
    ("put, 1,000 clients", ["put", "--clients", 1000, "--conns", 100]),
    ("get linearizable, 1 client", ["get", "--clients", 1]),
    ("get linearizable, 100 clients", ["get", "--clients", 100, "--conns", 10]),
    ("get linearizable, 1,000 clients", ["get", "--clients", 1000, "--conns", 100]),
    ("get serializable, 100 clients", ["get-serializable", "--clients", 100, "--conns", 10]),
    ("range of 1,000 keys, 10 clients", ["range", "--clients", 10, "--conns", 10]),
    ("txn (compare, put), 100 clients", ["txn", "--clients", 100, "--conns", 10]),
    ("1,000 watchers on one key, 2 writers", ["watch-one", "--clients", 2, "--conns", 10]),
    ("10,000 watchers on 10,000 keys, 20 writers", ["watch-many", "--watchers", 10000, "--clients", 20, "--conns", 10]),
]


def disk_written(folder):
    """Bytes written so far to the disk that `folder` is on, by whomever: /proc/PID/io counts whole large folios for every few bytes."""
    device = os.stat(folder).st_dev
    stat = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    return int(stat[6]) * 512


def usage(cluster):
    cpu, rss, _ = zip(*(m.usage() for m in cluster.members))
    return sum(cpu), max(rss), disk_written(cluster.folder)


def load(cluster, args, seconds=None, total=None):
    """Runs store_load; -> its report with the servers' CPU, RSS and bytes written beside it."""
    before = usage(cluster)
    more = ["--seconds", seconds] if seconds else ["--total", total, "--seconds", 3600]
    p = run([LOAD, *args, *more, *cluster.client_flags()], timeout=1800, check_rc=False)
    if p.returncode not in (0, 1) or not p.stdout.startswith("{"):
        raise SystemExit(f"{cluster.kind}: {p.stderr}")
    report = json.loads(p.stdout)
    if report["errors"]:
        print(f"  {cluster.kind} {args}: {report['errors']} errors: {p.stderr[:300]}", flush=True)
    after = usage(cluster)
    ops = max(report["ops"], 1)
    report |= {"cpu_us": (after[0] - before[0]) / ops * 1e6, "rss": after[1], "written": (after[2] - before[2]) / ops}
    return report


def etcd_benchmark(cluster, *args):
    """etcd's own load program -> operations per second and the servers' CPU per operation."""
    before = usage(cluster)
    flags = cluster.client_flags()
    own = children_cpu()
    p = run([peer("benchmark"), *flags, *args], timeout=600)
    own = children_cpu() - own
    found = re.search(r"Requests/sec:\s+([\d.]+)", p.stdout)
    total = int(re.search(r"--total=(\d+)", " ".join(map(str, args))).group(1))
    return {"ops_per_second": float(found.group(1)), "cpu_us": (usage(cluster)[0] - before[0]) / total * 1e6, "load_cpu_us_per_op": own / total * 1e6}


def children_cpu():
    t = os.times()
    return t.children_user + t.children_system


def median(reports, key):
    return statistics.median(r[key] for r in reports)


def alternate(clusters, measure, rounds=ROUNDS):
    """-> {kind: [report…]}, the kinds taking turns."""
    out = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            out[kind].append(measure(clusters[kind]))
    return out


class Table:
    def __init__(self, title, columns):
        self.lines = [f"\n## {title}\n", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]

    def row(self, *cells):
        self.lines.append("| " + " | ".join(str(c) for c in cells) + " |")
        print(self.lines[-1], flush=True)

    def text(self):
        return "\n".join(self.lines) + "\n"


class Bars:
    """What issue 4 asks for, and whether this run has it."""

    def __init__(self):
        self.table = Table("Bars", ["bar", "limit", "measured", ""])

    def most(self, name, limit, value):
        self.table.row(name, f"≤ {limit}", f"{value:.2f}", "met" if value <= limit else "**missed**")

    def least(self, name, limit, value):
        self.table.row(name, f"≥ {limit}", f"{value:.2f}", "met" if value >= limit else "**missed**")


BARS = Bars()


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs else "–"


def compare(table, name, reports):
    e, k = reports["etcd"], reports["keelson"]
    rate, cpu, p99 = "ops_per_second", "cpu_us", "p99_us"
    table.row(name, f"{median(e, rate):,.0f}", f"{median(k, rate):,.0f}", f"**{ratio(median(k, rate), median(e, rate))}**",
              f"{median(e, cpu):.1f}", f"{median(k, cpu):.1f}", f"**{ratio(median(k, cpu), median(e, cpu))}**",
              f"{median(e, 'p50_us'):.0f} / {median(e, p99):.0f}", f"{median(k, 'p50_us'):.0f} / {median(k, p99):.0f}",
              f"{median(e, 'rss'):.0f} / {median(k, 'rss'):.0f}", f"{median(e, 'written'):.0f} / {median(k, 'written'):.0f}",
              f"{median(k, 'load_cpu_us_per_op'):.1f}")


def note_bars(members, name, reports):
    """Puts and gets: a quarter of etcd's CPU; with 1,000 clients twice its throughput."""
    if not name.startswith(("put", "get")):
        return
    e, k = reports["etcd"], reports["keelson"]
    where = f"{name}, {members} member{'s' if members > 1 else ''}"
    BARS.most(f"server CPU per operation: {where}", 0.25, median(k, "cpu_us") / median(e, "cpu_us"))
    if "1,000" in name:
        BARS.least(f"throughput: {where}", 2, median(k, "ops_per_second") / median(e, "ops_per_second"))


def throughput(members, seconds, rounds, quick):
    columns = ["workload", "etcd op/s", "keelson op/s", "ratio", "etcd CPU µs/op", "keelson CPU µs/op", "ratio", "etcd p50/p99 µs",
               "keelson p50/p99 µs", "RSS MB etcd/keelson", "bytes written/op etcd/keelson", "load CPU µs/op"]
    table = Table(f"{members} member{'s' if members > 1 else ''}, key 8 B, value 256 B, TLS, fsync", columns)
    clusters = {kind: StoreCluster(kind, members) for kind in KINDS}
    try:
        for c in clusters.values():
            c.start()
            load(c, ["fill-many", "--clients", 20, "--conns", 4], total=1000)
            # The connections go round the members from the first one on: a single client's is to the leader, of both.
            c.lead(c.members[0])
        for name, args in UNARY:
            reports = alternate(clusters, lambda c, args=args: load(c, args, seconds=seconds), rounds)
            compare(table, name, reports)
            note_bars(members, name, reports)
        extra = second_opinion(clusters, members, quick)
    finally:
        for c in clusters.values():
            c.__exit__(None, None, None)
    return table.text() + extra


def second_opinion(clusters, members, quick):
    puts, gets = (10000, 20000) if quick else (60000, 100000)
    table = Table(f"The same servers ({members} member{'s' if members > 1 else ''}) under etcd's own `benchmark`", ["command", "etcd op/s", "keelson op/s", "ratio", "etcd CPU µs/op", "keelson CPU µs/op", "ratio", "load CPU µs/op"])
    commands = {
        "put": ["--conns=100", "--clients=1000", "put", "--key-size=8", "--sequential-keys", f"--total={puts}", "--val-size=256"],
        "range, linearizable": ["--conns=100", "--clients=1000", "range", "k0000001", "--consistency=l", f"--total={gets}"],
        "range, serializable": ["--conns=100", "--clients=1000", "range", "k0000001", "--consistency=s", f"--total={gets}"],
    }
    for name, args in commands.items():
        r = alternate(clusters, lambda c, args=args: etcd_benchmark(c, *args), 1 if quick else 2)
        rate = {kind: median(r[kind], "ops_per_second") for kind in KINDS}
        cpu = {kind: median(r[kind], "cpu_us") for kind in KINDS}
        BARS.least(f"throughput, etcd's benchmark, 1,000 clients: {name}, {members} member{'s' if members > 1 else ''}", 1.5, rate["keelson"] / rate["etcd"])
        table.row(f"{name}: `{' '.join(args)}`", f"{rate['etcd']:,.0f}", f"{rate['keelson']:,.0f}", f"**{ratio(rate['keelson'], rate['etcd'])}**",
                  f"{cpu['etcd']:.1f}", f"{cpu['keelson']:.1f}", f"**{ratio(cpu['keelson'], cpu['etcd'])}**", f"{median(r['keelson'], 'load_cpu_us_per_op'):.1f}")
    return table.text()


def single_client(rounds):
    """Latency of one client against what the disk and the connection cost alone: the three measured in turn, so that a disk whose speed moves
    does not decide the ratio; the median of the rounds' ratios."""
    table = Table("One client, one member: put p50 against fdatasync + an empty call over the same connection",
                  ["server", "fdatasync µs", "empty call p50 µs", "put p50 µs", "put / (fdatasync + empty)", "server CPU µs/put"])
    for kind in KINDS:
        with StoreCluster(kind, 1) as c:
            load(c, ["put", "--clients", 1], seconds=1)
            found = []
            for _ in range(rounds):
                sync = disk_sync_us(c.folder, 300)
                empty = load(c, ["empty", "--clients", 1], seconds=0.5)["p50_us"]
                put = load(c, ["put", "--clients", 1], seconds=1)
                sync = statistics.mean([sync, disk_sync_us(c.folder, 300)])
                found.append({"sync": sync, "empty": empty, "put": put["p50_us"], "cpu": put["cpu_us"], "ratio": put["p50_us"] / (sync + empty)})
            m = {key: median(found, key) for key in found[0]}
            table.row(kind, f"{m['sync']:.0f}", f"{m['empty']:.0f}", f"{m['put']:.0f}", f"**{m['ratio']:.2f}**", f"{m['cpu']:.0f}")
            if kind == "keelson":
                BARS.most("one client's put p50 / (fdatasync + empty call), one member", 1.3, m["ratio"])
    return table.text()


def raft_core(seconds):
    """The consensus core alone: all members in one process, entries of 16 bytes, fsync on (bench/raft_bench.cc)."""
    out = run([RAFT, "/tmp/keelson-raft-bench", seconds], timeout=300).stdout
    three = re.search(r"^\|\s*3\s*\|\s*(\d+)", out, re.M)
    BARS.least("raft core alone, 3 members, 16-byte entries, fsync on: entries/s", 500000, float(three.group(1)))
    return "\n## The raft core alone\n\n" + "\n".join(line for line in out.splitlines() if line.startswith("|")) + "\n"


def big_store(keys):
    """RSS, size on disk and restart at many keys; put p99 while compacting and while a snapshot is taken."""
    table = Table(f"{keys:,} keys of 64 B with values of 256 B, one member", ["what", "etcd", "keelson", "ratio"])
    rows = {kind: measure_big(kind, keys) for kind in KINDS}
    for what in rows["etcd"]:
        e, k = rows["etcd"][what], rows["keelson"][what]
        table.row(what, f"{e:,.1f}", f"{k:,.1f}", f"**{ratio(k, e)}**")
    e, k = rows["etcd"], rows["keelson"]
    for what in ("RSS after loading, MB", "RSS after the restart, MB"):
        BARS.most(f"{what}, {keys:,} keys", 0.5, k[what] / e[what])
    BARS.most(f"restart until healthy, {keys:,} keys", 0.25, k["restart until healthy, s"] / e["restart until healthy, s"])
    BARS.most("put p99 while compacting / alone", 1.2, k[COMPACTING] / k["put p99 alone, µs"])
    return table.text()


COMPACTING = "put p99 while all superseded revisions are compacted, µs"


def timed(out, what, *command):
    """Runs `command` beside the caller; how long it took comes into out[what]. -> the thread, to be joined."""
    def body():
        began = time.time()
        subprocess.run([str(a) for a in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        out[what] = time.time() - began
    thread = threading.Thread(target=body)
    thread.start()
    return thread


def fill(cluster, keys):
    """100 keys a transaction: one by one etcd takes minutes for a million."""
    load(cluster, ["fill-many", "--key-size", 64, "--clients", 20, "--conns", 4], total=keys // 100)


def measure_big(kind, keys):
    out = {}
    put = ["put", "--key-size", 64, "--keys", keys, "--clients", 20, "--conns", 4]
    with StoreCluster(kind, 1, flags=["--quota-backend-bytes", str(8 << 30)]) as c:
        member = c.members[0]
        fill(c, keys)
        time.sleep(3)
        out["RSS after loading, MB"] = member.usage()[1]
        restarts = []
        for _ in range(ROUNDS):
            member.stop()
            began = time.time()
            member.restart()
            wait_for("health", member.healthy, 120, 0.02)
            restarts.append(time.time() - began)
        out["restart until healthy, s"] = statistics.median(restarts)
        time.sleep(2)
        out["RSS after the restart, MB"] = member.usage()[1]
        out["bytes on disk, MB"] = int(run(["du", "-sm", member.data]).stdout.split()[0])
        ctl = [peer("etcdctl"), *c.client_flags()]
        alone, compacting = [], []
        for _ in range(ROUNDS):
            # Another version of each key: the one before is to be compacted away.
            fill(c, keys)
            alone.append(load(c, put, seconds=4))
            revision = json.loads(c.ctl("endpoint", "status", "-w", "json").stdout)[0]["Status"]["header"]["revision"]
            compaction = timed(out, "the compaction took, s", *ctl, "compact", revision, "--physical", "--command-timeout", "300s")
            compacting.append(load(c, put, seconds=6))
            compaction.join()
        out["put p99 alone, µs"], out[COMPACTING] = median(alone, "p99_us"), median(compacting, "p99_us")
        snapshot = timed(out, "the snapshot took, s", *ctl, "snapshot", "save", c.folder / "s.db")
        out["put p99 while a snapshot is taken, µs"] = load(c, put, seconds=4)["p99_us"]
        snapshot.join()
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", nargs="?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--seconds", type=int, default=3, help="of each workload")
    parser.add_argument("--rounds", type=int, default=3, help="of each workload, one member")
    args = parser.parse_args()
    quick, began = args.quick, time.time()
    seconds, rounds, machine = (1 if quick else args.seconds), (1 if quick else args.rounds), os.getloadavg()
    sections = {
        "one": lambda: throughput(1, seconds, rounds, quick),
        "three": lambda: throughput(3, seconds, min(rounds, 2), quick),
        "single": lambda: single_client(rounds * 5),
        "big": lambda: big_store(100_000 if quick else 1_000_000),
        "raft": lambda: raft_core(1 if quick else 5),
    }
    text = []
    for name in args.only.split(","):
        start = time.time()
        text.append(sections[name]())
        print(f"-- {name}: {time.time() - start:.0f} s", flush=True)
        # After each section: a run that is cut off leaves what it has.
        write_page(args, "".join([head(args, began, machine, seconds, rounds), BARS.table.text(), *text]))


def head(args, began, machine, seconds, rounds):
    commit = run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).stdout.strip()
    return ("# The store beside etcd 3.7.1\n\nWritten by `./x bench store` (bench/store.py): the same load program, machine and run, the two servers taking turns; medians of "
            f"{rounds} rounds of {seconds} s (three members: {min(rounds, 2)}). A ratio is keelson / etcd. On {os.cpu_count()} shared cores the load program takes "
            "its part of the machine: server CPU per operation is the figure to compare; \"bytes written\" are those of the whole disk. With three members the connections are spread over all, a single client's is to the leader. The commands: `./x bench store`; "
            "in short `python3 bench/store.py /tmp/store.md --quick`. store_load (bench/store_load) is our load program, `benchmark` etcd's.\n\n"
            f"This run: {time.strftime('%Y-%m-%d %H:%M', time.gmtime(began))} UTC, {(time.time() - began) / 60:.0f} minutes, sections {args.only}{', --quick' if args.quick else ''}; "
            f"load average before it {machine[0]:.1f}, after it {os.getloadavg()[0]:.1f}, commit {commit}.\n")


def write_page(args, text):
    if args.output:
        page = pathlib.Path(args.output)
        # What people wrote about an earlier run stays.
        _, mark, notes = page.read_text().partition(NOTES) if page.exists() else ("", "", "")
        page.write_text(text + "\n" + (mark or NOTES) + notes)


if __name__ == "__main__":
    main()
