#!/usr/bin/env python3
"""Unmodified kubectls against kubectl_stream_server: exec (stdin to its end, exit codes, output of many MiB), attach,
port-forward, logs. Where there is Go >= 1.26, once more with Kubernetes' own streaming server (tests/interop/cri_stream) as
the runtime.

usage: kubectl_stream_test.py SERVER. Says SKIPPED where there is no kubectl (and fails where CI is set)."""
import os, pathlib, shutil, socket, subprocess, sys, tempfile, time

VERSIONS = ["1.28", "1.29", "1.30", "1.31", "1.32", "1.33"]


# What the make-believe runtime calls these commands, and what a real one does.
COMMANDS = {
    "fake": {"flood": ["flood", "20"], "exit": ["exit", "7"], "ok": ["exit", "0"]},
    "go": {"flood": ["sh", "-c", "head -c 20971520 /dev/zero | tr '\\0' f"], "exit": ["sh", "-c", "echo bye >&2; exit 7"],
           "ok": ["true"]},
}


def go_runtime(folder):
    """Kubernetes' own streaming server, or None where it cannot be built."""
    source = pathlib.Path(__file__).resolve().parents[1] / "interop/cri_stream"
    binary = os.path.join(folder, "cri_stream")
    built = shutil.which("go") and subprocess.run(["go", "build", "-o", binary, "."], cwd=source, capture_output=True)
    if not built or built.returncode != 0:
        print("SKIPPED: Kubernetes' own streaming server cannot be built here")
        return None
    return subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kubectls():
    onpath = shutil.which("kubectl")
    if not onpath:
        return []
    folder = pathlib.Path(onpath).resolve().parent
    found = [str(folder / f"kubectl.{v}") for v in VERSIONS if (folder / f"kubectl.{v}").exists()]
    return found or [onpath]


class Bench:
    def __init__(self, kubectl, port, home, commands):
        self.commands = commands
        self.argv = [kubectl, "--server", f"https://127.0.0.1:{port}", "--insecure-skip-tls-verify", "--token", "t"]
        self.env = {"HOME": home, "PATH": os.environ["PATH"], "KUBECONFIG": "/dev/null"}

    def run(self, *args, stdin=b"", rc=0):
        p = subprocess.run([*self.argv, *args], input=stdin, env=self.env, capture_output=True, timeout=60)
        assert p.returncode == rc, f"{args}: rc {p.returncode}, want {rc}: {p.stderr.decode()[-800:]}"
        return p.stdout, p.stderr

    def exec(self):
        out, _ = self.run("exec", "-i", "p", "--", "cat", stdin=b"hello\n")
        assert out == b"hello\n", out
        big = os.urandom(8 << 20)
        out, _ = self.run("exec", "-i", "p", "--", "cat", stdin=big)
        assert out == big, f"{len(out)} bytes of {len(big)} came back"
        out, _ = self.run("exec", "p", "--", *self.commands["flood"])
        assert out == b"f" * (20 << 20), len(out)
        out, err = self.run("exec", "p", "--", *self.commands["exit"], rc=7)
        assert b"bye\n" in err and b"command terminated with exit code 7" in err, err
        self.run("exec", "p", "--", *self.commands["ok"])
        out, _ = self.run("attach", "-i", "p", stdin=b"attached\n")
        assert b"attached\n" in out, out

    def terminal(self):
        if not shutil.which("script"):
            return
        line = " ".join([*self.argv, "exec", "-it", "p", "--", "size"])
        p = subprocess.run(["script", "-qec", f"stty rows 33 cols 99; {line}", "/dev/null"], env=self.env, capture_output=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        assert b'"Width":99,"Height":33' in p.stdout, p.stdout

    def forward(self):
        p = subprocess.Popen([*self.argv, "port-forward", "p", ":8080", ":81"], env=self.env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            ports = {}
            while len(ports) < 2:
                line = p.stdout.readline()
                assert line, f"port-forward ended: {p.stderr.read()}"
                if "127.0.0.1:" in line:
                    local, remote = line.split("127.0.0.1:")[1].split(" -> ")
                    ports[int(remote)] = int(local)
            for i in range(5):
                with socket.create_connection(("127.0.0.1", ports[8080]), timeout=20) as s:
                    data = os.urandom(300_000)
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    back = b""
                    while chunk := s.recv(65536):
                        back += chunk
                    assert back == data, len(back)
            with socket.create_connection(("127.0.0.1", ports[81]), timeout=20) as s:
                assert s.recv(10) == b""
            end = time.time() + 10
            while time.time() < end:
                if "connection refused" in (line := p.stderr.readline()):
                    break
            else:
                raise AssertionError("no word of the refused connection")
        finally:
            p.terminate()
            p.wait(20)

    def open_session(self):
        """An exec that is under way."""
        p = subprocess.Popen([*self.argv, "exec", "-i", "p", "--", "cat"], env=self.env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdin.write(b"here\n")
        p.stdin.flush()
        assert p.stdout.readline() == b"here\n"
        return p

    def killed(self):
        p = self.open_session()
        p.kill()
        p.wait(20)

    def logs(self, path):
        pathlib.Path(path).write_text("2026-11-21T09:00:00Z stdout F one\n2026-11-21T09:00:01Z stderr F two\n")
        out, _ = self.run("logs", "p", "--tail=1", "--timestamps")
        assert out == b"2026-11-21T09:00:01.000000000Z two\n", out
        p = subprocess.Popen([*self.argv, "logs", "-f", "p"], env=self.env, stdout=subprocess.PIPE)
        try:
            assert [p.stdout.readline(), p.stdout.readline()] == [b"one\n", b"two\n"]
            with open(path, "a") as f:
                f.write("2026-11-21T09:00:02Z stdout F three\n")
            assert p.stdout.readline() == b"three\n"
        finally:
            p.terminate()
            p.wait(20)


def run_all(binary, found, home, commands, runtime_url=None):
    log = os.path.join(home, "0.log")
    cert, key = os.path.join(home, "cert.pem"), os.path.join(home, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    argv = [binary, log, cert, key] + ([runtime_url] if runtime_url else [])
    server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              stderr=open(os.environ.get("SERVER_LOG", os.devnull), "a"))
    under_way = []
    try:
        port = int(server.stdout.readline())
        for kubectl in found:
            bench, start = Bench(kubectl, port, home, COMMANDS[commands]), time.time()
            for part in (bench.exec, bench.terminal, bench.forward, bench.killed, lambda: bench.logs(log)):
                part()
            print(f"{os.path.basename(kubectl)} ({commands} runtime): exec, attach, tty, port-forward, logs ok in "
                  f"{time.time() - start:.1f} s", flush=True)
            under_way.append(bench.open_session())
    finally:
        server.stdin.close()
        rc = server.wait(20)
        for p in under_way:
            p.kill()
            p.wait(20)
    assert rc == 0, f"the server ended with {rc}"


def main():
    found = kubectls()
    if not found:
        print("SKIPPED: no kubectl on the PATH")
        return 1 if os.environ.get("CI") else 0
    with tempfile.TemporaryDirectory() as home:
        run_all(sys.argv[1], found, home, "fake")
        runtime = go_runtime(home)
        if runtime:
            try:
                run_all(sys.argv[1], found, home, "go", runtime.stdout.readline().strip())
            finally:
                runtime.stdin.close()
                runtime.wait(20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
