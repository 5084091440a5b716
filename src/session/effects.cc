#include "session/effects.h"

#include "session/keeper.h"

namespace fairlead {

Keeper& Effects::keeper() {
  static Keeper none;  // without state: shared by all threads
  return none;
}

}  // namespace fairlead
