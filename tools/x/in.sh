# ./x in NAME CMD…
. tools/x/netns.sh
[ $# -ge 2 ] || die "usage: ./x in NAME CMD…"
name=$1; shift
check_name "$name"
[ -f "$(data_dir_of "$name")/kubeconfig" ] && export KUBECONFIG=${KUBECONFIG:-$(data_dir_of "$name")/kubeconfig}
in_host "$name" "$@"
