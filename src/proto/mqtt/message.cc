#include "proto/mqtt/message.h"

#include <cstdlib>
#include <new>

#include "proto/mqtt/store.h"

namespace fairlead::mqtt {
namespace {

// Both visitors pass over a PUBLISH without properties without touching its fields one by one.
bool passes_nothing(const PublishProperties* p) {
  return p == nullptr || (!p->payload_format && !p->response_topic && !p->correlation_data &&
                          !p->content_type && p->user_properties.block().bytes().empty());
}

}  // namespace

Ref<const Message> Message::make(const Parts& parts) {
  FL_ASSERT(parts.topic.size() <= 0xffff && parts.payload.size() <= kVarintMax);
  const bool plain = passes_nothing(parts.properties);
  std::size_t properties_size = 0;
  if (!plain) {
    detail::PropertySizer sizer;
    detail::visit_passed_through(*parts.properties, sizer);
    properties_size = sizer.size;
  }
  const std::size_t tail_size = parts.topic.size() + properties_size + parts.payload.size();
  void* memory = std::malloc(sizeof(Message) + tail_size);
  if (memory == nullptr) throw std::bad_alloc();
  auto* message = new (memory) Message();
  message->sender_ = parts.sender;
  message->expires_at_ = parts.expires_at;
  message->payload_size_ = static_cast<uint32_t>(parts.payload.size());
  message->properties_size_ = static_cast<uint32_t>(properties_size);
  message->topic_size_ = static_cast<uint16_t>(parts.topic.size());
  message->qos_ = parts.qos;
  message->retain_ = parts.retain;
  detail::Store store(reinterpret_cast<std::byte*>(message + 1));
  store.raw(as_bytes(parts.topic));
  if (!plain) detail::visit_passed_through(*parts.properties, detail::PropertyStorer{store});
  store.raw(parts.payload);
  return Ref<const Message>::adopt(message);
}

std::string_view Message::topic() const { return as_text({tail(), topic_size_}); }

Bytes Message::properties() const { return {tail() + topic_size_, properties_size_}; }

Bytes Message::payload() const { return {tail() + topic_size_ + properties_size_, payload_size_}; }

std::size_t Message::footprint() const {
  return sizeof(Message) + topic_size_ + properties_size_ + payload_size_;
}

void Message::destroy(const Message* message) {
  message->~Message();
  std::free(const_cast<Message*>(message));
}

}  // namespace fairlead::mqtt
