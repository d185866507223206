#include "apps/camera_sim/frame_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace lookback::camera_sim {

Result<std::unique_ptr<FrameLog>> FrameLog::Open(const std::string& path,
                                                 std::function<void()> on_failure) {
  int fd = -1;
  if (!path.empty()) {
    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
      const Error error = SystemError(errno, "open", path);
      return Fail(error.code, error.message);
    }
  }
  return std::unique_ptr<FrameLog>(new FrameLog(fd, path, std::move(on_failure)));
}

FrameLog::FrameLog(int fd, std::string path, std::function<void()> on_failure)
    : fd_(fd), path_(std::move(path)), on_failure_(std::move(on_failure)) {
  if (fd_ >= 0) thread_ = std::thread([this] { Run(); });
}

FrameLog::~FrameLog() {
  (void)Close();
  if (fd_ >= 0) ::close(fd_);
}

void FrameLog::Append(const FrameRecord& record) {
  if (fd_ < 0) return;
  const std::string hash =
      record.sha256.empty() ? "" : fmt::format(R"(,"sha256":"{}")", record.sha256);
  AppendLine(fmt::format(
      R"({{"camera":"{}","frame":{},"capture_us":{},"sync":{},"bytes":{},"sent":{}{}}})",
      record.camera, record.frame, record.capture_us, record.sync, record.bytes, record.sent,
      hash));
}

void FrameLog::AppendSound(const SoundRecord& record) {
  if (fd_ < 0) return;
  AppendLine(fmt::format(R"({{"camera":"{}","sound":{},"bytes":{},"sent":{},"sha256":"{}"}})",
                         record.camera, record.sound, record.bytes, record.sent, record.sha256));
}

void FrameLog::AppendLine(std::string_view json) {
  if (fd_ < 0) return;
  const std::lock_guard lock(mutex_);
  // What cannot be kept is an error, seen by Run(); until it acts, memory stays bounded.
  if (!status_ || pending_.size() > kMaxPendingBytes) return;
  pending_.append(json);
  pending_.push_back('\n');
}

Status FrameLog::Close() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  return status_;
}

void FrameLog::Run() {
  std::unique_lock lock(mutex_);
  while (status_) {
    wake_.wait_for(lock, std::chrono::milliseconds(kFlushMs), [this] { return stopping_; });
    const bool last = stopping_;
    std::string text;
    text.swap(pending_);
    lock.unlock();
    if (text.size() > kMaxPendingBytes) {
      Failed({Code::kDiskFailed, path_ + ": more than 64 MiB of log waited for the disk"});
    } else {
      Write(text);
    }
    lock.lock();
    if (last) return;
  }
}

void FrameLog::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed(SystemError(errno, "write", path_));
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void FrameLog::Failed(Error error) {
  {
    const std::lock_guard lock(mutex_);
    status_ = Fail(error.code, std::move(error.message));
  }
  if (on_failure_) on_failure_();
}

}  // namespace lookback::camera_sim
