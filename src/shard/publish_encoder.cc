#include "shard/publish_encoder.h"

#include "proto/ws/frame_writer.h"

namespace fairlead {

bool PublishEncoder::Image::fits(Framing f, const mqtt::PublishForm& form) const {
  return framing == f && version == form.version && qos == form.qos && dup == form.dup &&
         retain == form.retain && expiry == form.message_expiry_seconds;
}

// Returns where the packet identifier stands, counted from the first byte appended; 0: none.
std::size_t PublishEncoder::encode(ByteBuffer& out, Framing framing, const mqtt::Message& message,
                                   const mqtt::PublishForm& form) {
  if (framing == Framing::kDeflated) return encode_deflated(out, message, form);
  std::size_t header_size = 0;
  if (framing == Framing::kWebSocket) {
    const std::size_t size = publish_size(message, form);
    header_size = frame_header_size(size);
    (void)write_frame_header(out.extend(header_size), Opcode::kBinary, size);
  }
  const std::size_t packet_id_at = write_publish(out, message, form);
  return packet_id_at == 0 ? 0 : header_size + packet_id_at;
}

std::size_t PublishEncoder::encode_deflated(ByteBuffer& out, const mqtt::Message& message,
                                            const mqtt::PublishForm& form) {
  packet_.clear();
  const std::size_t packet_id_at = write_publish(packet_, message, form);
  if (packet_.empty()) return 0;  // would exceed what the peer takes: left out
  if (packet_.size() < kDeflateBytesMin) {
    append_frame(out, Opcode::kBinary, packet_.view());
    return packet_id_at == 0 ? 0 : frame_header_size(packet_.size()) + packet_id_at;
  }
  const std::size_t stored = packet_id_at == 0 ? 0 : packet_id_at + sizeof(uint16_t);
  const std::size_t at =
      append_deflated_frame(out, Opcode::kBinary, packet_.view(), deflater_, stored);
  return packet_id_at == 0 ? 0 : at + packet_id_at;
}

const PublishEncoder::Image* PublishEncoder::image_for(Framing framing,
                                                       const mqtt::Message& message,
                                                       const mqtt::PublishForm& form) {
  for (std::size_t i = 0; i < image_count_; ++i) {
    if (images_[i].fits(framing, form)) return &images_[i];
  }
  if (image_count_ == images_.size()) return nullptr;
  Image& image = images_[image_count_++];
  image.version = form.version;
  image.framing = framing;
  image.qos = form.qos;
  image.dup = form.dup;
  image.retain = form.retain;
  image.expiry = form.message_expiry_seconds;
  image.bytes.clear();
  image.packet_id_at = encode(image.bytes, framing, message, form);
  return &image;
}

void PublishEncoder::append(ByteBuffer& out, Framing framing, const mqtt::Message& message,
                            const mqtt::PublishForm& form) {
  const bool alike =
      &message == shared_ && !form.topic_alias && form.subscription_identifiers.empty();
  const Image* image = alike ? image_for(framing, message, form) : nullptr;
  if (!image) {
    encode(out, framing, message, form);
    return;
  }
  std::byte* at = out.extend(image->bytes.size());
  std::memcpy(at, image->bytes.data(), image->bytes.size());
  if (image->packet_id_at != 0) {
    store_be(at + image->packet_id_at, static_cast<uint16_t>(form.packet_id));
  }
}

}  // namespace fairlead
