#include "api/webhook.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/log.h"

namespace lookback::api {
namespace {

constexpr int64_t kIdleUs = kUsPerHour;  // Nothing is due; a Post() wakes.
constexpr size_t kMaxUrlBytes = 2'048;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, ListDeleter>;

bool Append(Headers& headers, const std::string& line) {
  curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
  if (longer == nullptr) return false;
  (void)headers.release();
  headers.reset(longer);
  return true;
}

// "sha256=" and the HMAC-SHA256 (RFC 2104) of the body, in hex.
std::string Signature(const std::string& secret, const std::string& body) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const ByteSpan bytes = AsBytes(body);
  LB_CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes.data(),
                bytes.size(), digest.data(), &size) != nullptr);
  return "sha256=" + HexEncode(ByteSpan(digest).first(size));
}

size_t Discard(const char*, size_t, size_t size, void*) { return size; }

int Progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(user)->load() ? 1 : 0;
}

bool MayPass(long status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

}  // namespace

Status Webhook::CheckUrl(const std::string& url) {
  const size_t scheme = url.find("://");
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  const std::string host =
      http ? url.substr(scheme + 3, url.find_first_of("/?#", scheme + 3) - (scheme + 3)) : "";
  const bool clean = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127; });
  if (host.empty() || !clean || url.size() > kMaxUrlBytes) {
    return Fail(Code::kInvalid, "the webhook's URL is not http:// or https:// with a host");
  }
  if (host.find('@') != std::string::npos) {
    return Fail(Code::kInvalid,
                "the webhook's URL holds credentials, which every process list would show; the "
                "signature tells the receiver who sends");
  }
  return Ok();
}

Result<std::unique_ptr<Webhook>> Webhook::Open(const Options& options, Clock& clock) {
  if (!options.url.empty()) LB_TRY(CheckUrl(options.url));
  return std::unique_ptr<Webhook>(new Webhook(options, clock));
}

Webhook::~Webhook() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Webhook::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Webhook::Run() {
  while (!stopping_) {
    const int64_t wait_us = Work();
    std::unique_lock lock(mutex_);
    const bool more = !waiting_.empty() && due_us_ <= clock_.MonotonicUs();
    if (stopping_ || more) continue;
    wake_.wait_for(lock, std::chrono::microseconds(wait_us));
  }
}

void Webhook::Use(Options options) {
  const std::lock_guard lock(mutex_);
  options_ = std::move(options);
  ++uses_;
  if (options_.url.empty()) waiting_.clear();
  wait_us_ = kMinWaitUs;
  due_us_ = 0;
  wake_.notify_all();
}

bool Webhook::on() const {
  const std::lock_guard lock(mutex_);
  return !options_.url.empty();
}

void Webhook::Post(std::string body) {
  Delivery delivery{Uuid::Random().text(), std::move(body), clock_.MonotonicUs()};
  std::string dropped;
  {
    const std::lock_guard lock(mutex_);
    if (options_.url.empty()) return;
    waiting_.push_back(std::move(delivery));
    if (waiting_.size() > kMaxWaiting) {
      dropped = waiting_.front().id;
      waiting_.pop_front();
    }
    wake_.notify_all();
  }
  if (!dropped.empty()) Drop(dropped, fmt::format("more than {} wait", kMaxWaiting));
}

int64_t Webhook::Work() {
  while (!stopping_) {
    Delivery delivery;
    Options options;
    uint64_t uses = 0;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) return kIdleUs;
      const int64_t early_us = due_us_ - clock_.MonotonicUs();
      if (early_us > 0) return early_us;
      delivery = waiting_.front();
      options = options_;
      uses = uses_;
    }
    std::string why;
    Outcome outcome = Try(options, delivery, why);
    if (stopping_) break;
    const int64_t now_us = clock_.MonotonicUs();
    std::unique_lock lock(mutex_);
    if (outcome != Outcome::kDelivered && uses != uses_) continue;  // That address is none now.
    if (outcome == Outcome::kTryAgain) {
      ++counters_.failed_tries;
      due_us_ = now_us + wait_us_;
      wait_us_ = std::min(wait_us_ * 2, kMaxWaitUs);
      if (now_us - delivery.posted_us < kGiveUpUs) continue;
    } else {
      wait_us_ = kMinWaitUs;
      due_us_ = 0;
    }
    // It may have been dropped meanwhile, as the oldest of too many.
    if (waiting_.empty() || waiting_.front().id != delivery.id) continue;
    waiting_.pop_front();
    if (outcome == Outcome::kDelivered) {
      ++counters_.delivered;
      continue;
    }
    lock.unlock();
    Drop(delivery.id, why);
  }
  return 0;
}

void Webhook::Drop(const std::string& id, const std::string& why) {
  LogError("webhook", fmt::format("delivery {} is dropped: {}", id, why));
  const std::lock_guard lock(mutex_);
  ++counters_.dropped;
}

Webhook::Outcome Webhook::Try(const Options& options, const Delivery& delivery, std::string& why) {
  const std::unique_ptr<CURL, EasyDeleter> easy(curl_easy_init());
  Headers headers;
  bool good = easy && Append(headers, "Content-Type: application/json") &&
              Append(headers, "Expect:") && Append(headers, "X-Lookback-Delivery: " + delivery.id);
  if (good && !options.secret.empty()) {
    good = Append(headers, "X-Lookback-Signature: " + Signature(options.secret, delivery.body));
  }
  if (!good) {
    why = "no memory";
    return Outcome::kTryAgain;
  }
  CURL* const curl = easy.get();
  curl_easy_setopt(curl, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "lookback");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, delivery.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(delivery.body.size()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Discard);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &stopping_);
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) {
    why = curl_easy_strerror(code);
    return Outcome::kTryAgain;
  }
  if (status >= 200 && status < 300) return Outcome::kDelivered;
  why = fmt::format("the receiver answered {}", status);
  return MayPass(status) ? Outcome::kTryAgain : Outcome::kRefused;
}

Webhook::Counters Webhook::counters() const {
  const std::lock_guard lock(mutex_);
  Counters counters = counters_;
  counters.waiting = waiting_.size();
  return counters;
}

}  // namespace lookback::api
