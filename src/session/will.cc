#include "session/will.h"

namespace fairlead {

StoredWill::StoredWill(const mqtt::Will& will) : will_(will) {
  const mqtt::WillProperties& from = will.properties;
  const Bytes user_properties = from.user_properties.block().bytes();
  // Reserved whole, so that no view moves while the next is stored.
  storage_.reserve(will.topic.size() + will.payload.size() + user_properties.size() +
                   from.content_type.value_or("").size() + from.response_topic.value_or("").size() +
                   from.correlation_data.value_or(Bytes{}).size());
  auto keep = [this](Bytes bytes) -> Bytes {
    const std::size_t at = storage_.size();
    storage_.append(bytes);
    return storage_.view().subspan(at);
  };
  auto keep_text = [&keep](std::string_view text) { return as_text(keep(as_bytes(text))); };
  mqtt::WillProperties& to = will_.properties;
  will_.topic = keep_text(will.topic);
  will_.payload = keep(will.payload);
  if (from.content_type) to.content_type = keep_text(*from.content_type);
  if (from.response_topic) to.response_topic = keep_text(*from.response_topic);
  if (from.correlation_data) to.correlation_data = keep(*from.correlation_data);
  to.user_properties = mqtt::UserProperties(mqtt::PropertyBlock(keep(user_properties)));
}

mqtt::MessageRef StoredWill::publish(mqtt::Message::SenderId sender, Instant now) const {
  const mqtt::WillProperties& will = will_.properties;
  mqtt::PublishProperties properties;
  properties.payload_format = will.payload_format;
  properties.content_type = will.content_type;
  properties.response_topic = will.response_topic;
  properties.correlation_data = will.correlation_data;
  properties.user_properties = will.user_properties;
  mqtt::Message::Parts parts{
      .topic = will_.topic, .payload = will_.payload, .qos = will_.qos, .retain = will_.retain};
  if (will.message_expiry_seconds) parts.expires_at = now + seconds(*will.message_expiry_seconds);
  parts.sender = sender;
  parts.properties = &properties;
  return mqtt::Message::make(parts);
}

}  // namespace fairlead
