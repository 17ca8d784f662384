#!/bin/sh
# One Slurm job of several tasks, on one node or many:
#
#   sbatch --ntasks=8 examples/cluster/slurm-tasks.sh examples/photos.yaml build/out/photos
#SBATCH --job-name=kprep
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
set -e
srun "${KPREP:-kprep}" run "$1" --shard auto --progress never
exec "${KPREP:-kprep}" merge "$2"
