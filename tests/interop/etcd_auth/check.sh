#!/usr/bin/env bash
# check.sh ETCDCTL ENDPOINT ENDPOINT: runs the same users, roles, permissions and requests against two fresh stores and
# compares every answer and exit code, but for what must differ (ids, tokens, times). One of them is a real etcd.
set -uo pipefail
ctl=$1 one=$2 two=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

session() { # ENDPOINT
  local endpoint=$1
  run() { # what the client says in words counts, not when or where it said it
    echo "\$ $*"
    timeout 20 "$ctl" --endpoints "$endpoint" --command-timeout=5s "$@" 2>&1 |
      grep -v '"level":"warn"' | sed -E 's/lease [0-9a-f]{8,}/lease ID/; s/^[0-9a-f]{15,16}$/ID/; s/remaining\([0-9]+s\)/remaining(N)/'
    echo "exit ${PIPESTATUS[0]}"
  }
  run auth status
  run auth enable
  run user add root:rootpw
  run user add root:again
  run user add ":x"
  run role add root
  run user grant-role root root
  run user grant-role root root
  run user grant-role ghost root
  run role add reader
  run role add reader
  run role add writer
  run role grant-permission reader read /a/ /b
  run role grant-permission writer readwrite /w
  run role grant-permission writer write /b/ --prefix
  run role grant-permission reader read z a
  run role grant-permission ghost read a
  run role get reader
  run role get writer
  run role get root
  run role get ghost
  run role list
  run user add alice:alicepw
  run user add bob --new-user-password bobpw
  run user add certonly --no-password
  run user grant-role alice reader
  run user grant-role alice writer
  run user grant-role bob writer
  run user grant-role bob ghost
  run user get alice
  run user get alice --detail
  run user get ghost
  run user list
  run put /a/1 one
  run put /w w
  run put /b/1 b
  run put /private p
  run auth enable
  run auth status
  run get /a/1
  run put /a/1 x
  run lease grant 100
  run user list
  run auth disable
  run --user root:wrong get /a/1
  run --user ghost:x get /a/1
  run --user certonly:x get /a/1
  run --user root:rootpw auth status
  run --user root:rootpw get / --prefix
  run --user alice:alicepw get /a/1
  run --user alice:alicepw get /a/ /b
  run --user alice:alicepw get /a/ /c
  run --user alice:alicepw get /a/ --prefix
  run --user alice:alicepw get /w
  run --user alice:alicepw get / --prefix
  run --user alice:alicepw get /b/1
  run --user alice:alicepw put /a/1 x
  run --user alice:alicepw put /w v2
  run --user alice:alicepw put /w v3 --prev-kv
  run --user alice:alicepw put /b/1 v --prev-kv
  run --user alice:alicepw put /b/1 v
  run --user alice:alicepw del /b/ --prefix
  run --user alice:alicepw del /b/ --prefix --prev-kv
  run --user alice:alicepw del /w
  run --user alice:alicepw user list
  run --user alice:alicepw user get alice
  run --user alice:alicepw user get bob
  run --user alice:alicepw role get reader
  run --user alice:alicepw role get root
  run --user alice:alicepw role list
  run --user alice:alicepw user add eve:x
  run --user alice:alicepw auth disable
  run --user alice:alicepw compaction 2
  run --user alice:alicepw lease grant 100
  run --user alice:alicepw lease list
  txn() { echo "\$ txn as $1: $2"; printf "$2" | timeout 20 "$ctl" --endpoints "$endpoint" --user "$1" txn 2>&1 | grep -v '"level":"warn"'; }
  txn alice:alicepw 'value("/a/1") = "one"\n\nget /a/1\n\nput /w no\n\n'
  txn alice:alicepw 'value("/private") = "p"\n\nget /a/1\n\n\n'
  txn alice:alicepw 'value("/a/1") = "one"\n\nput /private x\n\n\n'
  txn alice:alicepw 'value("/a/1") = "one"\n\nget /a/1\n\nput /private x\n\n'
  txn bob:bobpw 'value("/w") = "v"\n\nput /w by-bob\n\nput /w other\n\n'
  run --user root:rootpw user delete root
  run --user root:rootpw user revoke-role root root
  run --user root:rootpw role delete root
  run --user root:rootpw role revoke-permission reader /a/ /b
  run --user root:rootpw role revoke-permission reader /a/ /b
  run --user alice:alicepw get /a/1
  run --user root:rootpw user revoke-role alice reader
  run --user root:rootpw user revoke-role alice reader
  run --user root:rootpw user passwd alice --interactive=false <<<"newpw"
  run --user alice:alicepw get /w
  run --user alice:newpw get /w
  run --user root:rootpw role delete writer
  run --user alice:newpw get /w
  run --user root:rootpw user get alice
  run --user root:rootpw user delete bob
  run --user bob:bobpw get /w
  run --user root:rootpw auth disable
  run auth status
  run get /private
  run --user root:rootpw get /private
  run user delete root
  run user list
  run role list
}

session "$one" > "$work/one"
session "$two" > "$work/two"
# etcdctl's `auth enable` grants the role root itself, and hides everything behind "user name is empty" when it comes
# too early: a run in which hardly anything succeeds compares nothing.
commands=$(grep -c '^\$' "$work/one") succeeded=$(grep -c '^exit 0' "$work/one")
echo "$commands commands, $succeeded succeeded"
[ "$succeeded" -ge 50 ] || { echo "too few succeeded to mean anything"; exit 1; }
if diff -u "$work/one" "$work/two"; then
  echo "same answers"
else
  exit 1
fi
