# ./x bench [NAME…]: apiserver, cluster, store (scripts; store: keelson kvstore beside etcd), and the programs of bench/ (net, raft, embedded, api). Tables go to docs/benchmarks/.
ensure_packages
all=(api net raft embedded apiserver cluster store)
[ $# -gt 0 ] || set -- "${all[@]}"
build release keelson
cmake --preset release -DKEELSON_BENCH=ON >/tmp/keelson-cmake.log
mkdir -p docs/benchmarks
for name in "$@"; do
  say "bench $name"
  case $name in
    apiserver | cluster) python3 "bench/$name.py" "docs/benchmarks/$name.md" ;;
    store) build release store_load raft_bench; python3 bench/store.py docs/benchmarks/store.md ;;
    api | net | raft | embedded) build release "${name}_bench"; "build/release/bench/${name}_bench" ;;
    *) die "there is no benchmark '$name': ${all[*]}" ;;
  esac
done
