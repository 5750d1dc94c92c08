// watch-one: all watchers watch one key. watch-many: watcher i watches key i of as many keys. The writers put
// the time into the value; an event's latency runs from there to its arrival.
#include <cstring>

#include "bench/store_load/load.h"
#include "kvstore/rpc/codec.h"

namespace keelson::bench {
namespace {

namespace rpc = kvstore::rpc;

struct Watching {
  std::int64_t created = 0;
  AsyncEvent all_created;
  bool closing = false;
};

std::int64_t now_ns(Load& load) {
  return load.clock.now().time_since_epoch().count();
}

Task<> watch_stream(Load& load, Watching& watching, std::int64_t first, std::int64_t count) {
  auto stream = co_await load.client(first).stream("/etcdserverpb.Watch/Watch");
  if (!stream) co_return load.failed(stream.error());
  const bool one_key = load.settings.workload == "watch-one";
  for (std::int64_t i = 0; i < count; ++i) {
    rpc::WatchCall create;
    create.kind = rpc::WatchCall::Kind::kCreate;
    create.create.key = load.key_of(one_key ? 0 : first + i);
    std::string bytes;
    rpc::encode(create, bytes);
    if (auto sent = co_await (*stream)->send(Bytes(std::move(bytes))); !sent)
      co_return load.failed(sent.error());
  }
  while (!watching.closing) {
    auto message = co_await (*stream)->receive();
    if (!message || !*message) {
      if (!watching.closing)
        load.failed(message ? Error{Code::kUnavailable, "the watch ended"} : message.error());
      co_return;
    }
    rpc::WatchReply reply;
    if (auto ok = rpc::decode(Bytes(std::move(**message)), reply); !ok) co_return load.failed(ok.error());
    if (reply.created && ++watching.created == load.settings.watchers) watching.all_created.set();
    const std::int64_t now = now_ns(load);
    for (const auto& event : reply.events) {
      std::int64_t sent = 0;
      if (event.kv.value.size() < 8) continue;
      std::memcpy(&sent, event.kv.value.data(), 8);
      load.latencies.add(Duration(now - sent));
      ++load.events;
    }
  }
}

Task<> write_keys(Load& load, std::int64_t number) {
  const bool one_key = load.settings.workload == "watch-one";
  while (!load.over()) {
    kvstore::PutRequest put;
    put.key = load.key_of(one_key ? 0
                                  : static_cast<std::int64_t>(
                                        load.rng.below(static_cast<std::uint64_t>(load.settings.watchers))));
    std::string value = load.random_value();
    const std::int64_t now = now_ns(load);
    std::memcpy(value.data(), &now, 8);
    put.value = Bytes(std::move(value));
    std::string bytes;
    rpc::encode(put, bytes);
    ++load.issued;
    auto reply = co_await load.client(number).unary("/etcdserverpb.KV/Put", Bytes(std::move(bytes)),
                                                    {.timeout = std::chrono::seconds(30)});
    if (!reply) load.failed(reply.error());
  }
}

}  // namespace

Task<> run_watch(Load& load) {
  Watching watching;
  TaskGroup watches, writers;
  const Executor ex = load.pool.executors()[0];
  const std::int64_t per_stream = std::max<std::int64_t>(1, load.settings.watchers / load.settings.streams);
  for (std::int64_t first = 0; first < load.settings.watchers; first += per_stream)
    watches.spawn(ex,
                  watch_stream(load, watching, first, std::min(per_stream, load.settings.watchers - first)));
  if (!co_await watching.all_created.wait_until(load.clock, load.clock.now() + std::chrono::seconds(60))) {
    load.failed({Code::kDeadlineExceeded, "not all watches were created"});
  }
  load.end = load.clock.now() +
             std::chrono::duration_cast<Duration>(std::chrono::duration<double>(load.settings.seconds));
  for (std::int64_t i = 0; i < load.settings.clients; ++i) writers.spawn(ex, write_keys(load, i));
  co_await writers.join();
  // What is on its way still counts.
  const std::int64_t expected =
      load.settings.workload == "watch-one" ? load.issued * load.settings.watchers : load.issued;
  for (int i = 0; i < 100 && load.events < expected; ++i)
    co_await load.clock.sleep_for(std::chrono::milliseconds(50));
  if (load.events < expected)
    load.failed({Code::kDataLoss, "events missing: " + std::to_string(expected - load.events) + " of " +
                                      std::to_string(expected)});
  watching.closing = true;
  co_await watches.stop();
}

}  // namespace keelson::bench
