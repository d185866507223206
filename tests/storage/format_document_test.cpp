// docs/format.md shows a whole segment file in hex. This keeps it true: the bytes are read out of
// the document, decoded, made anew, and compared.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "storage/ledger_format.h"
#include "storage/scrub_state.h"
#include "storage/segment_reader.h"
#include "storage/snapshot_format.h"
#include "tests/storage/segment_file.h"

namespace lookback::storage {
namespace {

// Lines of a fenced block "```hex NAME": an offset, a colon, bytes, and perhaps two spaces and a
// remark.
Bytes HexOfDocument(const std::string& name) {
  const Bytes raw = test::ReadAll(LOOKBACK_SOURCE_DIR "/docs/format.md");
  std::istringstream document{std::string(AsText(raw))};
  std::string line, hex;
  bool inside = false;
  while (std::getline(document, line)) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```hex " + name;
    } else if (inside) {
      const size_t colon = line.find(": ");
      EXPECT_NE(colon, std::string::npos) << line;
      EXPECT_EQ(std::stoul(line.substr(0, colon), nullptr, 16), hex.size() / 2) << line;
      const size_t remark = line.find("  ", colon + 2);
      for (const char c : line.substr(colon + 2, remark - colon - 2)) {
        if (c != ' ') hex.push_back(c);
      }
    }
  }
  Bytes bytes;
  EXPECT_TRUE(HexDecode(hex, bytes));
  return bytes;
}

std::string DumpHex(const Bytes& bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 24) {
    text += fmt::format("{:04x}:", at);
    for (size_t i = at; i < std::min(at + 24, bytes.size()); ++i) {
      text += fmt::format("{}{:02x}", (i - at) % 4 == 0 ? " " : "", bytes[i]);
    }
    text += "\n";
  }
  return text;
}

// Three pictures, the second shown last, of four bytes each: no decoder will like them.
test::SegmentFile ExampleSegment() {
  const media::TrackConfig track = test::LoadTestStream("baseline").track;
  std::vector<media::Sample> samples(3);
  const int64_t pts[] = {0, 7200, 3600};
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i].pts = pts[i];
    samples[i].data = {0, 0, 0, static_cast<uint8_t>(i)};
  }
  samples[0].sync = media::Sync::kClosed;
  return test::MakeClosedSegment({track}, test::FragmentAll({track}, std::move(samples)));
}

TEST(FormatDocument, TheExampleIsWhatThisCodeWritesAndReads) {
  const Bytes bytes = HexOfDocument("segment");
  const test::SegmentFile example = ExampleSegment();
  EXPECT_EQ(bytes, example.bytes) << "docs/format.md should show:\n" << DumpHex(example.bytes);

  const test::MemoryFile file(bytes);
  const auto index = ReadClosedSegment(file);
  ASSERT_TRUE(index) << index.message();
  EXPECT_EQ(*index, example.index);
  const auto scan = ScanSegment(file);
  ASSERT_TRUE(scan) << scan.message();
  EXPECT_TRUE(scan->end_valid);

  Bytes again = index->init;
  test::AppendTo(again, EncodeSegmentHeader(index->header));
  for (const SegmentFragment& fragment : index->fragments) {
    const ByteSpan body = ByteSpan(bytes).subspan(fragment.offset, fragment.info.length);
    test::AppendTo(again, body);
    test::AppendTo(again, EncodeFragmentTrailer(index->header.run, fragment.info, Xxh3_64(body)));
  }
  test::AppendTo(again, EncodeSegmentEnd(*index, Xxh3_128(again)));
  EXPECT_EQ(again, bytes);
}

TEST(FormatDocument, TheLedgersExampleIsWhatThisCodeWritesAndReads) {
  const Bytes bytes = HexOfDocument("ledger");
  const auto header = ParseLedgerHeader(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->store.text(), "00112233-4455-6677-8899-aabbccddeeff");
  const auto record = ParseLedgerRecord(ByteSpan(bytes).subspan(kLedgerHeaderBytes));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, index::RecordKind::kGap);
  EXPECT_EQ(FormatTime(record->time_us), "2026-05-04T14:00:11Z");
  EXPECT_EQ(HexEncode(LeafHash(*record)),
            "ffc63ad12daa17732af689e390eac5f431ca29fc621c9f191f7d3c9aa8345914");
  const auto decoded = index::DecodeRecord(record->kind, record->payload);
  ASSERT_TRUE(decoded) << decoded.message();
  const auto& gap = std::get<index::Gap>(*decoded);
  EXPECT_EQ(gap.stream.text(), "gate/main");
  EXPECT_EQ(FormatTime(gap.range.start_us), "2026-05-04T14:00:00Z");
  EXPECT_EQ(gap.range.duration_us(), 10'500'000);
  EXPECT_EQ(gap.cause, index::GapCause::kNetwork);
  EXPECT_EQ(gap.detail, "connection refused");

  LedgerRecord again = *record;
  const Bytes payload = index::EncodeRecord(gap);
  again.payload = payload;
  Bytes made = EncodeLedgerHeader(*header);
  AppendLedgerRecord(made, again);
  EXPECT_EQ(made, bytes) << "docs/format.md should show:\n" << DumpHex(made);
}

TEST(FormatDocument, TheScrubsExampleIsWhatThisCodeWritesAndReads) {
  ScrubState state;
  VolumeScrub& volume = state.volumes.emplace_back();
  volume.volume = Uuid::Parse("00112233-4455-6677-8899-aabbccddeeff").value();
  volume.cursor = index::SegmentKey{{CameraId::Parse("gate").value(), Stream::kMain},
                                    ParseTime("2026-05-04T22:01:00Z").value(),
                                    7,
                                    1};
  volume.pass.began_us = ParseTime("2026-06-01T00:00:00Z").value();
  volume.pass.segments = 2;
  volume.pass.bytes = 40'000'000;
  volume.pass.findings = 1;
  volume.segments = 1'440;
  volume.bytes = 28'800'000'000;
  Damage& damage = state.damage.emplace_back();
  damage.segment = *volume.cursor;
  damage.run = Uuid::Parse("10111213-1415-4617-9819-1a1b1c1d1e1f").value();
  damage.fragment = 37;
  damage.range = {ParseTime("2026-05-04T22:01:12Z").value(),
                  ParseTime("2026-05-04T22:01:14Z").value()};
  damage.what = "its checksum does not agree";

  const Bytes bytes = HexOfDocument("scrub-state");
  const Bytes made = EncodeScrubState(state);
  EXPECT_EQ(bytes, made) << "docs/format.md should show:\n" << DumpHex(made);
  const auto parsed = ParseScrubState(bytes);
  ASSERT_TRUE(parsed) << parsed.message();
  EXPECT_EQ(*parsed, state);
}

// Two policies that share most of their bytes, and that nothing waits for a confirmation.
TEST(FormatDocument, TheSnapshotsExampleIsWhatThisCodeWritesAndReads) {
  SnapshotHeader header;
  header.catalog_format = 1;
  header.store = Uuid::Parse("00112233-4455-6677-8899-aabbccddeeff").value();
  header.records = 1'000;
  header.time_us = ParseTime("2026-05-05T00:00:00Z").value();
  for (size_t i = 0; i < header.leaf.size(); ++i) header.leaf[i] = static_cast<uint8_t>(i);
  index::Policy gate;
  gate.scope = "gate-1";
  gate.version = 3;
  gate.max_days = 30;
  gate.person = "li.wei";
  index::Policy other = gate;
  other.scope = "gate-2";
  const Bytes first = index::EncodeRecord(gate), second = index::EncodeRecord(other);

  Bytes made = EncodeSnapshotHeader(header);
  uint64_t digest = SnapshotHeaderDigest(made);
  SnapshotBlock block;
  block.Add({"default", "confirmed", "1"});
  test::AppendTo(made, block.Take(digest));
  block.Add({"policies", gate.scope, AsText(first)});
  block.Add({"policies", other.scope, AsText(second)});
  test::AppendTo(made, block.Take(digest));
  test::AppendTo(made, EncodeSnapshotEnd(3, digest));

  const Bytes bytes = HexOfDocument("snapshot");
  EXPECT_EQ(bytes, made) << "docs/format.md should show:\n" << DumpHex(made);
  const auto parsed = ParseSnapshotHeader(bytes);
  ASSERT_TRUE(parsed) << parsed.message();
  EXPECT_EQ(*parsed, header);
  const Bytes rows = HexOfDocument("snapshot");
  const ByteSpan behind = ByteSpan(rows).subspan(kSnapshotHeaderBytes);
  const size_t length = ByteReader(behind).U32();
  const size_t next = length + kSnapshotBlockOverhead;
  const size_t next_length = ByteReader(behind.subspan(next)).U32();
  std::vector<std::string> values;
  const Status read = ParseSnapshotRows(behind.subspan(next + 4, next_length),
                                        [&](const index::CatalogRow& row) -> Status {
                                          LB_TRY(index::CheckRow(row));
                                          values.emplace_back(row.value);
                                          return Ok();
                                        });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(values,
            (std::vector<std::string>{std::string(AsText(first)), std::string(AsText(second))}));
}

}  // namespace
}  // namespace lookback::storage
