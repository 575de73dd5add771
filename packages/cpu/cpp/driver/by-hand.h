#pragma once
#include "list.h"

/** Appends a random call of an operation of any kind, for kernels of so wide panels. */
void randomCall(List& list, Op op, int64_t panel);
