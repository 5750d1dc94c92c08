// The API server's metrics under upstream's names and labels (data/kube-v1.36-facts/apiserver-metrics.json). References are
// looked up once per series and kept; recording a request is a few atomic operations.
// Thread rule: thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace keelson::apiserver {

// What request metrics are labelled with. Views need to live only during the call.
struct RequestLabels {
  std::string_view verb;  // upper-case: GET LIST WATCH POST PUT PATCH DELETE DELETECOLLECTION CONNECT
  std::string_view group, version, resource, subresource;
  std::string_view scope;  // "cluster", "namespace", "resource" or empty
  bool dry_run = false;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // One series of requests that differ only in their code; stays valid for the life of Metrics.
  class Series {
   public:
    void record(int code, Duration took, std::size_t response_bytes);

   private:
    friend class Metrics;
    struct Impl;
    std::unique_ptr<Impl> impl_;

   public:
    explicit Series(std::unique_ptr<Impl> impl);
    ~Series();
  };
  Series& series(const RequestLabels& labels);

  // Requests under way: read-only or mutating (apiserver_current_inflight_requests).
  void add_inflight(bool mutating, int delta);
  void add_long_running(const RequestLabels& labels, int delta);
  void count_watch_event(std::string_view group, std::string_view version, std::string_view resource, std::size_t bytes);
  void count_authentication(bool success, std::string_view username);
  // Filled in when scraped: number of objects per resource ("pods", "deployments.apps").
  void set_objects(std::string_view resource, std::size_t count);
  void set_cache_revision(std::string_view group, std::string_view resource, std::int64_t revision);

  // Prometheus text format.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::apiserver
