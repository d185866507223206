#include "tests/storage/promises.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>

#include "storage/layout.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::test {
namespace {

constexpr TimeRange kEver{kTimeMinUs, kTimeMaxUs};

std::string Name(const StreamId& stream, uint32_t number, TimeRange range) {
  return stream.text() + " fragment " + std::to_string(number) + " at " +
         FormatTime(range.start_us);
}

Problems Failed(const std::string& what, const Error& error) {
  return {what + ": " + error.message};
}

// What is held may not go, whoever asks.
void TryToDeleteHeld(storage::Store& store, Problems& out) {
  const auto totals = store.catalog().Totals();
  if (!totals) return;
  for (const index::StreamTotals& total : *totals) {
    const auto markers = store.catalog().Markers(total.stream.camera, kEver);
    if (!markers) continue;
    for (const index::Marker& marker : *markers) {
      const auto rows = store.catalog().Segments(total.stream, marker.range);
      if (!marker.hold || !rows) continue;
      for (const index::Seal& row : *rows) {
        const Status deleted = store.DeleteSegment(row, "test/1", "it is held");
        if (!deleted) continue;  // Denied; or not now, where the ledger's copy is slow.
        out.push_back(total.stream.text() + " at " + FormatTime(row.start_us) +
                      " is held, and was deleted");
      }
    }
  }
}

void Purge(storage::Store& store, const Promises& promises, Step cut, Clock& clock, Problems& out) {
  const auto purger = storage::Purger::Start(store, clock, {});
  const auto round = purger->RunOnce();
  if (!round) {
    out.push_back("a purge fails: " + round.message());
    return;
  }
  for (const storage::Victim& victim : round->plan.victims) {
    const index::SegmentKey key = round->plan.KeyOf(victim);
    if (promises.Held(key.stream.camera, {key.start_us, key.start_us + 1}, cut)) {
      out.push_back("a purge took held footage: " + storage::SegmentPath(key));
    }
  }
  for (const storage::Thinning& thinning : round->plan.thinnings) {
    const index::SegmentKey key = round->plan.KeyOf(thinning.stream, thinning.row);
    if (promises.Held(key.stream.camera, {key.start_us, key.start_us + 1}, cut)) {
      out.push_back("a purge thinned held footage: " + storage::SegmentPath(key));
    }
  }
}

void RecordMore(storage::Store& store, Clock& clock, Problems& out) {
  SyntheticRun run(MakeStream("gate"), clock.NowUs() + kUsPerHour);
  auto recording = store.archive().Begin(run.info());
  if (!recording) return out.push_back("nothing new can be recorded: " + recording.message());
  TimeUs end_us = 0;
  for (media::Fragment& fragment : run.Until(3 * kUsPerSecond)) {
    end_us = fragment.info.end_us;
    const Status taken = (*recording)->Append(std::move(fragment));
    if (!taken) out.push_back("new footage is not taken: " + taken.message());
  }
  recording->reset();
  const Status drained = store.archive().Drain();
  if (!drained) out.push_back("new footage is not sealed: " + drained.message());
  if (store.archive().StatusOf(run.info().stream).durable_until_us != end_us) {
    out.push_back("new footage is not durable");
  }
}

Problems TryOpened(storage::Store& store, const Trial& trial, const Promises& promises,
                   Clock& clock) {
  store.WaitForRecovery();
  Problems out = promises.Check(store, trial.cuts);
  const storage::RecoveryReport report = store.recovery();
  if (report.missing_segments > 0) out.push_back("segments are missing");
  for (storage::Volume* volume : store.volumes()) {
    if (volume->state() != storage::VolumeState::kOnline) {
      out.push_back("volume " + volume->root() + " is not online");
    }
  }
  const auto confirmed = store.catalog().PoliciesConfirmed();
  if (!confirmed.has_value() || (!*confirmed && !trial.may_freeze))
    out.push_back("deletion is frozen");
  TryToDeleteHeld(store, out);
  if (confirmed.value_or(false)) Purge(store, promises, trial.cuts.back(), clock, out);
  RecordMore(store, clock, out);
  if (!out.empty()) out.insert(out.end(), report.notes.begin(), report.notes.end());
  return out;
}

}  // namespace

void Promises::Appending(const storage::RunInfo& run, const media::Fragment& fragment) {
  Xxh128Hasher hasher;
  for (const Bytes& part : fragment.parts) hasher.Update(part);
  fragments_[{run.stream.text(), run.run.text(), fragment.info.number}] = {
      run.stream,
      {fragment.info.start_us, fragment.info.end_us},
      hasher.Digest(),
      {},
      {},
      {},
      fragment.parts.at(1)};
}

void Promises::DurableUntil(const StreamId& stream, TimeUs until_us, Step at) {
  for (auto& [name, fragment] : fragments_) {
    if (fragment.stream == stream && fragment.range.end_us <= until_us && !fragment.durable) {
      fragment.durable = at;
    }
  }
}

void Promises::Deleting(const index::Seal& row, Step at) {
  deletions_.push_back({row, at, {}});
  for (auto& [name, fragment] : fragments_) {
    const bool in_it =
        fragment.stream == row.stream && row.range().Contains(fragment.range.start_us);
    if (in_it && !fragment.deleting) fragment.deleting = at;
  }
}

void Promises::Thinning(const index::Seal& row, Step at) {
  thinnings_.push_back({row, at, {}});
  for (auto& [name, fragment] : fragments_) {
    const bool in_it =
        fragment.stream == row.stream && row.range().Contains(fragment.range.start_us);
    if (in_it && !fragment.thinning) fragment.thinning = at;
  }
}

void Promises::Thinned(const index::SegmentKey& key, Step at) {
  for (Deletion& thinning : thinnings_) {
    if (index::KeyOf(thinning.row) == key && !thinning.answered) thinning.answered = at;
  }
}

void Promises::Deleted(const index::SegmentKey& key, Step at) {
  for (Deletion& deletion : deletions_) {
    if (index::KeyOf(deletion.row) == key && !deletion.answered) deletion.answered = at;
  }
}

void Promises::Put(const index::Marker& marker, Step at) { markers_.push_back({marker, at, {}}); }

void Promises::Put(const index::Policy& policy, Step at) { policies_.emplace_back(policy, at); }

void Promises::Releasing(const Uuid& hold, Step at) {
  for (PutMarker& put : markers_) {
    if (put.marker.id == hold) put.releasing = at;
  }
}

void Promises::Opened(storage::Store& store, Step at) { epochs_.emplace_back(store.epoch(), at); }

void Promises::Ledger(storage::Store& store, Step at) {
  const uint64_t size = store.ledger().size();
  const auto root = store.ledger_tree().Root(size);
  if (root) roots_.push_back({size, *root, at});
}

bool Promises::Held(const CameraId& camera, TimeRange range, Step cut) const {
  return std::any_of(markers_.begin(), markers_.end(), [&](const PutMarker& put) {
    const auto& cameras = put.marker.cameras;
    return put.marker.hold && put.Binds(cut) && put.marker.range.Overlaps(range) &&
           std::find(cameras.begin(), cameras.end(), camera) != cameras.end();
  });
}

Problems Promises::Check(storage::Store& store, const std::vector<Step>& cuts) const {
  Problems out;
  CheckFootage(store, cuts, out);
  for (const Step cut : cuts) {
    CheckDeletions(store, cut, out);
    CheckThinnings(store, cut, out);
    CheckRecords(store, cut, out);
  }
  const Status verified = store.ledger().Verify();
  if (!verified) out.push_back("the ledger's leaves: " + verified.message());
  std::set<std::string> once;
  std::erase_if(out, [&once](const std::string& problem) { return !once.insert(problem).second; });
  return out;
}

bool Promises::IsAsGiven(const Fragment& given, bool thinned, const media::FragmentInfo& info,
                         const Bytes& bytes) {
  if (!thinned) return Xxh3_128(bytes) == given.digest;
  if (!given.thinning || info.tracks.size() != 1 || info.tracks[0].samples.size() != 1 ||
      info.start_us != given.range.start_us || info.end_us != given.range.end_us) {
    return false;
  }
  const media::FragmentTrack& track = info.tracks[0];
  return track.samples[0].sync == media::Sync::kClosed &&
         Bytes(bytes.begin() + track.data_offset,
               bytes.begin() + track.data_offset + track.samples[0].size) == given.sync;
}

void Promises::CheckFootage(storage::Store& store, const std::vector<Step>& cuts,
                            Problems& out) const {
  std::set<std::string> streams;
  std::set<FragmentName> there;
  for (const auto& [name, fragment] : fragments_) {
    if (!streams.insert(fragment.stream.text()).second) continue;
    const auto segments = store.archive().Segments(fragment.stream, kEver);
    if (!segments) continue;  // Never heard of: what is missing tells.
    TimeUs before_us = 0;
    for (const storage::FootageSegment& segment : *segments) {
      const std::string path = storage::SegmentPath(index::KeyOf(segment.row));
      if (segment.row.start_us < before_us) out.push_back(path + " overlaps what is before it");
      before_us = segment.row.end_us;
      const auto index = store.archive().Index(segment);
      const auto file = store.archive().Open(segment, 0);
      if (!index || !file) {
        out.push_back(path + " cannot be read: " + (index ? file.message() : index.message()));
        continue;
      }
      for (const storage::SegmentFragment& one : (*index)->fragments) {
        const FragmentName key{fragment.stream.text(), segment.row.run.text(), one.info.number};
        const auto known = fragments_.find(key);
        Bytes bytes(one.info.length);
        const auto read = (*file)->ReadAt(one.offset, bytes);
        if (known == fragments_.end() || !read ||
            !IsAsGiven(known->second, segment.row.thinned, one.info, bytes)) {
          out.push_back(path + ": fragment " + std::to_string(one.info.number) +
                        " is not as it was given");
        }
        if (!there.insert(key).second) out.push_back(path + " repeats a fragment");
      }
    }
  }
  for (const auto& [name, fragment] : fragments_) {
    const bool promised = std::any_of(cuts.begin(), cuts.end(), [&f = fragment](Step cut) {
      return f.durable && *f.durable <= cut && (!f.deleting || cut <= *f.deleting);
    });
    if (promised && !there.contains(name)) {
      out.push_back(Name(fragment.stream, std::get<2>(name), fragment.range) +
                    " was durable, and is gone");
    }
  }
}

void Promises::CheckDeletions(storage::Store& store, Step cut, Problems& out) const {
  for (const Deletion& deletion : deletions_) {
    if (!deletion.answered || cut < *deletion.answered) continue;
    const index::SegmentKey key = index::KeyOf(deletion.row);
    const std::string path = storage::SegmentPath(key);
    const auto row = store.catalog().FindSegment(key);
    if (!row || *row) out.push_back(path + " was deleted, and is in the catalog again");
    for (storage::Volume* volume : store.volumes()) {
      if (std::filesystem::exists(JoinPath(volume->root(), path))) {
        out.push_back(path + " was deleted, and its file is there");
      }
    }
  }
}

void Promises::CheckThinnings(storage::Store& store, Step cut, Problems& out) const {
  for (const Deletion& thinning : thinnings_) {
    const index::SegmentKey key = index::KeyOf(thinning.row);
    const std::string path = storage::SegmentPath(key);
    const auto row = store.catalog().FindSegment(key);
    if (!row || !*row) continue;  // Its fragments are asked for elsewhere.
    if ((*row)->thinned && cut < thinning.begun) out.push_back(path + " is thinned, unasked");
    if (!thinning.answered || cut < *thinning.answered) continue;
    if (!(*row)->thinned) out.push_back(path + " was thinned, and is whole again");
    if (std::filesystem::exists(JoinPath(store.volumes().front()->root(), path))) {
      out.push_back(path + " was thinned, and its whole file is there");
    }
  }
}

void Promises::CheckRecords(storage::Store& store, Step cut, Problems& out) const {
  for (const PutMarker& put : markers_) {
    if (!put.Binds(cut)) continue;
    const auto found = store.catalog().FindMarker(put.marker.id);
    const bool same =
        found && *found && index::EncodeRecord(**found) == index::EncodeRecord(put.marker);
    if (!same) out.push_back("marker " + put.marker.id.text() + " is gone, or another");
  }
  for (const auto& [policy, answered] : policies_) {
    const auto all = store.catalog().Policies();
    const bool there = all && std::any_of(all->begin(), all->end(), [&p = policy](const auto& one) {
                         return one.scope == p.scope && one.version >= p.version;
                       });
    if (answered <= cut && !there) out.push_back("policy " + policy.scope + " is gone");
  }
  for (const auto& [epoch, answered] : epochs_) {
    if (answered <= cut && store.epoch() <= epoch) out.push_back("an epoch was given again");
  }
  for (const Root& root : roots_) {
    if (cut < root.answered) continue;
    const auto now = store.ledger().size() < root.size
                         ? Result<Sha256Digest>(Fail(Code::kNotFound, "it is shorter"))
                         : store.ledger_tree().Root(root.size);
    if (!now || *now != root.digest) {
      out.push_back("the ledger's first " + std::to_string(root.size) + " records are not those " +
                    "that were answered: " + (now ? "another root" : now.message()));
    }
  }
}

Problems TryStore(const Trial& trial, const Promises& promises, Clock& clock, FileSystem& files) {
  {
    auto store = storage::Store::Open(trial.options, clock, files);
    if (!store) return Failed("it does not open", store.error());
    Problems problems = TryOpened(**store, trial, promises, clock);
    if (!problems.empty()) return problems;
  }
  const auto report =
      storage::Fsck(trial.options.data, files, {}, {.depth = storage::FsckDepth::kBytes});
  if (!report) return Failed("fsck fails", report.error());
  Problems problems;
  for (const storage::Finding& finding : report->findings) {
    if (finding.fault) problems.push_back("fsck: " + finding.path + " " + finding.sentence);
  }
  return problems;
}

uint64_t SeedFromEnvironment() {
  const char* const given = std::getenv("LOOKBACK_SEED");
  return given ? std::stoull(given) : std::random_device()();
}

}  // namespace lookback::test
