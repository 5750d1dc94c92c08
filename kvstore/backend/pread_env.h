// PreadEnv: LevelDB's default environment, but tables are read by pread() instead of mmap(): mapped tables
// would count as our memory, and a read error would be a signal. Thread rule: any thread, as leveldb::Env.
#pragma once

#include <leveldb/env.h>

#include <memory>

namespace keelson::kvstore {

std::unique_ptr<leveldb::Env> make_pread_env();

}  // namespace keelson::kvstore
