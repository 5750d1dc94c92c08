# ./x build [PRESET] [TARGET…]
preset=release
case ${1:-} in dev | release | asan | tsan) preset=$1; shift ;; esac
build "$preset" "$@"
say "build/$preset is ready"
