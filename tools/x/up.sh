# ./x up [--isolated NAME] [--data-dir D] [flags of keelson up]
. tools/x/netns.sh
need_root "./x up"
name= data_dir= flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --isolated) name=${2:?--isolated needs a name}; shift 2 ;;
    --isolated=*) name=${1#*=}; shift ;;
    --data-dir) data_dir=${2:?--data-dir needs a folder}; shift 2 ;;
    --data-dir=*) data_dir=${1#*=}; shift ;;
    *) flags+=("$1"); shift ;;
  esac
done
[ -z "$name" ] || check_name "$name"
data_dir=${data_dir:-$([ -n "$name" ] && data_dir_of "$name" || echo /var/lib/keelson)}

ensure_packages build run
[ -n "${KEELSON_BIN:-}" ] || build release keelson
binary=${KEELSON_BIN:-$ROOT/build/release/keelson}
mkdir -p "$data_dir"
enter=() hint=
if [ -n "$name" ]; then
  make_host "$name"
  enter=(nsenter "--net=/run/netns/$(netns_of "$name")")
  hint="./x in $name "
fi

pid_file=$data_dir/keelson.pid
if [ -f "$pid_file" ] && running "$(cat "$pid_file")"; then
  say "already running (pid $(cat "$pid_file"))"
else
  say "starting the cluster in $data_dir"
  setsid "${enter[@]}" "$binary" up --data-dir "$data_dir" "${flags[@]}" >>"$data_dir/keelson.log" 2>&1 </dev/null &
  echo $! >"$pid_file"
fi
pid=$(cat "$pid_file")
kubeconfig=$data_dir/kubeconfig
for ((i = 0; i < ${#flags[@]}; i++)); do
  case ${flags[i]} in
    --write-kubeconfig=*) kubeconfig=${flags[i]#*=} ;;
    --write-kubeconfig) kubeconfig=${flags[i + 1]} ;;
  esac
done
"${enter[@]}" "$binary" status --kubeconfig "$kubeconfig" --wait 120s --pid "$pid" || {
  tail -15 "$data_dir/keelson.log"
  die "the cluster did not become ready; the log is $data_dir/keelson.log"
}
cat <<EOF

The cluster is up. Its log is $data_dir/keelson.log.

  export KUBECONFIG=$kubeconfig
  ${hint}kubectl get nodes
  ${hint}kubectl apply -f examples/deployment.yaml
  ${hint}kubectl get pods -o wide -w

Stop it with ./x down${name:+ --isolated $name} (--purge removes its data).
EOF
