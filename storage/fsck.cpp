#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/words.h"
#include "index/catalog.h"
#include "storage/check.h"
#include "storage/data_directory.h"
#include "storage/layout.h"
#include "storage/ledger.h"
#include "storage/ledger_copy_check.h"
#include "storage/local_volume.h"
#include "storage/recorded_footage.h"
#include "storage/segment_reader.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

// How often progress is told, in things looked at.
constexpr uint64_t kProgressStep = 1'000;

// The same for both files of a segment.
std::string WholePath(index::SegmentKey key) {
  key.thinned = false;
  return SegmentPath(key);
}

class Checker {
 public:
  Checker(std::string data, FileSystem& files, const OnProgress& progress, FsckDepth depth)
      : data_(std::move(data)), files_(files), progress_(progress), depth_(depth) {}

  Result<FsckReport> Run() {
    LB_TRY_ASSIGN(store, ReadStoreFile(files_, JoinPath(data_, kStoreFile)));
    store_ = store.store;
    auto lock = files_.Lock(JoinPath(data_, kLockFile));
    if (!lock && lock.code() != Code::kUnavailable) return Pass(lock.error());
    running_ = !lock;
    // The catalog first, the ledger after: a running store writes them in the other order, so what
    // the catalog shows must be on the ledger by then.
    LB_TRY(ReadCatalog());
    LB_TRY(ReadLedger());
    files_since_ = report_.ledger_records;
    CompareRows();
    Tell("files", 0, said_.entries.size());
    for (const auto& [key, entry] : said_.entries) by_path_.emplace(WholePath(key), key);
    for (const StoreFile::KnownVolume& known : store.volumes) roots_[known.id] = known.root;
    for (const StoreFile::KnownVolume& known : store.volumes) {
      LB_TRY(CheckVolume(known));
    }
    if (running_) LB_TRY(ReadLedger());  // What retention took while the files were walked.
    NameMissing();
    report_.segments = static_cast<uint64_t>(
        std::count_if(said_.entries.begin(), said_.entries.end(), [](const auto& entry) {
          return entry.second.on_ledger && entry.second.standing == Standing::kSealed;
        }));
    return std::move(report_);
  }

 private:
  void Tell(std::string_view step, uint64_t done, uint64_t total) {
    const uint64_t step_items = depth_ == FsckDepth::kBytes ? 1 : kProgressStep;
    if (progress_ && done % step_items == 0) progress_({std::string(step), done, total});
  }

  Finding& Add(FindingKind kind, std::string sentence) {
    Finding finding;
    finding.kind = kind;
    finding.sentence = std::move(sentence);
    report_.findings.push_back(std::move(finding));
    return report_.findings.back();
  }

  Finding& Add(FindingKind kind, const index::SegmentKey& key, TimeUs end_us,
               const std::string& what) {
    Finding& finding = Add(kind, fmt::format("{} {} to {}: {}", key.stream.text(),
                                             FormatTime(key.start_us), FormatTime(end_us), what));
    finding.path = SegmentPath(key);
    finding.camera = key.stream.camera.text();
    finding.range = {key.start_us, end_us};
    return finding;
  }

  std::string RootOf(const Uuid& volume) const {
    const auto root = roots_.find(volume);
    return root == roots_.end() ? "volume " + volume.text() : root->second;
  }

  // Where its other files are to be, besides the one on `volume`; "" when it has none.
  std::string Elsewhere(const index::SegmentKey& key, const Uuid& volume) const {
    std::string text;
    const auto add = [&](const Uuid& other) {
      if (other != volume) text += (text.empty() ? "; it is also on " : ", ") + RootOf(other);
    };
    const auto entry = said_.entries.find(key);
    if (entry != said_.entries.end() && entry->second.standing == Standing::kSealed) {
      add(entry->second.volume);
    }
    for (auto it = said_.copies.lower_bound({key, Uuid()}); it != said_.copies.end(); ++it) {
      if (it->first.first != key) break;
      if (it->second.on_ledger) add(it->first.second);
    }
    return text;
  }

  Status ReadCatalog() {
    index::Catalog::Options options;
    options.read_only = true;
    options.create = false;
    const std::string path = JoinPath(data_, "catalog");
    auto catalog = index::Catalog::Open(path, options);
    if (!catalog) {
      Add(FindingKind::kMissingRow, "the catalog cannot be read (" + catalog.message() +
                                        "); lookback rebuild makes it anew from the ledger");
      catalog_readable_ = false;
      return Ok();
    }
    catalog_position_ = (*catalog)->position();
    LB_TRY((*catalog)->VisitAllCopies([&](const index::Copy& copy) {
      said_.copies[{copy.segment, copy.volume}].in_catalog = true;
      return true;
    }));
    uint64_t rows = 0;
    return (*catalog)->VisitAllSegments([&](const index::Seal& seal) {
      RecordedSegment& entry = said_.entries[index::KeyOf(seal)];
      entry.in_catalog = true;
      entry.end_us = entry.row_end_us = seal.end_us;
      entry.bytes = entry.row_bytes = seal.bytes;
      entry.thinned = entry.row_thinned = seal.thinned;
      entry.volume = seal.volume;
      Tell("catalog", ++rows, 0);
      return true;
    });
  }

  Status ReadLedger() {
    auto ledger = Ledger::OpenReadOnly(JoinPath(data_, "ledger"), files_);
    if (!ledger) {
      Add(FindingKind::kLedgerDamage, ledger.message());
      ledger_whole_ = ledger_good_ = false;
      return Ok();
    }
    const bool first = report_.ledger_records == 0;
    const uint64_t total = (*ledger)->size();
    const auto lost =
        (*ledger)->Read(report_.ledger_records, [&](const index::NumberedRecord& numbered) {
          said_.Apply(numbered);
          Tell("ledger", numbered.number + 1, total);
          return true;
        });
    report_.ledger_records = std::max(report_.ledger_records, total);
    if (!lost || *lost > 0) ledger_whole_ = ledger_good_ = false;
    if (!lost) {
      Add(FindingKind::kLedgerDamage, lost.message());
    } else if (first) {
      const Status verified = (*ledger)->Verify();
      if (!verified) {
        ledger_good_ = false;
        Add(FindingKind::kLedgerDamage,
            verified.error().message +
                (*lost > 0 ? " (lost in all: " + Count(*lost, "record") + ")" : std::string()));
      }
    }
    if (!running_ && (*ledger)->torn_bytes() > 0) {
      Add(FindingKind::kLedgerDamage,
          fmt::format("the ledger's last {} bytes are torn; the next start cuts them off",
                      (*ledger)->torn_bytes()))
          .fault = false;
    }
    return Ok();
  }

  void CompareRows() {
    if (!catalog_readable_) return;
    for (const auto& [key, entry] : said_.entries) {
      const bool expected = entry.on_ledger && entry.standing == Standing::kSealed;
      if (entry.number >= catalog_position_ && entry.on_ledger) continue;  // Not applied yet.
      if (expected && !entry.in_catalog) {
        Add(FindingKind::kMissingRow, key, entry.end_us,
            "it is sealed on the ledger, but the catalog has no row of it; lookback rebuild mends "
            "that");
      }
      if (expected && entry.in_catalog &&
          (entry.row_bytes != entry.bytes || entry.row_end_us != entry.end_us ||
           entry.row_thinned != entry.thinned)) {
        Add(FindingKind::kForeignRow, key, entry.end_us,
            "its catalog row says otherwise than its seal on the ledger");
      }
      // What a damaged ledger does not show may have stood where it is damaged.
      const bool contradicted = entry.on_ledger || ledger_whole_;
      if (!expected && entry.in_catalog && contradicted) {
        Add(FindingKind::kForeignRow, key, entry.end_us,
            "the catalog has a row of it, but on the ledger it is not a sealed segment");
      }
    }
    for (const auto& [key, copy] : said_.copies) {
      if (copy.on_ledger == copy.in_catalog || copy.number >= catalog_position_) continue;
      if (!copy.on_ledger && !ledger_whole_) continue;
      const auto kind = copy.on_ledger ? FindingKind::kMissingRow : FindingKind::kForeignRow;
      Add(kind, key.first, said_.entries[key.first].end_us,
          copy.on_ledger ? "the catalog does not know of its copy; lookback rebuild mends that"
                         : "the catalog has a copy of it that the ledger does not tell of");
    }
    if (catalog_position_ < report_.ledger_records && !running_) {
      Add(FindingKind::kMissingRow,
          fmt::format("the catalog is {} behind the ledger; the next start catches up",
                      Count(report_.ledger_records - catalog_position_, "record")))
          .fault = false;
    }
  }

  Status CheckVolume(const StoreFile::KnownVolume& known) {
    const auto identity = ReadVolumeFile(files_, JoinPath(known.root, kVolumeFile));
    if (!identity || identity->volume != known.id || identity->store != store_) {
      Add(FindingKind::kVolumeOffline,
          fmt::format("volume {} is not there ({}); its segments were not checked", known.root,
                      identity ? "another volume's identity is" : identity.message()));
      offline_.push_back(known.id);
      return Ok();
    }
    LB_TRY(CheckCopyOfLedger(known));
    LocalVolume volume(known.root, store_, known.id, files_);
    uint64_t seen = 0;
    return volume.VisitFiles([&](const Volume::Found& found) {
      Tell("files", ++seen, said_.entries.size());
      CheckFile(volume, found);
      return true;
    });
  }

  Status CheckCopyOfLedger(const StoreFile::KnownVolume& known) {
    const std::string path = LedgerCopyPath(known.root);
    // Which of two damaged ones is right is for a start to find; one that is absent, to make.
    if (!ledger_good_ || !Exists(files_, path)) return Ok();
    LB_TRY_ASSIGN(check, CheckLedgerCopy(JoinPath(data_, "ledger"), path, store_, files_));
    if (!check.problem.empty()) {
      Add(FindingKind::kLedgerCopyDamage,
          fmt::format("the copy of the ledger in {}: {}; lookback fsck --repair makes it whole",
                      path, check.problem))
          .path = path;
    } else if (check.lacks > 0 && !running_) {
      Finding& finding = Add(FindingKind::kLedgerCopyBehind,
                             fmt::format("the copy of the ledger in {} lacks the last {} of {} "
                                         "records; the next start brings them",
                                         path, check.lacks, check.records + check.lacks));
      finding.fault = false;
      finding.path = path;
    }
    return Ok();
  }

  void CheckFile(Volume& volume, const Volume::Found& found) {
    const std::string path = JoinPath(volume.root(), found.path);
    if (found.stray) {
      Add(FindingKind::kStrayFile, path + " is no segment of this store").path = path;
      return;
    }
    const auto known = by_path_.find(WholePath(found.key));
    RecordedSegment* entry = known == by_path_.end() ? nullptr : &said_.entries[known->second];
    if (!entry || (!entry->on_ledger && !entry->in_catalog)) {
      Finding& finding =
          Add(FindingKind::kUnsealedFile, found.key, found.key.start_us,
              running_ ? "it is being written" : "it is not sealed; the next start sees to it");
      finding.fault = false;
      finding.path = path;
      return;
    }
    if (entry->standing != Standing::kDeleted && entry->thinned != found.key.thinned) {
      return TellThinning(found, *entry, path);
    }
    const auto copy = said_.copies.find({known->second, volume.id()});
    const bool is_copy = copy != said_.copies.end() && (copy->second.on_ledger || !ledger_whole_);
    if (entry->volume == volume.id()) {
      entry->file_seen = true;
    } else if (is_copy) {
      copy->second.file_seen = true;
    } else if (entry->standing != Standing::kDeleted) {
      Finding& finding = Add(FindingKind::kUnsealedFile, found.key, entry->end_us,
                             running_ ? "a copy of it is being made"
                                      : "a copy of it is not on record; the next start sees to it");
      finding.fault = false;
      finding.path = path;
      return;
    }
    if (entry->standing == Standing::kDeleted) {
      Add(FindingKind::kReappearedFile, known->second, entry->end_us,
          "it was deleted by policy, but its file is there; the next start removes it")
          .path = path;
      return;
    }
    CheckBytes(volume, known->second, *entry, path);
  }

  void TellThinning(const Volume::Found& found, const RecordedSegment& entry,
                    const std::string& path) {
    const char* what = "it was thinned, but its whole file is there; the next start removes it";
    if (found.key.thinned) {
      what = running_ ? "it is being thinned"
                      : "its thinning was not finished; the next start sees to it";
    }
    Finding& finding =
        Add(found.key.thinned ? FindingKind::kUnsealedFile : FindingKind::kReappearedFile,
            found.key, entry.end_us, what);
    finding.fault = !found.key.thinned && !running_;
    finding.path = path;
  }

  void CheckBytes(Volume& volume, index::SegmentKey key, const RecordedSegment& entry,
                  const std::string& path) {
    key.thinned = entry.thinned;
    auto file = volume.Open(key);
    if (!file) return;  // Gone between listing and opening; NameMissing decides.
    const auto size = (*file)->Size();
    if (size && *size != entry.bytes) {
      const bool less = *size < entry.bytes;
      Add(less ? FindingKind::kTruncatedFile : FindingKind::kDamagedFile, key, entry.end_us,
          fmt::format("the file has {} bytes, but was sealed with {}{}", *size, entry.bytes,
                      Elsewhere(key, volume.id())))
          .path = path;
      return;
    }
    const auto index = ReadClosedSegment(**file);
    const std::string problem =
        index ? Contradiction(*index, store_, key, entry.end_us) : index.message();
    if (!problem.empty()) {
      Add(FindingKind::kDamagedFile, key, entry.end_us, problem + Elsewhere(key, volume.id()))
          .path = path;
    } else if (depth_ == FsckDepth::kBytes && entry.on_ledger) {
      CheckDigests(**file, key, entry, path, volume.id());
    }
  }

  // Names the first fragment that is not what was written, by the time from which on it lasts.
  void CheckDigests(const File& file, const index::SegmentKey& key, const RecordedSegment& entry,
                    const std::string& path, const Uuid& volume) {
    const auto scan = ScanSegment(file);
    std::string problem;
    TimeUs from_us = key.start_us;
    if (!scan) {
      problem = scan.message();
    } else if (!scan->end_valid) {
      problem = scan->problem;
      if (!scan->index.fragments.empty()) from_us = scan->index.end_us();
    } else if (scan->sha256 != entry.sha256) {
      problem = "its bytes are not those that were sealed: their SHA-256 is another";
    }
    if (problem.empty()) return;
    Finding& finding = Add(FindingKind::kDamagedFile, key, entry.end_us,
                           fmt::format("damaged from {} on: {}{}", FormatTime(from_us), problem,
                                       Elsewhere(key, volume)));
    finding.path = path;
    finding.range.start_us = from_us;
  }

  void NameMissing() {
    for (const auto& [key, entry] : said_.entries) {
      if (!entry.on_ledger || entry.file_seen || entry.standing == Standing::kDeleted) continue;
      // Sealed while the files were walked: it may have been met before that.
      if (entry.standing == Standing::kSealed && entry.number >= files_since_) continue;
      if (std::find(offline_.begin(), offline_.end(), entry.volume) != offline_.end()) continue;
      // A loss on record has its gap: disk, ledger and catalog agree on it.
      const bool recorded = entry.standing == Standing::kMissing;
      const std::string root = RootOf(entry.volume);
      Finding& finding = Add(FindingKind::kMissingFile, key, entry.end_us,
                             recorded ? "its file is gone from " + root + ", which is on record"
                                      : "it is sealed on the ledger, but its file is gone from " +
                                            root + Elsewhere(key, entry.volume));
      finding.fault = !recorded;
      finding.path = JoinPath(root, SegmentPath(key));
    }
    for (const auto& [key, copy] : said_.copies) {
      if (!copy.on_ledger || copy.file_seen || copy.number >= files_since_) continue;
      if (std::find(offline_.begin(), offline_.end(), key.second) != offline_.end()) continue;
      const std::string root = RootOf(key.second);
      Add(FindingKind::kMissingFile, key.first, said_.entries[key.first].end_us,
          "its copy is gone from " + root + Elsewhere(key.first, key.second))
          .path = JoinPath(root, SegmentPath(key.first));
    }
  }

  const std::string data_;
  FileSystem& files_;
  const OnProgress& progress_;
  const FsckDepth depth_;
  FsckReport report_;
  Uuid store_;
  bool running_ = false;
  bool catalog_readable_ = true;
  bool ledger_whole_ = true;  // No record is lost;
  bool ledger_good_ = true;   // and each is the one that its leaf tells of.
  uint64_t catalog_position_ = 0;
  uint64_t files_since_ = 0;  // The ledger's size when the walk over the files began.
  RecordedFootage said_;
  std::unordered_map<std::string, index::SegmentKey> by_path_;
  std::map<Uuid, std::string> roots_;  // Of the volumes.
  std::vector<Uuid> offline_;
};

}  // namespace

Result<FsckReport> Fsck(const std::string& data, FileSystem& files, const OnProgress& progress,
                        FsckDepth depth) {
  return Checker(data, files, progress, depth).Run();
}

}  // namespace lookback::storage
