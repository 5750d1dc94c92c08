# Test hosts (DESIGN.md §8): a network namespace with a veth, an address and a default route to a second namespace, so that
# nothing addressed to pods or services can leave the machine. Sourced by up, down, in and the tests.

HOST_ADDRESS=192.0.2.2
GATEWAY_ADDRESS=192.0.2.1

# make_host NAME: idempotent.
make_host() {
  local ns gw
  ns=$(netns_of "$1"); gw=$ns-gw
  [ -e "/run/netns/$ns" ] && return 0
  need_root "making the network namespace $ns"
  ip netns add "$gw"
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  ip -n "$gw" link set lo up
  ip -n "$ns" link add eth0 type veth peer name eth0 netns "$gw"
  ip -n "$ns" addr add "$HOST_ADDRESS/24" dev eth0
  ip -n "$gw" addr add "$GATEWAY_ADDRESS/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$gw" link set eth0 up
  ip -n "$ns" route add default via "$GATEWAY_ADDRESS"
  # The second namespace swallows whatever reaches it: it forwards nothing.
  in_host "$1" sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward"
}

remove_host() {
  local ns
  ns=$(netns_of "$1")
  ip netns del "$ns" 2>/dev/null || true
  ip netns del "$ns-gw" 2>/dev/null || true
}

# in_host NAME CMD…: nsenter, since `ip netns exec` hides /sys/fs/cgroup.
in_host() {
  local ns
  ns=$(netns_of "$1"); shift
  [ -e "/run/netns/$ns" ] || die "there is no isolated cluster '${ns#keelson-}': ./x up --isolated ${ns#keelson-} makes one"
  nsenter --net="/run/netns/$ns" "$@"
}
