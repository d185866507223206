// api/webhook.h: tells a URL of alarms, by HTTP POST, one at a time and in order (docs/alarms.md).
//
// An answer of 2xx is taken for received. What cannot be answered, is busy or failed there
// (no answer, 408, 425, 429, 5xx) is tried again, after 1 s and twice as long each time up to
// kMaxWaitUs, until it is kGiveUpUs old; any other answer, a redirect too, is a refusal. What is
// given up, refused, or the oldest of more than kMaxWaiting is dropped, counted and logged.
//
// Invariant: Post() never waits. The secret and the URL's query are in no log line.
// Threads:   Post(), Use(), on() and counters() on any; Work() on one, which is the
//            webhook's own after Start().
// Errors:    Open says what is wrong with a URL.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"

namespace lookback::api {

class Webhook {
 public:
  static constexpr size_t kMaxWaiting = 1'000;
  static constexpr int64_t kMinWaitUs = kUsPerSecond;
  static constexpr int64_t kMaxWaitUs = 5 * kUsPerMinute;
  static constexpr int64_t kGiveUpUs = kUsPerHour;
  static constexpr long kTimeoutMs = 10'000;  // Of one try.

  struct Options {
    std::string url;     // http(s)://, without credentials; empty: nobody is told.
    std::string secret;  // Of the signature; empty: none.
  };
  struct Counters {
    uint64_t delivered = 0;
    uint64_t failed_tries = 0;
    uint64_t dropped = 0;
    size_t waiting = 0;
  };

  static Status CheckUrl(const std::string& url);

  // curl_global_init() comes before. `clock` must outlive the webhook.
  static Result<std::unique_ptr<Webhook>> Open(const Options& options, Clock& clock);
  ~Webhook();  // Ends a try that is under way; what waits is forgotten.
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  void Start();  // The thread that works.

  // From the next try on. What waits goes there, or is forgotten where nobody is told any more.
  void Use(Options options);
  // Whether somebody is told.
  bool on() const;

  void Post(std::string body);

  // Tries what is due, and the next, as long as all goes well. How long until something is due.
  int64_t Work();

  Counters counters() const;

 private:
  struct Delivery {
    std::string id;
    std::string body;
    int64_t posted_us = 0;  // Monotonic.
  };

  Webhook(const Options& options, Clock& clock) : clock_(clock), options_(options) {}
  void Run();
  enum class Outcome : uint8_t { kDelivered, kTryAgain, kRefused };
  Outcome Try(const Options& options, const Delivery& delivery, std::string& why);
  void Drop(const std::string& id, const std::string& why);

  Clock& clock_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  // Of what follows.
  Options options_;
  uint64_t uses_ = 0;  // Of Use().
  std::condition_variable wake_;
  std::deque<Delivery> waiting_;
  Counters counters_;
  int64_t wait_us_ = kMinWaitUs;
  int64_t due_us_ = 0;  // Monotonic: the first of `waiting_`.
  std::thread thread_;
};

}  // namespace lookback::api
