#include "app/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace fairlead {
namespace {

using testing::HasSubstr;

TEST(BenchReport, WhatIsLostIsAFaultAtQos1AndNotAtQos0) {
  load::Plan plan;
  load::TrafficReport report;
  EXPECT_EQ(fault_of(plan, report), "");
  report.checked.lost = 2;
  EXPECT_EQ(fault_of(plan, report), "");
  plan.qos = mqtt::Qos::kAtLeastOnce;
  EXPECT_THAT(fault_of(plan, report), HasSubstr("2 messages were lost"));
}

TEST(BenchReport, TwiceOrOutOfOrderIsAFaultAtAnyQos) {
  const load::Plan plan{};
  load::TrafficReport report;
  report.checked.duplicates = 1;
  EXPECT_THAT(fault_of(plan, report), HasSubstr("1 came twice"));
  report.checked = {.reordered = 3};
  EXPECT_THAT(fault_of(plan, report), HasSubstr("3 out of order"));
}

TEST(BenchReport, FailedConnectsAreAFaultWithItsCause) {
  load::ConnectsReport report;
  EXPECT_EQ(fault_of({}, report), "");
  report.failed = 7;
  report.cause = "connection refused";
  EXPECT_EQ(fault_of({}, report), "7 connects failed; the last: connection refused");
}

TEST(BenchReport, ScriptsGetNumbersAndPeopleGetUnits) {
  load::Plan plan;
  load::TrafficReport report;
  report.cost = {.wall = 2, .own_cpu = 1, .broker_cpu = 0.5};
  report.delivered = 3'000;
  plan.rate = 1'500;
  report.latencies.record(std::chrono::microseconds(250));
  const BenchFigures figures = figures_of(plan, report);
  const std::string json = to_json(record_of(figures, OutputFormat::kJson));
  EXPECT_THAT(json, HasSubstr("\"deliveredPerSecond\": 1500.0"));
  EXPECT_THAT(json, HasSubstr("\"latencyP99Ms\": 0.25"));
  EXPECT_THAT(json, HasSubstr("\"generatorCpuPercent\": 50.0"));
  EXPECT_THAT(json, HasSubstr("\"perBrokerCpuSecond\": 6000.0"));
  EXPECT_THAT(json, HasSubstr("\"generatorWasBottleneck\": false"));
  const Record text = record_of(figures, OutputFormat::kText);
  const auto find = [&text](std::string_view label) {
    return std::get<std::string>(std::ranges::find(text, label, &Field::name)->value);
  };
  EXPECT_EQ(find("delivered per second"), "1,500");
  EXPECT_EQ(find("latency p99"), "0.250 ms");
  EXPECT_EQ(find("broker cpu"), "25 % of a core");
}

TEST(BenchReport, WhatIsNotKnownOfTheBrokerIsNotShown) {
  load::TrafficReport report;
  report.cost = {.wall = 1, .own_cpu = 1};
  const std::string json = to_json(record_of(figures_of({}, report), OutputFormat::kJson));
  EXPECT_THAT(json, testing::Not(HasSubstr("broker")));
  EXPECT_THAT(json, HasSubstr("\"generatorWasBottleneck\": true"));
}

}  // namespace
}  // namespace fairlead
