#include "differential/dialogue.h"

namespace fairlead::testing {
namespace {

std::string number(auto value) { return std::to_string(static_cast<unsigned>(value)); }

std::string describe(const MessageSpec& message) {
  std::string text = message.payload.empty() ? "(empty)" : message.payload.substr(0, 8);
  if (message.payload.size() > 8) text += "... of " + number(message.payload.size()) + " bytes";
  text += " to " + message.topic + ", q" + number(message.qos);
  if (message.retain) text += ", retained";
  if (message.expiry_seconds) text += ", expiry " + number(*message.expiry_seconds);
  if (message.payload_format) text += ", format " + number(*message.payload_format);
  if (message.content_type) text += ", content type " + *message.content_type;
  if (message.response_topic) text += ", response topic " + *message.response_topic;
  if (message.correlation_data) text += ", correlation " + *message.correlation_data;
  for (const auto& [name, value] : message.user_properties) text += ", " + name + "=" + value;
  return text;
}

struct Describe {
  std::string operator()(const ConnectStep& step) const {
    std::string text = "connects";
    text += step.clean == CleanStart::kYes ? ", clean" : ", resuming";
    text += ", keep alive " + number(step.keep_alive_seconds);
    if (step.session_expiry_seconds) {
      text += ", session expiry " + number(*step.session_expiry_seconds);
    }
    if (step.receive_maximum) text += ", receive maximum " + number(*step.receive_maximum);
    if (step.topic_alias_maximum) text += ", alias maximum " + number(*step.topic_alias_maximum);
    if (step.maximum_packet_size) text += ", packets up to " + number(*step.maximum_packet_size);
    if (step.will) text += "; will: " + describe(*step.will);
    if (step.will_delay_seconds) text += ", delay " + number(*step.will_delay_seconds);
    return text;
  }
  std::string operator()(const SubscribeStep& step) const {
    std::string text = "subscribes to";
    for (const FilterSpec& each : step.filters) {
      text += "  " + each.filter + " q" + number(each.options.qos);
      if (each.options.no_local) text += " no-local";
      if (each.options.retain_as_published) text += " as-published";
      if (each.options.retain_handling != RetainHandling::kSend) {
        text += " retain-handling-" + number(each.options.retain_handling);
      }
    }
    if (step.identifier) text += "  identifier " + number(*step.identifier);
    return text;
  }
  std::string operator()(const UnsubscribeStep& step) const {
    std::string text = "unsubscribes from";
    for (const std::string& filter : step.filters) text += "  " + filter;
    return text;
  }
  std::string operator()(const PublishStep& step) const {
    std::string text = "publishes " + describe(step.message);
    if (step.alias) text += ", alias " + number(*step.alias);
    if (step.cut == PublishStep::Cut::kAfterPublish) text += ", breaks off, resumes";
    if (step.cut == PublishStep::Cut::kAfterPubrel) text += ", breaks off after PUBREL, resumes";
    return text;
  }
  std::string operator()(const HoldStep&) const { return "keeps its answers back"; }
  std::string operator()(const AnswerStep& step) const {
    if (!step.count) return "answers everything, and at once from now on";
    return "answers about " + number(*step.count) + " messages";
  }
  std::string operator()(const DeafenStep&) const { return "gets nothing from now on"; }
  std::string operator()(const DisconnectStep& step) const {
    std::string text = "disconnects";
    if (step.reason != ReasonCode::kSuccess) text += " with its will";
    if (step.session_expiry_seconds) {
      text += ", session expiry " + number(*step.session_expiry_seconds);
    }
    return text;
  }
  std::string operator()(const BreakStep&) const { return "breaks off"; }
};

}  // namespace

std::string describe(const Dialogue& dialogue, const Step& step) {
  const ClientSpec& client = dialogue.clients.at(step.client);
  return client.name + " (" + std::string(version_name(client.version)) + " over " +
         std::string(transport_name(client.transport)) + ") " +
         std::visit(Describe{}, step.action) + (step.at_once ? ", and at once:" : "");
}

}  // namespace fairlead::testing
