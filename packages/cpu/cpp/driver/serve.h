#pragma once

/** Answers requests from the standard input until it ends; the exit status of the program. */
int serve();
