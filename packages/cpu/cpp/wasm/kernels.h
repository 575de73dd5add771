// The one instruction set of this module.
#pragma once
#include "command.h"

namespace cria {

/** Filled at the first call, which the first thread makes before there are others. */
const KernelTable& kernels();
/** Columns of a packed panel. */
int32_t panelColumns();

}  // namespace cria
