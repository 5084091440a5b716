#include "router/chain_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "base/hash.h"

namespace fairlead {
namespace {

struct Entry final : TextEntry<Entry> {
  int value = 0;
};

uint32_t hash_of(const std::string& text) { return static_cast<uint32_t>(keyed_hash(text)); }

Entry* find(const ChainTable<Entry>& table, const std::string& text) {
  return table.find(hash_of(text), [&](const Entry& entry) { return entry.text() == text; });
}

TEST(ChainTable, AgreesWithAMapThroughGrowthAndShrinking) {
  std::mt19937_64 random(7);
  ChainTable<Entry> table;
  std::map<std::string, int> model;
  for (int step = 0; step < 20'000; ++step) {
    const bool growing = (step / 5000) % 2 == 0;
    const std::string text = "/pk/" + std::to_string(random() % 4000);
    Entry* entry = find(table, text);
    ASSERT_EQ(entry != nullptr, model.contains(text)) << "step " << step;
    if (entry) {
      EXPECT_EQ(entry->value, model[text]);
    }
    if (growing && !entry) {
      entry = Entry::make(text, hash_of(text));
      entry->value = step;
      table.insert(entry);
      model[text] = step;
    } else if (!growing && entry) {
      table.erase(entry);
      Entry::destroy(entry);
      model.erase(text);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [text, value] : model) EXPECT_NE(find(table, text), nullptr) << text;
  table.drain([](Entry* entry) { Entry::destroy(entry); });
  EXPECT_EQ(table.size(), 0u);
}

TEST(ChainTable, KeepsChainsShortAtAnySize) {
  ChainTable<Entry> table;
  std::size_t next = 16;
  for (std::size_t count = 1; count <= 20'000; ++count) {
    const std::string text = std::to_string(count);
    table.insert(Entry::make(text, hash_of(text)));
    if (count < next) continue;
    next *= 3;
    EXPECT_LE(table.size(), table.bucket_count());
    EXPECT_LE(table.bucket_count(), count + 4);
    std::size_t longest = 0;
    for (std::size_t bucket = 0; bucket < table.bucket_count(); ++bucket) {
      std::size_t length = 0;
      static_cast<void>(table.find_in_bucket(bucket, [&](const Entry&) {
        ++length;
        return false;
      }));
      longest = std::max(longest, length);
    }
    EXPECT_LE(longest, 16u) << "of " << count << " entries";
  }
  table.drain([](Entry* entry) { Entry::destroy(entry); });
}

TEST(ChainTable, GivesBucketsBackWhenEntriesGo) {
  ChainTable<Entry> table;
  std::vector<Entry*> entries;
  for (int i = 0; i < 5'000; ++i) {
    entries.push_back(Entry::make(std::to_string(i), hash_of(std::to_string(i))));
    table.insert(entries.back());
  }
  for (Entry* entry : entries) {
    table.erase(entry);
    Entry::destroy(entry);
  }
  EXPECT_EQ(table.size(), 0u);
  EXPECT_LE(table.bucket_count(), 4u);
}

}  // namespace
}  // namespace fairlead
