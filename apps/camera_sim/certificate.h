// apps/camera_sim/certificate.h: a self-signed certificate, as cameras make one
// when first switched on.
//
// Invariant: the key is of this process alone and is never written down.
// Threads:   one call at the start.
// Errors:    kUnavailable when OpenSSL or GLib refuse, or GLib has no TLS at all (glib-networking).
#pragma once

#include <gio/gio.h>

#include <string>

#include "base/result.h"

namespace lookback::camera_sim {

// A P-256 certificate for `host`, good for a day; the caller owns the reference.
Result<GTlsCertificate*> MakeCertificate(const std::string& host);

}  // namespace lookback::camera_sim
