#!/bin/bash
# A sweep on a SLURM cluster: Ray on every node of the job, the sweep on the first. The guide is docs/cluster.md.
#
#   sbatch --nodes=4 experiments/cluster/slurm.sh placement --driver ray --address auto --trials 500 \
#     --cpus-per-trial 1 --gpus-per-trial 0.5 \
#     --dataset hippocampus --data hippocampus=/shared/data/Task04_Hippocampus --runs /shared/runs
#
# Fill in:
#   YOUR_PARTITION   a partition with GPUs; add lines (account, quality of service) as your cluster wants them
# and make cores and GPUs those of one of its nodes. /shared above stands for a folder of the cluster's file system, on
# which the checkout lies too, and in its .cluster/ environment and token of Ray. Where compute nodes reach no package
# index, run the three lines that install on a login node first. A job whose time is up goes back to the queue, and on
# from its records.
#SBATCH --job-name=fusemorph
#SBATCH --partition=YOUR_PARTITION
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
environment="$PWD/.cluster/environment"
token="$PWD/.cluster/auth_token"

if ! cmp -s constraints.txt "$environment/constraints.txt"; then
  python3 -m venv "$environment"
  "$environment/bin/pip" install -c constraints.txt torch
  "$environment/bin/pip" install -c constraints.txt -e ".[search]" "ray[default]"
  cp constraints.txt "$environment/"
fi
export PATH="$environment/bin:$PATH"

# Who reaches Ray's ports could run code as you: only who has this token may.
[ -s "$token" ] || (umask 077 && python -c "import secrets; print(secrets.token_hex(32), end='')" > "$token")
. experiments/cluster/ray.env
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$token" RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

trap 'scontrol requeue "$SLURM_JOB_ID"' USR1
# This script runs on the job's first node. With several networks, name the address of the one to use.
head=$(hostname -I | cut -d ' ' -f 1)
srun --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" --cpus-per-task="$SLURM_CPUS_PER_TASK" \
  ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_NNODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" -- \
  python -m experiments.sweep "$@" &
wait $!
