# Sourced by ./x: what its commands share.

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf 'x: %s\n' "$*" >&2; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || die "$1 needs root: run it with sudo"; }

# Package names of the given sections of deploy/debian-packages.txt (all without arguments).
packages() {
  awk -v want=" $* " '/^# \[/ { section=$2; gsub(/[][]/, "", section); next } /^#|^$/ { next }
    want == "  " || index(want, " " section " ") { print $1 }' deploy/debian-packages.txt
}

# Installs what is missing of the given sections; says what it does; does nothing where all is there.
ensure_packages() {
  local missing=() p
  local have
  have=$(dpkg-query -W -f '${Package} ${Status}\n' 2>/dev/null | awk '$NF == "installed" { print $1 }')
  for p in $(packages "$@"); do grep -qxF "${p%%:*}" <<<"$have" || missing+=("$p"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  need_root "installing packages (${missing[*]})"
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/keelson-apt.log 2>&1 ||
    { tail -20 /tmp/keelson-apt.log; die "apt-get failed; its output is in /tmp/keelson-apt.log"; }
}

# build PRESET [TARGET…]
build() {
  local preset=$1; shift
  ensure_packages build
  export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
  [ -f "build/$preset/build.ninja" ] || { say "configuring $preset"; cmake --preset "$preset" >/tmp/keelson-cmake.log ||
    { tail -30 /tmp/keelson-cmake.log; die "cmake failed"; }; }
  say "building $preset ${*:-}"
  NINJA_STATUS='[%f/%t %es] ' ninja -C "build/$preset" "$@"
}

# Where an isolated cluster NAME lives.
netns_of() { echo "keelson-$1"; }
data_dir_of() { echo "/var/lib/keelson-$1"; }
check_name() { [[ $1 =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "'$1' is not a good name: lower-case letters, digits and dashes"; }

# running PID: true while it is a live keelson (a zombie, or another program that got the number, is not).
running() {
  [ -r "/proc/$1/stat" ] || return 1
  case $(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null) in Z* | X* | '') return 1 ;; esac
  tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -q 'keelson.* up '
}
