# ./x lint: include edges, header hygiene, shell syntax, test tools' syntax.
python3 tools/lint/edges.py
for f in x tools/x/*.sh; do bash -n "$f"; done
git ls-files '*.py' | xargs -r python3 -m py_compile
say "lint is clean"
