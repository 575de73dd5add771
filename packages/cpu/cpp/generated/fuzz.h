// Written by scripts/generate-commands.mjs from commands.mjs: edit that, then run it.
// Random calls of the commands whose sizes alone say what is allowed; cpp/driver.cc includes this
// behind what it draws with.
#pragma once

/**
 * Appends a call of random shape; false for the commands that are made by hand. Only those that come
 * in several dtypes take notice of `dtype`.
 */
inline bool randomCommand(List& list, Op op, int64_t dtype) {
  switch (op) {
    case Op::copy_: {
      const int64_t bytes = extent();
      list.begin(op);
      list.place(list.halves(bytes));
      list.place(list.halves(bytes));
      list.number(static_cast<double>(bytes));
      list.end();
      return true;
    }
    case Op::fill_: {
      const int64_t elements = extent() * extent();
      const int64_t bytes = 1 << below(3);
      const int64_t pattern = random32();
      list.begin(op);
      list.place(list.halves(elements * bytes));
      list.number(static_cast<double>(elements));
      list.number(static_cast<double>(bytes));
      list.number(static_cast<double>(pattern));
      list.end();
      return true;
    }
    case Op::add_: {
      const int64_t elements = extent() * extent();
      list.begin(op, dtype);
      list.place(list.own(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.number(static_cast<double>(elements));
      list.end();
      return true;
    }
    case Op::addBias_: {
      const int64_t rows = extent();
      const int64_t columns = extent();
      const int64_t type = below(3);
      list.begin(op, dtype);
      list.place(list.own(rows * columns * bytesOf(dtype)));
      list.place(list.halves(columns * bytesOf(type)));
      list.number(static_cast<double>(rows));
      list.number(static_cast<double>(columns));
      list.number(static_cast<double>(type));
      list.end();
      return true;
    }
    case Op::cast_: {
      const int64_t elements = extent() * extent();
      const int64_t to = below(3);
      const int64_t from = below(3);
      list.begin(op);
      list.place(list.own(elements * bytesOf(to)));
      list.place(list.halves(elements * bytesOf(from)));
      list.number(static_cast<double>(elements));
      list.number(static_cast<double>(to));
      list.number(static_cast<double>(from));
      list.end();
      return true;
    }
    case Op::gatherRows_: {
      const int64_t count = extent();
      const int64_t columns = extent();
      const int64_t typeY = below(3);
      const int64_t typeX = below(3);
      list.begin(op);
      list.place(list.own(count * columns * bytesOf(typeY)));
      list.place(list.halves(9 * columns * bytesOf(typeX)));
      list.place(list.integers(count, 0, 9));
      list.number(static_cast<double>(count));
      list.number(static_cast<double>(columns));
      list.number(static_cast<double>(typeY));
      list.number(static_cast<double>(typeX));
      list.end();
      return true;
    }
    case Op::scatterAddRows_: {
      const int64_t count = extent();
      const int64_t columns = extent();
      list.begin(op, dtype);
      list.place(list.floats(9 * columns));
      list.place(list.halves(count * columns * bytesOf(dtype)));
      list.place(list.integers(count, 0, 9));
      list.number(static_cast<double>(count));
      list.number(static_cast<double>(columns));
      list.end();
      return true;
    }
    case Op::sumSquares_: {
      const int64_t elements = extent() * extent();
      list.begin(op, dtype);
      list.place(list.own(((elements + 65535) / 65536) * 8));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.number(static_cast<double>(elements));
      list.end();
      return true;
    }
    case Op::sumPartials_: {
      const int64_t count = extent();
      list.begin(op);
      list.place(list.floats(1));
      list.place(list.own(count * 8));
      list.number(static_cast<double>(count));
      list.end();
      return true;
    }
    case Op::sumRows_: {
      const int64_t rows = extent();
      const int64_t columns = extent();
      list.begin(op, dtype);
      list.place(list.floats(columns));
      list.place(list.halves(rows * columns * bytesOf(dtype)));
      list.number(static_cast<double>(rows));
      list.number(static_cast<double>(columns));
      list.end();
      return true;
    }
    case Op::adamw_: {
      const int64_t elements = extent() * extent();
      const int64_t copyType = below(3);
      list.begin(op);
      list.place(list.floats(elements));
      list.place(list.floats(elements));
      list.place(list.floats(elements));
      list.place(list.floats(elements));
      list.place(below(2) ? list.own(elements * bytesOf(copyType)) : 0);
      list.number(static_cast<double>(elements));
      list.number(static_cast<double>(copyType));
      list.number(static_cast<double>(0.5));
      list.number(static_cast<double>(0.9));
      list.number(static_cast<double>(0.95));
      list.number(static_cast<double>(0.99));
      list.number(static_cast<double>(0.001));
      list.number(static_cast<double>(0.3));
      list.number(static_cast<double>(1e-8));
      list.end();
      return true;
    }
    case Op::rmsNorm_: {
      const int64_t rows = extent();
      const int64_t columns = extent();
      const int64_t type = below(3);
      list.begin(op, dtype);
      list.place(list.own(rows * columns * bytesOf(dtype)));
      list.place(below(2) ? list.floats(rows) : 0);
      list.place(list.halves(rows * columns * bytesOf(dtype)));
      list.place(list.halves(columns * bytesOf(type)));
      list.number(static_cast<double>(rows));
      list.number(static_cast<double>(columns));
      list.number(static_cast<double>(0.00001));
      list.number(static_cast<double>(type));
      list.end();
      return true;
    }
    case Op::rmsNormGrad_: {
      const int64_t rows = extent();
      const int64_t columns = extent();
      const int64_t chunkRows = 64;
      const int64_t accumulate = below(2);
      const int64_t type = below(3);
      list.begin(op, dtype);
      list.place(list.own(rows * columns * bytesOf(dtype)));
      list.place(below(2) ? list.floats((rows + 63) / 64 * columns) : 0);
      list.place(list.halves(rows * columns * bytesOf(dtype)));
      list.place(list.halves(rows * columns * bytesOf(dtype)));
      list.place(list.halves(columns * bytesOf(type)));
      list.place(list.floats(rows));
      list.number(static_cast<double>(rows));
      list.number(static_cast<double>(columns));
      list.number(static_cast<double>(chunkRows));
      list.number(static_cast<double>(accumulate));
      list.number(static_cast<double>(type));
      list.end();
      return true;
    }
    case Op::rope_: {
      const int64_t rows = extent();
      const int64_t heads = 1 + below(4);
      const int64_t width = 2 * (1 + below(40));
      const int64_t half = below(2);
      const int64_t inverse = below(2);
      list.begin(op, dtype);
      list.place(list.own(rows * heads * width * bytesOf(dtype)));
      list.place(list.halves(rows * heads * width * bytesOf(dtype)));
      list.place(list.integers(rows, 0, 10));
      list.place(list.floats(10 * width));
      list.number(static_cast<double>(rows));
      list.number(static_cast<double>(heads));
      list.number(static_cast<double>(width));
      list.number(static_cast<double>(half));
      list.number(static_cast<double>(inverse));
      list.end();
      return true;
    }
    case Op::swiglu_: {
      const int64_t elements = extent() * extent();
      list.begin(op, dtype);
      list.place(list.own(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.number(static_cast<double>(elements));
      list.end();
      return true;
    }
    case Op::swigluGrad_: {
      const int64_t elements = extent() * extent();
      list.begin(op, dtype);
      list.place(list.own(elements * bytesOf(dtype)));
      list.place(list.own(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.place(list.halves(elements * bytesOf(dtype)));
      list.number(static_cast<double>(elements));
      list.end();
      return true;
    }
    case Op::measure_: {
      const int64_t pieces = 3;
      const int64_t repeat = 10;
      list.begin(op);
      list.number(static_cast<double>(pieces));
      list.number(static_cast<double>(repeat));
      list.end();
      return true;
    }
    default: return false;
  }
}
