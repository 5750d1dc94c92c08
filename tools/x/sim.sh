# ./x sim …: the deterministic simulator (chaos/sim/main.cc says its arguments). Without any: 200 fresh seeds and the canaries'
# table. Failing seeds leave their traces in build/sim/.
build release keelson_sim
mkdir -p "$ROOT/build/sim"
sim=$ROOT/build/release/keelson-sim
if [ $# -eq 0 ]; then
  "$sim" --seeds 200 --jobs "$(nproc)" --trace-dir "$ROOT/build/sim" && "$sim" --canaries --jobs "$(nproc)"
else
  case " $* " in
    *" --seeds "*) "$sim" "$@" --trace-dir "$ROOT/build/sim" ;;
    *) "$sim" "$@" ;;
  esac
fi
