"""Asks an API server with the Kubernetes project's own Python client, and writes what it was told.

Usage: kube_peer.py SCENARIO URL TOKEN [ARGUMENT]

Standard output is one JSON value: see each scenario.
"""

import json
import sys

from kubernetes import client, watch

NAMESPACE = "osbs"
RUNS = {"group": "tekton.dev", "version": "v1", "namespace": NAMESPACE, "plural": "pipelineruns"}
TASKS = {**RUNS, "plural": "taskruns"}


def run(name, **metadata):
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name, **metadata},
        "spec": {"pipelineRef": {"name": "binary-container-0-2"}, "timeouts": {"pipeline": "3h"}},
    }


def refusal(call, *arguments, **options):
    """Status, reason and message of a call that has to fail."""
    try:
        call(*arguments, **options)
    except client.ApiException as error:
        body = json.loads(error.body) if error.body.startswith("{") else {"message": error.body}
        return [error.status, body.get("reason"), body["message"].strip()]
    return None


def objects(custom, _core, _argument):
    """What became of some runs: {RULE: VALUE}."""
    told = {}
    created = custom.create_namespaced_custom_object(**RUNS, body=run("one", labels={"team": "a"}))
    told["created"] = [created["metadata"]["generation"], created["spec"]["timeouts"]["pipeline"]]
    for name in ("two", "three"):
        custom.create_namespaced_custom_object(**RUNS, body=run(name, labels={"team": "b"}))
    old = custom.get_namespaced_custom_object(**{**RUNS, "version": "v1beta1"}, name="one")
    told["old version"] = [old["apiVersion"], old["spec"]["serviceAccountName"]]

    def names(**options):
        listed = custom.list_namespaced_custom_object(**RUNS, **options)
        return [item["metadata"]["name"] for item in listed["items"]], listed["metadata"].get("continue")

    told["all"] = names()[0]
    told["by label"] = names(label_selector="team in (b, c),team!=a")[0]
    told["by field"] = names(field_selector="metadata.name=two")[0]
    first, token = names(limit=2)
    told["pages"] = [first, names(limit=2, _continue=token)[0]]

    seen = custom.get_namespaced_custom_object(**RUNS, name="one")
    patched = custom.patch_namespaced_custom_object(**RUNS, name="one", body={"spec": {"status": "CancelledRunFinally"}})
    told["patched"] = [patched["metadata"]["generation"], patched["spec"]["status"]]
    told["refused"] = [
        refusal(custom.create_namespaced_custom_object, **RUNS, body=run("one")),
        refusal(custom.create_namespaced_custom_object, **RUNS, body=run("Bad_Name")),
        refusal(custom.create_namespaced_custom_object, **RUNS, body={"metadata": {"name": "x"}, "spec": {}}),
        refusal(custom.replace_namespaced_custom_object, **RUNS, name="one", body=seen),
        refusal(custom.patch_namespaced_custom_object, **RUNS, name="two", body={"spec": {"status": "Bogus"}}),
        refusal(custom.get_namespaced_custom_object, **RUNS, name="four"),
        refusal(custom.list_namespaced_custom_object, **{**RUNS, "namespace": "other"}),
        refusal(custom.list_namespaced_custom_object, **{**RUNS, "plural": "nothing"}),
        refusal(custom.list_namespaced_custom_object, **RUNS, label_selector="bad==,,selector!"),
    ]
    deleted = custom.delete_namespaced_custom_object(**RUNS, name="two")
    told["deleted"] = [deleted["status"], names()[0]]
    return told


def build(custom, core, _argument):
    """A played build: {"reasons": of the run, "tasks": {TASK: REASON}, "logs": {POD: TEXT}}."""
    custom.create_namespaced_custom_object(**RUNS, body=run("played"))
    reasons, tasks, logs = [], {}, {}
    options = {"field_selector": "metadata.name=played", "timeout_seconds": 20}
    for event in watch.Watch().stream(custom.list_namespaced_custom_object, **RUNS, **options):
        condition = event["object"].get("status", {}).get("conditions", [{}])[0]
        reason = condition.get("reason")
        if reason and reason not in reasons:
            reasons.append(reason)
        if condition.get("status") in ("True", "False"):
            break
    for task in custom.list_namespaced_custom_object(**TASKS, label_selector="tekton.dev/pipelineRun=played")["items"]:
        tasks[task["metadata"]["labels"]["tekton.dev/pipelineTask"]] = task["status"]["conditions"][0]["reason"]
        pod = core.read_namespaced_pod(task["status"]["podName"], NAMESPACE)
        for container in pod.spec.containers:
            text = core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE, container=container.name)
            logs[f"{pod.metadata.name} {pod.status.phase}"] = text
    return {"reasons": reasons, "tasks": tasks, "logs": logs}


def follow(_custom, core, pod):
    """The log of a pod that is being written, to its end."""
    answer = core.read_namespaced_pod_log(pod, NAMESPACE, follow=True, timestamps=True, _preload_content=False)
    return [line.split(" ", 1)[1] for line in answer.read().decode().splitlines()]


def expired(custom, _core, version):
    """What a watch from a forgotten version is told."""

    def changes():
        options = {"resource_version": version, "timeout_seconds": 5}
        return list(watch.Watch().stream(custom.list_namespaced_custom_object, **RUNS, **options))

    try:
        return len(changes())
    except client.ApiException as error:
        return [error.status, error.reason]


def main():
    scenario, url, token = sys.argv[1:4]
    configuration = client.Configuration(host=url, api_key={"authorization": f"Bearer {token}"})
    configuration.retries = False
    api = client.ApiClient(configuration)
    scenarios = {"objects": objects, "build": build, "follow": follow, "expired": expired}
    arguments = (client.CustomObjectsApi(api), client.CoreV1Api(api), *(sys.argv[4:] or [None]))
    json.dump(scenarios[scenario](*arguments), sys.stdout)


main()
