// Debian's grpc++ against a running store: an independent implementation of HTTP/2 and gRPC as a client.
//
// usage: etcd_grpcpp --endpoint HOST:PORT [--cacert F [--cert F --key F]]
// Exits 0 when all checks passed, 1 with what did not. Works on keys below "grpcpp/" only.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "election.grpc.pb.h"
#include "etcd.grpc.pb.h"
#include "lock.grpc.pb.h"

namespace {

using namespace etcdserverpb;
using grpc::ClientContext;
using grpc::Status;
using std::chrono::seconds;

struct Failure {
  std::string what;
};

#define EXPECT(condition)                                              \
  if (!(condition)) throw Failure {                                    \
      std::string(#condition) + " at line " + std::to_string(__LINE__) \
    }

void ok(const Status& s) {
  if (!s.ok()) throw Failure{"status " + std::to_string(s.error_code()) + ": " + s.error_message()};
}

std::unique_ptr<ClientContext> context(int timeout_s = 20) {
  auto c = std::make_unique<ClientContext>();
  c->set_deadline(std::chrono::system_clock::now() + seconds(timeout_s));
  return c;
}

class Checks {
 public:
  explicit Checks(std::shared_ptr<grpc::Channel> channel)
      : kv_(KV::NewStub(channel)),
        watch_(Watch::NewStub(channel)),
        lease_(Lease::NewStub(channel)),
        cluster_(Cluster::NewStub(channel)),
        maintenance_(Maintenance::NewStub(channel)),
        lock_(v3lockpb::Lock::NewStub(channel)),
        election_(v3electionpb::Election::NewStub(channel)) {}

  bool run() {
    const std::pair<const char*, std::function<void()>> all[] = {
        {"kv", [this] { kv(); }},
        {"txn", [this] { txn(); }},
        {"watch", [this] { watch(); }},
        {"lease", [this] { lease(); }},
        {"lock", [this] { lock(); }},
        {"election", [this] { election(); }},
        {"parallel", [this] { parallel(); }},
        {"cluster", [this] { cluster(); }},
        {"snapshot", [this] { snapshot(); }},
        {"errors", [this] { errors(); }},
    };
    remove("grpcpp/", "grpcpp0");
    for (const auto& [name, check] : all) {
      const auto begin = std::chrono::steady_clock::now();
      try {
        check();
      } catch (const Failure& f) {
        std::cout << "FAIL " << name << ": " << f.what << std::endl;
        return false;
      }
      const auto took = std::chrono::steady_clock::now() - begin;
      std::cout << "ok   " << name << " ("
                << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms)" << std::endl;
    }
    remove("grpcpp/", "grpcpp0");
    return true;
  }

 private:
  PutResponse put(const std::string& key, const std::string& value, int64_t lease = 0, bool prev = false) {
    PutRequest r;
    r.set_key(key);
    r.set_value(value);
    r.set_lease(lease);
    r.set_prev_kv(prev);
    PutResponse out;
    ok(kv_->Put(context().get(), r, &out));
    EXPECT(out.header().revision() > 0 && out.header().cluster_id() != 0 && out.header().member_id() != 0);
    return out;
  }
  RangeResponse get(const std::string& key, const std::string& end = "", int64_t limit = 0) {
    RangeRequest r;
    r.set_key(key);
    r.set_range_end(end);
    r.set_limit(limit);
    RangeResponse out;
    ok(kv_->Range(context().get(), r, &out));
    return out;
  }
  int64_t remove(const std::string& key, const std::string& end = "") {
    DeleteRangeRequest r;
    r.set_key(key);
    r.set_range_end(end);
    DeleteRangeResponse out;
    ok(kv_->DeleteRange(context().get(), r, &out));
    return out.deleted();
  }
  int64_t grant(int64_t ttl) {
    LeaseGrantRequest r;
    r.set_ttl(ttl);
    LeaseGrantResponse out;
    ok(lease_->LeaseGrant(context().get(), r, &out));
    EXPECT(out.id() != 0 && out.ttl() == ttl);
    return out.id();
  }
  void revoke(int64_t id) {
    LeaseRevokeRequest r;
    r.set_id(id);
    LeaseRevokeResponse out;
    ok(lease_->LeaseRevoke(context().get(), r, &out));
  }

  void kv() {
    put("grpcpp/a", "1");
    const auto again = put("grpcpp/a", "2", 0, true);
    EXPECT(again.prev_kv().value() == "1" && again.prev_kv().version() == 1);
    const auto one = get("grpcpp/a");
    EXPECT(one.count() == 1 && one.kvs(0).value() == "2" && one.kvs(0).version() == 2);
    const std::string big(1 << 20, 'x');
    put("grpcpp/big", big);
    EXPECT(get("grpcpp/big").kvs(0).value() == big);
    for (int i = 0; i < 20; ++i) put("grpcpp/list/" + std::to_string(100 + i), std::to_string(i));
    const auto some = get("grpcpp/list/", "grpcpp/list0", 7);
    EXPECT(some.kvs_size() == 7 && some.more() && some.count() == 20 && some.kvs(6).value() == "6");
    EXPECT(remove("grpcpp/list/", "grpcpp/list0") == 20);
  }

  void txn() {
    put("grpcpp/t", "1");
    TxnRequest r;
    auto* c = r.add_compare();
    c->set_key("grpcpp/t");
    c->set_target(Compare::VALUE);
    c->set_value("1");
    auto* p = r.add_success()->mutable_request_put();
    p->set_key("grpcpp/t");
    p->set_value("2");
    r.add_success()->mutable_request_range()->set_key("grpcpp/t");
    r.add_failure()->mutable_request_range()->set_key("grpcpp/t");
    TxnResponse out;
    ok(kv_->Txn(context().get(), r, &out));
    EXPECT(out.succeeded() && out.responses(1).response_range().kvs(0).value() == "2");
    ok(kv_->Txn(context().get(), r, &out));
    EXPECT(!out.succeeded() && out.responses(0).response_range().kvs(0).value() == "2");
  }

  void watch() {
    const auto ctx = context();
    const auto stream = watch_->Watch(ctx.get());
    WatchRequest r;
    r.mutable_create_request()->set_key("grpcpp/w/");
    r.mutable_create_request()->set_range_end("grpcpp/w0");
    r.mutable_create_request()->set_prev_kv(true);
    EXPECT(stream->Write(r));
    WatchResponse w;
    EXPECT(stream->Read(&w) && w.created());
    const int64_t id = w.watch_id();
    const int64_t first = put("grpcpp/w/1", "a").header().revision();
    put("grpcpp/w/1", "b");
    remove("grpcpp/w/1");
    std::vector<Event> events;
    while (events.size() < 3 && stream->Read(&w))
      events.insert(events.end(), w.events().begin(), w.events().end());
    EXPECT(events.size() == 3);
    EXPECT(events[0].kv().value() == "a" && events[0].kv().mod_revision() == first);
    EXPECT(events[1].prev_kv().value() == "a" && events[1].kv().value() == "b");
    EXPECT(events[2].type() == Event::DELETE && events[2].prev_kv().value() == "b");
    r.mutable_progress_request();
    EXPECT(stream->Write(r) && stream->Read(&w) && w.events_size() == 0);
    EXPECT(w.header().revision() >= first + 2);
    r.mutable_create_request()->set_key("grpcpp/w/1");
    r.mutable_create_request()->set_start_revision(first);
    EXPECT(stream->Write(r) && stream->Read(&w) && w.created() && w.watch_id() != id);
    events.clear();
    while (events.size() < 3 && stream->Read(&w))
      events.insert(events.end(), w.events().begin(), w.events().end());
    EXPECT(events[0].kv().mod_revision() == first);
    r.mutable_cancel_request()->set_watch_id(id);
    EXPECT(stream->Write(r) && stream->Read(&w) && w.canceled() && w.watch_id() == id);
    stream->WritesDone();
    ctx->TryCancel();
    stream->Finish();
  }

  void lease() {
    const int64_t id = grant(30);
    put("grpcpp/leased", "1", id);
    LeaseTimeToLiveRequest t;
    t.set_id(id);
    t.set_keys(true);
    LeaseTimeToLiveResponse live;
    ok(lease_->LeaseTimeToLive(context().get(), t, &live));
    EXPECT(live.grantedttl() == 30 && live.ttl() > 25 && live.keys_size() == 1);
    const auto ctx = context();
    const auto stream = lease_->LeaseKeepAlive(ctx.get());
    for (int i = 0; i < 3; ++i) {
      LeaseKeepAliveRequest k;
      k.set_id(id);
      LeaseKeepAliveResponse alive;
      EXPECT(stream->Write(k) && stream->Read(&alive) && alive.id() == id && alive.ttl() == 30);
    }
    stream->WritesDone();
    ok(stream->Finish());
    revoke(id);
    EXPECT(get("grpcpp/leased").count() == 0);
  }

  v3lockpb::LockResponse take(int64_t lease, int timeout_s, Status* status) {
    v3lockpb::LockRequest r;
    r.set_name("grpcpp/lock");
    r.set_lease(lease);
    v3lockpb::LockResponse out;
    *status = lock_->Lock(context(timeout_s).get(), r, &out);
    return out;
  }
  void unlock(const std::string& key) {
    v3lockpb::UnlockRequest r;
    r.set_key(key);
    v3lockpb::UnlockResponse out;
    ok(lock_->Unlock(context().get(), r, &out));
  }

  void lock() {
    const int64_t a = grant(60), b = grant(60), c = grant(60), d = grant(60);
    Status status;
    const auto held = take(a, 10, &status);
    ok(status);
    std::ostringstream want;
    want << "grpcpp/lock/" << std::hex << a;
    EXPECT(held.key() == want.str());
    EXPECT(take(a, 10, &status).key() == held.key() && status.ok());  // the same session has it already
    take(b, 1, &status);
    EXPECT(status.error_code() == grpc::DEADLINE_EXCEEDED);
    // Who gave up stands in nobody's way.
    auto next = std::async(std::launch::async, [&] {
      Status s;
      auto out = take(c, 20, &s);
      ok(s);
      return out;
    });
    while (get("grpcpp/lock/", "grpcpp/lock0").count() != 2)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    unlock(held.key());
    const auto second = next.get();
    EXPECT(get("grpcpp/lock/", "grpcpp/lock0").count() == 1);
    // A waiter whose lease ends does not get the lock.
    auto lost = std::async(std::launch::async, [&] {
      Status s;
      take(d, 20, &s);
      return s;
    });
    while (get("grpcpp/lock/", "grpcpp/lock0").count() != 2)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    revoke(d);
    unlock(second.key());
    EXPECT(lost.get().error_message() == "mutex: session is expired");
    for (int64_t id : {a, b, c}) revoke(id);
  }

  void election() {
    const int64_t a = grant(60), b = grant(60);
    v3electionpb::LeaderRequest who;
    who.set_name("grpcpp/election");
    v3electionpb::LeaderResponse leader;
    EXPECT(election_->Leader(context().get(), who, &leader).error_message() == "election: no leader");
    const auto ctx = context();
    const auto observed = election_->Observe(ctx.get(), who);
    v3electionpb::CampaignRequest c;
    c.set_name("grpcpp/election");
    c.set_lease(a);
    c.set_value("first");
    v3electionpb::CampaignResponse first;
    ok(election_->Campaign(context().get(), c, &first));
    EXPECT(observed->Read(&leader) && leader.kv().value() == "first");
    c.set_lease(b);
    c.set_value("second");
    auto waiting = std::async(std::launch::async, [&] {
      v3electionpb::CampaignResponse out;
      ok(election_->Campaign(context().get(), c, &out));
      return out;
    });
    v3electionpb::ProclaimRequest p;
    *p.mutable_leader() = first.leader();
    p.set_value("first again");
    v3electionpb::ProclaimResponse proclaimed;
    ok(election_->Proclaim(context().get(), p, &proclaimed));
    EXPECT(observed->Read(&leader) && leader.kv().value() == "first again");
    v3electionpb::ResignRequest resign;
    *resign.mutable_leader() = first.leader();
    v3electionpb::ResignResponse resigned;
    ok(election_->Resign(context().get(), resign, &resigned));
    const auto second = waiting.get();
    EXPECT(observed->Read(&leader) && leader.kv().value() == "second");
    EXPECT(leader.kv().create_revision() == second.leader().rev());
    EXPECT(election_->Proclaim(context().get(), p, &proclaimed).error_message() == "election: not leader");
    ok(election_->Leader(context().get(), who, &leader));
    EXPECT(leader.kv().key() == second.leader().key());
    ctx->TryCancel();
    revoke(a);
    revoke(b);
  }

  // Many calls at once on one connection.
  void parallel() {
    std::vector<std::future<void>> all;
    for (int t = 0; t < 16; ++t) {
      all.push_back(std::async(std::launch::async, [this, t] {
        for (int i = 0; i < 50; ++i) {
          const std::string key = "grpcpp/p/" + std::to_string(t);
          put(key, std::to_string(i));
          EXPECT(get(key).kvs(0).value() == std::to_string(i));
        }
      }));
    }
    for (auto& f : all) f.get();
    EXPECT(get("grpcpp/p/", "grpcpp/p0").count() == 16);
  }

  void cluster() {
    MemberListResponse members;
    ok(cluster_->MemberList(context().get(), MemberListRequest(), &members));
    EXPECT(members.members_size() >= 1 && members.members(0).clienturls_size() >= 1);
    StatusResponse status;
    ok(maintenance_->Status(context().get(), StatusRequest(), &status));
    EXPECT(status.version() == "3.7.1" && status.leader() != 0 && status.dbsize() > 0);
  }

  void snapshot() {
    const auto ctx = context(60);
    const auto stream = maintenance_->Snapshot(ctx.get(), SnapshotRequest());
    SnapshotResponse r;
    std::size_t bytes = 0;
    uint64_t remaining = 1;
    while (stream->Read(&r)) {
      bytes += r.blob().size();
      remaining = r.remaining_bytes();
    }
    ok(stream->Finish());
    EXPECT(bytes > 4096 && bytes % 512 == 32 && remaining == 0);
  }

  void errors() {
    PutResponse put;
    Status s = kv_->Put(context().get(), PutRequest(), &put);
    EXPECT(s.error_code() == grpc::INVALID_ARGUMENT &&
           s.error_message() == "etcdserver: key is not provided");
    PutRequest leased;
    leased.set_key("grpcpp/x");
    leased.set_lease(12345);
    s = kv_->Put(context().get(), leased, &put);
    EXPECT(s.error_code() == grpc::NOT_FOUND && s.error_message() == "etcdserver: requested lease not found");
    RangeRequest future;
    future.set_key("grpcpp/x");
    future.set_revision(int64_t{1} << 40);
    RangeResponse range;
    s = kv_->Range(context().get(), future, &range);
    EXPECT(s.error_code() == grpc::OUT_OF_RANGE);
    EXPECT(s.error_message() == "etcdserver: mvcc: required revision is a future revision");
    PutRequest large;
    large.set_key("grpcpp/x");
    large.set_value(std::string(1700 << 10, 'x'));
    s = kv_->Put(context().get(), large, &put);
    EXPECT(s.error_code() == grpc::INVALID_ARGUMENT &&
           s.error_message() == "etcdserver: request is too large");
  }

  std::unique_ptr<KV::Stub> kv_;
  std::unique_ptr<Watch::Stub> watch_;
  std::unique_ptr<Lease::Stub> lease_;
  std::unique_ptr<Cluster::Stub> cluster_;
  std::unique_ptr<Maintenance::Stub> maintenance_;
  std::unique_ptr<v3lockpb::Lock::Stub> lock_;
  std::unique_ptr<v3electionpb::Election::Stub> election_;
};

std::string file(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::cerr << "cannot read " << path << std::endl;
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  if (flags["--endpoint"].empty()) {
    std::cerr << "usage: etcd_grpcpp --endpoint HOST:PORT [--cacert F [--cert F --key F]]" << std::endl;
    return 2;
  }
  auto credentials = grpc::InsecureChannelCredentials();
  if (!flags["--cacert"].empty()) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = file(flags["--cacert"]);
    tls.pem_cert_chain = file(flags["--cert"]);
    tls.pem_private_key = file(flags["--key"]);
    credentials = grpc::SslCredentials(tls);
  }
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  Checks checks(grpc::CreateCustomChannel(flags["--endpoint"], credentials, args));
  return checks.run() ? 0 : 1;
}
