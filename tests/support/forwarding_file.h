// tests/support/forwarding_file.h: a file that passes every call on;
// a test overrides what is to fail.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "base/file_system.h"

namespace lookback::test {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> below) : below_(std::move(below)) {}

  Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
    return below_->WriteAt(offset, parts);
  }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    return below_->ReadAt(offset, into);
  }
  Status Sync() override { return below_->Sync(); }
  Status SyncFileSystem() override { return below_->SyncFileSystem(); }
  Status Truncate(uint64_t size) override { return below_->Truncate(size); }
  Status Reserve(uint64_t offset, uint64_t length) override {
    return below_->Reserve(offset, length);
  }
  Result<uint64_t> Size() const override { return below_->Size(); }
  void ForgetCached() const override { below_->ForgetCached(); }

 private:
  const std::unique_ptr<File> below_;
};

}  // namespace lookback::test
