// query/playlist.h: one camera and range, or its last seconds, as HLS playlists
// (RFC 8216, version 7).
//
// Invariant: text follows from what is on record alone, so a request gives the same again,
//            whoever asks and however often the server was restarted; URLs are relative to
//            /api/v1/cameras/{camera}/ (query/media_part.h has their ends). Media segments are
//            whole fragments of one segment file, 4 to 6 s of them, from one sync sample to
//            another; inside of a GOP only where it is longer. Before each hole in the media a
//            player is told of it (EXT-X-DISCONTINUITY) and of the wall clock behind it.
// Threads:   any; footage is read, but no samples.
// Errors:    kNotFound when there is nothing to show (the message names the causes); kInvalid for a
//            bad range; kUnsupported above kMaxPlaylistUs.
//
// A live playlist is of one run, and a media segment of it is one fragment: its number in the run
// gives EXT-X-MEDIA-SEQUENCE, and the run's beginning, which its id tells, what is added to it,
// and EXT-X-DISCONTINUITY-SEQUENCE. So both are the same for all, and rise from run to run, over
// restarts too. When a run follows another, the playlist goes over to it with its first fragment.
#pragma once

#include <string>

#include "query/stretch.h"

namespace lookback::query {

inline constexpr int64_t kMaxPlaylistUs =
    6 * kUsPerHour;  // 30 MB of sample tables while it is made.
// What a live playlist shows, and how long after the last picture it still does.
inline constexpr int64_t kLiveWindowUs = 30 * kUsPerSecond;
inline constexpr int64_t kLiveStaleUs = 60 * kUsPerSecond;

struct PlaylistRequest {
  CameraId camera;
  TimeRange range;
  bool audio = true;  // When there is any that browsers play, all the way.
};

// The multivariant playlist: main and sub stream, as far as there is footage of them.
Result<std::string> BuildVariants(storage::Footage& footage, const PlaylistRequest& request,
                                  TimeUs now_us);
// Of one stream: everything, or the sync samples alone.
enum class PlaylistKind : uint8_t { kAll, kSyncSamples };
Result<std::string> BuildPlaylist(storage::Footage& footage, const PlaylistRequest& request,
                                  Stream stream, PlaylistKind kind, TimeUs now_us);
// Sliding, with what was recorded last.
Result<std::string> BuildLivePlaylist(storage::Footage& footage, const StreamId& stream, bool audio,
                                      TimeUs now_us);

}  // namespace lookback::query
