#include "api/zip_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <new>
#include <utility>

namespace lookback::api {

struct ZipStream::Archive {
  Archive() {
    if (handle == nullptr || entry == nullptr) throw std::bad_alloc();
    archive_write_set_format_zip(handle);
    archive_write_zip_set_compression_store(handle);
    // Each piece comes out as it goes in, and nothing is added to make up a block.
    archive_write_set_bytes_per_block(handle, 0);
    archive_write_set_bytes_in_last_block(handle, 1);
    archive_write_open(
        handle, this, nullptr,
        [](archive*, void* self, const void* bytes, size_t count) -> la_ssize_t {
          static_cast<Archive*>(self)->out.append(static_cast<const char*>(bytes), count);
          return static_cast<la_ssize_t>(count);
        },
        nullptr);
  }
  ~Archive() {
    archive_entry_free(entry);
    archive_write_free(handle);
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  Status Check(int code) const {
    if (code == ARCHIVE_OK) return Ok();
    const char* text = archive_error_string(handle);
    return Fail(Code::kInvalid,
                fmt::format("the ZIP cannot be written: {}", text == nullptr ? "?" : text));
  }
  // A file that is shorter than announced would be filled up with zeroes.
  Status EndFile() {
    if (left == 0) return Ok();
    return Fail(Code::kInvalid, fmt::format("{} lacks {} bytes", name, left));
  }

  std::string out;  // Before the handle, which writes when it is freed half way.
  archive* const handle = archive_write_new();
  archive_entry* const entry = archive_entry_new();
  std::string name;
  uint64_t left = 0;  // Of the file that is under way.
};

ZipStream::ZipStream() : archive_(std::make_unique<Archive>()) {}
ZipStream::~ZipStream() = default;

Status ZipStream::Begin(const std::string& name, uint64_t bytes, TimeUs time_us) {
  Archive& archive = *archive_;
  LB_TRY(archive.EndFile());
  archive.name = name;
  archive.left = bytes;
  archive_entry_clear(archive.entry);
  archive_entry_set_pathname(archive.entry, name.c_str());
  archive_entry_set_filetype(archive.entry, AE_IFREG);
  archive_entry_set_perm(archive.entry, 0644);
  archive_entry_set_size(archive.entry, static_cast<la_int64_t>(bytes));
  archive_entry_set_mtime(archive.entry, time_us / kUsPerSecond, 0);
  return archive.Check(archive_write_header(archive.handle, archive.entry));
}

Status ZipStream::Write(ByteSpan piece) {
  Archive& archive = *archive_;
  if (piece.size() > archive.left) {
    return Fail(Code::kInvalid,
                fmt::format("{} has more bytes than it was announced with", archive.name));
  }
  if (piece.empty()) return Ok();
  const la_ssize_t count = archive_write_data(archive.handle, piece.data(), piece.size());
  if (count != static_cast<la_ssize_t>(piece.size())) return archive.Check(ARCHIVE_FATAL);
  archive.left -= piece.size();
  return Ok();
}

Status ZipStream::Finish() {
  LB_TRY(archive_->EndFile());
  return archive_->Check(archive_write_close(archive_->handle));
}

std::string ZipStream::Take() { return std::exchange(archive_->out, {}); }

}  // namespace lookback::api
