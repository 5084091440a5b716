#include "budget/counting.h"
#include "net/timer_wheel.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/writer.h"

// The linker sends calls of these functions here (--wrap, see CMakeLists.txt). Where one of them
// has got another name or other parameters, nothing is counted any more: the tests expect some of
// each, and say so.

using fairlead::ByteBuffer;
using fairlead::Timer;
using fairlead::TimerWheel;
using fairlead::mqtt::Message;
using fairlead::mqtt::PublishForm;

#define PLACE "_ZN8fairlead10TimerWheel5placeERNS_5TimerE"
#define WRITE_PUBLISH \
  "_ZN8fairlead4mqtt13write_publishERNS_10ByteBufferERKNS0_7MessageERKNS0_11PublishFormE"

void real_place(TimerWheel* wheel, Timer& timer) asm("__real_" PLACE);
void counted_place(TimerWheel* wheel, Timer& timer) asm("__wrap_" PLACE);
std::size_t real_write_publish(ByteBuffer& out, const Message& message,
                               const PublishForm& form) asm("__real_" WRITE_PUBLISH);
std::size_t counted_write_publish(ByteBuffer& out, const Message& message,
                                  const PublishForm& form) asm("__wrap_" WRITE_PUBLISH);

void counted_place(TimerWheel* wheel, Timer& timer) {
  fairlead::testing::count_timer_placed();
  real_place(wheel, timer);
}

std::size_t counted_write_publish(ByteBuffer& out, const Message& message,
                                  const PublishForm& form) {
  fairlead::testing::count_encoding();
  return real_write_publish(out, message, form);
}
