#include "doctor/libraries.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <rocksdb/version.h>
#include <uv.h>
#include <zlib.h>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
}

namespace lookback::doctor {
namespace {

std::string AvVersion(unsigned version) {
  return fmt::format("{}.{}.{}", AV_VERSION_MAJOR(version), AV_VERSION_MINOR(version),
                     AV_VERSION_MICRO(version));
}

}  // namespace

std::vector<Library> Libraries() {
  return {
      {"libavformat", AvVersion(LIBAVFORMAT_VERSION_INT), AvVersion(avformat_version())},
      {"libavcodec", AvVersion(LIBAVCODEC_VERSION_INT), AvVersion(avcodec_version())},
      {"libavutil", AvVersion(LIBAVUTIL_VERSION_INT), AvVersion(avutil_version())},
      {"rocksdb", fmt::format("{}.{}.{}", ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH),
       rocksdb::GetRocksVersionAsString()},
      {"openssl", OPENSSL_VERSION_STR, OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"libuv", fmt::format("{}.{}.{}", UV_VERSION_MAJOR, UV_VERSION_MINOR, UV_VERSION_PATCH),
       uv_version_string()},
      {"libcurl", LIBCURL_VERSION, curl_version_info(CURLVERSION_NOW)->version},
      {"libnghttp2", NGHTTP2_VERSION, nghttp2_version(0)->version_str},
      {"zlib", ZLIB_VERSION, zlibVersion()},
  };
}

}  // namespace lookback::doctor
