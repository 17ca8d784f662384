"""kprep brings images and NPY arrays into exactly the shape that a model declares.

    kprep.check("photos/", "model.keras", pipeline="rgb | resize 224 224 | rescale 1/255")
    data = kprep.run("job.yaml")              # writes verified batches, and opens them
    model.fit(data.keras())
    model.fit(kprep.Pipeline("job.yaml").keras())    # or straight from memory

What does not fit raises kprep.SpecError, whose text is what the command `kprep` prints.
"""

from kprep._calls import Check, check, dry_run, inspect, merge, plan, run, spec, verify
from kprep._kprep import Array, version
from kprep.batches import Batch, Batches
from kprep.dataset import DataSet, open
from kprep.errors import (Error, InputError, IntegrityError, Interrupted, JobError, OutputError,
                          Problem, SpecError)
from kprep.pipeline import Pipeline

__version__ = version()
__all__ = ["Array", "Batch", "Batches", "Check", "DataSet", "Error", "InputError", "IntegrityError",
           "Interrupted", "JobError", "OutputError", "Pipeline", "Problem", "SpecError", "check",
           "dry_run", "inspect", "merge", "open", "plan", "run", "spec", "verify"]
