"""The programs that Keelson is measured against and driven by: etcd, etcdctl, etcdutl, benchmark 3.7.1, built from tests/peers."""
import pathlib, shutil, subprocess

from harness import CI, ROOT, Failure, Skipped

PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
    "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
    "benchmark": "go.etcd.io/etcd/v3/tools/benchmark",
}


def peer(name):
    """-> path of the program, cached under build/peers. Raises Skipped (in CI: Failure) where no Go can build it."""
    out = ROOT / "build/peers" / name
    if out.exists():
        return out
    if not shutil.which("go"):
        raise (Failure if CI else Skipped)(f"no Go to build {name} of etcd 3.7.1")
    out.parent.mkdir(parents=True, exist_ok=True)
    p = subprocess.run(["go", "build", "-p", "2", "-o", out, PACKAGES[name]], cwd=ROOT / "tests/peers", text=True, capture_output=True)
    if p.returncode != 0:
        raise Failure(f"{name} could not be built: {p.stderr[-1500:]}")
    return out
