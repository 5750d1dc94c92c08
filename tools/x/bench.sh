# ./x bench [NAME…]: apiserver, cluster (scripts), and the programs of bench/ (net, store, api). Tables go to docs/benchmarks/.
ensure_packages
all=(api net store apiserver cluster)
[ $# -gt 0 ] || set -- "${all[@]}"
build release keelson
cmake --preset release -DKEELSON_BENCH=ON >/tmp/keelson-cmake.log
mkdir -p docs/benchmarks
for name in "$@"; do
  say "bench $name"
  case $name in
    apiserver | cluster) python3 "bench/$name.py" "docs/benchmarks/$name.md" ;;
    api | net | store) build release "${name}_bench"; "build/release/bench/${name}_bench" ;;
    *) die "there is no benchmark '$name': ${all[*]}" ;;
  esac
done
