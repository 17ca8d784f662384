#!/bin/sh
# A job array of four tasks, each of which does its part of one job into a shared folder; then:
#
#   sbatch --array=0-3 examples/cluster/slurm-array.sh examples/photos.yaml
#   sbatch --dependency=afterok:JOBID --wrap 'kprep merge build/out/photos'
#
# A task that fails or is preempted is run again as it is: it goes on where it was.
#SBATCH --job-name=kprep
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
#SBATCH --requeue
exec "${KPREP:-kprep}" run "$1" --shard auto --progress never
