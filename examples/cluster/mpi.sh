#!/bin/sh
# The same under MPI, of which nothing but the rank is used:
#
#   examples/cluster/mpi.sh 4 examples/photos.yaml build/out/photos
set -e
mpirun -n "$1" "${KPREP:-kprep}" run "$2" --shard auto --progress never
exec "${KPREP:-kprep}" merge "$3"
