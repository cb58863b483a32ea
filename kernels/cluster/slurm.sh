#!/bin/bash
# Train the folds of an experiment as tasks of a SLURM array, then take the other steps:
#
#   DATA=/data/uw EXPERIMENT=unet WORK=/shared/work kernels/cluster/slurm.sh --partition=gpu
#
# Every node sees this folder, its .venv, DATA and WORK under the same paths. All arguments
# go to sbatch. FOLDS are those of the experiment; SET holds further options of the
# commands, such as "--set training.batch=8". A task whose node is lost or preempted is
# queued again, and goes on from its last epoch. If a fold fails, the other steps are
# removed from the queue.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${DATA:?Name the competition folder: DATA=/data/uw $0}"
: "${EXPERIMENT:=unet}" "${WORK:=work}" "${FOLDS:=0-4}" "${SET:=}"

# A task that is queued again waits until the locks of its lost node have ended.
export COMPETITION_ENDING_SECONDS=240
python="$PWD/.venv/bin/python"
"$python" -m competition prepare --data "$DATA" --work "$WORK" >/dev/null
call() { printf '%q ' "$python" -m competition "$1" --data "$DATA" --work "$WORK"; }
experiment=$(printf '%q' "$EXPERIMENT")

array=$(sbatch --parsable --requeue --gpus=1 --job-name="$EXPERIMENT" "$@" \
  --chdir="$PWD" --array="$FOLDS" \
  --wrap "$(call train)--experiment $experiment --fold \$SLURM_ARRAY_TASK_ID $SET")
rest=$(sbatch --parsable --requeue --gpus=1 --job-name="$EXPERIMENT-rest" "$@" \
  --chdir="$PWD" --dependency="afterok:${array%%;*}" --kill-on-invalid-dep=yes \
  --wrap "$(call run)--experiment $experiment $SET")
echo "folds: job $array. The other steps follow as job $rest."
echo "Watch it with: .venv/bin/python -m competition watch --data $DATA --work $WORK --experiment $EXPERIMENT"
