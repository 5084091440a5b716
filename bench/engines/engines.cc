// One measurement of one engine in a fresh process; prints one JSON object. bench/engines/run.mjs
// asks for all of them in turn.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "bench/engines/engine.h"

namespace fairlead::bench {
namespace {

using Json = nlohmann::ordered_json;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kBodyBytes = 128;
constexpr std::size_t kEntryBytes = 24;

struct Plan {
  std::string scenario;
  std::string engine;
  EngineOptions options;
  uint32_t sessions = 1;
  uint32_t group = 256;
  uint64_t messages = 1'000'000;
  double seconds = 2;
  uint64_t lag = 10'000;   // messages that wait when one is erased
  uint64_t straggler = 0;  // every so many messages, one waits 20 times as long
  double rate = 0;         // messages a second; 0: as many as go
  std::size_t payload_bytes = kBodyBytes;
};

double seconds_since(SteadyClock::time_point began) {
  return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The number behind `name` in a file of /proc/self.
uint64_t own_number(const std::string& file, const std::string& name) {
  std::ifstream lines("/proc/self/" + file);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
  }
  throw std::runtime_error("no " + name + " in /proc/self/" + file);
}

double rss_mb() { return static_cast<double>(own_number("status", "VmRSS")) / 1024; }
uint64_t bytes_written() { return own_number("io", "write_bytes"); }

template <class Visit>
void for_each_file(const std::filesystem::path& directory, Visit visit) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    std::error_code gone;  // RocksDB deletes files while we look
    if (entry.is_regular_file(gone)) visit(entry.path());
  }
}

double disk_mb(const std::filesystem::path& directory) {
  double bytes = 0;
  for_each_file(directory, [&](const std::filesystem::path& file) {
    struct stat about {};
    if (::stat(file.c_str(), &about) == 0) bytes += static_cast<double>(about.st_blocks) * 512;
  });
  return bytes / 1e6;
}

// The system forgets what it has cached of the files: the next read is from the disk.
void evict(const std::filesystem::path& directory) {
  for_each_file(directory, [](const std::filesystem::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fdatasync(descriptor);
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  });
}

std::unique_ptr<Engine> open_engine(const Plan& plan) {
  return plan.engine == "sqlite" ? open_sqlite(plan.options) : open_rocksdb(plan.options);
}

// Seconds that each commit took.
class Latencies {
 public:
  void add(double seconds) { seconds_.push_back(seconds); }
  void describe(Json& to) {
    std::sort(seconds_.begin(), seconds_.end());
    to["commits"] = seconds_.size();
    to["p50_ms"] = at(0.5);
    to["p99_ms"] = at(0.99);
    to["p999_ms"] = at(0.999);
    to["max_ms"] = at(1);
  }

 private:
  [[nodiscard]] double at(double share) const {
    return seconds_.empty() ? 0
                            : seconds_[static_cast<std::size_t>(
                                  share * static_cast<double>(seconds_.size() - 1))] *
                                  1e3;
  }
  std::vector<double> seconds_;
};

// Makes messages and puts them into batches, as the server would: for one session the message
// stands in the entry, for several a body stands once and an entry for each refers to it.
class Writer {
 public:
  explicit Writer(const Plan& plan) : plan_(plan) {
    std::mt19937_64 random(7);
    for (std::size_t i = 0; i < (1u << 16); ++i) noise_.u64(random());
  }

  // Where a message lies: its records have consecutive numbers, a body first.
  using Message = RecordId;

  void begin_group() {
    ++epoch_;
    number_ = 0;
  }
  Message put(RecordBatch& batch) {
    const std::size_t records = plan_.sessions == 1 ? 1 : plan_.sessions + std::size_t{1};
    const Message first = make_record_id(epoch_, 0, number_);
    number_ += static_cast<uint32_t>(records);
    if (plan_.sessions == 1) {
      batch.put(Table::kEntry, first, noise(kEntryBytes + plan_.payload_bytes));
      return first;
    }
    batch.put(Table::kBody, first, noise(plan_.payload_bytes));
    for (std::size_t i = 1; i < records; ++i) {
      batch.put(Table::kEntry, after(first, i), noise(kEntryBytes));
    }
    return first;
  }
  void erase(RecordBatch& batch, Message message) const {
    if (plan_.sessions == 1) return batch.erase(Table::kEntry, message);
    for (std::size_t i = 1; i <= plan_.sessions; ++i) {
      batch.erase(Table::kEntry, after(message, i));
    }
    batch.erase(Table::kBody, message);
  }
  [[nodiscard]] double bytes_per_message() const {
    return static_cast<double>(plan_.payload_bytes + kEntryBytes * plan_.sessions);
  }

 private:
  static RecordId after(RecordId first, std::size_t count) {
    return static_cast<RecordId>(static_cast<uint64_t>(first) + count);
  }
  Bytes noise(std::size_t size) {
    noise_at_ = (noise_at_ + 61) % (noise_.size() - size);
    return noise_.view().subspan(noise_at_, size);
  }

  const Plan& plan_;
  ByteBuffer noise_;
  std::size_t noise_at_ = 0;
  uint64_t epoch_ = 0;
  uint32_t number_ = 0;
};

// Counts from its making; an engine's opening is not in it.
class Cost {
 public:
  void describe(Json& to, double messages, double bytes_per_message) const {
    const double seconds = seconds_since(began_);
    to["messages"] = messages;
    to["messages_s"] = messages / seconds;
    to["cpu_us"] = (cpu_seconds() - cpu_) / messages * 1e6;
    to["cpu_share"] = (cpu_seconds() - cpu_) / seconds;
    to["write_amplification"] =
        static_cast<double>(bytes_written() - written_) / (messages * bytes_per_message);
  }

 private:
  SteadyClock::time_point began_ = SteadyClock::now();
  double cpu_ = cpu_seconds();
  uint64_t written_ = bytes_written();
};

void timed_commit(Engine& engine, const RecordBatch& batch, Latencies& latencies) {
  const auto began = SteadyClock::now();
  engine.commit(batch);
  latencies.add(seconds_since(began));
}

// Nothing is erased: what a commit costs.
Json run_commits(const Plan& plan) {
  const auto engine = open_engine(plan);
  Writer writer(plan);
  Latencies latencies;
  RecordBatch batch;
  uint64_t messages = 0;
  const Cost cost;
  const auto began = SteadyClock::now();
  for (uint64_t i = 0; i < 3 || seconds_since(began) < plan.seconds; ++i) {
    batch.clear();
    writer.begin_group();
    for (uint32_t j = 0; j < plan.group; ++j) writer.put(batch);
    timed_commit(*engine, batch, latencies);
    messages += plan.group;
  }
  Json result;
  cost.describe(result, static_cast<double>(messages), writer.bytes_per_message());
  latencies.describe(result);
  return result;
}

// The queue of a steady run: which messages are due to be erased.
class Queue {
 public:
  explicit Queue(const Plan& plan) : plan_(plan) {}

  void push(Writer::Message message) {
    const bool stays = plan_.straggler > 0 && ++count_ % plan_.straggler == 0;
    (stays ? late_ : soon_).push_back(message);
  }
  void erase_due(RecordBatch& batch, const Writer& writer) {
    erase(batch, writer, soon_, plan_.lag);
    if (plan_.straggler > 0) erase(batch, writer, late_, plan_.lag * 20 / plan_.straggler);
  }
  // False when there was nothing left to erase.
  bool erase_some(RecordBatch& batch, const Writer& writer) {
    auto& queue = soon_.empty() ? late_ : soon_;
    if (queue.empty()) return false;
    erase(batch, writer, queue, queue.size() - std::min<std::size_t>(queue.size(), plan_.group));
    return true;
  }

 private:
  static void erase(RecordBatch& batch, const Writer& writer, std::deque<Writer::Message>& queue,
                    std::size_t keep) {
    for (; queue.size() > keep; queue.pop_front()) writer.erase(batch, queue.front());
  }

  const Plan& plan_;
  std::deque<Writer::Message> soon_;
  std::deque<Writer::Message> late_;
  uint64_t count_ = 0;
};

void drain_and_reclaim(const Plan& plan, Engine& engine, Queue& queue, const Writer& writer,
                       Json& result) {
  RecordBatch batch;
  while (queue.erase_some(batch, writer)) {
    engine.commit(batch);
    batch.clear();
  }
  result["drained_mb"] = disk_mb(plan.options.directory);
  const auto began = SteadyClock::now();
  engine.reclaim();
  result["reclaim_s"] = seconds_since(began);
  result["reclaimed_mb"] = disk_mb(plan.options.directory);
}

// Messages come and are erased when others have come; in the end all are erased.
Json run_steady(const Plan& plan) {
  const auto engine = open_engine(plan);
  Writer writer(plan);
  Queue queue(plan);
  Latencies latencies;
  RecordBatch batch;
  double peak_mb = 0;
  Json result;
  const Cost cost;
  const auto began = SteadyClock::now();
  for (uint64_t done = 0; done < plan.messages; done += plan.group) {
    batch.clear();
    writer.begin_group();
    for (uint32_t j = 0; j < plan.group; ++j) queue.push(writer.put(batch));
    queue.erase_due(batch, writer);
    timed_commit(*engine, batch, latencies);
    if (done / plan.group % 64 == 0) {
      peak_mb = std::max(peak_mb, disk_mb(plan.options.directory));
    }
    const double ahead =
        plan.rate > 0 ? static_cast<double>(done) / plan.rate - seconds_since(began) : 0;
    if (ahead > 0) ::usleep(static_cast<useconds_t>(ahead * 1e6));
  }
  cost.describe(result, static_cast<double>(plan.messages), writer.bytes_per_message());
  latencies.describe(result);
  result["peak_mb"] = peak_mb;
  result["rss_mb"] = rss_mb();
  drain_and_reclaim(plan, *engine, queue, writer, result);
  return result;
}

constexpr uint32_t kFillGroup = 4096;
constexpr uint64_t kFillSessions = 1000;

// Message i is for session i % 1,000.
RecordId filled(uint64_t i) {
  return make_record_id(1 + i / kFillGroup, 0, static_cast<uint32_t>(i % kFillGroup));
}

// Queued messages, and the end of the process as with kill -9: the engine is not closed.
Json run_fill(const Plan& plan) {
  auto engine = open_engine(plan);
  Writer writer(plan);
  RecordBatch batch;
  for (uint64_t done = 0; done < plan.messages; done += kFillGroup) {
    batch.clear();
    writer.begin_group();
    for (uint32_t j = 0; j < kFillGroup; ++j) writer.put(batch);
    engine->commit(batch);
  }
  std::printf("{\"disk_mb\": %f}\n", disk_mb(plan.options.directory));
  std::fflush(stdout);
  ::_exit(0);
}

// Devices come back one after another and take what waits for them: the records that are erased
// together lie far apart.
Json run_drain(const Plan& plan) {
  const auto engine = open_engine(plan);
  const Writer writer(plan);
  Latencies latencies;
  RecordBatch batch;
  const uint64_t per_session = plan.messages / kFillSessions;
  const Cost cost;
  for (uint64_t i = 0; i < kFillSessions; ++i) {
    const uint64_t session = i * 919 % kFillSessions;  // all of them, in no order
    for (uint64_t j = 0; j < per_session; ++j) {
      writer.erase(batch, filled(j * kFillSessions + session));
      if (batch.erasures().size() < plan.group && j + 1 < per_session) continue;
      timed_commit(*engine, batch, latencies);
      batch.clear();
    }
  }
  Json result;
  cost.describe(result, static_cast<double>(plan.messages), writer.bytes_per_message());
  latencies.describe(result);
  result["drained_mb"] = disk_mb(plan.options.directory);
  const auto began = SteadyClock::now();
  engine->reclaim();
  result["reclaim_s"] = seconds_since(began);
  result["reclaimed_mb"] = disk_mb(plan.options.directory);
  result["rss_mb"] = rss_mb();
  return result;
}

// The messages of one session, one by one, then as many in a row; the disk has cached nothing, then
// everything.
Json run_read(const Plan& plan) {
  evict(plan.options.directory);
  const auto engine = open_engine(plan);
  const uint64_t count = plan.messages / kFillSessions;
  const auto measure = [&](auto read) {
    const auto began = SteadyClock::now();
    if (read() != count * (kEntryBytes + plan.payload_bytes)) throw std::runtime_error("lost");
    return seconds_since(began) * 1e3;
  };
  const auto points = [&] {
    std::size_t size = 0;
    for (uint64_t i = 0; i < count; ++i) {
      size += engine->get(Table::kEntry, filled(i * kFillSessions + 7));
    }
    return size;
  };
  const auto range = [&] { return engine->scan(Table::kEntry, filled(plan.messages / 2), count); };
  Json result;
  result["range_cold_ms"] = measure(range);
  result["points_cold_ms"] = measure(points);
  std::vector<double> warm;
  for (int i = 0; i < 20; ++i) warm.push_back(measure(points));
  std::sort(warm.begin(), warm.end());
  result["points_warm_ms"] = warm[warm.size() / 2];
  warm.clear();
  for (int i = 0; i < 20; ++i) warm.push_back(measure(range));
  std::sort(warm.begin(), warm.end());
  result["range_warm_ms"] = warm[warm.size() / 2];
  return result;
}

// What a start does after kill -9: opens and reads everything.
Json run_recover(const Plan& plan) {
  evict(plan.options.directory);
  const double rss_before = rss_mb();
  const double cpu_before = cpu_seconds();
  const auto began = SteadyClock::now();
  const auto engine = open_engine(plan);
  Json result;
  result["open_s"] = seconds_since(began);
  const std::size_t size = engine->scan(Table::kEntry, RecordId::kNone, plan.messages + 8192);
  result["total_s"] = seconds_since(began);
  result["cpu_s"] = cpu_seconds() - cpu_before;
  result["count"] = size / (kEntryBytes + plan.payload_bytes);
  result["rss_mb"] = rss_mb() - rss_before;
  return result;
}

// Open, one commit, nothing to do.
Json run_idle(const Plan& plan) {
  Json result;
  const double before = rss_mb();
  const auto engine = open_engine(plan);
  Writer writer(plan);
  RecordBatch batch;
  writer.begin_group();
  writer.put(batch);
  engine->commit(batch);
  result["rss_mb"] = rss_mb() - before;
  result["threads"] = own_number("status", "Threads");
  return result;
}

const std::map<std::string, Json (*)(const Plan&)> kScenarios{
    {"commits", run_commits}, {"steady", run_steady},   {"drain", run_drain}, {"fill", run_fill},
    {"read", run_read},       {"recover", run_recover}, {"idle", run_idle}};

void add_options(CLI::App& app, Plan& plan) {
  std::vector<std::string> names;
  for (const auto& [name, run] : kScenarios) names.push_back(name);
  app.add_option("scenario", plan.scenario)->required()->check(CLI::IsMember(names));
  app.add_option("--engine", plan.engine)
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>{"sqlite", "rocksdb"}));
  app.add_option("--dir", plan.options.directory)->required()->check(CLI::ExistingDirectory);
  app.add_option("--sessions", plan.sessions, "Receivers of a message");
  app.add_option("--group", plan.group, "Messages of a commit");
  app.add_option("--messages", plan.messages);
  app.add_option("--seconds", plan.seconds);
  app.add_option("--lag", plan.lag, "Messages that wait when one is erased");
  app.add_option("--straggler", plan.straggler, "Every so many, one waits 20 times as long");
  app.add_option("--rate", plan.rate, "Messages a second; 0: as many as go");
  app.add_option("--payload", plan.payload_bytes);
  app.add_option("--page", plan.options.page_bytes);
  app.add_option("--checkpoint", plan.options.checkpoint_pages);
  app.add_flag("--checkpoint-thread", plan.options.checkpoint_thread);
  app.add_flag("--secure-delete", plan.options.secure_delete);
  app.add_flag("--incremental-vacuum,!--no-incremental-vacuum", plan.options.incremental_vacuum);
  app.add_flag("--exclusive", plan.options.exclusive);
  app.add_option("--recycled-logs", plan.options.recycled_logs);
  app.add_flag("--single-delete", plan.options.single_delete);
  app.add_flag("--insert-hint", plan.options.insert_hint);
  app.add_option("--write-buffer", plan.options.write_buffer);
}

int run(int argc, char** argv) {
  CLI::App app("Measures an engine for the durable store.", "fairlead-engines");
  Plan plan;
  add_options(app, plan);
  CLI11_PARSE(app, argc, argv);
  if (uint64_t{plan.group} * (plan.sessions + 1) > kRecordNumberMax) {
    throw std::runtime_error("more records than a commit can number");
  }
  std::printf("%s\n", kScenarios.at(plan.scenario)(plan).dump().c_str());
  return 0;
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
  try {
    return fairlead::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fairlead-engines: %s\n", error.what());
    return 1;
  }
}
