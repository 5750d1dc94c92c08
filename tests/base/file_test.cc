#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/mem_file.h"

// Stand before the C library's.
static int syncs = 0;
extern "C" int fsync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
extern "C" int fdatasync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace keelson {
namespace {

void exercise(FileSystem& fs, const std::string& dir) {
  ASSERT_TRUE(fs.make_dirs(dir));
  auto f = fs.open(dir + "/a", OpenMode::kCreate);
  ASSERT_TRUE(f) << f.error().message;
  EXPECT_EQ(fs.open(dir + "/a", OpenMode::kCreate).error().code, Code::kAlreadyExists);
  EXPECT_EQ(fs.open(dir + "/b", OpenMode::kRead).error().code, Code::kNotFound);
  ASSERT_TRUE((*f)->zero_fill(10000));
  ASSERT_TRUE((*f)->pwrite("hello", 4094));
  ASSERT_TRUE((*f)->append("end"));
  ASSERT_TRUE((*f)->datasync());
  EXPECT_EQ(*(*f)->size(), 10003u);
  std::string buf(10, 'x');
  EXPECT_EQ(*(*f)->pread(buf, 4092), 10u);
  EXPECT_EQ(buf, std::string("\0\0hello\0\0\0", 10));
  EXPECT_EQ(*(*f)->pread(buf, 10000), 3u);
  ASSERT_TRUE(fs.rename(dir + "/a", dir + "/c"));
  ASSERT_TRUE(write_file_atomic(fs, dir + "/d", "one"));
  ASSERT_TRUE(write_file_atomic(fs, dir + "/d", "two"));
  EXPECT_EQ(*read_file(fs, dir + "/d"), "two");
  EXPECT_EQ(*fs.list(dir), (std::vector<std::string>{"c", "d"}));
  {
    auto lock = fs.lock(dir + "/LOCK");
    ASSERT_TRUE(lock);
    EXPECT_EQ(fs.lock(dir + "/LOCK").error().code, Code::kFailedPrecondition);
  }
  EXPECT_TRUE(fs.lock(dir + "/LOCK"));
  ASSERT_TRUE(fs.remove(dir + "/c"));
  EXPECT_FALSE(fs.exists(dir + "/c"));
}

TEST(File, Posix) {
  std::string dir = (std::filesystem::temp_directory_path() / "keelson-file-XXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  syncs = 0;
  exercise(posix_file_system(), dir + "/x/y");
  EXPECT_GT(syncs, 4);
  syncs = 0;
  exercise(unsynced_posix_file_system(), dir + "/x/z");
  EXPECT_EQ(syncs, 0);
  std::filesystem::remove_all(dir);
}

TEST(File, Memory) {
  MemFileSystem fs;
  exercise(fs, "dir");
}

TEST(File, CrashKeepsWhatWasSyncedAndMayLoseTheRest) {
  int lost = 0;
  int kept = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemFileSystem fs;
    Rng rng(seed);
    auto f = *fs.open("d/a", OpenMode::kCreate);
    ASSERT_TRUE(fs.sync_dir("d"));
    ASSERT_TRUE(f->zero_fill(4096));
    ASSERT_TRUE(f->pwrite("synced", 0));
    ASSERT_TRUE(f->datasync());
    ASSERT_TRUE(f->pwrite("volatile", 1024));
    fs.crash(rng);
    EXPECT_EQ(f->pwrite("x", 0).error().code, Code::kUnavailable);
    auto data = *read_file(fs, "d/a");
    ASSERT_EQ(data.substr(0, 6), "synced");
    (data.substr(1024, 8) == "volatile" ? kept : lost)++;
  }
  EXPECT_GT(lost, 5);
  EXPECT_GT(kept, 5);
}

}  // namespace
}  // namespace keelson
