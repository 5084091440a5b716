#pragma once

#include <atomic>
#include <cstdint>

#include "base/ref.h"

namespace fairlead {

// What the publisher of one message waits for, shared by the shards that route it: counts the
// copies that are neither durable nor settled by their receivers, and the shards that have still to
// look. At zero the publisher may be answered although nothing was written. Otherwise it is
// answered when the message's epoch is committed.
class Receipt final : public RefCounted<Receipt> {
 public:
  // `shard` and `session` are the publisher's. Born with one open count: the publisher's own shard.
  static Ref<const Receipt> make(uint16_t shard, uint64_t session) {
    return Ref<const Receipt>::adopt(new Receipt(shard, session));
  }

  [[nodiscard]] uint16_t shard() const { return shard_; }
  [[nodiscard]] uint64_t session() const { return session_; }

  void open() const { open_.fetch_add(1, std::memory_order_relaxed); }
  // True when this was the last.
  [[nodiscard]] bool close() const { return open_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  [[nodiscard]] bool settled() const { return open_.load(std::memory_order_acquire) == 0; }

  static void destroy(const Receipt* receipt) { delete receipt; }

 private:
  friend class RefCounted<Receipt>;
  Receipt(uint16_t shard, uint64_t session) : session_(session), shard_(shard) {}
  ~Receipt() = default;

  uint64_t session_;
  mutable std::atomic<uint32_t> open_{1};
  uint16_t shard_;
};
using ReceiptRef = Ref<const Receipt>;

}  // namespace fairlead
