# ./x setup: everything that building, running and testing needs.
ensure_packages
say "all packages are installed"
