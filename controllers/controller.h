// Controller: the loop that all controllers share. Informers' handlers enqueue keys; workers take a key, call
// sync(key), which reads caches and acts; an error brings the key back after its back-off.
//
// Thread rule: sync() runs on the controller's one strand, several keys interleaved at co_await (never the
// same key twice at once). Handlers run on informers' executors: they touch only the queue and other
// thread-safe things.
#pragma once

#include <string>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/event_recorder.h"
#include "client/informer.h"
#include "client/transport.h"
#include "client/work_queue.h"

namespace keelson::controllers {

// What every controller is built from. All of it outlives the controllers.
struct Context {
  client::Transport& transport;
  client::InformerFactory& informers;
  client::EventBroadcaster& events;
  Executor executor;
  Clock& clock;
  Rng rng;
  Logger logger;
};

class Controller {
 public:
  // `name` names queue and logger ("deployment"); `workers` keys are worked on at once; a failing key is
  // tried again after at most `max_backoff`.
  Controller(const Context& context, std::string name, int workers,
             Duration max_backoff = std::chrono::seconds(1000));
  virtual ~Controller();  // REQUIRES: stop() has returned, or start() was never called.
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  const std::string& name() const { return name_; }
  // Starts the workers, once the informers in use have synced.
  virtual void start();
  virtual Task<> stop();
  client::WorkQueueStats queue_stats() const { return queue_.stats(); }
  bool idle(Duration within = Duration::zero()) const { return queue_.idle(within); }

 protected:
  // Brings the object named by `key` one step nearer to what is wanted. An error requeues the key with
  // back-off.
  virtual Task<Result<void>> sync(std::string key) = 0;

  // The shared informer of a kind ("apps/v1", "Deployment"); remembered, so that workers wait for it.
  client::Informer& informer(std::string_view api_version, std::string_view kind);
  const api::KindInfo& kind_info(std::string_view api_version, std::string_view kind) const;
  // Runs `task` on the strand until it ends or stop().
  void spawn(Task<> task) { tasks_.spawn(strand_, std::move(task)); }
  // Returns when sync() may begin: when all informers in use have synced.
  virtual Task<> wait_for_informers();

  client::Transport& transport_;
  Clock& clock_;
  Rng rng_;
  Logger logger_;
  client::InformerFactory& informers_;
  Executor strand_;
  client::WorkQueue queue_;

 private:
  Task<> run_worker();

  const std::string name_;
  const int workers_;
  std::vector<std::shared_ptr<client::Informer>> used_;
  TaskGroup tasks_;
};

}  // namespace keelson::controllers
