/* inside.c: what tests written in Python call by ctypes; plain arguments around internal functions. */
#include "kernel/kernel.h"
