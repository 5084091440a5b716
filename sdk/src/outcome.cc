#include "outcome.h"

#include <array>

namespace fairlead::sdk {
namespace {

std::string hex(uint8_t code) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'0', 'x', kDigits[code >> 4], kDigits[code & 15]};
}

std::string_view advice_for(ReasonCode reason) {
  switch (reason) {
    case ReasonCode::kUnsupportedProtocolVersion:
      return "Choose another version of MQTT.";
    case ReasonCode::kClientIdentifierNotValid:
      return "Check the client id: a device's has at most 64 characters before its bars.";
    case ReasonCode::kServerUnavailable:
      return "Try again later; if it stays, look at the keep-alive (devices: 30 to 1200 s) and at "
             "the server's log.";
    case ReasonCode::kBadUserNameOrPassword:
      return "Check product key, device name and device secret, or user name and password.";
    case ReasonCode::kNotAuthorized:
      return "The device or application may be unknown, disabled or lack this permission; see the "
             "server's log.";
    case ReasonCode::kUnspecifiedError:
      return "The server says no more; it may not be permitted: see the server's log.";
    case ReasonCode::kConnectionRateExceeded:
      return "Too many failed attempts; wait a minute.";
    case ReasonCode::kSessionTakenOver:
      return "Another client uses the same client id or device; give each its own.";
    case ReasonCode::kPacketTooLarge:
      return "The server accepts smaller messages only.";
    case ReasonCode::kTopicFilterInvalid:
    case ReasonCode::kTopicNameInvalid:
      return "Check the topic: devices may use their own only.";
    default:
      return {};
  }
}

std::string sentence_of(std::string text, std::string_view said) {
  if (!said.empty()) text += ": " + std::string(said);
  return text;
}

}  // namespace

Outcome connect_refused(uint8_t wire_code, ReasonCode reason, std::string_view said) {
  const bool return_code = wire_code < 0x80;  // of 3.1 and 3.1.1
  const std::string number =
      return_code ? "return code " + std::to_string(wire_code) : "reason code " + hex(wire_code);
  return {OutcomeKind::kConnectRefused, wire_code,
          sentence_of("the server refused the connection: CONNACK " + number + ", " +
                          std::string(reason_name(reason)),
                      said),
          std::string(advice_for(reason))};
}

Outcome refused(OutcomeKind kind, std::string_view what, ReasonCode reason, std::string_view said) {
  const auto code = static_cast<uint8_t>(reason);
  return {kind, code,
          sentence_of(std::string(what) + " with reason code " + hex(code) + ", " +
                          std::string(reason_name(reason)),
                      said),
          std::string(advice_for(reason))};
}

}  // namespace fairlead::sdk
