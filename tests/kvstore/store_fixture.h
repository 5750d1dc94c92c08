// What tests of the embedded store share: a scratch directory, two io threads, and blocking calls.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/async.h"
#include "kvstore/server/replicated_store.h"
#include "net/asio_clock.h"

namespace keelson::kvstore {

template <class T>
Task<> store_result(Task<T> task, std::optional<T>* out) {
  out->emplace(co_await std::move(task));
}

// A directory that is removed at the end.
class ScratchDir {
 public:
  ScratchDir() : path_((std::filesystem::temp_directory_path() / "keelson-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : guard_(boost::asio::make_work_guard(io_)) {
    for (auto& t : threads_) t = std::thread([this] { io_.run(); });
  }
  ~StoreTest() override {
    close();
    guard_.reset();
    for (auto& t : threads_) t.join();
  }
  // Opens and starts; an error is a failure of the test.
  void open() {
    auto r = try_open();
    ASSERT_TRUE(r) << r.error().message;
  }
  Result<void> try_open() {
    options_.data_dir = dir_.path() + "/store";
    options_.clock = &clock_;
    store_ = TRY(ReplicatedStore::open(options_));
    store_->start();
    return {};
  }
  void close() { store_.reset(); }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    block_on(io_.get_executor(), store_result(std::move(task), &out));
    return std::move(*out);
  }
  Executor executor() { return io_.get_executor(); }

  Result<TxnResult> put(std::string key, std::string value, LeaseId lease = 0) {
    TxnOp op;
    op.kind = TxnOp::Kind::kPut;
    op.put.key = std::move(key);
    op.put.value = Bytes(std::move(value));
    op.put.lease = lease;
    TxnRequest t;
    t.success.push_back(std::move(op));
    return run(store_->txn(std::move(t)));
  }
  Result<TxnResult> del(std::string key, std::string end = "") {
    TxnOp op;
    op.kind = TxnOp::Kind::kDelete;
    op.del = {std::move(key), std::move(end), true};
    TxnRequest t;
    t.success.push_back(std::move(op));
    return run(store_->txn(std::move(t)));
  }
  Result<RangeResult> get(std::string key, std::string end = "", Revision revision = 0) {
    RangeRequest r;
    r.key = std::move(key);
    r.end = std::move(end);
    r.revision = revision;
    return *store_->range_now(r);
  }
  std::string value(const std::string& key, Revision revision = 0) {
    auto r = get(key, "", revision);
    if (!r) return "error: " + r.error().message;
    return r->kvs.empty() ? "none" : std::string(r->kvs[0].value.view());
  }

  ScratchDir dir_;
  net::AsioClock clock_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread threads_[2];
  ReplicatedStoreOptions options_;
  std::unique_ptr<ReplicatedStore> store_;
};

}  // namespace keelson::kvstore
