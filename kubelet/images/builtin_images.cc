#include "kubelet/images/builtin_images.h"

#include <elf.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "kubelet/images/tar.h"

// The pause program, linked in by the build (kubelet/CMakeLists.txt).
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    "keelson_pause_begin:\n"
    ".incbin \"" KEELSON_PAUSE_PATH
    "\"\n"
    "keelson_pause_end:\n"
    ".popsection\n");
extern "C" {
extern const char keelson_pause_begin[] __attribute__((visibility("hidden")));
extern const char keelson_pause_end[] __attribute__((visibility("hidden")));
}

namespace keelson::kubelet {
namespace {

constexpr const char* kServe =
    "echo \"$(hostname) serves HTTP on 8080\"\n"
    "httpd -f -vv -p 8080 -h /www &\n"
    "child=$!\n"
    "trap 'kill $child; exit 0' TERM INT\n"
    "wait $child\n";
constexpr const char* kIndex =
    "#!/bin/sh\n"
    "printf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
    "exec hostname\n";

// True when the program needs no dynamic loader.
bool is_static_elf(const std::string& bytes) {
  Elf64_Ehdr eh;
  if (bytes.size() < sizeof eh || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) return false;
  std::memcpy(&eh, bytes.data(), sizeof eh);
  for (unsigned i = 0; i < eh.e_phnum; ++i) {
    Elf64_Phdr ph;
    const std::size_t at = eh.e_phoff + i * sizeof ph;
    if (at + sizeof ph > bytes.size()) return false;
    std::memcpy(&ph, bytes.data() + at, sizeof ph);
    if (ph.p_type == PT_INTERP) return false;
  }
  return true;
}

std::string applets_of(const std::string& busybox_path) {
  std::string out;
  if (FILE* p = popen((busybox_path + " --list").c_str(), "re")) {
    char buf[4096];
    for (std::size_t n; (n = fread(buf, 1, sizeof buf, p)) > 0;) out.append(buf, n);
    pclose(p);
  }
  return out;
}

}  // namespace

OciImage pause_image() {
  TarWriter tar;
  tar.file("pause", {keelson_pause_begin, static_cast<std::size_t>(keelson_pause_end - keelson_pause_begin)},
           0755);
  return {std::string(kPauseImage), tar.finish(), {"/pause"}, {}, {}};
}

Result<OciImage> demo_image(const std::string& busybox_path) {
  std::ifstream in(busybox_path, std::ios::binary);
  std::string busybox(std::istreambuf_iterator<char>(in), {});
  if (busybox.empty() || !is_static_elf(busybox)) {
    return fail(
        Code::kFailedPrecondition,
        busybox_path + " is missing or not statically linked: install the Debian package busybox-static");
  }
  const std::string applets = applets_of(busybox_path);
  if (applets.empty()) return fail(Code::kFailedPrecondition, busybox_path + " --list gave no applets");

  TarWriter tar;
  for (const char* dir :
       {"bin", "dev", "etc", "proc", "root", "sys", "usr", "usr/bin", "var", "www", "www/cgi-bin"})
    tar.directory(dir);
  tar.directory("tmp", 01777);
  tar.file("bin/busybox", busybox, 0755);
  std::istringstream names(applets);
  for (std::string a; std::getline(names, a);) {
    if (!a.empty() && a != "busybox") tar.symlink("bin/" + a, "busybox");
  }
  tar.symlink("usr/bin/env", "/bin/busybox");
  tar.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n");
  tar.file("etc/group", "root:x:0:\nnogroup:x:65534:\n");
  tar.file("bin/serve", std::string("#!/bin/sh\n") + kServe, 0755);
  tar.file("www/cgi-bin/index.cgi", kIndex, 0755);
  return OciImage{std::string(kDemoImage),
                  tar.finish(),
                  {"/bin/serve"},
                  {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
                  {8080}};
}

}  // namespace keelson::kubelet
