#pragma once

#include "domain/error.hpp"

// The library's checks are asserts, which a release build would leave out. RapidJSON is included
// from here only.
// clang-format off
#define RAPIDJSON_ASSERT(x)                                                       \
  ((x) ? static_cast<void>(0)                                                     \
       : throw ::tickstock::Error(::tickstock::ErrorKind::failed,                 \
                                  "a JSON text was built in the wrong order"))
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
// clang-format on
