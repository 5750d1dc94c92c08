#include <cstdio>

int main(int argc, char** argv) {
  std::fprintf(stderr, "usage: keelson COMMAND [flags]\n");
  return argc > 1 ? 2 : 0;
}
