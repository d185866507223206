// api/export_package.h: an export as one ZIP, which is made while it is sent.
//
// Invariant: the layout is that of `lookback export` (api/export_layout.h); the manifest comes last
//            and names every other file. One clip is planned at a time, so memory does not grow
//            with the footage; the tables of what is missing and marked are made whole, at the end,
//            camera by camera. The access is on record before this is made.
// Threads:   as net::HttpBody: one at a time.
// Errors:    of the footage: the transfer is cut then, and a ZIP without its end is none.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/context.h"
#include "base/time_zone.h"

namespace lookback::api {

struct ExportOrder {
  std::vector<CameraId> cameras;  // Each once.
  Stream stream = Stream::kMain;
  TimeRange range;  // Of what has happened.
  bool audio = true;
  std::optional<TimeZone> subtitles;  // The zone of their times.
  Json request;                       // What request.json says.
};

std::unique_ptr<net::HttpBody> MakeExportPackage(Context& context, ExportOrder order);

}  // namespace lookback::api
