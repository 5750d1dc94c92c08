#!/usr/bin/env python3
"""Runs the end-to-end tests: every function named test_* of every test_*.py here, one after the other.

usage: run.py [--only TEXT] [--json FILE]
A test passes by returning, fails by raising, is skipped by raising harness.Skipped; it may return a list of
(name, error or None) to report many cases. KEELSON_ALL=1 adds functions named long_*.
"""
import importlib, json, os, pathlib, signal, sys, time, traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import harness  # noqa: E402


def tests(only):
    wanted = ("test_", "long_") if os.environ.get("KEELSON_ALL") else ("test_",)
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, value in list(vars(module).items()):
            if name.startswith(wanted) and callable(value) and value.__module__ == module.__name__:
                full = f"{path.stem[5:]}/{name[5:]}"
                if only in full:
                    yield full, value


def main(argv):
    only = argv[argv.index("--only") + 1] if "--only" in argv else ""
    report = argv[argv.index("--json") + 1] if "--json" in argv else None
    passed = failed = skipped = 0
    # A shell starts what is in the background with SIGINT ignored, and programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if report and os.path.exists(report):
        os.remove(report)
    for name, test in tests(only):
        began = time.time()
        try:
            cases = test() or [("", None)]
        except harness.Skipped as e:
            skipped += 1
            print(f"SKIPPED {name}: {e}", flush=True)
            continue
        except Exception as e:
            failed += 1
            print(f"FAIL {name} ({time.time() - began:.1f} s): {e}", flush=True)
            if not isinstance(e, harness.Failure):
                traceback.print_exc()
            continue
        bad = [(c, e) for c, e in cases if e]
        for case, error in bad:
            print(f"FAIL {name} {case}: {error}", flush=True)
        passed, failed = passed + len(cases) - len(bad), failed + len(bad)
        print(f"{'FAIL' if bad else 'pass'} {name}: {len(cases) - len(bad)}/{len(cases)} in {time.time() - began:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if report:
        with open(report, "w") as f:
            json.dump({"passed": passed, "failed": failed, "skipped": skipped}, f)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
