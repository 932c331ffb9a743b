#!/bin/bash
# A sweep as a job array, without Ray: every task runs the same line on the same run folder, and takes from it what no
# other task works on. Tasks may start, end and die at any time; more of them may be added. The guide is docs/cluster.md.
#
#   sbatch --array=0-7 experiments/cluster/slurm_array.sh fusion --budget standard --seeds 3 \
#     --dataset hippocampus --data hippocampus=/shared/data/Task04_Hippocampus --runs /shared/runs
#
# Fill in:
#   YOUR_PARTITION   a partition with GPUs; add lines (account, quality of service) as your cluster wants them
# and make cores and GPUs those of one trial. /shared above stands for a folder of the cluster's file system, on which the
# checkout lies too, and in its .cluster/ the environment. Where compute nodes reach no package index, run the lines that
# install on a login node first. A task whose time is up saves its trial and goes back to the queue.
#SBATCH --job-name=fusemorph
#SBATCH --partition=YOUR_PARTITION
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%A-%a.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
environment="$PWD/.cluster/environment"

# One task installs, the others wait.
mkdir -p .cluster
exec 9> .cluster/lock
flock 9
if ! cmp -s constraints.txt "$environment/constraints.txt"; then
  python3 -m venv "$environment"
  "$environment/bin/pip" install -c constraints.txt torch
  "$environment/bin/pip" install -c constraints.txt -e ".[search]"
  cp constraints.txt "$environment/"
fi
exec 9>&-

# SLURM signals this script alone. The sweep saves the step that it is at and ends with 138; only then is it requeued.
"$environment/bin/python" -m experiments.sweep "$@" --workers 1 --threads "$SLURM_CPUS_PER_TASK" &
sweep=$!
trap 'kill -USR1 "$sweep"' USR1
status=0
wait "$sweep" || status=$?
while kill -0 "$sweep" 2>/dev/null; do
  status=0
  wait "$sweep" || status=$?
done
if [ "$status" -eq 138 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
