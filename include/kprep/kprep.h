/* kprep.h: everything. */
#ifndef KPREP_KPREP_H
#define KPREP_KPREP_H

#include <kprep/array.h>
#include <kprep/dataset.h>
#include <kprep/error.h>
#include <kprep/explain.h>
#include <kprep/job.h>
#include <kprep/lint.h>
#include <kprep/npy.h>
#include <kprep/pipeline.h>
#include <kprep/report.h>
#include <kprep/serve.h>
#include <kprep/spec.h>
#include <kprep/stage.h>

#endif
