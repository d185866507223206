// api/viewing.h: what all routes share that let footage out.
//
// Invariant: nothing of it leaves before Record*() returned.
// Threads:   any.
// Errors:    throws Problem.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/context.h"
#include "query/clip.h"
#include "query/timeline.h"

namespace lookback::api {

// What the record of an access says of the stream: nothing of the main one.
std::string Variant(std::string what, Stream stream);

// Puts an access on record; one that `continues` may stand under a record of the same.
void RecordAccess(Context& context, const Call& call, index::ActKind kind, std::string what,
                  std::vector<CameraId> cameras, TimeRange range, const std::string& reason,
                  bool continues = false);

// The same for a part of what a player shows: it may stand under the record of any playback of the
// camera that `part` overlaps. `whole` goes on record when there is none.
inline constexpr std::string_view kPlayback = "playback";
void RecordPlaybackPart(Context& context, const Call& call, const CameraId& camera, TimeRange part,
                        TimeRange whole, const std::string& reason = {});

// A range of which nothing can be shown, and why; `audio`: sound alone would do.
[[noreturn]] void ThrowNoFootage(Context& context, const StreamId& stream, TimeRange range,
                                 const Error& error, bool audio = true);
// One that has not happened yet.
void RefuseFuture(Context& context, TimeRange range);

Json GapsToJson(const std::vector<index::Gap>& gaps);
Json TimelineToJson(Context& context, const query::Timeline& timeline);

// Waits a moment while recording has a backlog: readers take what it leaves, and still get on.
void GiveWay(const storage::Archive& archive);

// The file or the piece of it that the request asks for; before each piece it gives way.
net::HttpResponse SendFile(Context& context, const net::HttpRequest& http,
                           const std::shared_ptr<const query::Clip>& file, std::string type);

}  // namespace lookback::api
