#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead {

enum class FilePrivacy : unsigned { kPublic = 0644, kOwnerOnly = 0600 };

// Replaces a file as a whole: after a crash there is the old content or the new one, never a part.
// Written beside it, synced, renamed. An error names the file.
Status write_file_atomically(const std::string& path, std::string_view content,
                             FilePrivacy privacy);

}  // namespace fairlead
