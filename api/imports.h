// api/imports.h: files on their way into the archive: uploaded in parts to a spool,
// looked at, kept.
//
//   uploading -> checking -> keeping -> done
//        \______________\_________\____-> failed, with a problem
//
// The spool file is gone at the end, whatever the end is, and at the next start after a crash. What
// a crash left in the archive of a file that was being kept stays there, on record as begun.
//
// Invariant: a file's footage is on record as begun before any of it is written, and as
//            complete once all of it is durable. Files are kept one after the other;
//            never over other footage.
// Threads:   any; the work is done on a thread of its own.
// Errors:    as Problem, of requests thrown, of the work in View::problem.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/problem.h"
#include "base/file_system.h"
#include "base/worker_pool.h"
#include "recorder/file_import.h"
#include "storage/store.h"

namespace lookback::api {

inline constexpr uint64_t kMaxImportBytes = uint64_t{64} << 30;  // Unless set otherwise.

class Imports {
 public:
  static constexpr size_t kMaxJobs = 16;          // Those that ended too.
  static constexpr int64_t kIdleUs = kUsPerHour;  // An upload that stands still is dropped.
  static constexpr uint64_t kKeepFreeBytes = uint64_t{1} << 30;  // Of the disk with the spool.

  // What a person asks for.
  struct Ask {
    StreamId stream;
    TimeUs start_us = 0;
    bool audio = false;
    std::string file;
    uint64_t bytes = 0;
    std::string person;
    std::string client;
    std::string reason;
  };
  enum class State : uint8_t { kUploading, kChecking, kKeeping, kDone, kFailed };
  struct View {
    Ask ask;
    State state = State::kUploading;
    uint64_t received_bytes = 0;
    uint64_t read_bytes = 0;  // Of the file, twice.
    std::optional<Problem> problem;
    Sha256Digest sha256{};              // Once uploaded.
    recorder::FileImport::Found found;  // Once checked.
  };

  // All must outlive it. Empties the spool.
  Imports(storage::Store& store, Clock& clock, FileSystem& files, uint64_t max_bytes);
  ~Imports();  // Ends what is under way.

  void SetMaxBytes(uint64_t max_bytes) { max_bytes_ = max_bytes; }

  Uuid Begin(const Ask& ask);
  // The next bytes; how many there are now. The last ones start the work.
  uint64_t Append(const Uuid& id, uint64_t offset, ByteSpan bytes);
  View Find(const Uuid& id);
  void Cancel(const Uuid& id);

 private:
  struct Job;

  std::shared_ptr<Job> FindJob(const Uuid& id);
  void DropIdle();
  void Work(const std::shared_ptr<Job>& job);
  void Keep(Job& job);
  void Check(const Job& job, const recorder::FileImport::Found& found);
  void CheckFree(const StreamId& stream, TimeRange range);
  void CheckSpace(uint64_t bytes);
  void CheckRetention(const StreamId& stream, TimeRange range);
  std::string Spool() const;

  storage::Store& store_;
  Clock& clock_;
  FileSystem& files_;
  std::atomic<uint64_t> max_bytes_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // Of what follows.
  std::map<Uuid, std::shared_ptr<Job>> jobs_;
  WorkerPool worker_;  // Last: it uses all of the above.
};

std::string_view ImportStateName(Imports::State state);

}  // namespace lookback::api
