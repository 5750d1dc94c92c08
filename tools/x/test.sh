# ./x test [--all] [--only STAGE]: lint, unit tests under ASan+UBSan, the core under TSan, end-to-end tests on the release build.
all= only=
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=1; shift ;;
    --only) only=${2:?--only needs a stage: lint sim unit tsan e2e}; shift 2 ;;
    *) die "test does not know '$1'" ;;
  esac
done
ensure_packages
export KEELSON_ALL=$all
passed=0 failed=0 skipped=0 started=$SECONDS
logs=$ROOT/build/test-logs
mkdir -p "$logs"

# A stage prints its own output; count STAGE PASSED FAILED SKIPPED adds to the sum.
count() { passed=$((passed + $2)); failed=$((failed + $3)); skipped=$((skipped + ${4:-0})); say "$1: $2 passed, $3 failed, ${4:-0} skipped ($((SECONDS - started)) s so far)"; }
wanted() { [ -z "$only" ] || [ "$only" = "$1" ]; }

# ctest_stage NAME PRESET LABEL TARGET
ctest_stage() {
  local log=$logs/$1.log total bad
  if ! build "$2" "$4"; then count "$1 (build)" 0 1; return; fi
  ctest --test-dir "build/$2" -L "$3" -j "$(nproc)" --output-on-failure >"$log" 2>&1 || true
  grep -E '^ *[0-9]+/[0-9]+ Test|tests passed|tests failed|\*\*\*' "$log" | tail -80 || true
  total=$(sed -nE 's/^.*tests failed out of ([0-9]+)$/\1/p' "$log")
  bad=$(sed -nE 's/^.* ([0-9]+) tests failed out of .*$/\1/p' "$log")
  [ -n "$total" ] || { tail -20 "$log"; total=1 bad=1; }
  [ "$bad" = 0 ] || tail -150 "$log"
  count "$1" $((total - bad)) "$bad"
}

if wanted lint; then
  if (. tools/x/lint.sh); then count lint 1 0; else count lint 0 1; fi
fi
if wanted e2e; then
  if build release keelson; then
    need_root "./x test"
    python3 tests/e2e/run.py --json "$logs/e2e.json" || true
    if [ -s "$logs/e2e.json" ]; then
      count e2e $(python3 -c 'import json,sys; r=json.load(open(sys.argv[1])); print(r["passed"], r["failed"], r["skipped"])' "$logs/e2e.json")
    else
      count e2e 0 1
    fi
  else
    count "e2e (build)" 0 1
  fi
fi
if wanted sim; then
  if (. tools/x/sim.sh) >"$logs/sim.log" 2>&1; then grep -E '^[0-9]+ (seeds|canaries)' "$logs/sim.log" | tail -2; count sim 1 0; else tail -60 "$logs/sim.log"; count sim 0 1; fi
fi
# The remote store's tests want a real etcd; the e2e stage has built one.
[ ! -x build/peers/etcd ] || export KEELSON_TEST_ETCD=$ROOT/build/peers/etcd
wanted unit && ctest_stage unit asan unit unit_tests
wanted tsan && ctest_stage tsan tsan '^tsan$' tsan_tests
if [ -n "$all" ]; then
  build release keelson_sim && build/release/keelson-sim --seeds 2000 --jobs "$(nproc)" --trace-dir build/sim >"$logs/sim-2000.log" 2>&1 &&
    count "sim, 2,000 seeds" 1 0 || { tail -60 "$logs/sim-2000.log"; count "sim, 2,000 seeds" 0 1; }
  ctest_stage tsan-more tsan '^tsan-more$' tsan-more_tests
  KEELSON_KILLS=200 python3 tests/e2e/run.py --only kill && count "kill -9, 200 times" 1 0 || count "kill -9, 200 times" 0 1
fi

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
