#include "store/attempt.h"

namespace fairlead {

Reject reject_of(const std::filesystem::path& file, const SqliteError& error) {
  const std::string why = file.string() + ": " + error.what();
  switch (error.trouble()) {
    case SqliteTrouble::kFull:
      return {ReasonCode::kQuotaExceeded,
              why + "; nothing persistent is taken until there is room on its disk"};
    case SqliteTrouble::kDamaged:
      return {ReasonCode::kUnspecifiedError,
              why + "; restart the server: it sets the file aside and keeps what can be read"};
    case SqliteTrouble::kOther:
      break;
  }
  return {ReasonCode::kUnspecifiedError,
          why + "; see that the disk works and that the file is its owner's to write"};
}

}  // namespace fairlead
