#pragma once

#include "support/fixture.h"

// Names of conformance tests begin with the statement of the specification that is tested.
