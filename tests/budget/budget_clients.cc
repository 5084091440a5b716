#include "budget/budget_clients.h"

namespace fairlead::testing {
namespace {

constexpr MaskKey kMask{std::byte{0x12}, std::byte{0x9a}, std::byte{0x37}, std::byte{0xc5}};

}  // namespace

TestServerOptions quiet_server(TestStore store, unsigned shard_count) {
  return {.shard_count = shard_count,
          .adjust = [](ServerOptions& options) { options.sys_interval = seconds(0); },
          .store = store};
}

void Together::append(Bytes packet) {
  if (is_ws(transport_)) {
    append_frame(bytes_, Opcode::kBinary, packet, kMask);
  } else {
    bytes_.append(packet);
  }
}

Pair::Pair(TestServer& server, Transport transport, Qos qos, CleanStart kept)
    : transport_(transport),
      qos_(qos),
      answers_late_(kept == CleanStart::kNo && qos == kQos1),
      subscriber_(server, transport),
      publisher_(server, transport) {
  subscriber_.connect(subscriber_.hello(unique("subscriber"), kept));
  subscriber_.subscribe(topic_, qos);
  publisher_.connect(unique("publisher"));
}

// Reads what was sent for each message of the window, and says the next word about all of them.
void Pair::answer(TestClient& client, std::string_view expected, PacketType type) {
  Together answers(client, transport_);
  for (int i = 0; i < kWindow; ++i) {
    const std::string line = client.next();
    if (!line.starts_with(expected)) throw TestFailure("instead of a message: " + line);
    answers.ack(type, client.last_id());
  }
  answers.send();
}

void Pair::expect_all(TestClient& client, std::string_view expected) {
  for (int i = 0; i < kWindow; ++i) {
    const std::string line = client.next();
    if (!line.starts_with(expected)) throw TestFailure("instead of an answer: " + line);
  }
}

void Pair::window() {
  Together messages(publisher_, transport_);
  for (int i = 0; i < kWindow; ++i) {
    if (qos_ != kQos0 && ++last_id_ == 0) ++last_id_;
    messages.add(mqtt::PublishPacket{.topic = topic_,
                                     .payload = as_bytes(kPayload),
                                     .packet_id = PacketId{last_id_},
                                     .qos = qos_,
                                     .properties = {}});
  }
  messages.send();
  switch (qos_) {
    case Qos::kAtMostOnce:
      return expect_all(subscriber_, "PUBLISH");
    case Qos::kAtLeastOnce:
      if (!answers_late_) expect_all(publisher_, "PUBACK");
      answer(subscriber_, "PUBLISH", PacketType::kPuback);
      if (answers_late_) expect_all(publisher_, "PUBACK");
      return;
    case Qos::kExactlyOnce:
      answer(publisher_, "PUBREC", PacketType::kPubrel);
      expect_all(publisher_, "PUBCOMP");
      answer(subscriber_, "PUBLISH", PacketType::kPubrec);
      answer(subscriber_, "PUBREL", PacketType::kPubcomp);
      return;
  }
}

double each(uint64_t count, uint64_t of) {
  return static_cast<double>(count) / static_cast<double>(of);
}

}  // namespace fairlead::testing
