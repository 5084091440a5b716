#include "router/subscriber_list.h"

namespace fairlead {

SubscriberList::~SubscriberList() {
  if (count_ > 1) delete many();
}

Added SubscriberList::add(const Subscription& subscription) {
  if (count_ == 0 || (count_ == 1 && single().subscriber == subscription.subscriber)) {
    const Added added = count_ == 0 ? Added::kNew : Added::kReplaced;
    store(subscription);
    count_ = 1;
    return added;
  }
  if (count_ == 1) {
    auto list = std::make_unique<Many>();
    list->push_back(single());
    store(list.release());
  }
  Many* list = many();
  if (const auto position = list->find(KeyOf{}(subscription))) {
    list->replace(*position, subscription);
    return Added::kReplaced;
  }
  list->push_back(subscription);
  count_ = list->size();
  return Added::kNew;
}

bool SubscriberList::remove(SubscriberId subscriber) {
  if (count_ == 0) return false;
  if (count_ == 1) {
    if (single().subscriber != subscriber) return false;
    count_ = 0;
    return true;
  }
  Many* list = many();
  const auto position = list->find(static_cast<uint64_t>(subscriber));
  if (!position) return false;
  list->erase(*position);
  count_ = list->size();
  if (count_ == 1) {
    const Subscription last = (*list)[0];
    delete list;
    store(last);
  }
  return true;
}

}  // namespace fairlead
