"""TF_CONFIG is understood as the services set it, or refused with one line."""

import json

import pytest

from preprocess.runtime.errors import InputError
from tests.support.labelled import FLAGS, labelled_images, write_records
from trainer import gpu_model, tpu_model
from trainer.runtime.cluster import Cluster, read_cluster

A, B, C = "a:2222", "b:2222", "c:2222"
UNDERSTOOD = [
    ({}, {}, (1, True)),
    ({"worker": [A]}, ("worker", 0), (1, True)),
    ({"master": [A]}, ("master", 0), (1, True)),
    ({"chief": [A], "worker": [], "ps": []}, ("chief", 0), (1, True)),
    ({}, ("worker", 0), (1, True)),
    ({"worker": [A, B]}, ("worker", 0), (2, True)),
    ({"worker": [A, B]}, ("worker", "1"), (2, False)),
    ({"chief": [A], "worker": [B]}, ("chief", 0), (2, True)),
    ({"chief": [A], "worker": [B]}, ("worker", 0), (2, False)),
    ({"master": [A], "worker": [B, C]}, ("master", 0), (3, True)),
    ({"master": [A], "worker": [B, C]}, ("worker", 0), (3, False)),
    ({"master": [A], "worker": [B, C]}, ("chief", 0), (3, True)),
]


def config(cluster, task):
    task = {"type": task[0], "index": task[1], "cloud": "x"} if task else {}
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud", "job": {"job_id": "7"}})


@pytest.mark.parametrize(("cluster", "task", "expected"), UNDERSTOOD)
def test_roles_of_the_services_are_understood(cluster, task, expected, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(cluster, task))
    found = read_cluster()
    assert (found.size, found.is_chief) == expected


def test_a_master_is_the_chief(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config({"master": [A], "worker": [B]}, ("master", 0)))
    assert read_cluster() == Cluster({"chief": [A], "worker": [B]}, "chief", 0)


@pytest.mark.parametrize("text", [None, "", "{}", '{"environment": "cloud"}', '{"cluster": null, "task": {}}'])
def test_no_cluster_is_a_process_alone(text, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert read_cluster() == Cluster({}, "chief", 0)


TWO = {"worker": [A, B]}
OTHER_ROLES = [
    ({"chief": [A], "worker": [B], "ps": [C]}, ("worker", 0), "ps"),
    ({"chief": [A], "ps": [C]}, ("chief", 0), "ps"),
    ({"chief": [A], "worker": [B], "evaluator": [C]}, ("chief", 0), "evaluator"),
    ({"chief": [A], "worker": [B]}, ("evaluator", 0), "evaluator"),
    ({"chief": [A]}, ("evaluator", 0), "evaluator"),
    ({}, ("evaluator", 0), "evaluator"),
    ({"workerpool0": [A], "workerpool1": [B]}, ("workerpool0", 0), "workerpool0"),
    ({"Worker": [A, B]}, ("Worker", 0), "Worker"),
]


@pytest.mark.parametrize(("cluster", "task", "role"), OTHER_ROLES)
def test_other_roles_are_refused(cluster, task, role, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(cluster, task))
    with pytest.raises(InputError) as refused:
        read_cluster()
    assert str(refused.value) == (
        f"TF_CONFIG contains the role {role!r}; a training runs on one chief (or master) and workers, which evaluate "
        f"the model, too; start it without other roles"
    )


MALFORMED = [
    ("{", "it is not JSON (Expecting property name"),
    ("worker", "it is not JSON ("),
    ("null", "it is None"),
    ("[1]", "it is [1]"),
    ('{"cluster": ["a:1"]}', "its cluster is ['a:1']"),
    ('{"cluster": []}', "its cluster is []"),
    ('{"cluster": {"worker": "a:1"}}', "its addresses of 'worker' are 'a:1', not a list of host:port"),
    ('{"cluster": {"worker": {"0": "a:1"}}}', "its addresses of 'worker' are {'0': 'a:1'}, not a list"),
    ('{"cluster": {"worker": ["a", "b"]}}', "its addresses of 'worker' are ['a', 'b'], not a list of host:port"),
    ('{"cluster": {"worker": ["a:0"]}}', "its addresses of 'worker' are ['a:0'], not a list of host:port"),
    ('{"cluster": {"worker": [7]}}', "its addresses of 'worker' are [7], not a list of host:port"),
    (json.dumps({"cluster": TWO}), "its task is {}, not a type and an index"),
    (json.dumps({"cluster": {"worker": [A]}}), "its task is {}, not a type and an index"),
    (json.dumps({"cluster": TWO, "task": []}), "its task is [], not a type and an index"),
    (json.dumps({"cluster": TWO, "task": {"type": "worker"}}), "its task is {'type': 'worker'}, not a type"),
    (config(TWO, ("worker", 0.5)), "its task is {'type': 'worker', 'index': 0.5"),
    (config(TWO, ("worker", True)), "its task is {'type': 'worker', 'index': True"),
    (config(TWO, ("worker", -1)), "its task is {'type': 'worker', 'index': -1"),
    (config(TWO, (None, 0)), "its task is {'type': None, 'index': 0"),
    (config(TWO, ("worker", 2)), "its task is worker 2, which is not in its cluster"),
    (config(TWO, ("chief", 0)), "its task is chief 0, which is not in its cluster"),
    (config({"worker": [A]}, ("master", 0)), "its task is master 0, which is not in its cluster"),
    (config({}, ("worker", 1)), "its task is worker 1, which is not in its cluster"),
    (config({"chief": [A], "master": [B]}, ("chief", 0)), "its cluster has a chief and a master, which mean the same"),
    (config({"master": [A, B]}, ("master", 0)), "its cluster has 2 chiefs"),
    (config({"chief": [A], "worker": [B, A]}, ("chief", 0)), "a:2222 is the address of 2 tasks"),
]


@pytest.mark.parametrize(("text", "fault"), MALFORMED)
def test_a_malformed_value_is_refused(text, fault, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError) as refused:
        read_cluster()
    message = str(refused.value)
    assert message.startswith(f"TF_CONFIG is invalid: {fault}")
    assert "; expected JSON such as {" in message
    assert "\n" not in message


def test_it_is_checked_before_images_are_read(monkeypatch, capfd):
    monkeypatch.setenv("TF_CONFIG", config({"chief": [A], "ps": [B]}, ("chief", 0)))
    for command, data in (
        (gpu_model, ("training_data_dir", "eval_data_dir")),
        (tpu_model, ("training_data", "eval_data")),
    ):
        assert command.main([*(f"--{flag}=nowhere" for flag in data), "--model_dir=m"]) == 2
        assert capfd.readouterr().err.startswith("error: TF_CONFIG contains the role 'ps'; ")


def test_a_rehearsal_refuses_several_workers(tmp_path, monkeypatch, capfd):
    names, pixels, labels = labelled_images(8, 0)
    write_records(tmp_path / "a.tfrecords", names, pixels, labels)
    names, pixels, labels = labelled_images(4, 1)
    write_records(tmp_path / "b.tfrecords", names, pixels, labels)
    monkeypatch.setenv("TF_CONFIG", config({"master": [A], "worker": [B]}, ("worker", 0)))
    argv = [
        f"--training_data={tmp_path}/a.tfrecords",
        f"--eval_data={tmp_path}/b.tfrecords",
        f"--model_dir={tmp_path}/m",
    ]
    assert tpu_model.main([*argv, *FLAGS, "--rehearse_tpu"]) == 2
    assert (
        "error: TF_CONFIG names 2 workers, but a training on --rehearse_tpu is one process; " in capfd.readouterr().err
    )
