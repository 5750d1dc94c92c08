# ./x fmt: clang-format in place.
git ls-files '*.h' '*.cc' | xargs -r clang-format-19 -i
