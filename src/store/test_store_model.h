#pragma once

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <string>

#include "store/record_store.h"

namespace fairlead {

// What a store should hold, and a random program that changes both.
struct StoreModel {
  using Content = std::array<std::map<uint64_t, std::string>, kTableCount>;

  explicit StoreModel(uint64_t seed) : random(seed) {}

  // Fills `batch` with changes that make `content` the answer.
  Content change(RecordBatch& batch) {
    Content next = content;
    ++epoch;
    const auto shard = static_cast<uint16_t>(random() % 4);
    const std::size_t puts = random() % 8;
    for (std::size_t i = 0; i < puts; ++i) {
      const auto table = static_cast<Table>(random() % kTableCount);
      auto& records = next[static_cast<std::size_t>(table)];
      RecordId id = make_record_id(epoch, shard, static_cast<uint32_t>(i));
      if (random() % 4 == 0 && !records.empty()) id = any_of(records);
      const std::string data(size(), static_cast<char>('a' + random() % 26));
      batch.put(table, id, as_bytes(data));
      records[static_cast<uint64_t>(id)] = data;
    }
    const std::size_t erasures = random() % 8;
    for (std::size_t i = 0; i < erasures; ++i) {
      const auto table = static_cast<Table>(random() % kTableCount);
      auto& records = next[static_cast<std::size_t>(table)];
      if (records.empty()) continue;
      const RecordId id = any_of(records);
      batch.erase(table, id);
      records.erase(static_cast<uint64_t>(id));
    }
    return next;
  }

  static Content content_of(const RecordStore& store) {
    Content found;
    for (std::size_t i = 0; i < kTableCount; ++i) {
      const Status ok = store.for_each(static_cast<Table>(i), [&](RecordId id, Bytes data) {
        found[i].emplace(static_cast<uint64_t>(id), as_text(data));
      });
      EXPECT_TRUE(ok) << ok.error().sentence;
    }
    return found;
  }

  std::mt19937_64 random;
  Content content;
  uint64_t epoch = 0;

 private:
  // Mostly small, now and then one that has pages of its own.
  std::size_t size() { return random() % 10 == 0 ? random() % 20'000 : random() % 200; }
  RecordId any_of(const std::map<uint64_t, std::string>& records) {
    auto at = records.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random() % records.size()));
    return static_cast<RecordId>(at->first);
  }
};

}  // namespace fairlead
