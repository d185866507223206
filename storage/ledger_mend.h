// storage/ledger_mend.h: makes a file of a ledger whole from other ledgers that
// hold the same records.
//
// Invariant: a file is replaced durably and whole, never written into. Bytes of a record that
//            nobody has whole stay as they are, as evidence. A record whose own leaf hash is kept
//            is taken from elsewhere only when it is that leaf's.
// Threads:   values; one writer to a file.
// Errors:    those of the disk; then the file is what it was.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "storage/ledger.h"

namespace lookback::storage {

// A file that takes the place of another, once it is whole: new file, sync, rename, sync of the
// directory.
class FileReplacement {
 public:
  static Result<FileReplacement> Begin(const std::string& path, FileSystem& files);
  Status Append(ByteSpan bytes);
  Status AppendFrom(const File& file, uint64_t offset, uint64_t length);
  Status Finish();

 private:
  FileReplacement(std::string path, std::unique_ptr<File> file, FileSystem& files)
      : path_(std::move(path)), file_(std::move(file)), files_(&files) {}

  std::string path_;
  std::unique_ptr<File> file_;
  FileSystem* files_;
  uint64_t written_ = 0;
};

// The leaf hashes of the records [first, end) that stand whole in a ledger file;
// none in one that is not there.
Result<std::map<uint64_t, Sha256Digest>> WholeRecords(const std::string& path, uint64_t first,
                                                      uint64_t end, FileSystem& files);

// The file of `directory` that begins with record `first`, and is to hold those up to `end`: where
// records of it are damaged or gone, and `others` have them, it is made anew with them. How many
// were mended; a damaged stretch is mended as a whole or not at all.
Result<uint64_t> MendLedgerFile(const std::string& directory, const Uuid& store, uint64_t first,
                                uint64_t end, const std::vector<const Ledger*>& others,
                                FileSystem& files);

// Moves the files of a ledger into a new folder "apart-<epoch>" of its directory, which is
// returned; empty where there are none.
Result<std::string> SetLedgerApart(const std::string& directory, uint32_t epoch, FileSystem& files);

}  // namespace lookback::storage
