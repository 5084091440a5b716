#include "shard/hosted_session.h"

#include "auth/system_topics.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

// The n-th of the parts that NUL characters separate in a session key.
std::string_view key_part(std::string_view key, int n) {
  for (; n > 0; --n) {
    const auto end = key.find('\0');
    if (end == std::string_view::npos) return {};
    key.remove_prefix(end + 1);
  }
  return key.substr(0, key.find('\0'));
}

}  // namespace

void HostedSession::identify(Identity&& identity) {
  kind_ = identity.kind;
  auto_subscribe_ = identity.info.auto_subscribe;
  ext_bits_ = identity.info.ext_bits;
  name_ = std::move(identity.name);
  name_.shrink_to_fit();
  product_ = std::move(identity.product);
}

void HostedSession::describe(ByteBuffer& out) const {
  out.u8(static_cast<uint8_t>(kind_));
  out.u8(auto_subscribe_ ? 1 : 0);
  out.u32(ext_bits_);
  out.append(name_);
}

bool HostedSession::restore_description(Bytes description) {
  ByteReader reader(description);
  const auto kind = reader.u8();
  const auto auto_subscribe = reader.u8();
  const auto ext_bits = reader.u32();
  if (!ext_bits || *kind > static_cast<uint8_t>(Identity::Kind::kAnonymous)) return false;
  kind_ = static_cast<Identity::Kind>(*kind);
  auto_subscribe_ = *auto_subscribe != 0;
  ext_bits_ = *ext_bits;
  name_ = as_text(reader.rest());
  return true;
}

std::string_view HostedSession::product_key() const {
  return kind_ == Identity::Kind::kDevice ? key_part(key(), 1) : std::string_view();
}

std::string_view HostedSession::device_name() const {
  return kind_ == Identity::Kind::kDevice ? key_part(key(), 2) : std::string_view();
}

std::string_view HostedSession::app_name() const {
  return kind_ == Identity::Kind::kApplication ? key_part(key(), 1) : std::string_view();
}

bool HostedSession::wants_unasked(std::string_view topic) const {
  if (kind_ != Identity::Kind::kDevice) return false;
  if (auto_subscribe_ && is_system_delivery(topic, product_key(), device_name(), ext_bits_)) {
    return true;
  }
  return is_default_delivery(topic, product_key(), device_name());
}

bool HostedSession::journal_now(Instant now) {
  if (now < next_journal_) return false;
  next_journal_ = now + seconds(1);
  return true;
}

void HostedSession::arm_timer() {
  if (auto at = deadline()) {
    shard_.loop().timers().arm(timer_, *at);
  } else {
    timer_.cancel();
  }
}

void HostedSession::put_off(Instant until) { shard_.loop().timers().arm(timer_, until); }

void HostedSession::on_timer(Instant now) { shard_.on_session_deadline(*this, now); }

}  // namespace fairlead
