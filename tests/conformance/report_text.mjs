// What docs/CONFORMANCE.md says before its tables.

export const introduction = `<!-- Written by tests/conformance/report.mjs from statements/. -->

# Conformance

Every normative statement of MQTT 3.1.1 and MQTT 5.0, by the id that the specification gives it,
and every demand that RFC 6455 makes on a server: with the tests that prove it, or the reason why
there is none. What a statement demands is told in our words; the specification's are binding.

- **Binds** says whom the statement obliges. Where it obliges clients only there is nothing for a
  server to prove; tests are named all the same where the server answers to a breach.
- **Proven by** names tests as GoogleTest does, without their parameters:
  \`test_conformance --gtest_filter='*MQTT_3_1_2_24*'\` runs those of a statement.
- **Over** is taken from the test programs themselves: the transports, and the versions that the
  specification is about, over which the row's tests run; *unit* for tests below any transport, *one
  server* for those of a whole server that choose transports and versions themselves.

The suite fails when a statement has no row, when a row names a test that does not exist, and when
this page is not what the rows and the programs say. MQTT 3.1 has no numbered statements: tests
over 3.1 hold it to what it shares with 3.1.1.

Where the specifications leave a choice, or where brokers differ, random dialogues are played to
Fairlead and to mosquitto 2.0.11: each kind of difference has a name and a reason in
[deviations.cc](../tests/differential/deviations.cc), and any other fails the suite.
`;
