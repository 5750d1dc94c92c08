"""The programs that Keelson is measured against and driven by: etcd, etcdctl, etcdutl, benchmark 3.7.1, built from tests/peers."""
import pathlib, shutil, subprocess

from harness import CI, ROOT, Failure, Skipped, run

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


def kube_apiserver():
    """-> path of a kube-apiserver 1.36, built from tests/interop/kube_apiserver and cached under build/interop. Its file name is the
    field manager of what it writes itself."""
    out = ROOT / "build/interop/1.36/kube-apiserver"
    if out.exists():
        return out
    if not shutil.which("go"):
        raise (Failure if CI else Skipped)("no Go to build kube-apiserver 1.36")
    out.parent.mkdir(parents=True, exist_ok=True)
    version = "k8s.io/component-base/version"
    flags = f"-X {version}.gitVersion=v1.36.0 -X {version}.gitMajor=1 -X {version}.gitMinor=36"
    run(["nice", "go", "-C", ROOT / "tests/interop/kube_apiserver", "build", "-p", "2", "-ldflags", flags, "-o", out, "."], timeout=1800)
    return out
