#include "store/attempt.h"

#include "store/store_format.h"

namespace fairlead {

Reject newer_format(const std::filesystem::path& file, int64_t version) {
  return {ReasonCode::kImplementationSpecificError,
          file.string() + " was written by a newer version of fairlead (format " +
              std::to_string(version) + ", this one knows " + std::to_string(kStoreFormat) +
              "); start that version, or restore a backup of this one"};
}

Reject reject_of(const std::filesystem::path& file, const SqliteError& error) {
  const std::string why = file.string() + ": " + error.what();
  switch (error.trouble()) {
    case SqliteTrouble::kFull:
      return {ReasonCode::kQuotaExceeded,
              why + "; nothing persistent is taken until there is room on its disk"};
    case SqliteTrouble::kDamaged:
      return {ReasonCode::kUnspecifiedError,
              why + "; restart the server: it sets the file aside and keeps what can be read"};
    case SqliteTrouble::kUnreadable:
    case SqliteTrouble::kOther:
      break;
  }
  return {ReasonCode::kUnspecifiedError,
          why + "; see that the disk works and that the file is its owner's to write"};
}

}  // namespace fairlead
