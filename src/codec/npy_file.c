#include <kprep/error.h>
