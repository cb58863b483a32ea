"""nnU-Net itself: its planner, preprocessing, trainer and predictor, on one process.

Planning and preprocessing come before the clock, as this project's `prepare` does. Its
rate falls over the budget instead of over 1000 epochs; all else is as it decides.
"""

import json
import os
import pathlib

import numpy as np
import torch

from bench.peers import clock, volumes

NUMBER, NAME = 1, "Dataset001_bench"


def train(task: volumes.Task, its: clock.Clock, configuration: str) -> volumes.Predict:
    """Train one of nnU-Net's configurations on all scans of the task."""
    torch.manual_seed(0)
    np.random.seed(0)
    with its.paused():
        dataset = _prepared(task, configuration)
    # Batches are made in this process.
    os.environ["nnUNet_n_proc_DA"] = "0"
    torch.set_num_threads(1)
    # Imported late: they read the folders from the environment.
    from nnunetv2.inference import predict_from_raw_data
    from nnunetv2.run import run_training

    trainer = run_training.get_trainer_from_args(
        NAME, configuration, "all", device=torch.device("cpu")
    )
    trainer.on_train_start()
    predictor = predict_from_raw_data.nnUNetPredictor(
        device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False
    )
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        dataset,
        trainer.__class__.__name__,
        trainer.inference_allowed_mirroring_axes,
    )

    def predict(scan: volumes.Scan) -> np.ndarray:
        trainer.set_deep_supervision_enabled(False)
        trainer.network.eval()
        # The network's own tensors, which the steps change in place.
        predictor.list_of_parameters = [trainer.network.state_dict()]
        found = predictor.predict_single_npy_array(
            scan.image[None], {"spacing": scan.spacing_mm}
        )
        trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
        trainer.network.train()
        return np.asarray(found).astype(np.uint8)

    trainer.network.train()
    while its.goes_on(predict):
        trainer.lr_scheduler.step(its.share() * trainer.num_epochs)
        trainer.train_step(next(trainer.dataloader_train))
    return predict


def _prepared(task: volumes.Task, configuration: str) -> dict:
    """Write the scans for nnU-Net, plan and preprocess; return its dataset.json."""
    # The planner takes this as a number of threads, which must not be 0.
    os.environ["nnUNet_n_proc_DA"] = "1"
    os.environ["nnUNet_compile"] = "f"
    for kind in ("raw", "preprocessed", "results"):
        folder = task.folder / kind
        folder.mkdir()
        os.environ[f"nnUNet_{kind}"] = str(folder)
    raw = task.folder / "raw" / NAME
    labels = {"background": 0} | {name: i + 1 for i, name in enumerate(task.classes)}
    dataset = {
        "channel_names": {"0": "MRI"},
        "labels": labels,
        "numTraining": len(task.scans),
        "file_ending": ".nii.gz",
    }
    for scan, its_labels in zip(task.scans, task.labels, strict=True):
        _write(raw / "imagesTr" / f"{scan.name}_0000.nii.gz", scan.image, scan)
        _write(raw / "labelsTr" / f"{scan.name}.nii.gz", its_labels, scan)
    text = json.dumps(dataset)
    (raw / "dataset.json").write_text(text, encoding="utf-8")
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([NUMBER], num_processes=1)
    api.plan_experiments([NUMBER])
    api.preprocess([NUMBER], configurations=[configuration], num_processes=[1])
    return dataset


def _write(path: pathlib.Path, array: np.ndarray, scan: volumes.Scan) -> None:
    import SimpleITK

    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(tuple(float(each) for each in reversed(scan.spacing_mm)))
    SimpleITK.WriteImage(image, str(path))
