"""Push with Kaggle's real client, against a server that plays Kaggle."""

import io
import json
import pathlib
import zipfile

import pytest

from competition.core import files
from competition.kernel import build
from competition.kernel.upload import client, push
from tests.kernel import stand_in

KERNEL, DATASET = "jane-doe/uwm-smoke-submit", "jane-doe/uwm-smoke-submit-bundle"


def test_a_new_dataset_is_created_with_every_file_of_the_bundle(built, kaggle):
    push.run(built)
    (asked,) = kaggle.of("CreateDataset")
    assert f"{asked['ownerSlug']}/{asked['slug']}" == DATASET
    assert asked["isPrivate"] is True and asked["title"] == "UWM smoke submit bundle"
    folder = built.folder / "dataset"
    sent = {name: data for name, data in kaggle.blobs.values()}
    for name in ("manifest.json", "folds.csv", "competition-0.1.0-py3-none-any.whl"):
        assert sent[name] == (folder / name).read_bytes()
    with zipfile.ZipFile(io.BytesIO(sent["runs.zip"])) as archive:
        weights = archive.read("smoke/fold0/best.weights.h5")
    assert weights == (folder / "runs/smoke/fold0/best.weights.h5").read_bytes()
    assert kaggle.versions == [set(sent)]
    assert "dataset-metadata.json" not in sent


def test_the_kernel_is_pushed_as_its_metadata_says(built, kaggle):
    result = push.run(built)
    (asked,) = kaggle.kernels
    assert asked["slug"] == KERNEL and asked["newTitle"] == "UWM smoke submit"
    main = built.folder / "kernel" / "main.py"
    assert asked["text"] == main.read_text(encoding="utf-8")
    assert asked["enableInternet"] is False and asked["enableGpu"] is True
    assert asked["isPrivate"] is True and asked["enableTpu"] is False
    assert asked["datasetDataSources"] == [DATASET]
    assert asked["competitionDataSources"] == [build.COMPETITION]
    assert asked["machineShape"] == "NvidiaTeslaT4"
    assert result["version"] == 1 and result["status"] == "COMPLETE"
    assert files.read_json(built.record)["submit"]["version"] == 1


def test_a_kernel_for_a_tpu_is_pushed_with_what_to_do_where_it_gets_none(
    bundle, kaggle, capsys
):
    options = build.BundleOptions(machine="TpuV5E8")
    build.run(bundle, user=stand_in.USER, options=options)
    push.run(bundle)
    (asked,) = kaggle.kernels
    assert asked["enableTpu"] is True and asked["enableGpu"] is False
    assert asked["machineShape"] == "TpuV5E8" and "dockerImage" not in asked
    said = " ".join(capsys.readouterr().err.split())
    assert "(kaggle-cli issue 1197)" in said
    assert "choose TPU v5e-8 under Settings, Accelerator" in said


def test_the_notebook_twin_can_be_pushed(bundle, kaggle):
    options = build.BundleOptions(as_notebook=True)
    build.run(bundle, user=stand_in.USER, options=options)
    push.run(bundle)
    (asked,) = kaggle.kernels
    assert asked["kernelType"] == "notebook"
    assert json.loads(asked["text"])["nbformat"] == 4


def test_all_pages_of_the_output_and_the_log_are_fetched(built, kaggle, tmp_path):
    kaggle.outputs = {"a.txt": b"1", "runs/smoke/b.txt": b"2", "z.txt": b"3"}
    output = built.dataset.root / "kernels" / "smoke-submit-output"
    assert push.run(built)["output"] == str(output)
    assert (output / "runs/smoke/b.txt").read_bytes() == b"2"
    assert (output / "z.txt").read_bytes() == b"3"
    assert (output / "log.txt").read_text(encoding="utf-8").endswith("last line")


def test_the_log_is_printed_while_the_kernel_runs(built, kaggle, capsys):
    kaggle.kernel_statuses = ["RUNNING", "COMPLETE"]
    push.run(built)
    assert capsys.readouterr().err.count("first line") == 1


def test_a_log_of_json_becomes_lines():
    entries = [{"stream_name": "stdout", "data": text} for text in ("a\nb", "c\n", "d")]
    assert push.readable(json.dumps(entries)) == ["a", "bc", "d"]
    assert push.readable("plain\ntext") == ["plain", "text"]
    assert push.readable("") == []


def test_an_output_that_leads_elsewhere_is_refused(built, kaggle):
    kaggle.outputs = {"../../escaped.txt": b"1"}
    with pytest.raises(ValueError, match="leads out of"):
        push.run(built)
    assert not list(built.work.rglob("escaped.txt"))


def test_slow_processing_is_waited_for(built, kaggle):
    kaggle.versions = [set()]
    kaggle.dataset_statuses = ["READY", "BLOBS_RECEIVED", "BLOBS_DECOMPRESSED", "READY"]
    kaggle.kernel_statuses = ["QUEUED", "RUNNING", "RUNNING", "COMPLETE"]
    assert push.run(built)["status"] == "COMPLETE"
    assert len(kaggle.of("GetDatasetStatus")) == 4
    assert len(kaggle.of("GetKernelSessionStatus")) == 4
    names = [name for name, _ in kaggle.asked]
    assert names.index("SaveKernel") > names.index("CreateDatasetVersion")


def test_processing_without_an_end_says_how_to_go_on(built, kaggle, monkeypatch):
    monkeypatch.setattr(push, "READY_HOURS", 0.0)
    kaggle.dataset_statuses = ["BLOBS_RECEIVED"]
    with pytest.raises(ValueError, match=r"not done after 0 minutes. Run the command"):
        push.run(built)
    assert kaggle.kernels == []


def test_a_second_push_sends_nothing(built, kaggle):
    push.run(built)
    assert push.run(built)["version"] == 1
    assert len(kaggle.kernels) == len(kaggle.versions) == 1


def test_each_push_of_a_kernel_that_continues_its_output_is_a_session(built, kaggle):
    path = built.folder / "kernel" / "kernel-metadata.json"
    about = files.read_json(path)
    files.write_json(path, about | {"kernel_sources": [about["id"]]})
    kaggle.faults["GetKernelSessionStatus"] = [(400, "interrupted")]
    with pytest.raises(ValueError, match="interrupted"):
        push.run(built)
    # The session that was interrupted here goes on there.
    assert push.run(built)["version"] == 1
    assert push.run(built)["version"] == 2
    assert push.run(built)["version"] == 3


def test_another_bundle_makes_new_versions(built, kaggle):
    push.run(built)
    built.run.decision.write_text(
        built.run.decision.read_text(encoding="utf-8") + "\n", encoding="utf-8"
    )
    build.run(built, user=stand_in.USER)
    assert push.run(built)["version"] == 2
    assert (
        len(kaggle.of("CreateDataset")) == len(kaggle.of("CreateDatasetVersion")) == 1
    )


def test_a_killed_push_goes_on_with_the_version_it_had(built, kaggle):
    kaggle.faults["GetKernelSessionStatus"] = [(400, "interrupted")]
    with pytest.raises(ValueError, match="interrupted"):
        push.run(built)
    assert push.run(built)["version"] == 1
    assert len(kaggle.kernels) == 1


def test_a_kernel_that_failed_shows_its_log_and_may_be_pushed_again(built, kaggle):
    kaggle.kernel_statuses, kaggle.failure = ["ERROR"], "Out of memory"
    with pytest.raises(ValueError, match=r"as ERROR: Out of memory\n.*\nlast line"):
        push.run(built)
    kaggle.kernel_statuses = ["COMPLETE"]
    assert push.run(built)["version"] == 2
    # Another run's bundle may have taken its name on Kaggle: it is sent again.
    assert len(kaggle.versions) == 2


def test_the_weights_of_a_training_go_into_the_run(training, kaggle):
    config = training.run.config.read_bytes()
    history = b"epoch,loss,score,seconds\n" + b"0,1.0,,1.0\n" * 3
    kaggle.outputs = {
        "runs/smoke/config.json": config,
        "runs/smoke/fold1/history.csv": history,
        "runs/smoke/fold1/best.weights.h5": b"further",
        "runs/smoke/fold0/history.csv": b"epoch,loss,score,seconds\n",
        "runs/smoke/fold0/best.weights.h5": b"worse",
    }
    push.run(training)
    assert training.run.weights(1).read_bytes() == b"further"
    assert training.run.weights(0).read_bytes() != b"worse"


def test_the_weights_of_members_go_into_their_runs(training, kaggle):
    path = training.folder / "dataset" / "manifest.json"
    files.write_json(path, files.read_json(path) | {"runs": ["smoke", "member"]})
    kaggle.outputs = {
        "runs/member/config.json": b'{"name": "member", "config": {}}',
        "runs/member/fold0/best.weights.h5": b"weights",
        "runs/member/fold0/history.csv": b"epoch,loss,score,seconds\n0,1,,1\n",
    }
    push.run(training)
    member = training.dataset.run("member")
    assert member.weights(0).read_bytes() == b"weights"


def test_the_weights_of_a_training_that_failed_go_into_the_run(training, kaggle):
    kaggle.kernel_statuses, kaggle.failure = ["ERROR"], "Out of memory"
    kaggle.outputs = {
        "runs/smoke/config.json": training.run.config.read_bytes(),
        "runs/smoke/fold1/history.csv": b"epoch,loss,score,seconds\n0,1.0,,1.0\n",
        "runs/smoke/fold1/best.weights.h5": b"further",
    }
    with pytest.raises(ValueError, match="as ERROR: Out of memory"):
        push.run(training)
    assert training.run.weights(1).read_bytes() == b"further"


def test_a_run_that_cannot_be_copied_does_not_hide_why_the_kernel_failed(
    training, kaggle
):
    kaggle.kernel_statuses, kaggle.failure = ["ERROR"], "Out of memory"
    other = files.read_json(training.run.config) | {"fingerprint": "other"}
    kaggle.outputs = {"runs/smoke/config.json": json.dumps(other).encode()}
    message = r"as ERROR: Out of memory\nIts trained folds cannot be copied.*: .*differ"
    with pytest.raises(ValueError, match=message):
        push.run(training)


def test_a_training_that_left_no_run_is_an_error(training, kaggle):
    with pytest.raises(ValueError, match=r"expected the run smoke.*Received none"):
        push.run(training)


@pytest.mark.parametrize(
    ("method", "status", "message", "expected"),
    [
        ("SaveKernel", 403, "You must accept the rules", "Accept them on its page"),
        ("SaveKernel", 401, "Unauthenticated", "does not know the token"),
        ("SaveKernel", 403, "Forbidden", "Is `user` the token's user"),
        ("SaveKernel", 404, "Not found", "Check `user`"),
        ("SaveKernel", 409, "Conflict", "The name is taken"),
        ("SaveKernel", 400, "Bad slug", "refuses the request"),
        ("CreateDataset", 400, "Daily limit reached", "quota is used up"),
        ("CreateDataset", 400, "Title already in use", "Build again with another"),
    ],
)
def test_a_refusal_says_what_to_do(built, kaggle, method, status, message, expected):
    kaggle.faults[method] = [(status, message)]
    with pytest.raises(ValueError, match=expected) as error:
        push.run(built)
    assert message in str(error.value)
    assert len(kaggle.of(method)) == 1


def test_a_quota_told_in_the_answer_is_understood(built, kaggle):
    kaggle.kernel_error = "Maximum weekly GPU quota of 30.00 hours has been reached."
    with pytest.raises(ValueError, match=r"30\.00 hours.*\nA quota is used up"):
        push.run(built)


def test_a_source_that_kaggle_does_not_attach_is_an_error(built, kaggle):
    kaggle.refused = [build.COMPETITION]
    with pytest.raises(ValueError, match=r"does not attach uw-madison.*Accept the"):
        push.run(built)


def test_an_upload_that_fails_leaves_no_file_out_of_the_dataset(built, kaggle):
    kaggle.faults["PUT"] = [(403, "")] * 3
    with pytest.raises(ValueError, match="could not be uploaded"):
        push.run(built)
    assert kaggle.versions == []


def test_an_upload_that_fails_once_is_repeated(built, kaggle):
    kaggle.faults["PUT"] = [(403, "")]
    assert push.run(built)["status"] == "COMPLETE"
    assert len(kaggle.versions[0]) == 5


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (429, "Too many requests", "asked too often"),
        (502, "Bad gateway", "Kaggle itself fails. Run the command again"),
        (0, "", "Check the network, then run the command"),
    ],
)
def test_a_failure_that_stays_is_an_error(built, kaggle, status, message, expected):
    kaggle.faults["SaveKernel"] = [(status, message)] * 3
    with pytest.raises(ValueError, match=expected):
        push.run(built)


@pytest.mark.parametrize("status", [429, 500, 503, 0], ids=str)
def test_a_server_or_network_that_fails_is_asked_again(built, kaggle, status):
    kaggle.faults["SaveKernel"] = [(status, "oops")] * 2
    assert push.run(built)["version"] == 1
    assert len(kaggle.of("SaveKernel")) == 3


def test_a_dataset_whose_answer_was_lost_gets_a_version(built, kaggle, monkeypatch):
    create = kaggle.CreateDataset

    def lost(body):
        monkeypatch.setattr(kaggle, "CreateDataset", create)
        create(body)
        return 502, {"code": 502, "message": "Bad gateway"}

    monkeypatch.setattr(kaggle, "CreateDataset", lost)
    assert push.run(built)["status"] == "COMPLETE"
    names = [name for name, _ in kaggle.asked]
    assert names.count("CreateDataset") == 1 and "CreateDatasetVersion" in names


def test_a_download_that_breaks_off_is_asked_for_again(built, kaggle):
    kaggle.broken_off = 2
    output = push.run(built)["output"]
    whole = kaggle.outputs["submission.csv"]
    assert pathlib.Path(output, "submission.csv").read_bytes() == whole


def test_a_page_in_place_of_an_answer_is_an_error(built, kaggle, monkeypatch):
    monkeypatch.setattr(kaggle, "SaveKernel", lambda body: (200, b"<html>"))
    with pytest.raises(ValueError, match=r"kernel push: no good answer.*\nCheck the n"):
        push.run(built)


@pytest.mark.parametrize("what", ["dataset_statuses", "kernel_statuses"])
def test_a_status_that_the_client_does_not_know_is_an_error(built, kaggle, what):
    setattr(kaggle, what, ["PAUSED"])
    with pytest.raises(ValueError, match=r"'PAUSED', which this version of its client"):
        push.run(built)


def test_a_push_without_a_version_is_an_error(built, kaggle, monkeypatch):
    monkeypatch.setattr(kaggle, "SaveKernel", lambda body: (200, {"url": "x"}))
    with pytest.raises(ValueError, match="answer names no version of jane-doe/uwm-sm"):
        push.run(built)
    assert "version" not in built.state()


def test_failed_processing_is_an_error_and_the_next_push_uploads_again(built, kaggle):
    kaggle.dataset_statuses = ["FAILED"]
    with pytest.raises(ValueError, match="could not process the upload"):
        push.run(built)
    kaggle.dataset_statuses = ["FAILED", "FAILED", "READY"]
    assert push.run(built)["status"] == "COMPLETE"
    assert len(kaggle.of("CreateDatasetVersion")) == 1


def test_without_credentials_the_error_says_how_to_get_them(built, kaggle, monkeypatch):
    client.connect(stand_in.USER)
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(ValueError, match=r"No Kaggle credentials.*KAGGLE_API_TOKEN"):
        push.run(built)
    assert kaggle.asked == []


def test_a_token_serves_as_well_as_a_key(built, kaggle, monkeypatch):
    client.connect(stand_in.USER)
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    assert push.run(built)["version"] == 1


def test_anothers_credentials_are_refused_before_anything_is_sent(bundle, kaggle):
    build.run(bundle, user="someone")
    with pytest.raises(ValueError, match=r"built for the user someone.*for jane-doe"):
        push.run(bundle)
    assert kaggle.asked == []


def test_a_kernel_that_is_not_built_cannot_be_pushed(bundle):
    with pytest.raises(ValueError, match=r"no kernel is built. Run `python -m compet"):
        push.run(bundle)
