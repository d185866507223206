// api/routes_playback.h: the routes that players use, and how they are let in without a header.
//
// Invariant: a session's cookie opens what its token opens, and changes nothing for another
//            site's page (service.cpp).
// Threads:   any.
// Errors:    routes throw Problem; so does TokenOf, for a login whose body is at fault.
#pragma once

#include <string>
#include <string_view>

#include "api/context.h"

namespace lookback::api {

net::HttpResponse GetPlaylist(Context&, const Call&);
net::HttpResponse GetVariant(Context&, const Call&);
net::HttpResponse GetIFrames(Context&, const Call&);
net::HttpResponse GetLivePlaylist(Context&, const Call&);
net::HttpResponse GetMedia(Context&, const Call&);
net::HttpResponse GetPicture(Context&, const Call&);
net::HttpResponse GetSpriteCues(Context&, const Call&);
net::HttpResponse GetSprite(Context&, const Call&);

// What a request brings to be let in: the token of its Authorization, or in the body of a login;
// the session of its cookie. Empty: nothing.
std::string TokenOf(const net::HttpRequest& request);
std::string_view SessionOf(const net::HttpRequest& request);
net::HttpResponse BeginSession(Context&, const Call&);
net::HttpResponse EndSession(Context&, const Call&);

}  // namespace lookback::api
