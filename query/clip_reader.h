// query/clip_reader.h: what clips keep between two reads of theirs, bounded for
// all of them together.
//
// A client that takes its bytes slowly would otherwise keep open files and a whole fragment in
// memory for as long as it likes. A reader that was put aside and is gone when its client comes
// back is made anew: it opens its file and verifies its fragment once more.
//
// Invariant: of the readers put aside, at most kMaxIdleReaders and kMaxIdleBytes together
//            are kept; the one that has waited longest goes first. A reader belongs to one
//            clip, and goes with it.
// Threads:   IdleReaders and StoredClip any; a ClipReader one at a time.
// Errors:    of Clip::Read().
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <span>

#include "query/clip.h"

namespace lookback::query {

inline constexpr size_t kMaxIdleReaders = 128;
inline constexpr size_t kMaxIdleBytes = 32 << 20;

// Reads a clip behind its head, piece by piece: a few open files, and the fragment
// that it read last.
class ClipReader {
 public:
  virtual ~ClipReader() = default;

  // Fills `into` from `offset` of the clip, which holds that much.
  virtual Status Read(uint64_t offset, std::span<uint8_t> into) = 0;
  virtual bool HasInMemory(uint64_t offset) const = 0;
  virtual size_t memory_bytes() const = 0;
};

class IdleReaders {
 public:
  // One of the clip's, if possible one that has the byte at `offset` in memory;
  // nullptr: there is none.
  std::unique_ptr<ClipReader> Take(const Clip* clip, uint64_t offset);
  void PutAside(const Clip* clip, std::unique_ptr<ClipReader> reader);
  void Drop(const Clip* clip);

  size_t count() const;
  size_t memory_bytes() const;

 private:
  struct Idle {
    const Clip* clip;
    std::unique_ptr<ClipReader> reader;
    size_t memory_bytes;
  };

  std::unique_ptr<ClipReader> Remove(std::list<Idle>::iterator idle);

  mutable std::mutex mutex_;
  std::list<Idle> idle_;  // The one put aside last comes first.
  size_t memory_bytes_ = 0;
};

// A clip whose head is in memory, and whose rest readers read.
class StoredClip : public Clip {
 public:
  // `readers` may be those of other clips too; nullptr: its own. `pin`: on what it reads.
  explicit StoredClip(std::shared_ptr<IdleReaders> readers, storage::ReadPins::Pin pin = {})
      : readers_(readers ? std::move(readers) : std::make_shared<IdleReaders>()),
        pin_(std::move(pin)) {}
  ~StoredClip() override { readers_->Drop(this); }

  Result<size_t> Read(uint64_t offset, std::span<uint8_t> into) const final;
  void PinAnew(TimeUs now_us) const final { pin_.Renew(now_us); }
  bool broken() const final { return broken_; }

 private:
  virtual const Bytes& head() const = 0;
  virtual std::unique_ptr<ClipReader> NewReader() const = 0;

  const std::shared_ptr<IdleReaders> readers_;
  const storage::ReadPins::Pin pin_;
  mutable std::atomic<bool> broken_{false};
};

}  // namespace lookback::query
