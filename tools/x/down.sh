# ./x down [--isolated NAME] [--data-dir D] [--purge]
. tools/x/netns.sh
need_root "./x down"
name= data_dir= purge=
while [ $# -gt 0 ]; do
  case $1 in
    --isolated) name=${2:?--isolated needs a name}; shift 2 ;;
    --isolated=*) name=${1#*=}; shift ;;
    --data-dir) data_dir=${2:?--data-dir needs a folder}; shift 2 ;;
    --data-dir=*) data_dir=${1#*=}; shift ;;
    --purge) purge=1; shift ;;
    *) die "down does not know '$1'" ;;
  esac
done
[ -z "$name" ] || check_name "$name"
data_dir=${data_dir:-$([ -n "$name" ] && data_dir_of "$name" || echo /var/lib/keelson)}
enter=()
[ -z "$name" ] || [ ! -e "/run/netns/$(netns_of "$name")" ] || enter=(nsenter "--net=/run/netns/$(netns_of "$name")")

pid_file=$data_dir/keelson.pid
if [ -f "$pid_file" ] && pid=$(cat "$pid_file") && running "$pid"; then
  say "stopping keelson (pid $pid)"
  kill -TERM "$pid"
  for _ in $(seq 100); do running "$pid" || break; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
fi
rm -f "$pid_file"
binary=${KEELSON_BIN:-$ROOT/build/release/keelson}
if [ -d "$data_dir" ]; then
  [ -x "$binary" ] || die "$binary is missing: ./x build first, it stops the cluster's containers"
  say "stopping containers"
  "${enter[@]}" "$binary" cleanup --data-dir "$data_dir"
fi
[ -z "$name" ] || remove_host "$name"
if [ -n "$purge" ]; then
  say "removing $data_dir"
  rm -rf --one-file-system "$data_dir"
fi
say "the cluster is down"
