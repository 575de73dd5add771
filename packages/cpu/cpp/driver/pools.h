#pragma once

/**
 * Several pools at once whose lists wait for each other in calls, under a sanitizer; the exit
 * status of the program.
 */
int checkPools();
