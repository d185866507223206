// apps/lookback/daemon.h: the parts of `lookback serve` around a store, in the order in which they
// start and stop.
//
// Invariant: Listen() comes before anything that changes a store, Stop()
//            before the store is closed.
// Threads:   all methods on one, main's; the loop that answers runs on the daemon's own.
// Errors:    those of the parts. A Use() that fails has changed nothing.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "api/service.h"
#include "api/webhook.h"
#include "apps/lookback/settings.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/tls_certificate.h"
#include "recorder/recorder.h"
#include "storage/held_copies.h"
#include "storage/purger.h"
#include "storage/scrubber.h"
#include "storage/self_check.h"
#include "storage/snapshotter.h"
#include "storage/store.h"

namespace lookback::app {

class Daemon {
 public:
  // What settings name outside of them, read and found to be good.
  struct Resources {
    net::HttpServer::Options listen;  // With its certificate, if there is one.
    recorder::Recorder::Options recording;
    api::Webhook::Options webhook;
  };
  static Result<Resources> ReadResources(const Settings& settings, Clock& clock, FileSystem& files);

  Daemon(Clock& clock, FileSystem& files) : clock_(clock), files_(files) {}
  ~Daemon() { Stop(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Takes the address, so that a start that cannot have it changes no store. Whoever connects
  // waits until Start().
  Status Listen(const net::HttpServer::Options& listen);

  // Records in `store`, which must outlive the daemon, and answers.
  Status Start(storage::Store& store, const Settings& settings, const Resources& resources);

  // Takes up what a running daemon can (Setting::reloads), and logs what that changes and what of
  // the rest waits for a start.
  Status Use(const Settings& settings);

  uint16_t port() const { return server_->port(); }

  // Asks the threads that record and answer for a sign of life; returns how many will give one.
  // Disks are not asked: those that hang are looked after without a restart, which mends none.
  size_t AskForLife(const std::function<void()>& alive);

  // Refuse requests, end the cameras, end deletion: what is left is the store's to seal.
  void Stop();

 private:
  void TellVolumes(const Settings& asked) const;

  Clock& clock_;
  FileSystem& files_;
  Settings settings_;
  storage::Store* store_ = nullptr;
  net::Loop loop_;
  std::shared_ptr<net::TlsCertificate> certificate_;  // nullptr: no TLS.
  std::unique_ptr<recorder::Recorder> recorder_;
  std::unique_ptr<api::Webhook> webhook_;
  std::unique_ptr<api::Service> service_;
  std::unique_ptr<storage::Purger> purger_;
  std::unique_ptr<storage::Scrubber> scrubber_;
  std::unique_ptr<storage::Snapshotter> snapshotter_;
  std::unique_ptr<storage::SelfCheck> self_check_;
  std::unique_ptr<storage::HeldCopies> held_copies_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread loop_thread_;
};

}  // namespace lookback::app
