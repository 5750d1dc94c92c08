# ./x lint: include edges, header hygiene, shell syntax, test tools' syntax.
# Each step ends it by itself: where it is the condition of an `if` (./x test), set -e does nothing.
python3 tools/lint/edges.py || exit 1
for f in x tools/x/*.sh; do bash -n "$f" || exit 1; done
git ls-files '*.py' | xargs -r python3 -m py_compile || exit 1
say "lint is clean"
