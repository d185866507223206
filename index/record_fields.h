// index/record_fields.h: which fields each kind of record has, under which numbers.
//
// Each struct of index/records.h is described once, by a Fields() that names its fields with their
// numbers, in rising order; who writes records and who reads them both follow it. The numbers stand
// in docs/format.md, and are never reused.
//
// Threads:   templates without state.
// Errors:    none; what a field may be is the matter of who reads it.
#pragma once

#include <concepts>
#include <type_traits>

#include "index/records.h"

namespace lookback::index {

template <typename S, typename T>
concept Of = std::same_as<std::remove_const_t<S>, T>;

template <typename A, Of<Run> S>
void Fields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.run);
  field(4, s.start_us);
  field(5, s.epoch);
  field(6, s.clock_unsynchronised);
  field(7, s.tracks);
}

template <typename A, Of<Seal> S>
void Fields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.run);
  field(4, s.epoch);
  field(5, s.sequence);
  field(6, s.start_us);
  field(7, s.end_us);
  field(8, s.media_start_90k);
  field(9, s.media_end_90k);
  field(10, s.volume);
  field(11, s.bytes);
  field(12, s.fragments);
  field(13, s.lost_packets);
  field(14, s.clock_unsynchronised);
  field(15, s.recovered);
  field(16, s.suspect);
  field.Optional(17, 18, s.camera_offset_us);
  field(19, s.sha256);
  field(20, s.imported);
  field(21, s.thinned);
  field(22, s.sync_bytes);
}

template <typename A, Of<Gap> S>
void Fields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.range.start_us);
  field(4, s.range.end_us);
  field(5, s.cause);
  field(6, s.detail);
}

// The first five of a record that is of one segment.
template <typename A, Of<SegmentKey> S>
void KeyFields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.start_us);
  field(4, s.epoch);
  field(5, s.sequence);
}

template <typename A, Of<Delete> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.end_us);
  field(7, s.bytes);
  field(8, s.policy);
  field(9, s.reason);
}

template <typename A, Of<Thin> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.end_us);
  field(7, s.old_bytes);
  field(8, s.old_sha256);
  field(9, s.bytes);
  field(10, s.fragments);
  field(11, s.sha256);
  field(12, s.policy);
  field(13, s.reason);
}

template <typename A, Of<Copy> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.volume);
  field(7, s.sha256);
  field(8, s.gone);
}

template <typename A, Of<Missing> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.end_us);
  field(7, s.cause);
}

template <typename A, Of<Camera> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.name);
  field(3, s.url);
  field(4, s.user);
  field(5, s.audio);
  field(6, s.enabled);
  field(7, s.removed);
  field(8, s.transport);
  field(9, s.tls);
  field(10, s.sub_url);
  field(11, s.imported);
  field(12, s.group);
  field.Optional(13, s.place);
  field(18, s.tags);
}

template <typename A, Of<Policy> S>
void Fields(A& field, S& s) {
  field(1, s.scope);
  field(2, s.version);
  field(3, s.min_days);
  field(4, s.max_days);
  field(5, s.at_floor);
  field(6, s.person);
  field(7, s.removed);
  field(8, s.target_days);
  field(9, s.keep_class);
  field(10, s.quota_bytes);
  field(11, s.thin_days);
}

template <typename A, Of<Marker> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.cameras);
  field(3, s.range.start_us);
  field(4, s.range.end_us);
  field(5, s.label);
  field(6, s.note);
  field(7, s.hold);
  field(8, s.case_name);
  field(9, s.person);
  field(10, s.created_us);
  field(11, s.expires_us);
}

template <typename A, Of<MarkerRemoved> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.hold);
  field(3, s.person);
  field(4, s.reason);
}

template <typename A, Of<Person> S>
void Fields(A& field, S& s) {
  field(1, s.name);
  field(2, s.display_name);
  field(3, s.admin);
  field(4, s.disabled);
}

template <typename A, Of<Act> S>
void Fields(A& field, S& s) {
  field(1, s.kind);
  field(2, s.person);
  field(3, s.client);
  field(4, s.cameras);
  field(5, s.range.start_us);
  field(6, s.range.end_us);
  field(7, s.what);
  field(8, s.reason);
  field(9, s.refused);
}

template <typename A, Of<Rebuilt> S>
void Fields(A& field, S& s) {
  field(1, s.segments);
  field(2, s.ledger_lost);
  field(3, s.missing);
}

template <typename A, Of<PoliciesConfirmed> S>
void Fields(A& field, S& s) {
  field(1, s.person);
}

template <typename A, Of<Upkeep> S>
void Fields(A& field, S& s) {
  field(1, s.camera);
  field(2, s.kind);
  field(3, s.at_us);
  field(4, s.text);
  field(5, s.person);
}

template <typename A, Of<ClockCheck> S>
void Fields(A& field, S& s) {
  field(1, s.camera);
  field(2, s.shown_us);
  field(3, s.true_us);
  field(4, s.note);
  field(5, s.person);
}

template <typename A, Of<Alarm> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.kind);
  field(3, s.severity);
  field(4, s.camera);
  field(5, s.subject);
  field(6, s.since_us);
  field(7, s.until_us);
  field(8, s.sentence);
}

template <typename A, Of<AlarmAcknowledged> S>
void Fields(A& field, S& s) {
  field(1, s.alarm);
  field(2, s.at_us);
  field(3, s.person);
  field(4, s.note);
}

template <typename A, Of<Import> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.stream.camera);
  field(3, s.stream.stream);
  field(4, s.range.start_us);
  field(5, s.range.end_us);
  field(6, s.runs);
  field(7, s.file);
  field(8, s.bytes);
  field(9, s.sha256);
  field(10, s.person);
  field(11, s.client);
  field(12, s.reason);
  field(13, s.complete);
  field(14, s.left_out);
}

}  // namespace lookback::index
