#!/usr/bin/env bash
# check.sh BUILD_DIR --endpoint HOST:PORT [--cacert F [--cert F --key F]]: builds the grpc++ client in BUILD_DIR if
# it is older than its sources, and runs it against a store.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:?usage: check.sh BUILD_DIR --endpoint HOST:PORT …}
shift
mkdir -p "$build"
build=$(cd "$build" && pwd)
program=$build/etcd_grpcpp
newest=$(find "$here" -type f -printf '%T@ %p\n' | sort -rn | head -1 | cut -d' ' -f2-)
if [ ! -x "$program" ] || [ "$newest" -nt "$program" ]; then
  cd "$build"
  for p in etcd lock election; do
    protoc -I "$here" --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" "$here/$p.proto"
  done
  objects=()
  for s in etcd.pb etcd.grpc.pb lock.pb lock.grpc.pb election.pb election.grpc.pb; do
    "${CXX:-g++}" -std=c++17 -O0 -I. -c "$s.cc" -o "$s.o"
    objects+=("$s.o")
  done
  "${CXX:-g++}" -std=c++17 -O0 -g -Wall -I. -c "$here/main.cc" -o main.o
  # shellcheck disable=SC2046
  "${CXX:-g++}" -o "$program" main.o "${objects[@]}" $(pkg-config --libs grpc++ protobuf) -pthread
fi
exec timeout "${CHECK_TIMEOUT:-120}" "$program" "$@"
