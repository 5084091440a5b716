#include "shard/admission.h"

#include "base/log.h"
#include "base/random.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

constexpr std::size_t kAssignedIdCharacters = 20;

// What may be said about a client identifier that is missing (MQTT 3.1 section 3.1, 3.1.1 section
// 3.1.3.1): 5.0 always gets one, 3.1.1 only for a clean session, 3.1 never.
std::string_view missing_client_id(const mqtt::ConnectPacket& connect) {
  if (!connect.client_id.empty() || connect.version == mqtt::ProtocolVersion::k5) return {};
  if (connect.version == mqtt::ProtocolVersion::k31) return "MQTT 3.1 needs a client identifier";
  if (connect.clean_start == mqtt::CleanStart::kNo) {
    return "a session that is to be kept needs a client identifier";
  }
  return {};
}

// What of a client identifier may stand in a log: behind the bar some firmware sends tokens.
std::string_view loggable_id(std::string_view client_id) {
  return client_id.substr(0, client_id.find('|'));
}

bool wants_to_be_kept(const mqtt::ConnectPacket& connect) {
  return connect.version == mqtt::ProtocolVersion::k5
             ? connect.properties.session_expiry_seconds.value_or(0) > 0
             : connect.clean_start == mqtt::CleanStart::kNo;
}

std::string_view assigned_id(std::string_view session_key) {
  return session_key.substr(session_key.rfind('\0') + 1);
}

}  // namespace

void Admission::on_connect(Connection& connection, const mqtt::ConnectPacket& connect, Bytes packet,
                           std::unique_ptr<PendingConnect> pending) {
  if (pending) {
    Identity& identity = pending->identity;
    if (!still_valid(identity)) {
      return refuse(connection, connect, identity.name, ReasonCode::kNotAuthorized,
                    "disabled or deleted while it connected", "not authorized");
    }
    return pending->takeover == PendingConnect::Takeover::kReserved
               ? accept(connection, connect, std::move(identity))
               : arrive(connection, connect, packet, std::move(identity));
  }
  auto identity = identify(connection, connect);
  if (!identity) return;
  const uint16_t home = shard_.home_of(identity->session_key);
  if (home == shard_.index()) {
    arrive(connection, connect, packet, std::move(*identity));
  } else {
    connection.move_with(std::move(*identity), packet);
  }
}

std::unique_ptr<Identity> Admission::identify(Connection& connection,
                                              const mqtt::ConnectPacket& connect) {
  if (connect.properties.authentication_method) {
    refuse(connection, connect, loggable_id(connect.client_id),
           ReasonCode::kBadAuthenticationMethod, "enhanced authentication is not supported",
           "enhanced authentication is not supported: send user name and password");
    return nullptr;
  }
  if (auto complaint = missing_client_id(connect); !complaint.empty()) {
    refuse(connection, connect, "", ReasonCode::kClientIdentifierNotValid, complaint, complaint);
    return nullptr;
  }
  const std::string source = connection.peer().ip_text();
  AuthOutcome outcome = authenticator_.authenticate({.client_id = connect.client_id,
                                                     .user_name = connect.user_name,
                                                     .password = connect.password,
                                                     .source_address = source,
                                                     .security = connection.security()},
                                                    shard_.now());
  if (!outcome) {
    const AuthFailure& failure = outcome.failure();
    refuse(connection, connect, failure.name, failure.code, failure.log_cause,
           failure.peer_sentence);
    return nullptr;
  }
  auto identity = std::make_unique<Identity>(std::move(outcome.identity()));
  if (connect.client_id.empty() && identity->kind != Identity::Kind::kDevice) {
    assign_client_id(*identity, "auto-" + random_text(kAssignedIdCharacters));
  }
  return identity;
}

// Between authentication on another shard and the arrival here the registry may have changed, and
// the change may have passed this shard before there was a session to close.
bool Admission::still_valid(const Identity& identity) const {
  switch (identity.kind) {
    case Identity::Kind::kDevice: {
      auto device = registry_.device(identity.product_key, identity.device_name);
      return device && device->enabled && registry_.product(identity.product_key);
    }
    case Identity::Kind::kApplication: {
      auto app = registry_.app(identity.name);
      return app && app->app->enabled;
    }
    case Identity::Kind::kAnonymous:
      return true;
  }
  unreachable();
}

void Admission::arrive(Connection& connection, const mqtt::ConnectPacket& connect, Bytes packet,
                       Identity&& identity) {
  const uint32_t per_minute = shard_.options().takeovers_per_minute_max;
  HostedSession* session = shard_.sessions().find(identity.session_key);
  if (per_minute == 0 || !session || !session->connection) {
    return accept(connection, connect, std::move(identity));
  }
  const auto wait = session->takeover_pace.reserve(per_minute, shard_.options().suspect.connect_max,
                                                   shard_.now());
  if (wait == milliseconds(0)) return accept(connection, connect, std::move(identity));
  FL_LOG(kWarning, "session.flapping", {"device", session->name()},
         {"old", session->connection->peer().text()}, {"new", connection.peer().text()},
         {"cause", "clients with one identity take the session from each other again and again"},
         {"wait_ms", wait ? wait->count() : -1});
  if (wait) {
    connection.wait_with(std::move(identity), packet, *wait);
  } else {
    refuse(connection, connect, identity.name, ReasonCode::kConnectionRateExceeded,
           "too many take-overs of this session wait already",
           "another client connects with the same identity again and again");
  }
}

void Admission::accept(Connection& connection, const mqtt::ConnectPacket& connect,
                       Identity&& identity) {
  const ProtocolProfile& profile = profile_of(identity.profile);
  const SessionOwner owner{.policy = identity.policy, .profile = &profile};
  if (Status fit = Session::check_connect(connect, owner); !fit) {
    return refuse(connection, connect, identity.name, fit.error().code, fit.error().sentence,
                  fit.error().sentence);
  }
  if (!shard_.has_room_for_session(identity.session_key)) {
    return refuse(connection, connect, identity.name, ReasonCode::kServerBusy, "too many sessions",
                  "the server is full");
  }
  if (wants_to_be_kept(connect) && !shard_.journal().accepts()) {
    return refuse(connection, connect, identity.name, ReasonCode::kQuotaExceeded,
                  "the store cannot be written to now", "the server cannot write to its disk now");
  }
  const Session::KeepAlive keep_alive = Session::keep_alive(connect, profile);
  std::string assigned;
  if (connect.client_id.empty() && identity.kind != Identity::Kind::kDevice) {
    assigned = assigned_id(identity.session_key);
  }
  const uint32_t packet_bytes_max =
      std::min(profile.packet_bytes_max, shard_.options().connection.packet_bytes_max);
  const Session::ConnackExtras extras{
      .assigned_client_id = assigned,
      .server_keep_alive_seconds = keep_alive.server_keep_alive_seconds,
      .packet_bytes_max = packet_bytes_max};
  if (Status fit = Session::check_connack(connect, owner, extras, shard_.options().session); !fit) {
    return refuse(connection, connect, identity.name, fit.error().code, fit.error().sentence,
                  fit.error().sentence);
  }
  HostedSession& session = take_over(identity, connection);
  session.identify(std::move(identity));
  ++session.attachment;
  connection.attach(session, keep_alive.interval, packet_bytes_max);
  shard_.counters().connects_accepted.add();
  FL_LOG(kInfo, "connected", {"device", session.name()},
         {"client_id", loggable_id(connect.client_id)}, {"source", connection.peer().text()},
         {"transport", connection.transport()}, {"version", static_cast<int>(connect.version)},
         {"keep_alive", connect.keep_alive_seconds});
  session.attach(connect, owner, extras, shard_.effects(), shard_.now());
  shard_.on_attached(session);
}

// The session of that key, without a connection: a new one, or the one that was there.
HostedSession& Admission::take_over(const Identity& identity, const Connection& connection) {
  HostedSession* session = shard_.sessions().find(identity.session_key);
  const TakeoverPace pace = session ? session->takeover_pace : TakeoverPace();
  if (session && session->connection) {
    Connection& old = *session->connection;
    FL_LOG(kInfo, "session.taken_over", {"device", session->name()}, {"old", old.peer().text()},
           {"new", connection.peer().text()});
    old.close(CloseStyle::kWithDisconnect, ReasonCode::kSessionTakenOver,
              "another client connected with the same identity", DetachCause::kTakenOver);
    old.detach_session();  // may end the session
    session = shard_.sessions().find(identity.session_key);
  }
  if (!session) session = &shard_.create_session(identity.session_key);
  session->takeover_pace = pace;  // outlives a session that ends with its connection
  return *session;
}

void Admission::refuse(Connection& connection, const mqtt::ConnectPacket& connect,
                       std::string_view name, ReasonCode code, std::string_view cause,
                       std::string_view peer_says) {
  FL_LOG(kInfo, "connect.refused", {"device", name}, {"reason", reason_name(code)},
         {"cause", cause}, {"source", connection.peer().text()},
         {"transport", connection.transport()});
  connection.refuse_connect(
      code, peer_says, connect.properties.maximum_packet_size.value_or(mqtt::kNoPacketSizeLimit));
}

}  // namespace fairlead
